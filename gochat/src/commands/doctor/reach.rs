//! Whether somebody listens at an address: the plainest answer there is, before a library wraps it into its own.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::net::TcpStream;

use super::findings::Findings;

/// How long a connection may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Tries all addresses at once; answers those where somebody listens. That none does is a failure, that one does not is a
/// warning. The key says where they come from.
pub(super) async fn reached(addresses: &[String], key: &str, found: &mut Findings) -> Vec<String> {
    let tried = join_all(addresses.iter().map(|address| connect(address))).await;
    let some = tried.iter().any(Result::is_ok);
    let mut reached = Vec::new();
    for (address, outcome) in addresses.iter().zip(tried) {
        match outcome {
            Ok(took) => {
                found.ok(format_args!("{address} is reachable, {} ms ({key})", took.as_millis()));
                reached.push(address.clone());
            }
            Err(reason) if some => found.warning(format_args!("{address} is out of reach: {reason} ({key})")),
            Err(reason) => {
                found.failed(format_args!("{address} is out of reach: {reason}; start it there or correct {key}"));
            }
        }
    }
    reached
}

async fn connect(address: &str) -> Result<Duration, String> {
    let began = Instant::now();
    match tokio::time::timeout(LIMIT, TcpStream::connect(with_port(address))).await {
        Ok(Ok(_connected)) => Ok(began.elapsed()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection within {} ms", LIMIT.as_millis())),
    }
}

/// Host and port of `host`, `host:port` or `scheme://host:port/path`, with the port that Kafka's and etcd's clients take if
/// none is given.
fn with_port(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let host = rest.split('/').next().unwrap_or_default();
    if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        return host.to_owned();
    }
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => 9_092,
    };
    format!("{host}:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_port_gets_the_one_that_clients_take() {
        for (given, expected) in [
            ("127.0.0.1:9092", "127.0.0.1:9092"),
            ("kafka", "kafka:9092"),
            ("PLAINTEXT://kafka:1", "kafka:1"),
            ("http://etcd:2379/", "etcd:2379"),
            ("http://etcd", "etcd:80"),
            ("https://[::1]", "[::1]:443"),
            ("[::1]:2379", "[::1]:2379"),
        ] {
            assert_eq!(with_port(given), expected);
        }
    }
}
