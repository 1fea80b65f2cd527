//! What has to be there for what is going to run.

use im_infra::registry::ServiceName;

use crate::cli::DoctorTarget;

/// The dependencies of a target.
#[derive(Debug)]
pub(super) struct Needs {
    pub(super) data_folder: bool,
    /// Files for connections of clients.
    pub(super) clients: bool,
    pub(super) database: bool,
    pub(super) kafka: bool,
    pub(super) etcd: bool,
    pub(super) redis: bool,
}

impl Needs {
    pub(super) fn of(target: DoctorTarget) -> Self {
        use ServiceName::{Gateway, Logic, Repo, Task};
        let services = services(target);
        let alone = services.is_empty();
        let any_of = |those: &[ServiceName]| services.iter().any(|service| those.contains(service));
        Self {
            data_folder: alone,
            clients: alone || any_of(&[Gateway]),
            database: alone || any_of(&[Repo]),
            kafka: any_of(&[Gateway, Logic, Task]),
            etcd: !alone,
            redis: !alone,
        }
    }
}

/// The services that run as processes of their own; none for standalone.
pub(super) const fn services(target: DoctorTarget) -> &'static [ServiceName] {
    match target {
        DoctorTarget::Standalone => &[],
        DoctorTarget::Services => &[ServiceName::Gateway, ServiceName::Logic, ServiceName::Repo, ServiceName::Task],
        DoctorTarget::Gateway => &[ServiceName::Gateway],
        DoctorTarget::Logic => &[ServiceName::Logic],
        DoctorTarget::Repo => &[ServiceName::Repo],
        DoctorTarget::Task => &[ServiceName::Task],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standalone_needs_no_server_and_the_store_needs_no_queue() {
        let alone = Needs::of(DoctorTarget::Standalone);
        assert!(alone.data_folder && !alone.kafka && !alone.etcd && !alone.redis, "{alone:?}");
        let repo = Needs::of(DoctorTarget::Repo);
        assert!(repo.database && repo.etcd && !repo.kafka && repo.redis && !repo.clients, "{repo:?}");
    }
}
