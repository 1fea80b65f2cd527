//! Background work. Now: dead letters are archived from `im.dead` in the database, and those that an operator wants replayed
//! go back to where they came from.

pub mod app;
mod dead_letter;
mod repo;

pub use app::{Task, TaskParts};
