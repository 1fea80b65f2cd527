//! `im-sim`: runs seeds of the simulation, and a failing one again with its last events.

use std::{io, process::ExitCode};

use clap::Parser as _;

mod cli;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli::play(&cli, &mut io::stdout().lock()) {
        Ok(failed) if failed == cli.bug.is_some() => ExitCode::SUCCESS,
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}
