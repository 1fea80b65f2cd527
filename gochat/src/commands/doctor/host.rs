//! What this host has for GoChat: secrets, files that may be open, the data folder.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::Path,
};

use im_infra::{access_token::SigningKey, mq::Topic};
use rustix::{
    fs::{Access, access, statvfs},
    process::{Resource, getrlimit},
};

use super::{findings::Findings, needs::services};
use crate::{cli::DoctorTarget, config::Config};

/// Files that a process has open beside the connections of clients: the log, the database, other services.
const OTHER_FILES: u64 = 500;

/// The secrets that nobody can do without; what they are is not told.
pub(super) fn secrets(target: DoctorTarget, config: &Config) -> Findings {
    let mut found = Findings::about("secrets");
    if target == DoctorTarget::Standalone {
        kept(config, &mut found);
    } else {
        required(target, config, &mut found);
    }
    let key = &config.logic.auth.signing_key;
    if let Some(error) = SigningKey::from_pem(key.expose()).err().filter(|_| !key.is_empty()) {
        found.failed(format_args!("logic.auth.signing_key: {error}"));
    }
    found
}

/// Standalone keeps those that are not configured in its data folder.
fn kept(config: &Config, found: &mut Findings) {
    let folder = config.process.data_dir.join("secrets");
    let secrets = [
        ("rpc.secret", &config.rpc.secret, "rpc-secret"),
        ("logic.auth.signing_key", &config.logic.auth.signing_key, "signing-key.pem"),
    ];
    for (key, configured, file) in secrets {
        let file = folder.join(file);
        if !configured.is_empty() {
            found.ok(format_args!("{key} is configured"));
            continue;
        }
        match File::open(&file) {
            Ok(_) => found.ok(format_args!("{key} is kept in {}", file.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                found.warning(format_args!("{key} is not there: the first start makes it"));
            }
            Err(error) => found.failed(format_args!("{key} cannot be read in {}: {error}", file.display())),
        }
    }
}

fn required(target: DoctorTarget, config: &Config, found: &mut Findings) {
    let mut missing: Vec<_> = services(target)
        .iter()
        .filter_map(|service| config.require_for(*service).err())
        .flat_map(|error| error.mistakes)
        .collect();
    // The services share some.
    missing.sort_by(|one, other| one.key.cmp(&other.key));
    missing.dedup();
    for mistake in &missing {
        let given = if mistake.value.is_empty() { "empty" } else { mistake.value.as_str() };
        found.failed(format_args!("{} is {given}: {}", mistake.key, mistake.allowed));
    }
    if missing.is_empty() {
        found.ok("all that are needed are configured");
    }
}

/// Every connection of a client is an open file.
pub(super) fn open_files(config: &Config) -> Findings {
    let mut found = Findings::about("open files");
    let connections = config.gateway.http.connections_max;
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => found.warning(format_args!(
            "a process may open {limit}: gateway.http.connections_max ({connections}) needs {needed}; raise it (ulimit -n)"
        )),
        Some(limit) => found.ok(format_args!("a process may open {limit}")),
        None => found.ok("a process may open any number"),
    }
    found
}

/// Where standalone keeps everything.
pub(super) fn data_folder(config: &Config) -> Findings {
    let mut found = Findings::about("data folder");
    let folder = &config.process.data_dir;
    let shown = folder.display();
    match fs::metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            found.warning(format_args!("{shown} is not there: the first start makes it (process.data_dir)"));
            return found;
        }
        Err(error) => found.failed(format_args!("{shown}: {error} (process.data_dir)")),
        Ok(data) if !data.is_dir() => found.failed(format_args!("{shown} is not a folder (process.data_dir)")),
        Ok(_) => match access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => found.ok(format_args!("{shown} can be written (process.data_dir)")),
            Err(error) => found.failed(format_args!("{shown} cannot be written: {error} (process.data_dir)")),
        },
    }
    free_space(folder, config.log.topic_bytes_max, &mut found);
    let log = folder.join("log");
    if log.is_dir() {
        found.ok(format_args!("the log is in {}", log.display()));
    } else {
        found.warning(format_args!("{} is not there: the first start makes it", log.display()));
    }
    found
}

fn free_space(folder: &Path, topic_bytes_max: u64, found: &mut Findings) {
    let free = match statvfs(folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return found.warning(format_args!("how much space is free is not told: {error}")),
    };
    let topics = u64::try_from(Topic::ALL.len()).unwrap_or(u64::MAX);
    let log = topic_bytes_max.saturating_mul(topics);
    let (free_mib, log_mib) = (free >> 20, log >> 20);
    if free < log {
        found.warning(format_args!(
            "{free_mib} MiB are free, the log alone may grow to {log_mib} (log.topic_bytes_max)"
        ));
    } else {
        found.ok(format_args!("{free_mib} MiB are free"));
    }
}
