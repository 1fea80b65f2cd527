//! `gochat config`.

use std::path::PathBuf;

use crate::{
    cli::{ConfigCommand, say},
    config::{Config, DEFAULTS},
};

pub(super) fn run(command: ConfigCommand, file: Option<PathBuf>) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Show => say(serde_json::to_string_pretty(&Config::load(file)?)?),
        ConfigCommand::Check => {
            Config::load(file)?;
            say("the configuration is valid");
        }
        ConfigCommand::Defaults => say(DEFAULTS.trim_end()),
    }
    Ok(())
}
