//! A port of this machine that stays a process's own while that process is away.
//!
//! Several systems may be under faults at once, each with processes that are gone for a while: whoever takes a free port must not be
//! given theirs.

use std::{io, net::SocketAddr};

use tokio::net::TcpSocket;

/// A port that is taken and never listened at. Linux gives it to nobody who asks for any port, and lets who asks for it, with
/// `SO_REUSEADDR` as all our processes do, listen there (socket(7)). Free when dropped.
pub(super) struct Place(TcpSocket);

impl Place {
    /// One that nobody has.
    pub(super) fn free() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self(socket))
    }

    /// Host and port.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn who_has_a_place_can_come_back_to_it_and_is_away_meanwhile() {
        let place = Place::free().unwrap();
        let address = place.address().unwrap();
        for _ in 0..2 {
            assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
            let listener = TcpListener::bind(address).await.unwrap();
            let client = TcpStream::connect(address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            drop((listener, server, client));
        }
    }

    #[tokio::test]
    async fn a_place_is_taken() {
        let (place, other) = (Place::free().unwrap(), Place::free().unwrap());
        assert_ne!(place.address().unwrap(), other.address().unwrap());
        let stranger = TcpSocket::new_v4().unwrap();
        assert!(stranger.bind(place.address().unwrap()).is_err());
    }
}
