//! Frames that are pushed together, as a batch of records brings them: each connection is given all of its own first, then it
//! writes them at once.

use std::{mem, sync::Arc};

use im_infra::lifecycle::Lifecycle;

use super::{Connection, Frame};

/// Connections that are written to without a break; of more, each so many are a task of their own, and share the processors
/// with whatever else has to be done.
const AT_ONCE: usize = 256;

/// Connections that have been given frames and are to write them. None is forgotten: what is left is written when this is
/// dropped.
#[derive(Default)]
pub(crate) struct Pushes {
    connections: Vec<Arc<Connection>>,
}

impl Pushes {
    /// Gives a connection a frame.
    pub(crate) fn add(&mut self, connection: &Arc<Connection>, frame: &Frame) {
        if connection.push(frame) {
            self.connections.push(connection.clone());
        }
    }

    /// Has all of them write. Parts of many go on as tasks of `life`; a connection's frames keep their order whoever writes them.
    pub(crate) fn write_out(mut self, life: &Lifecycle) {
        while self.connections.len() > AT_ONCE {
            let part = self.connections.split_off(self.connections.len() - AT_ONCE);
            life.spawn_detached("push", async move { write(&part) });
        }
    }
}

impl Drop for Pushes {
    fn drop(&mut self) {
        write(&mem::take(&mut self.connections));
    }
}

fn write(connections: &[Arc<Connection>]) {
    connections.iter().for_each(|connection| connection.outgoing.write_out());
}
