//! How far a measurement has come: a bar where standard error is a terminal, plain lines where it is not.

use std::{
    fmt::Display,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::{measure::Length, output::note};

const TEMPLATE: &str = "{prefix} {bar:24} {percent:>3} %, {eta} left, {wide_msg}";
const BEAT: Duration = Duration::from_secs(1);

/// Seconds of load that are done, of those that are planned. What is between them, such as reading histories, shows in the
/// time left, which comes from how fast it went so far.
pub(crate) struct Progress {
    /// None where nobody looks.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of so many seconds, of which some were done earlier.
    pub(crate) fn start(what: impl Into<String>, seconds: u64, done: u64) -> Self {
        let what: String = what.into();
        let bar = ProgressBar::new(seconds).with_style(style()).with_prefix(what).with_position(done);
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

    /// So many seconds more are done.
    pub(crate) fn advance(&self, seconds: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(seconds);
        }
    }

    /// Waits for a load, and shows meanwhile how many messages are acknowledged in each second.
    pub(crate) async fn follow<T>(
        &self,
        what: &str,
        length: Length,
        acknowledged: &AtomicU64,
        mut load: impl Future<Output = T> + Unpin,
    ) -> T {
        let seconds = length.whole_seconds();
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
                    let now = acknowledged.load(Ordering::Relaxed);
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

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_valid() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[tokio::test]
    async fn a_load_is_awaited_where_nobody_looks_and_where_somebody_does() {
        let length = Length { seconds: 1, warm_up_seconds: 0 };
        let acknowledged = AtomicU64::new(0);
        for bar in [None, Some(ProgressBar::hidden())] {
            let progress = Progress { bar: bar.clone() };
            let outcome = progress.follow("load", length, &acknowledged, Box::pin(async { 7 })).await;
            assert_eq!(outcome, 7);
            if let Some(bar) = bar {
                assert_eq!(bar.position(), 1, "its seconds are done");
            }
        }
    }
}
