//! A way to a server that can be cut, or lose what the server answers.

use im_infra::{lifecycle::Lifecycle, testing::eventually};
use tokio::{
    io::copy,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// The way to one server. A test whose client knows no other one decides what comes through.
pub(crate) struct Wire {
    /// Where clients go instead, as `host:port`.
    pub(crate) address: String,
    passes: watch::Sender<Passes>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Passes {
    All,
    /// What is asked still arrives; nobody else is let through.
    NoAnswers,
    Nothing,
}

impl Wire {
    /// To a server at `far`, `host:port`.
    pub(crate) async fn lay(far: &str, life: &Lifecycle) -> Self {
        let near = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = near.local_addr().unwrap().to_string();
        let passes = watch::Sender::new(Passes::All);
        let (connections, switch, far) = (life.clone(), passes.clone(), far.to_owned());
        life.spawn_detached("wire", async move {
            while let Ok((client, _)) = near.accept().await {
                connections.spawn_detached("connection", carry(client, far.clone(), switch.subscribe()));
            }
        });
        Self { address, passes }
    }

    /// Ends all connections, and lets nobody through.
    pub(crate) async fn cut(&self) {
        self.passes.send_replace(Passes::Nothing);
        eventually("the connections to end", || async { (self.passes.receiver_count() == 0).then_some(()) }).await;
    }

    /// What is asked still arrives, and nobody hears what came of it.
    pub(crate) fn lose_answers(&self) {
        self.passes.send_replace(Passes::NoAnswers);
    }

    /// Others are let through; who got no answers is cut off.
    pub(crate) fn mend(&self) {
        self.passes.send_replace(Passes::All);
    }
}

async fn carry(mut client: TcpStream, far: String, mut passes: watch::Receiver<Passes>) {
    let first = *passes.borrow_and_update();
    if first != Passes::All {
        return;
    }
    let Ok(mut server) = TcpStream::connect(far).await else { return };
    let ((mut asked, mut told), (mut answers, mut asks)) = (client.split(), server.split());
    let answer = async {
        tokio::select! {
            biased;
            _ = passes.wait_for(|passes| *passes != Passes::All) => {}
            _ = copy(&mut answers, &mut told) => return,
        }
        drop(passes.wait_for(|passes| *passes != Passes::NoAnswers).await);
    };
    tokio::select! {
        _ = copy(&mut asked, &mut asks) => {}
        () = answer => {}
    }
}
