//! GoChat from outside: the real binary, its HTTP API and its WebSocket.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod bad_input;
mod browser;
mod chaos;
mod chat;
mod cli;
mod client;
mod cluster;
mod dead_letters;
mod deployment;
mod doctor;
mod documents;
mod durability;
mod groups;
mod http_edge;
mod infrastructure;
mod jaeger;
mod kafka_restart;
mod large;
mod openapi;
mod outages;
mod process;
mod processes;
mod replay;
mod restored_store;
mod server;
mod sessions;
mod tls;
mod trace;
mod whereabouts;
