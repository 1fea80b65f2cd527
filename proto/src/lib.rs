//! GoChat's wire formats: protobuf messages and gRPC services of every package, their JSON form for clients, and the one
//! error enum. No logic lives here.
//!
//! ```
//! use im_proto::client::{ClientFrame, Ping, client_frame::Frame};
//!
//! let frame = ClientFrame { frame: Some(Frame::Ping(Ping { data: "1".into() })) };
//! assert_eq!(serde_json::to_string(&frame).unwrap(), r#"{"ping":{"data":"1"}}"#);
//! ```

pub mod error;

pub use error::{Error, ErrorCode};

/// The descriptors of all packages, for gRPC reflection and tools.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! package {
    ($(#[$doc:meta])* $name:ident, $proto:literal) => {
        $(#[$doc])*
        pub mod $name {
            tonic::include_proto!($proto);
        }
    };
    ($(#[$doc:meta])* $name:ident, $proto:literal, json) => {
        $(#[$doc])*
        pub mod $name {
            tonic::include_proto!($proto);
            include!(concat!(env!("OUT_DIR"), "/", $proto, ".serde.rs"));
        }
    };
}

// Generated code refers to its sibling packages by their full names.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::unused_async,
    clippy::needless_pass_by_value
)]
mod im {
    pub mod common {
        package!(v1, "im.common.v1", json);
    }
    pub mod auth {
        package!(v1, "im.auth.v1", json);
    }
    pub mod user {
        package!(v1, "im.user.v1", json);
    }
    pub mod message {
        package!(v1, "im.message.v1", json);
    }
    pub mod group {
        package!(v1, "im.group.v1", json);
    }
    pub mod conversation {
        package!(v1, "im.conversation.v1", json);
    }
    pub mod mq {
        package!(v1, "im.mq.v1");
    }
    pub mod repo {
        package!(v1, "im.repo.v1");
    }
    pub mod client {
        package!(v1, "im.client.v1", json);
    }
}

pub use im::auth::v1 as auth;
pub use im::client::v1 as client;
pub use im::common::v1 as common;
pub use im::conversation::v1 as conversation;
pub use im::group::v1 as group;
pub use im::message::v1 as message;
pub use im::mq::v1 as mq;
pub use im::repo::v1 as repo;
pub use im::user::v1 as user;
