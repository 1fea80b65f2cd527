//! Where configuration comes from.

use std::path::PathBuf;

/// The prefix of variables, and what separates section from key.
const PREFIX: &str = "GOCHAT__";
const SEPARATOR: &str = "__";

/// The sources of a configuration, weakest first.
pub struct Sources<'a> {
    /// The documented default file (TOML); it names every key.
    pub defaults: &'a str,
    /// A file (TOML).
    pub file: Option<PathBuf>,
    /// Variables; those that begin with `GOCHAT__` count.
    pub environment: Vec<(String, String)>,
}

impl<'a> Sources<'a> {
    /// The defaults, a file, and this process's environment.
    // The one permitted reader of the environment.
    #[allow(clippy::disallowed_methods)]
    pub fn of_process(defaults: &'a str, file: Option<PathBuf>) -> Self {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        let environment = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        Self { defaults, file, environment }
    }

    /// Dotted keys and values of the environment.
    pub(super) fn variables(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.environment.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace(SEPARATOR, ".");
            Some((key, value.clone()))
        })
    }
}
