//! Files that are kept of runs.

use std::{fs, io, path::Path};

use anyhow::Context as _;
use serde::Serialize;

use super::play::logs_of;

/// As JSON, whole or not at all.
pub(super) fn save(path: &Path, what: &impl Serialize) -> anyhow::Result<()> {
    write(path, &serde_json::to_string_pretty(what)?)
}

/// Whole or not at all, whatever happens to this program.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    let written = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Nothing is left of a run.
pub(super) fn clear(history: &Path) -> io::Result<()> {
    for gone in [fs::remove_file(history), fs::remove_dir_all(logs_of(history))] {
        match gone {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// What went wrong, without these folders: it is published.
pub(super) fn told(error: &anyhow::Error, folders: &[&Path]) -> String {
    let mut told = format!("{error:#}");
    for folder in folders {
        // Ends in one separator, however the folder was written.
        let prefix = folder.join("").display().to_string();
        told = told.replace(&prefix, "");
    }
    told
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn what_is_published_does_not_name_the_folders_of_a_run() {
        let error = anyhow!("gateway-0 ended, see /a/b/c.logs").context("in /data/x");
        for folder in ["/a/b", "/a/b/"] {
            assert_eq!(told(&error, &[Path::new(folder), Path::new("/data")]), "in x: gateway-0 ended, see c.logs");
        }
    }
}
