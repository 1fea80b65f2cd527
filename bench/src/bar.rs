//! How far a measurement has come: a bar where standard error is a terminal, plain lines where it is not.

use std::{
    fmt::Display,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::output::note;

const OF_SECONDS: &str = "{prefix} {bar:24} {percent:>3} %, {eta} left, {wide_msg}";
const OF_THINGS: &str = "{prefix} {bar:24} {pos} of {len}, {per_sec}, {eta} left";
const BEAT: Duration = Duration::from_secs(1);

/// What is done, of what is planned, and how long the rest will take at the pace of so far.
pub(crate) struct Bar {
    /// None where nobody looks.
    bar: Option<ProgressBar>,
}

impl Bar {
    /// Of so many seconds of load, of which some were done earlier. What is between them, such as reading histories, shows in
    /// the time left.
    pub(crate) fn of_seconds(what: impl Into<String>, seconds: u64, done: u64) -> Self {
        Self::start(OF_SECONDS, what.into(), seconds, done)
    }

    /// Of so many of what it is called by, with how many are done in a second.
    pub(crate) fn of(what: impl Into<String>, count: u64) -> Self {
        Self::start(OF_THINGS, what.into(), count, 0)
    }

    fn start(template: &str, what: String, length: u64, done: u64) -> Self {
        let bar = ProgressBar::new(length).with_style(style(template)).with_prefix(what).with_position(done);
        if bar.is_hidden() {
            return Self { bar: None };
        }
        bar.reset_eta();
        Self { bar: Some(bar) }
    }

    /// A line that stays.
    pub(crate) fn say(&self, line: impl Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(&line)),
            None => note(&line),
        }
    }

    /// What is going on now.
    pub(crate) fn doing(&self, what: impl Into<String>) {
        if let Some(bar) = &self.bar {
            let what: String = what.into();
            bar.set_message(what);
        }
    }

    /// So much more is done.
    pub(crate) fn advance(&self, count: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(count);
        }
    }

    /// Waits for a load of so many seconds, and shows meanwhile how much is counted in each of them.
    pub(crate) async fn follow<T>(
        &self,
        what: &str,
        seconds: u64,
        counted: &AtomicU64,
        mut load: impl Future<Output = T> + Unpin,
    ) -> T {
        self.doing(what);
        let Some(bar) = &self.bar else { return load.await };
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut told, mut before) = (0, 0);
        loop {
            tokio::select! {
                outcome = &mut load => {
                    bar.inc(seconds - told);
                    return outcome;
                }
                _ = beat.tick() => {
                    let now = counted.load(Ordering::Relaxed);
                    bar.set_message(format!("{what}: {}/s", now - before));
                    before = now;
                    if told < seconds {
                        told += 1;
                        bar.inc(1);
                    }
                }
            }
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        assert!([OF_SECONDS, OF_THINGS].into_iter().all(|template| ProgressStyle::with_template(template).is_ok()));
    }

    #[tokio::test]
    async fn a_load_is_awaited_where_nobody_looks_and_where_somebody_does() {
        let counted = AtomicU64::new(0);
        for bar in [None, Some(ProgressBar::hidden())] {
            let progress = Bar { bar: bar.clone() };
            let outcome = progress.follow("load", 1, &counted, Box::pin(async { 7 })).await;
            assert_eq!(outcome, 7);
            if let Some(bar) = bar {
                assert_eq!(bar.position(), 1, "its seconds are done");
            }
        }
    }
}
