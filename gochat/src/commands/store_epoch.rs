//! `gochat store-epoch`: what clients tell one store from another by.

use im_repo::app::renew_epoch;

use super::standalone::complete_database;
use crate::{
    cli::{StoreEpochCommand, say},
    config::Config,
};

pub(super) async fn run(command: StoreEpochCommand, mut config: Config) -> anyhow::Result<()> {
    complete_database(&mut config)?;
    match command {
        StoreEpochCommand::Renew => {
            let epoch = uuid::Uuid::new_v4().simple().to_string();
            renew_epoch(&config.repo, &epoch).await?;
            say(format_args!("the store's epoch is {epoch}"));
        }
    }
    Ok(())
}
