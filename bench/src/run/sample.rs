//! Results as a run would have found them, for tests of what is told of them.

use super::{Beside, FloorTimes, Knee, LoadResult, Round, RunPlan, RunResult, Spread, Spreads, Workloads};
use crate::{
    floors::{Floor, FloorResult},
    load::{GroupResult, IdleResult, LoginResult, ReconnectResult},
    measure::{Calibration, CpuUse, Machine, Summary},
};

pub(crate) const CALM: Calibration = Calibration { spin_us: 1_000.0, fdatasync_us: 200.0, append_us: None };

/// So many messages a second for a second, with all acks and deliveries after so long; and what each process used.
pub(crate) fn load(rate: f64, ack_us: u64, cpu: &[(&str, f64)]) -> LoadResult {
    let cpu: Vec<_> =
        cpu.iter().map(|(process, seconds)| serde_json::json!({"process": process, "seconds": seconds})).collect();
    let of = |p50_us: u64| Summary { count: 10, p50_us, p99_us: p50_us * 3, ..Summary::default() };
    let load = serde_json::json!({
        "load": {
            "plan": {"pairs": 1, "drive": {"rate": rate}, "length": {"seconds": 1, "warm_up_seconds": 0}, "payload_bytes": 1, "seed": 1},
            "interrupted": false, "seconds": 1.0, "sent": 100, "acknowledged": 100, "messages_per_second": rate,
            "unfinished": 0, "refused": {}, "broken": [], "ack": of(ack_us), "delivery": of(ack_us * 2),
            "ack_plateaus": [], "delivery_plateaus": [],
            "ledger": {"sent": 0, "acknowledged": 0, "unknown": 0, "entries": 0, "pushes": 0, "pushes_due": 0, "violations": 0, "told": []},
        },
        "cpu": cpu,
    });
    serde_json::from_value(load).unwrap()
}

/// A round whose floors take 1 ms each and whose acks take so much at a tenth of the maximum, and twice that above.
pub(crate) fn round(ack_us: u64) -> Round {
    with_floors(ack_us, &[Floor::LogHop, Floor::LogTwoHops, Floor::SqliteInsert, Floor::Echo], &[("standalone", 0.02)])
}

/// The same of processes of their own.
pub(crate) fn round_on_kafka(ack_us: u64) -> Round {
    let ours = [("gateway", 0.002), ("logic", 0.003), ("repo", 0.002), ("task", 0.001)];
    let servers = [("Kafka", 0.004), ("MariaDB", 0.005), ("Redis", 0.001)];
    let floors = [Floor::KafkaHop, Floor::KafkaTwoHops, Floor::MariadbInsert, Floor::Call, Floor::Echo];
    with_floors(ack_us, &floors, &[&ours[..], &servers[..]].concat())
}

fn with_floors(ack_us: u64, floors: &[Floor], cpu: &[(&str, f64)]) -> Round {
    let times = Summary { count: 10, p50_us: 1_000, ..Summary::default() };
    let millisecond = FloorResult { times, ..FloorResult::default() };
    let floors: FloorTimes = floors.iter().map(|floor| (*floor, millisecond)).collect();
    let pair = |rate| [load(rate, ack_us, cpu), load(rate, ack_us, cpu)];
    let loaded = |percent: u32| (percent, load(f64::from(percent) * 60.0, ack_us * 2, cpu));
    Round {
        before: CALM,
        floors: [floors.clone(), floors.clone()],
        subjects: pair(100.0),
        after: CALM,
        closed: load(6_000.0, ack_us, cpu),
        after_closed: CALM,
        single: load(5_000.0, ack_us, cpu),
        after_single: CALM,
        knee: Knee {
            maximum: 6_000.0,
            floors: [floors.clone(), floors.clone()],
            together: floors,
            tenth: pair(600.0),
            after_tenth: CALM,
            points: [30, 50, 70, 90].map(loaded).to_vec(),
            after: CALM,
        },
    }
}

/// Of the standalone target.
pub(crate) fn result(rounds: Vec<Round>) -> RunResult {
    let spread = |text: &str| serde_json::from_str::<Spread>(text).unwrap();
    let spreads = Spreads {
        ack: spread(r#"{"1024": 40, "2048": 55, "500000": 5}"#),
        delivery: spread(r#"{"2048": 40, "3072": 60}"#),
    };
    RunResult {
        version: "0.1.0".into(),
        build: "0123456789abcdef".into(),
        target: "standalone".into(),
        plan: RunPlan::new(true, 1),
        machine: Machine { cpu: "a CPU".into(), cores: 2, memory_mib: 1_024, kernel: "6.1".into() },
        finished: true,
        rounds,
        paced: spreads.clone(),
        tenth: spreads,
        workloads: Workloads::default(),
    }
}

/// Of the target with processes of their own.
pub(crate) fn result_on_kafka(rounds: Vec<Round>) -> RunResult {
    RunResult { target: "processes".into(), workloads: workloads(), ..result(rounds) }
}

/// What is measured after the rounds, once and without the large groups: 300 us a login, 10 us a delivery, twice the bare handshakes.
pub(crate) fn workloads() -> Workloads {
    let bare = FloorResult::default();
    let cpu_of = |cpu_us: f64| FloorResult { cpu_us: Some(cpu_us), ..bare };
    let loaded = FloorTimes::from([
        (Floor::KafkaTwoHops, cpu_of(12.0)),
        (Floor::MariadbBatch, cpu_of(400.0)),
        (Floor::Call, cpu_of(12.0)),
        (Floor::Echo, cpu_of(12.0)),
    ]);
    let bare_idle = FloorResult { connection_bytes: Some(2_500.0), ..bare };
    let handshakes = FloorResult { all_ms: Some(500.0), ..bare };
    Workloads {
        login: vec![beside(None, LoginResult { logins: 1_000, cpu: servers(0.3) })],
        idle: vec![beside(Some(bare_idle), idle())],
        loaded: vec![beside(None, loaded)],
        group: vec![beside(None, group(1_000, 1))],
        reconnect: vec![beside(Some(handshakes), reconnect())],
        ..Workloads::default()
    }
}

/// Between two calm calibrations.
pub(crate) fn beside<T>(floor: Option<FloorResult>, found: T) -> Beside<T> {
    Beside { before: CALM, floor, found, after: CALM }
}

/// So many seconds of CPU, of which nine tenths are ours and most of that the gateway's.
fn servers(seconds: f64) -> Vec<CpuUse> {
    let shares = [
        ("gateway", 0.5),
        ("logic", 0.2),
        ("repo", 0.1),
        ("task", 0.1),
        ("Kafka", 0.05),
        ("MariaDB", 0.025),
        ("Redis", 0.025),
    ];
    shares.map(|(process, share)| CpuUse { process: process.to_owned(), seconds: seconds * share }).to_vec()
}

/// A hundred thousand deliveries of which ours cost 10 us each, 5 of them at the gateway; the last member has them after 12 ms.
pub(crate) fn group(members: u32, burst: u32) -> GroupResult {
    let plan = serde_json::json!({
        "members": members, "rate": 2.0, "burst": burst, "length": {"seconds": 50, "warm_up_seconds": 0}, "silent_seconds": 5,
        "payload_bytes": 200, "seed": 1,
    });
    let after = |p50_us: u64| Summary { count: 100, p50_us, p99_us: p50_us * 3, ..Summary::default() };
    let found = serde_json::json!({
        "plan": plan, "seconds": 50.0, "deliveries": 100_000, "silent": servers(1.0 / 90.0), "ack": after(3_000), "member": after(6_000),
        "median_member": after(6_000), "last_member": after(12_000),
        "interrupted": false, "sent": 100, "acknowledged": 100, "unfinished": 0, "refused": {}, "broken": [],
        "cpu": servers(10.0 / 9.0), "ledger": crate::load::Sum::default().ledger,
    });
    serde_json::from_value(found).unwrap()
}

/// Two thousand connections, live again after a second; others wait a third longer meanwhile.
fn reconnect() -> ReconnectResult {
    let after = |p99_us: u64| Summary { count: 100, p50_us: p99_us / 3, p99_us, ..Summary::default() };
    let talk = |p99_us: u64| serde_json::json!({"ack": after(p99_us), "delivery": after(p99_us)});
    let found = serde_json::json!({
        "plan": {
            "connections": 2_000, "in_flight": 256, "pairs": 10, "rate": 100.0, "length": {"seconds": 5, "warm_up_seconds": 2},
            "payload_bytes": 200, "seed": 1,
        },
        "live": 2_000, "live_seconds": 1.0, "told_to_sync": 0, "failed": 0, "hello": after(3_000), "handshake": after(9_000),
        "outage": after(900_000), "before": talk(9_000), "during": talk(12_000), "tried": 50,
        "interrupted": false, "sent": 1_000, "acknowledged": 1_000, "unfinished": 0, "refused": {}, "broken": [],
        "cpu": servers(1.0), "ledger": crate::load::Sum::default().ledger,
    });
    serde_json::from_value(found).unwrap()
}

/// Idle connections of 5,000 bytes each, of which a tenth is kept.
pub(crate) fn idle() -> IdleResult {
    let readings: Vec<(u64, u64)> = (0..=5).map(|step| (step * 2_000, 20_000_000 + step * 10_000_000)).collect();
    IdleResult {
        process: "gateway".to_owned(),
        connections: 10_000,
        conversations: 20,
        readings,
        bytes_per_connection: 5_000.0,
        kept_bytes: Some(25_000_000),
        closed_seconds: 30,
        interrupted: false,
    }
}
