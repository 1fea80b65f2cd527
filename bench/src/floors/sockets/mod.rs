//! Floors of many connections. The server is a process of its own, so that its memory and its CPU are those of that side only,
//! as the gateway's are.

mod child;
mod frame;
mod handshake;
mod idle;
mod server;
mod write_loop;

pub(super) use handshake::measure as handshakes;
pub(super) use idle::measure as idle_connections;
pub(crate) use server::{Role, serve};
pub(super) use write_loop::measure as write_loop;
