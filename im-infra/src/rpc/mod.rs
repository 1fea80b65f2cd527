//! Calls between services: tonic's generated clients and servers over one channel type, which adds who calls, until when,
//! and in which trace; over a socket or within the process.
//!
//! ```
//! use im_infra::{config::Secret, rpc::{Channel, RpcOptions, ServiceTokens}, registry::ServiceName};
//!
//! let options = RpcOptions { deadline_ms: 1_000, secret: Secret::new("0123456789abcdef0123456789abcdef") };
//! let tokens = ServiceTokens::new(&options.secret, im_infra::clock::Clock::system());
//! let repo = tonic::service::Routes::default(); // the services of im-repo
//! let channel = Channel::local(repo, ServiceName::Logic, ServiceName::Repo, &options, tokens);
//! // let mut messages = MessageRepoClient::new(channel);
//! # let _ = channel;
//! ```

mod channel;
mod context;
mod options;
mod serve;
mod tokens;

pub use channel::Channel;
pub use context::remaining;
pub use options::RpcOptions;
pub use serve::guarded;
pub use tokens::ServiceTokens;
