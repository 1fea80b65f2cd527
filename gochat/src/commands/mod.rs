//! What the commands do.

mod config;
mod dead_letters;
mod doctor;
mod migrate;
mod process;
mod services;
mod standalone;
mod store_epoch;
mod test_features;

use crate::{
    cli::{Cli, Command},
    config::Config,
};

/// Does what was asked.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Standalone => standalone::run(Config::load(cli.config)?).await,
        Command::Gateway => Box::pin(services::gateway(Config::load(cli.config)?)).await,
        Command::Logic => Box::pin(services::logic(Config::load(cli.config)?)).await,
        Command::Repo => Box::pin(services::repo(Config::load(cli.config)?)).await,
        Command::Task => Box::pin(services::task(Config::load(cli.config)?)).await,
        Command::Config { command } => config::run(command, cli.config),
        Command::DeadLetters { command } => dead_letters::run(command, Config::load(cli.config)?).await,
        Command::Migrate { command } => migrate::run(command, Config::load(cli.config)?).await,
        Command::Doctor { target, json } => Box::pin(doctor::run(target, json, &Config::load(cli.config)?)).await,
        Command::StoreEpoch { command } => store_epoch::run(command, Config::load(cli.config)?).await,
        Command::TestFeatures => {
            test_features::run();
            Ok(())
        }
    }
}
