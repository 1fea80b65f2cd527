//! A figure, what was asked of it, and whether it holds.

use std::fmt;

use crate::measure::Interval;

/// A figure and what was asked of it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct Row {
    pub(in crate::report) name: String,
    /// None: void, no round was quiet enough, or nothing was measured.
    pub(in crate::report) value: Option<Interval>,
    pub(in crate::report) unit: Unit,
    pub(in crate::report) asked: Option<Asked>,
}

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Unit {
    Ratio,
    Millis,
    Micros,
    Percent,
    Bytes,
    PerSecond,
}

impl Unit {
    pub(in crate::report) fn format(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.2}"),
            Self::Millis => format!("{value:.2} ms"),
            Self::Micros => format!("{value:.0} us"),
            Self::Percent => format!("{value:.2} %"),
            Self::Bytes => format!("{value:.0} B"),
            Self::PerSecond => format!("{value:.0}/s"),
        }
    }
}

/// On which side of a limit a figure should lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    AtMost,
    AtLeast,
}

/// What a figure must be, and what it should become. The median is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Asked {
    side: Side,
    must: f64,
    aim: Option<f64>,
}

/// What came of what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Verdict {
    /// There is no figure to judge.
    Void,
    Missed,
    Held,
    /// What it should become, it is.
    AimReached,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Void => "void",
            Self::Missed => "missed",
            Self::Held => "held",
            Self::AimReached => "held, aim reached",
        })
    }
}

impl Asked {
    pub(super) const fn at_most(must: f64) -> Self {
        Self { side: Side::AtMost, must, aim: None }
    }

    pub(super) const fn at_least(must: f64) -> Self {
        Self { side: Side::AtLeast, must, aim: None }
    }

    pub(super) const fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    fn is_met(self, limit: f64, value: f64) -> bool {
        match self.side {
            Side::AtMost => value <= limit,
            Side::AtLeast => value >= limit,
        }
    }
}

impl Row {
    /// One that nothing was asked of.
    pub(super) fn told(name: impl Into<String>, unit: Unit, value: Option<Interval>) -> Self {
        Self { name: name.into(), value, unit, asked: None }
    }

    pub(super) fn asked(self, asked: Asked) -> Self {
        Self { asked: Some(asked), ..self }
    }

    /// None if nothing was asked.
    pub(in crate::report) fn verdict(&self) -> Option<Verdict> {
        let asked = self.asked?;
        let Some(value) = self.value.map(|value| value.median) else { return Some(Verdict::Void) };
        if asked.aim.is_some_and(|aim| asked.is_met(aim, value)) {
            return Some(Verdict::AimReached);
        }
        Some(if asked.is_met(asked.must, value) { Verdict::Held } else { Verdict::Missed })
    }

    /// The lowest and the highest that the median may be; none of a figure that was taken once.
    pub(in crate::report) fn interval(&self) -> Option<String> {
        let value = self.value.filter(|value| value.low.to_bits() != value.high.to_bits())?;
        Some(format!("{} to {}", self.unit.format(value.low), self.unit.format(value.high)))
    }

    /// What must be, with its side; empty if nothing was asked.
    pub(in crate::report) fn must(&self) -> String {
        self.asked.map_or_else(String::new, |asked| {
            let side = match asked.side {
                Side::AtMost => "at most",
                Side::AtLeast => "at least",
            };
            format!("{side} {}", self.unit.format(asked.must))
        })
    }

    /// What should become; empty where there is no more to ask than the must.
    pub(in crate::report) fn aim(&self) -> String {
        self.asked.and_then(|asked| asked.aim).map_or_else(String::new, |aim| self.unit.format(aim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(asked: Asked, median: f64) -> Option<Verdict> {
        let value = Interval { median, low: median, high: median, rounds: 1 };
        Row::told("a figure", Unit::Ratio, Some(value)).asked(asked).verdict()
    }

    #[test]
    fn a_limit_itself_holds_on_both_sides() {
        let cheap = Asked::at_most(200.0).aim(110.0);
        for (median, expected) in
            [(200.1, Verdict::Missed), (200.0, Verdict::Held), (110.1, Verdict::Held), (110.0, Verdict::AimReached)]
        {
            assert_eq!(verdict(cheap, median), Some(expected), "{median}");
        }
        let quick = Asked::at_least(5_000.0).aim(9_000.0);
        for (median, expected) in [
            (4_999.9, Verdict::Missed),
            (5_000.0, Verdict::Held),
            (8_999.0, Verdict::Held),
            (9_000.0, Verdict::AimReached),
        ] {
            assert_eq!(verdict(quick, median), Some(expected), "{median}");
        }
    }

    #[test]
    fn nothing_measured_is_void_and_nothing_asked_is_no_verdict() {
        let row = Row::told("a figure", Unit::PerSecond, None);
        assert_eq!((row.verdict(), row.must(), row.aim()), (None, String::new(), String::new()));
        let row = row.asked(Asked::at_least(5_000.0).aim(9_000.0));
        assert_eq!(row.verdict(), Some(Verdict::Void));
        assert_eq!((row.must().as_str(), row.aim().as_str()), ("at least 5000/s", "9000/s"));
        assert_eq!(row.asked(Asked::at_most(1.0)).aim(), "");
    }
}
