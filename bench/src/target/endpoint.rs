//! Which system, by name or address.

use std::{fmt, net::IpAddr, str::FromStr};

/// Where a gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Host and port.
    address: String,
}

impl Endpoint {
    /// At a host and port.
    pub(crate) fn at(address: impl Into<String>) -> Self {
        Self { address: address.into() }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Whether nothing that is sent there leaves this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// What is to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetName {
    /// One process, nothing else.
    Standalone,
    /// Gateway, logic, repo and task, on Kafka, etcd, Redis and MariaDB.
    Processes,
    /// A gateway that runs.
    Url(Endpoint),
}

impl TargetName {
    /// As part of a file's name or of an anchor.
    pub(crate) const fn short(&self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Processes => "processes",
            Self::Url(_) => "address",
        }
    }
}

impl FromStr for TargetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "standalone" => Ok(Self::Standalone),
            "processes" => Ok(Self::Processes),
            _ => {
                let address = text.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
                let valid = address
                    .and_then(|address| address.rsplit_once(':'))
                    .is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok());
                match address {
                    Some(address) if valid => Ok(Self::Url(Endpoint::at(address))),
                    _ => Err("a target is `standalone`, `processes` or http://HOST:PORT".to_owned()),
                }
            }
        }
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standalone => f.write_str("standalone"),
            Self::Processes => f.write_str("processes"),
            Self::Url(endpoint) => write!(f, "http://{endpoint}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_they_are_written() {
        for text in ["standalone", "processes", "http://127.0.0.1:8080", "http://[::1]:80"] {
            assert_eq!(text.parse::<TargetName>().map(|target| target.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "127.0.0.1:8080", "https://127.0.0.1:1", "http://host", "http://:80", "http://a/b:80"] {
            assert!(text.parse::<TargetName>().is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_told_from_the_world() {
        for address in ["127.0.0.1:1", "127.9.0.1:1", "localhost:1", "[::1]:1"] {
            assert!(Endpoint::at(address).is_loopback(), "{address}");
        }
        for address in ["10.0.0.1:1", "example.org:1", "localhost.example.org:1", "0.0.0.0:1"] {
            assert!(!Endpoint::at(address).is_loopback(), "{address}");
        }
    }
}
