//! One process of each service, on infrastructure that others may use too: with a namespace and a database of their own.

use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use im_infra::{access_token::SigningKey, mq::Topic};

use super::{
    Endpoint, OwnDatabase, Site, Topics, infrastructure_processes,
    process::{Running, command},
    system::{Left, System},
};

const PARTITIONS: &str = "4";
const DOWNSTREAM_PARTITIONS: &str = "16";

pub(super) async fn start(site: &Site) -> anyhow::Result<System> {
    let (gochat, folder) = (site.gochat().await?, site.own_folder()?);
    let namespace = format!("bench{}", uuid::Uuid::new_v4().simple());
    let names = Topic::ALL.iter().map(|topic| format!("{namespace}.{}", topic.name())).collect();
    let topics = Topics::known(site.kafka()?, names)?;
    // Nothing that was made before it could be left behind.
    let left = Left { database: OwnDatabase::create(site.mariadb()?).await?, topics };
    let settings = settings(site, &namespace, &left.database.url)?;
    // From here on whatever fails leaves nothing behind.
    let mut system = System { left: Some(left), ..System::running_at(Endpoint::at("")) };
    let migrated = command(&gochat, folder.path(), &settings).args(["migrate", "up"]).status().await;
    let started = match migrated.context("cannot start gochat") {
        Ok(status) if status.success() => start_services(&mut system, &gochat, folder.path(), &settings).await,
        Ok(_) => Err(anyhow!("the new database could not be migrated")),
        Err(error) => Err(error),
    };
    system.folder = Some(folder);
    if let Err(error) = started {
        system.stop().await?;
        return Err(error);
    }
    system.processes.extend(infrastructure_processes(site)?);
    Ok(system)
}

async fn start_services(
    system: &mut System,
    gochat: &Path,
    folder: &Path,
    settings: &[(String, String)],
) -> anyhow::Result<()> {
    // From the store outwards.
    for service in ["repo", "logic", "task", "gateway"] {
        let running = Running::start(gochat, service, folder, settings).await?;
        let process = running.process()?;
        if service == "gateway" {
            ensure!(!running.address.is_empty(), "the gateway did not say where it listens");
            system.endpoint = Endpoint::at(running.address.clone());
            system.gateway = Some(process.clone());
        }
        system.processes.push(process);
        system.running.push(running);
    }
    Ok(())
}

fn settings(site: &Site, namespace: &str, database_url: &str) -> anyhow::Result<Vec<(String, String)>> {
    let signing_key = SigningKey::generate().context("no signing key")?;
    let settings = [
        ("RPC__SECRET", uuid::Uuid::new_v4().simple().to_string()),
        ("LOGIC__AUTH__SIGNING_KEY", signing_key),
        ("REPO__DATABASE__URL", database_url.to_owned()),
        ("KAFKA__BROKERS", site.kafka()?.to_owned()),
        ("KAFKA__NAMESPACE", format!("{namespace}.")),
        ("KAFKA__PARTITIONS", PARTITIONS.to_owned()),
        ("KAFKA__DOWNSTREAM_PARTITIONS", DOWNSTREAM_PARTITIONS.to_owned()),
        ("ETCD__ENDPOINTS", site.etcd()?.to_owned()),
        ("ETCD__NAMESPACE", namespace.to_owned()),
        ("REDIS__URL", site.redis()?.to_owned()),
        ("REDIS__NAMESPACE", namespace.to_owned()),
    ];
    Ok(settings.into_iter().map(|(key, value)| (format!("GOCHAT__{key}"), value)).collect())
}
