//! Merges the sources and finds every mistake, not only the first.

use config::{Config, File, FileFormat, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::{Check, ConfigError, Report, Sources};

/// Loads a configuration.
///
/// # Errors
/// With every wrong key or value of file and environment, and every value that [`Check`] refuses.
pub fn load<T: DeserializeOwned + Check>(sources: &Sources<'_>) -> Result<T, ConfigError> {
    let mut report = Report::default();
    let defaults = File::from_str(sources.defaults, FileFormat::Toml);
    let mut merged = Config::builder().add_source(defaults);
    for (key, value) in overrides(sources, &mut report) {
        let value = match secret_from_file(&value) {
            Ok(value) => value,
            Err(error) => {
                report.wrong(&key, display(&value), error);
                continue;
            }
        };
        // Each override alone upon the defaults: so that one mistake does not hide another.
        let alone = Config::builder().add_source(File::from_str(sources.defaults, FileFormat::Toml));
        let tried = alone
            .set_override(&key, value.clone())
            .and_then(config::ConfigBuilder::<config::builder::DefaultState>::build)
            .and_then(Config::try_deserialize::<T>);
        match tried {
            Ok(_) => merged = merged.set_override(&key, value).unwrap_or_else(|_| Config::builder()),
            Err(error) => report.wrong(&key, display(&value), allowed(&error)),
        }
    }
    match merged.build().and_then(Config::try_deserialize::<T>) {
        Ok(loaded) => {
            loaded.check(&mut report);
            report.done().map(|()| loaded)
        }
        Err(error) => {
            report.wrong("defaults", "", error);
            Err(report.into_error())
        }
    }
}

fn overrides(sources: &Sources<'_>, report: &mut Report) -> Vec<(String, Value)> {
    let mut overrides = Vec::new();
    if let Some(path) = &sources.file {
        match Config::builder().add_source(File::from(path.as_path()).format(FileFormat::Toml)).build() {
            Ok(file) => flatten("", file.cache, &mut overrides),
            Err(error) => report.wrong("file", path.display(), error),
        }
    }
    for (key, text) in sources.variables() {
        // A list is given with commas, as in `a,b`; numbers and booleans are recognised where the key wants them.
        overrides.push((key, Value::new(None, ValueKind::String(text))));
    }
    overrides
}

fn flatten(prefix: &str, value: Value, into: &mut Vec<(String, Value)>) {
    match value.kind {
        ValueKind::Table(table) => {
            for (key, value) in table {
                let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&key, value, into);
            }
        }
        _ => into.push((prefix.to_owned(), value)),
    }
}

/// `file:PATH` stands for what the file holds, without the line's end: how orchestrators hand out secrets.
fn secret_from_file(value: &Value) -> Result<Value, String> {
    let ValueKind::String(text) = &value.kind else { return Ok(value.clone()) };
    let Some(path) = text.strip_prefix("file:") else { return Ok(value.clone()) };
    let held = std::fs::read_to_string(path).map_err(|error| format!("a readable file: {error}"))?;
    Ok(Value::new(None, ValueKind::String(held.trim_end_matches(['\r', '\n']).to_owned())))
}

fn display(value: &Value) -> String {
    value.clone().into_string().unwrap_or_else(|_| format!("{:?}", value.kind))
}

fn allowed(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::Type { expected, .. } => (*expected).to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde::{Deserialize, Serialize};

    use super::{super::Secret, *};

    #[derive(Debug, Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        http: Http,
    }

    #[derive(Debug, Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Http {
        port: u16,
        wait_ms: u64,
        key: Secret,
    }

    impl Check for Sample {
        fn check(&self, report: &mut Report) {
            report.range("http.wait_ms", self.http.wait_ms, 1..=1_000);
        }
    }

    const DEFAULTS: &str = "[http]\nport = 80\nwait_ms = 5\nkey = ''\n";

    fn sources(environment: &[(&str, &str)]) -> Sources<'static> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sources { defaults: DEFAULTS, file: None, environment }
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"[http]\nport = 1\nwait_ms = 7\n").unwrap();
        let mut sources = sources(&[("GOCHAT__HTTP__PORT", "2"), ("OTHER", "x")]);
        sources.file = Some(file.path().to_owned());
        let loaded: Sample = load(&sources).unwrap();
        assert_eq!((loaded.http.port, loaded.http.wait_ms), (2, 7));
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let bad = [("GOCHAT__HTTP__PORT", "x"), ("GOCHAT__HTTP__PROT", "1"), ("GOCHAT__HTTP__WAIT_MS", "5000")];
        let error = load::<Sample>(&sources(&bad)).unwrap_err();
        let keys: Vec<_> = error.mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
        assert_eq!(keys, ["http.port", "http.prot", "http.wait_ms"], "{error}");
        assert!(error.mistakes[2].allowed.contains("1 to 1000"));
    }

    #[test]
    fn a_secret_comes_from_a_file_and_is_never_shown() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"hunter2\n").unwrap();
        let path = format!("file:{}", file.path().display());
        let loaded: Sample = load(&sources(&[("GOCHAT__HTTP__KEY", &path)])).unwrap();
        assert_eq!(loaded.http.key.expose(), "hunter2");
        assert!(!format!("{loaded:?}{}", serde_json::to_string(&loaded).unwrap()).contains("hunter2"));
    }
}
