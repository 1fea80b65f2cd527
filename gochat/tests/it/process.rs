//! The binary as a process.

use std::{ffi::OsString, path::Path, process::Stdio, time::Duration};

use im_bench::ready::Ready;
use im_infra::testing::free_address;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// A running process; killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// Where it says it is ready, without a scheme.
    pub(crate) address: String,
    pub(crate) admin: String,
}

impl Running {
    /// Starts `gochat SERVICE` and waits until it is ready.
    pub(crate) async fn start(service: &str, folder: &Path, settings: &[(String, String)]) -> Self {
        let mut child = command(folder, settings).arg(service).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = Vec::new();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let ready = Ready::of_line(&line);
                if ready.is_some() {
                    return ready;
                }
                seen.push(line);
            }
            None
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), ready).await;
        let Ok(Some(Ready { address, operators: admin })) = in_time else {
            panic!("gochat {service} did not start:\n{}", seen.join("\n"));
        };
        // Its log must go on being read, or the pipe fills and it waits.
        #[allow(clippy::disallowed_methods)] // ends with the process it reads
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address, admin }
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().await.unwrap().success());
    }

    /// SIGTERM; answers the exit code.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM").await;
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.expect("it drains in time").unwrap().code()
    }
}

/// The binary of this build, or the one of scripts/run.
#[allow(clippy::disallowed_methods)] // tests have no configuration
pub(crate) fn binary() -> OsString {
    std::env::var_os("GOCHAT_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_gochat").into())
}

/// The binary with a configuration for tests.
pub(crate) fn command(folder: &Path, settings: &[(String, String)]) -> Command {
    let mut command = Command::new(binary());
    command
        .env("GOCHAT__PROCESS__DATA_DIR", folder)
        // Where it is started again, and nobody may have come meanwhile.
        .env("GOCHAT__GATEWAY__HTTP__LISTEN", free_address())
        .env("GOCHAT__ADMIN__LISTEN", "127.0.0.1:0")
        .env("GOCHAT__RPC__LISTEN", "127.0.0.1:0")
        .env("GOCHAT__GATEWAY__RATE__ANONYMOUS_PER_MINUTE", "100000")
        .env("GOCHAT__GATEWAY__WS__DRAIN_MS", "200")
        // OpenTelemetry's own: spans leave at once, not every five seconds.
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
        .envs(settings.iter().map(|(key, value)| (key, value)))
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}
