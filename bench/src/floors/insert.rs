//! Durable inserts, over the pool and with the settings that GoChat itself uses.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use im_infra::database::{Database, DatabaseOptions};
use sea_orm::{ConnectionTrait as _, Statement, Value};
use tokio_util::sync::CancellationToken;

use super::{FloorPlan, FloorResult, parties::Parties, timed::timed};
use crate::target::{OwnDatabase, Site};

/// As an entry: its key, its command under a unique key, its bytes.
const TABLE: &str = "create table floors (conversation_id varchar(64) not null, seq bigint not null, \
    sender_id bigint not null, command_id varchar(80) not null, body blob not null, primary key (conversation_id, seq))";
const INDEX: &str = "create unique index floors_command on floors (conversation_id, sender_id, command_id)";
const CONVERSATION: &str = "d:1:2";

/// Into a database of its own on a server.
pub(super) async fn into_mariadb(
    site: &Site,
    rows: usize,
    plan: &FloorPlan,
    stop: &CancellationToken,
) -> anyhow::Result<FloorResult> {
    let parties = Parties::with_server(site, "MariaDB")?;
    let own = OwnDatabase::create(site.mariadb()?).await?;
    let measured = measure(&own.url, rows, plan, &parties, stop).await;
    let removed = own.remove().await;
    measured.and_then(|found| removed.map(|()| found))
}

/// Into a new file.
pub(super) async fn into_sqlite(
    site: &Site,
    rows: usize,
    plan: &FloorPlan,
    stop: &CancellationToken,
) -> anyhow::Result<FloorResult> {
    let folder = site.own_folder()?;
    let url = format!("sqlite://{}/floor.db?mode=rwc", folder.path().display());
    measure(&url, rows, plan, &Parties::here(), stop).await
}

async fn measure(
    url: &str,
    rows: usize,
    plan: &FloorPlan,
    parties: &Parties,
    stop: &CancellationToken,
) -> anyhow::Result<FloorResult> {
    let database = Database::connect(&DatabaseOptions::new(url)).await.context("cannot use the database")?;
    let durability = database.durability().await?;
    ensure!(durability.is_durable(), "the database does not commit durably: {:?}", durability.settings);
    let writer = database.writer();
    for statement in [TABLE, INDEX] {
        writer.execute_unprepared(statement).await.context("cannot make the table")?;
    }
    let places = vec!["(?, ?, ?, ?, ?)"; rows].join(", ");
    let sql = format!("insert into floors (conversation_id, seq, sender_id, command_id, body) values {places}");
    let lanes = (0..plan.lanes()).map(|_| {
        let sql = &sql;
        async move |number: u64| -> anyhow::Result<Duration> {
            let first = number * rows as u64;
            let values = (first..first + rows as u64).flat_map(|seq| row(plan, seq));
            let statement = Statement::from_sql_and_values(writer.get_database_backend(), sql.as_str(), values);
            let started = Instant::now();
            writer.execute_raw(statement).await.context("the insert failed")?;
            Ok(started.elapsed())
        }
    });
    let measured = timed(plan, parties, stop, lanes.collect()).await;
    // The file, or the database, is removed next.
    writer.close_by_ref().await?;
    database.reader().close_by_ref().await?;
    measured
}

fn row(plan: &FloorPlan, seq: u64) -> [Value; 5] {
    [
        CONVERSATION.into(),
        seq.cast_signed().into(),
        1_i64.into(),
        format!("floor-{seq}").into(),
        plan.payload(seq).into(),
    ]
}
