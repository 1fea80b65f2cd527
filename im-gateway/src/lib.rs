//! The edge: WebSocket and HTTP in, `im.upstream` out; `im.downstream` in, sockets out. It holds no business rule, no SQL and
//! no membership but an index of who is connected here.

pub mod app;
mod arrivals;
pub mod config;
mod connections;
mod downstream;
mod error;
mod http;
mod index;
mod listener;
mod logic;
mod metrics;
mod route_writer;
mod shared;
mod tokens;
mod upstream;
mod write_limit;
mod ws;

pub use app::{Gateway, GatewayParts};
pub use config::GatewayOptions;
pub use http::{ROUTES, Route};

/// State machines without I/O, clock or sockets: what the simulation runs. No API of this crate.
#[doc(hidden)]
pub mod machines {
    pub use crate::{
        connections::Held,
        index::{Admitted as Broadcasting, Index, Next, together},
        upstream::{Admitted, Key, Waits, Window},
    };
}
