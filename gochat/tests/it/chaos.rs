//! The server is killed again and again, and the ledger judges what came of it.

use std::{ops::Range, time::Duration};

use im_infra::testing::{eventually, infra};

use super::{
    cluster::{Cluster, Node},
    infrastructure::Infrastructure,
    server::Server,
    talker::{SCENE_LARGE, Scene, read_logs, settle},
};

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_standalone_under_kill_9_loses_doubles_and_reorders_nothing() {
    let seed = 7;
    let mut random = fastrand::Rng::with_seed(seed);
    let rate =
        [("GATEWAY__RATE__COMMANDS_PER_SECOND", "100000"), ("GATEWAY__RATE__COMMANDS_BURST", "100000"), SCENE_LARGE];
    let mut server = Server::with(&rate).await;
    let scene = Scene::set(vec![server.address.clone()], 6, 20).await;
    let nemesis = async {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(random.u64(1_500..2_500))).await;
            server = server.kill_and_restart().await;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        scene.recorder.stop();
        server
    };
    let (server, ()) = tokio::join!(nemesis, scene.play());
    settle(&scene.recorder, &server, &scene.users, &scene.conversations).await;
    let (code, folder) = server.terminate_and_keep().await;
    assert_eq!(code, Some(0));
    let url = format!("sqlite://{}/gochat.db", folder.path().display());
    read_logs(&scene.recorder, url, &scene.conversations).await;
    let report = scene.judge();
    println!("{report}");
    assert!(report.violations.is_empty(), "seed {seed}: {report}");
    assert!(report.acknowledged > 500 && report.pushes_due > 500, "too little happened: {report}");
}

/// Kills every process once, so every kind twice, in a seeded order, while commands are in flight.
async fn kill_each(cluster: &mut Cluster, random: &mut fastrand::Rng, pause_ms: Range<u64>) {
    let mut order: Vec<usize> = (0..8).collect();
    random.shuffle(&mut order);
    for which in order {
        tokio::time::sleep(Duration::from_millis(random.u64(pause_ms.clone()))).await;
        let nodes = match which % 4 {
            0 => &mut cluster.gateways,
            1 => &mut cluster.logics,
            2 => &mut cluster.repos,
            _ => &mut cluster.tasks,
        };
        nodes[which / 4].kill_and_restart().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_processes_under_kill_9_lose_double_and_reorder_nothing() {
    let seed = 11;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut cluster = Cluster::with(infra, &[SCENE_LARGE]).await;
    let scene = Scene::set(cluster.addresses(), 10, 20).await;
    let nemesis = async {
        kill_each(&mut cluster, &mut random, 500..1_500).await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        scene.recorder.stop();
        cluster
    };
    let (cluster, ()) = tokio::join!(nemesis, scene.play());
    let at = cluster.addresses().remove(0);
    settle(&scene.recorder, &at, &scene.users, &scene.conversations).await;
    let url = cluster.database_url.clone();
    cluster.terminate().await;
    read_logs(&scene.recorder, url, &scene.conversations).await;
    let report = scene.judge();
    println!("{report}");
    assert!(report.violations.is_empty(), "seed {seed}: {report}");
    assert!(report.acknowledged > 500 && report.pushes_due > 100, "too little happened: {report}");
}

/// How many commits of a process were refused because its partitions had been taken over.
async fn fenced(node: &Node) -> f64 {
    let text = reqwest::get(format!("http://{}/metrics", node.running.admin)).await.unwrap().text().await.unwrap();
    let counts = text.lines().filter_map(|line| line.strip_prefix("im_mq_commits_fenced_total{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_p2_p3_p7_processes_and_their_infrastructure_under_faults_lose_double_and_reorder_nothing() {
    let seed = 13;
    let mut random = fastrand::Rng::with_seed(seed);
    let infrastructure = Infrastructure::start().await;
    let mut cluster = Cluster::with(|variable| infrastructure.address(variable), &[SCENE_LARGE]).await;
    let scene = Scene::set(cluster.addresses(), 50, 250).await;
    let nemesis = async {
        kill_each(&mut cluster, &mut random, 1_000..3_000).await;
        // Redis forgets everything, under load.
        let redis = redis::Client::open(infrastructure.address("GOCHAT_TEST_REDIS")).unwrap();
        let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
        let () = redis::cmd("FLUSHALL").query_async(&mut redis).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        // The broker stands still.
        infrastructure.signal("kafka1", "STOP").await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        infrastructure.signal("kafka1", "CONT").await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        // A logic stands still past its session, in the middle of a batch: it must lose its partitions and notice.
        let logic = &cluster.logics[0];
        for _ in 0..6 {
            logic.running.signal("STOP").await;
            tokio::time::sleep(Duration::from_secs(6)).await;
            logic.running.signal("CONT").await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            if fenced(logic).await > 0.0 {
                break;
            }
        }
        let late = fenced(logic).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        scene.recorder.stop();
        (cluster, late)
    };
    let ((cluster, late), ()) = tokio::join!(nemesis, scene.play());
    assert!(late > 0.0, "void: the paused logic never tried to commit what it had lost");
    let at = cluster.addresses().remove(0);
    eventually("the gateway", || async { reqwest::get(format!("http://{at}/")).await.ok() }).await;
    settle(&scene.recorder, &at, &scene.users, &scene.conversations).await;
    let url = cluster.database_url.clone();
    cluster.terminate().await;
    read_logs(&scene.recorder, url, &scene.conversations).await;
    let report = scene.judge();
    println!("{report}");
    assert!(report.violations.is_empty(), "seed {seed}: {report}");
    assert!(report.acknowledged > 3_000 && report.pushes_due > 1_000, "too little happened: {report}");
}
