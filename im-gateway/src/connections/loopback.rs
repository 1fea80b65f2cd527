//! Both ends of a connection, and frames to send, for the tests of this room.

use proto::client::{Pong, ServerFrame, server_frame::Frame};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{Format, LineStream, Wire};

/// Both ends. The near one knows that it can be written to.
pub(super) async fn connected() -> (LineStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (mut near, mut far) = (LineStream::new(near.unwrap()), accepted.unwrap().0);
    near.write_all(b"!").await.unwrap();
    assert_eq!(far.read_u8().await.unwrap(), b'!');
    (near, far)
}

pub(super) fn wire(text: &str) -> Wire {
    Wire::of(&ServerFrame { frame: Some(Frame::Pong(Pong { data: text.into() })) }, Format::Proto)
}

/// So many bytes, as they come out at the far end.
pub(super) async fn read(far: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    far.read_exact(&mut read).await.unwrap();
    read
}
