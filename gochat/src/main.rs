//! GoChat: one binary for standalone, for each service, and for operators.

use std::process::ExitCode;

use clap::Parser as _;

mod cli;
mod commands;
mod config;
mod secrets;

/// Gives back what a burst needed, by threads of its own, while everybody else sleeps: docs/adr/0013.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let _armed = im_infra::failpoint::arm();
    #[cfg(feature = "planted-bugs")]
    if let Some(bug) = cli.planted_bug {
        im_infra::planted::choose(bug);
    }
    #[cfg(feature = "failpoints")]
    if let Some(Err(error)) = cli.clock_shift.as_deref().map(im_infra::clock::shift::follow) {
        return cli::failed(&error.into());
    }
    // Before anything that speaks TLS: several libraries would each look for a provider.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return cli::failed(&anyhow::anyhow!("a TLS provider was installed twice"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::failed(&error.into()),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::failed(&error),
    }
}
