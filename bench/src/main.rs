//! gochat-bench: loads GoChat and measures it beside what its parts can do at best.

use std::process::ExitCode;

use clap::Parser as _;

mod bar;
mod cli;
mod commands;
mod error;
mod floors;
mod load;
mod measure;
mod output;
mod own_thread;
mod plot;
mod prove;
mod report;
mod run;
mod target;

/// As the server's, so that the floors stand on the same.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    // Before anything that may speak TLS: several libraries would each look for a provider.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return cli::failed(&anyhow::anyhow!("a TLS provider was installed twice"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::failed(&error.into()),
    };
    match runtime.block_on(Box::pin(commands::run(cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::failed(&error),
    }
}
