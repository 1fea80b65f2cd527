//! The secrets of a standalone installation: made once, kept in its data folder, readable by their owner only.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use im_infra::{
    access_token::SigningKey,
    config::{ConfigError, Report, Secret},
};

use crate::config::Config;

/// Gives the configuration the secrets it lacks; answers the folder they are kept in.
pub(crate) fn complete(config: &mut Config) -> anyhow::Result<PathBuf> {
    let folder = config.process.data_dir.join("secrets");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    if config.rpc.secret.is_empty() {
        config.rpc.secret = keep(&folder.join("rpc-secret"), random)?;
    }
    if config.logic.auth.signing_key.is_empty() {
        config.logic.auth.signing_key = keep(&folder.join("signing-key.pem"), || Ok(SigningKey::generate()?))?;
    }
    Ok(folder)
}

/// Gives the configuration the secret that services share, of an installation that is there already.
pub(crate) fn find(config: &mut Config) -> Result<(), ConfigError> {
    let mut report = Report::default();
    if config.rpc.secret.is_empty() {
        let path = config.process.data_dir.join("secrets/rpc-secret");
        match fs::read_to_string(&path) {
            Ok(held) => config.rpc.secret = Secret::new(held.trim_end()),
            Err(error) => {
                let place = path.display();
                let allowed = format!("that of the server, or process.data_dir its folder ({place}: {error})");
                report.wrong("rpc.secret", "", allowed);
            }
        }
    }
    report.done()
}

fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok().context("the system gives no randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What the file holds; a fresh secret if there is none. Written beside it and renamed, so that a crash leaves no half.
fn keep(path: &Path, make: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<Secret> {
    match fs::read_to_string(path) {
        Ok(held) => return Ok(Secret::new(held.trim_end())),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    let made = make()?;
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(made.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Secret::new(made.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let first = keep(&path, random).unwrap();
        assert_eq!(keep(&path, || panic!("made again")).unwrap().expose(), first.expose());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(first.expose().len(), 64);
    }
}
