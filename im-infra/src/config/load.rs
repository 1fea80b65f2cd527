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
                report.wrong(&key, shown(&key, &value), error);
                continue;
            }
        };
        // Each override alone upon the defaults: so that one mistake does not hide another.
        let alone = |value: &Value| {
            Config::builder()
                .add_source(File::from_str(sources.defaults, FileFormat::Toml))
                .set_override(&key, value.clone())
                .and_then(config::ConfigBuilder::<config::builder::DefaultState>::build)
                .and_then(Config::try_deserialize::<T>)
        };
        let listed = list(&value);
        let fits = match (alone(&value), &listed) {
            (Ok(_), _) => Ok(value.clone()),
            (Err(_), Some(listed)) if alone(listed).is_ok() => Ok(listed.clone()),
            (Err(error), _) => Err(error),
        };
        match fits {
            Ok(value) => merged = merged.set_override(&key, value).unwrap_or_else(|_| Config::builder()),
            Err(error) => report.wrong(&key, shown(&key, &value), allowed(&error)),
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
        // Numbers, booleans and lists (`a,b`) are recognised where the key wants them.
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

/// `a,b` where a list is wanted; empty: none.
fn list(value: &Value) -> Option<Value> {
    let ValueKind::String(text) = &value.kind else { return None };
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let items = items.map(|item| Value::new(None, ValueKind::String(item.to_owned()))).collect();
    Some(Value::new(None, ValueKind::Array(items)))
}

/// Names that may hold a secret, also when they are misspelt.
const SECRET_NAMES: [&str; 6] = ["secret", "key", "ky", "pass", "url", "token"];

fn shown(key: &str, value: &Value) -> String {
    let name = key.rsplit('.').next().unwrap_or_default();
    if SECRET_NAMES.iter().any(|part| name.contains(part)) {
        return "***".to_owned();
    }
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
        names: Vec<String>,
    }

    impl Check for Sample {
        fn check(&self, report: &mut Report) {
            report.range("http.wait_ms", self.http.wait_ms, 1..=1_000);
        }
    }

    const DEFAULTS: &str = "[http]\nport = 80\nwait_ms = 5\nkey = ''\nnames = []\n";

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
    fn a_list_is_given_with_commas_and_a_misspelt_secret_is_not_shown() {
        let loaded: Sample = load(&sources(&[("GOCHAT__HTTP__NAMES", "a, b,")])).unwrap();
        assert_eq!(loaded.http.names, ["a", "b"]);
        let error = load::<Sample>(&sources(&[("GOCHAT__HTTP__SECRT_KY", "hunter2")])).unwrap_err();
        assert!(error.to_string().contains("http.secrt_ky") && !error.to_string().contains("hunter2"), "{error}");
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
