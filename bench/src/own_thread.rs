//! Work on a thread of its own, with a runtime that does nothing else: it waits for nobody else's work.

use std::thread;

use anyhow::Context as _;
use tokio::{runtime, sync::oneshot};

/// Begins it. What it comes to can be awaited, or left alone; an error there means that it has panicked.
///
/// # Errors
/// If there is no thread or no runtime for it.
pub(crate) fn on_own_thread<T, F>(
    name: &str,
    work: impl FnOnce() -> F + Send + 'static,
) -> anyhow::Result<oneshot::Receiver<anyhow::Result<T>>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>>,
{
    let (tell, told) = oneshot::channel();
    let run = move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().context("no runtime for a thread");
        // Whoever asked may have gone.
        let _ = tell.send(runtime.and_then(|runtime| runtime.block_on(work())));
    };
    thread::Builder::new().name(name.into()).spawn(run).with_context(|| format!("no thread for {name}"))?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[tokio::test]
    async fn it_comes_to_what_was_done_there_and_a_panic_is_seen() {
        let name = || async { Ok(thread::current().name().map(str::to_owned)) };
        let told = on_own_thread("elsewhere", name).unwrap().await.unwrap();
        assert_eq!(told.unwrap().as_deref(), Some("elsewhere"));
        let fails = || async { bail!("not today") };
        let told: anyhow::Result<()> = on_own_thread("elsewhere", fails).unwrap().await.unwrap();
        assert_eq!(told.unwrap_err().to_string(), "not today");
        let panics = || async { panic!("a planned panic") };
        let told: oneshot::Receiver<anyhow::Result<()>> = on_own_thread("elsewhere", panics).unwrap();
        assert!(told.await.is_err());
    }
}
