//! After a restore from a backup the store is another one, and clients drop what they hold of the one that was lost.

use proto::client::{Hello, client_frame::Frame as Out, server_frame::Frame as In};

use super::{
    client::{Format, Socket, User},
    process::command,
    server::Server,
};

/// A connection, and the epoch that its welcome told.
async fn welcomed(server: &Server, user: &User) -> (Socket, String) {
    let mut socket = Socket::raw(server, Format::Json).await;
    socket.send(Out::Hello(Hello { access_token: user.token.clone(), ..Hello::default() })).await;
    match socket.next().await {
        In::Welcome(welcome) => (socket, welcome.store_epoch),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_a_restored_store_gets_another_epoch_and_every_client_is_told_by_its_next_welcome() {
    let server = Server::start().await;
    let alice = User::register(&server, "alice").await;
    let (_, first) = welcomed(&server, &alice).await;
    let server = server.kill_and_restart().await;
    let (mut socket, same) = welcomed(&server, &alice).await;
    assert_eq!(first, same, "a restart restores nothing");
    let renewed = command(&server.data_dir(), &[]).args(["store-epoch", "renew"]).status().await.unwrap();
    assert!(renewed.success());
    assert_eq!(socket.closed().await, 1001, "whoever is connected comes again");
    let (_, other) = welcomed(&server, &alice).await;
    assert!(!other.is_empty() && other != first, "{first} {other}");
}
