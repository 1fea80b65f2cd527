//! `gochat migrate`.

use im_repo::app::{migrate, missing_migrations};

use super::standalone::complete_database;
use crate::{
    cli::{MigrateCommand, say},
    config::Config,
};

pub(super) async fn run(command: MigrateCommand, mut config: Config) -> anyhow::Result<()> {
    complete_database(&mut config)?;
    match command {
        MigrateCommand::Up => {
            migrate(&config.repo).await?;
            say("the schema is up to date");
        }
        MigrateCommand::Status => match missing_migrations(&config.repo).await?.as_slice() {
            [] => say("the schema is up to date"),
            missing => {
                say(format_args!("missing: {}", missing.join(", ")));
                anyhow::bail!("run `gochat migrate up`");
            }
        },
    }
    Ok(())
}
