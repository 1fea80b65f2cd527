//! `gochat test-features`: what the nemesis asks a binary before it relies on it.

use im_infra::{clock::shift, failpoint, planted};

use crate::cli::say;

pub(super) fn run() {
    for point in failpoint::compiled_in() {
        say(format_args!("failpoint {}", point.name()));
    }
    if shift::compiled_in() {
        say("clock-shift");
    }
    for bug in planted::compiled_in() {
        say(format_args!("planted-bug {bug}"));
    }
}
