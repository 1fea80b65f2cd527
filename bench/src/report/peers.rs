//! What others do, as measured by us: side by side on 2 shared cores, the same MariaDB, durable commits, 200 B. Ranges over
//! runs of another day: the machine of a run here may be quicker or slower.

/// Another system's figures, each from its best run to its worst.
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// 100 pairs, 8 in flight each.
    pub(super) messages_per_second: (f64, f64),
    pub(super) ack_p50_ms: (f64, f64),
    /// Its own and its database's, where that is another process.
    pub(super) cpu_us: (f64, f64),
    /// At 100 messages a second; none where it was not measured.
    pub(super) paced_ack_p50_ms: Option<(f64, f64)>,
    /// Resident memory of an idle connection; none where it was not measured.
    pub(super) idle_kib: Option<(f64, f64)>,
    /// What it does not do.
    pub(super) without: &'static str,
}

pub(super) const PEERS: [Peer; 5] = [
    Peer {
        name: "Tinode 0.25 on MariaDB",
        messages_per_second: (900.0, 1_385.0),
        ack_p50_ms: (554.0, 767.0),
        cpu_us: (780.0, 1_046.0),
        paced_ack_p50_ms: Some((2.1, 9.8)),
        idle_kib: Some((50.0, 50.0)),
        without: "",
    },
    Peer {
        name: "ejabberd 23.01, archive on MariaDB",
        messages_per_second: (794.0, 1_548.0),
        ack_p50_ms: (502.0, 947.0),
        cpu_us: (550.0, 689.0),
        paced_ack_p50_ms: Some((1.5, 2.8)),
        idle_kib: Some((49.0, 49.0)),
        without: "",
    },
    Peer {
        name: "WuKongIM 2.2",
        messages_per_second: (4_298.0, 7_264.0),
        ack_p50_ms: (98.0, 139.0),
        cpu_us: (89.0, 114.0),
        paced_ack_p50_ms: Some((1.0, 1.4)),
        idle_kib: Some((10.6, 10.6)),
        without: "a queue and a database server: it has a store of its own in the same process",
    },
    Peer {
        name: "WuKongIM 3 beta",
        messages_per_second: (1_191.0, 2_389.0),
        ack_p50_ms: (281.0, 683.0),
        cpu_us: (386.0, 499.0),
        paced_ack_p50_ms: Some((7.0, 8.0)),
        idle_kib: Some((15.6, 15.6)),
        without: "a queue and a database server: it has a store of its own in the same process",
    },
    Peer {
        name: "Centrifugo 6.9",
        messages_per_second: (31_000.0, 74_000.0),
        ack_p50_ms: (8.0, 19.0),
        cpu_us: (10.0, 15.0),
        paced_ack_p50_ms: None,
        idle_kib: Some((45.0, 58.0)),
        without: "storing anything",
    },
];
