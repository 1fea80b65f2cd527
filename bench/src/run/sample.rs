//! Results as a run would have found them, for tests of what is told of them.

use super::{FloorTimes, Knee, LoadResult, Round, RunPlan, RunResult, Spread, Spreads};
use crate::{
    floors::{Floor, FloorResult},
    load::IdleResult,
    measure::{Calibration, Machine, Summary},
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
            floors: [floors.clone(), floors],
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
        idle: None,
    }
}

/// Of the target with processes of their own.
pub(crate) fn result_on_kafka(rounds: Vec<Round>) -> RunResult {
    RunResult { target: "processes".into(), idle: Some(idle()), ..result(rounds) }
}

/// Idle connections of 5,000 bytes each, of which a tenth is kept.
pub(crate) fn idle() -> IdleResult {
    let readings: Vec<(u64, u64)> = (0..=5).map(|step| (step * 2_000, 20_000_000 + step * 10_000_000)).collect();
    IdleResult {
        process: "gateway".to_owned(),
        connections: 10_000,
        readings,
        bytes_per_connection: 5_000.0,
        kept_bytes: Some(25_000_000),
        closed_seconds: 30,
        interrupted: false,
    }
}
