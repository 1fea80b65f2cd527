//! Ids of a run's commands, which tell who sent them and the how manieth of that sender they are.

use std::{fmt, sync::Arc};

use im_bench::ledger::Client;

/// A run, told from any other on the same system.
#[derive(Clone, Debug)]
pub(crate) struct Run(Arc<str>);

/// A message of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) client: Client,
    pub(crate) number: usize,
}

impl Run {
    /// A new one.
    pub(crate) fn begin() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string()[..12].into())
    }

    /// The command id of a message.
    pub(super) fn command(&self, name: Name) -> String {
        format!("{self}-{}-{}", name.client, name.number)
    }

    /// Which message a command id means; none if it is not of this run.
    pub(super) fn name_of(&self, command: &str) -> Option<Name> {
        let (client, number) = command.strip_prefix(&*self.0)?.strip_prefix('-')?.split_once('-')?;
        Some(Name { client: client.parse().ok()?, number: number.parse().ok()? })
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_knows_its_own_commands_and_no_others() {
        let (run, other) = (Run::begin(), Run::begin());
        let name = Name { client: 7, number: 12 };
        assert_eq!(run.name_of(&run.command(name)), Some(name));
        assert_eq!(run.name_of(&other.command(name)), None);
        assert_eq!(run.name_of(&format!("make-{run}-0")), None);
    }
}
