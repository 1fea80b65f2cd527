//! Calls between services: tonic's generated clients and servers over one channel type, which adds who calls, until when,
//! and in which trace; over sockets to whichever instances live, or within the process.
//!
//! ```
//! use im_infra::{
//!     clock::Clock, config::Secret, registry::ServiceName, rpc::{Channel, RpcOptions, ServiceTokens}, tls::TlsOptions,
//! };
//!
//! let options = RpcOptions {
//!     listen: "127.0.0.1:0".parse().unwrap(),
//!     advertise: String::new(),
//!     deadline_ms: 1_000,
//!     secret: Secret::new("0123456789abcdef0123456789abcdef"),
//!     listener_tls: TlsOptions::default(),
//!     caller_tls: TlsOptions::default(),
//!     server_name: String::new(),
//! };
//! let tokens = ServiceTokens::new(&options.secret, Clock::system());
//! let repo = tonic::service::Routes::default(); // the services of im-repo
//! let channel = Channel::local(repo, (ServiceName::Logic, ServiceName::Repo), &options, tokens);
//! // let mut messages = MessageRepoClient::new(channel);
//! # let _ = channel;
//! ```

mod channel;
mod context;
mod guard;
mod options;
mod remote;
mod server;
mod tokens;

pub use channel::Channel;
pub use context::remaining;
pub use options::RpcOptions;
pub use server::serve;
pub use tokens::ServiceTokens;
