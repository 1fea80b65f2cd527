//! All that is wrong with a configuration.

use std::{fmt, ops::RangeInclusive};

/// A configuration that can say what of it is not allowed.
pub trait Check {
    /// Reports every value that is not allowed.
    fn check(&self, report: &mut Report);
}

/// One wrong value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key, dotted.
    pub key: String,
    /// What was given.
    pub value: String,
    /// What is allowed.
    pub allowed: String,
}

/// Collects mistakes.
#[derive(Debug, Default)]
pub struct Report {
    mistakes: Vec<Mistake>,
}

impl Report {
    /// Notes a mistake.
    pub fn wrong(&mut self, key: &str, value: impl fmt::Display, allowed: impl fmt::Display) {
        let mistake = Mistake { key: key.to_owned(), value: value.to_string(), allowed: allowed.to_string() };
        self.mistakes.push(mistake);
    }

    /// Notes a mistake unless `good`.
    pub fn require(&mut self, good: bool, key: &str, value: impl fmt::Display, allowed: impl fmt::Display) {
        if !good {
            self.wrong(key, value, allowed);
        }
    }

    /// Notes a mistake unless the value lies in the range.
    pub fn range<T: PartialOrd + fmt::Display>(&mut self, key: &str, value: T, range: RangeInclusive<T>) {
        let allowed = format!("{} to {}", range.start(), range.end());
        self.require(range.contains(&value), key, value, allowed);
    }

    /// The mistakes as an error, even if there are none.
    pub fn into_error(self) -> ConfigError {
        ConfigError { mistakes: self.mistakes }
    }

    /// The mistakes as an error, if there are any.
    ///
    /// # Errors
    /// With all of them.
    pub fn done(self) -> Result<(), ConfigError> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(self.into_error()) }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// At least one.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.mistakes.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            write!(f, "{line}{} = {:?} is not allowed: {}", mistake.key, mistake.value, mistake.allowed)?;
        }
        Ok(())
    }
}
