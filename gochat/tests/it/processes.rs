//! The four services as processes of their own.

use super::{
    client::{Format, Socket, User},
    cluster::Cluster,
};

#[tokio::test(flavor = "multi_thread")]
async fn users_on_different_gateways_chat_through_kafka() {
    let cluster = Cluster::start().await;
    let [one, other] = [cluster.gateways[0].running.address.clone(), cluster.gateways[1].running.address.clone()];
    let (alice, bob) = (User::register(&one, "alice").await, User::register(&other, "bob").await);
    let conversation = alice.direct(&bob);
    let mut a = Socket::open(&one, &alice, Format::Json).await;
    let mut b = Socket::open(&other, &bob, Format::Proto).await;
    for number in 1..=20 {
        let (from, to, id) = if number % 2 == 0 { (&mut b, &mut a, "b") } else { (&mut a, &mut b, "a") };
        let command = format!("{id}{number}");
        from.send_text(&conversation, &command, "hello").await;
        assert_eq!(from.ack(&command).await.seq, number);
        to.until(|frame| match frame {
            proto::client::server_frame::Frame::Entry(entry) if entry.seq == number => Some(()),
            _ => None,
        })
        .await;
    }
    assert_eq!(alice.history(&other, &conversation).await.len(), 20);
    drop((a, b));
    cluster.terminate().await;
}
