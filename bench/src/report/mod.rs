//! What is told: tables for a terminal, and the document. The plots are `plot/`.

mod compare;
mod document;
mod loads;
mod peers;
mod rows;
mod summary;
mod text;

pub(crate) use document::document;
pub(crate) use loads::{group_table, mixed_table, reconnect_table, sync_table};
pub(crate) use summary::summary;
pub(crate) use text::{direct_table, floors_table, idle_table};
