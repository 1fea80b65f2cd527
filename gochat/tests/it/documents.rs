//! docs/testing.md says which test holds which rule; it is made of the tests' names, so it cannot lag behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The rules and promises, in short; docs/ARCHITECTURE.md and the comments at the code have the long form.
const RULES: &[(&str, &str)] = &[
    ("p1", "an ack means stored"),
    ("p2", "nothing is pushed before it is stored"),
    ("p3", "one dense order, the same for every member"),
    ("p4", "a resend is harmless, and pushes again"),
    ("p5", "first in, first out per sender and conversation"),
    ("p6", "an offset is committed after its effect"),
    ("p7", "Redis and etcd are never the truth"),
    ("p8", "everything is bounded; a bound that is hit gives an answer"),
    ("p9", "secure by default"),
    ("o1", "one trace leads from frame to frame"),
    ("r01", "the admission window is bounded; resends attach; only age ends the waiting"),
    ("r02", "after a refusal for now, later commands of the conversation wait"),
    ("r03", "every decision goes through the append; stored outcomes win; stale states decide again"),
    ("r04", "one transaction per batch, locks in order, constraint errors halved, transient errors told apart"),
    ("r05", "who sees which entry: visible_from <= seq < left_seq"),
    ("r06", "a sync carries read cursors"),
    ("r08", "a revocation is pushed and pulled"),
    ("r09", "no position is skipped in silence"),
    ("r10", "no id is minted past the lease; a gateway keeps its sockets while etcd is away"),
    ("r11", "senders use the watch and the set; an unknown instance is delivered to"),
    ("r12", "absent means unknown while a gateway's mark is missing"),
    ("r13", "hello without a gap"),
    ("r14", "large conversations go through im.task in order"),
    ("r15", "a gateway learns a large conversation before it fans out"),
    ("r16", "poison is set aside, confirmed, before what follows"),
    ("r17", "another store epoch drops the vector"),
    ("r18", "a slow client is closed with resume, nobody waits for it"),
    ("r19", "a cache fill that lost a race is discarded"),
    ("r20", "the embedded log is bounded, with a reserve for the pipeline"),
];

/// What of the proof under faults is done with every run of the tests.
const UNDER_FAULTS: &str = "
## Under faults

`gochat/tests/it/chaos.rs` says in one place which scenarios of `gochat-bench nemesis` are done with every run of the tests: some
each time, and for as many more a seed chooses which, together ten minutes of load at most. The seed is `GOCHAT_CHAOS_SEED`, or the
same one each time; a test that fails tells it. `scripts/test --full` does every scenario that a binary without failpoints can be
hurt by; `scripts/test --proof` makes one with failpoints and planted bugs in it, does as many runs as there are scenarios, crashes
and wrong clocks among them, and looks for each bug. Any number of runs is for `gochat-bench nemesis campaign`
([CONTRIBUTING.md](../CONTRIBUTING.md#proof-under-faults)). Slow and failing disks need strace, and that it may trace other
processes: where it may not, the test of a failing disk fails and says so.
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            sources(&path, into);
        } else if name.ends_with(".rs") {
            into.push(path);
        }
    }
}

/// Tests by rule: those whose name begins with it.
fn tests() -> BTreeMap<String, BTreeSet<(String, String)>> {
    let (root, mut files) = (root(), Vec::new());
    sources(&root, &mut files);
    let mut found: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for path in files {
        let file = path.strip_prefix(&root).unwrap().display().to_string();
        for line in fs::read_to_string(&path).unwrap().lines() {
            let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
            let Some(name) = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next()) else { continue };
            // `full_` keeps a slow test out of the default run; one test may hold several.
            let rules = name.trim_start_matches("full_").split('_');
            for rule in rules.take_while(|part| RULES.iter().any(|(known, _)| known == part)) {
                found.entry(rule.to_owned()).or_default().insert((name.to_owned(), file.clone()));
            }
        }
    }
    found
}

fn rendered() -> String {
    let mut text = "# Testing\n\n`scripts/test` runs everything on real parts. A test is named after the promise (p) or rule (r) it holds; this table is made\n\
        of the names by a test (`GOCHAT_WRITE=1 cargo nextest run -E 'test(documents)'`), do not edit.\n\n| rule | what | tests |\n|---|---|---|\n"
        .to_owned();
    let tests = tests();
    for (rule, what) in RULES {
        let names: Vec<String> =
            tests.get(*rule).into_iter().flatten().map(|(name, file)| format!("`{name}` ({file})")).collect();
        let names = if names.is_empty() { "not yet".to_owned() } else { names.join("<br>") };
        let _ = writeln!(text, "| {} | {what} | {names} |", rule.to_uppercase());
    }
    text.push_str(UNDER_FAULTS);
    text.push_str(
        "\n[A campaign under faults](campaign.md): runs of the nemesis in number, and what came of them.\n\n## Planted bugs\n",
    );
    let planted = fs::read_to_string(root().join("docs/planted-bugs.md")).unwrap();
    let (_, under_its_title) = planted.split_once('\n').unwrap();
    text.push_str(under_its_title);
    text
}

#[test]
#[allow(clippy::disallowed_methods)] // tests have no configuration
fn the_table_of_rules_and_tests_is_up_to_date() {
    let path = root().join("docs/testing.md");
    if std::env::var_os("GOCHAT_WRITE").is_some() {
        fs::write(&path, rendered()).unwrap();
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(held, rendered(), "run: GOCHAT_WRITE=1 cargo nextest run -E 'test(documents)'");
}

/// The keys of `default.toml` with their values, as tables of docs/configuration.md write them.
fn defaults() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("gochat/default.toml")).unwrap();
    let (mut section, mut found) = (String::new(), Vec::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once(" = ") {
            let value = match value.trim_matches('"') {
                "" => "empty",
                value => value,
            };
            found.push((format!("{section}.{key}"), value.to_owned()));
        }
    }
    found
}

#[test]
fn every_key_of_the_configuration_is_documented_with_its_default() {
    let text = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split('|').map(str::trim).collect()).collect();
    let defaults = defaults();
    assert!(defaults.len() > 50, "{defaults:?}");
    for (key, default) in defaults {
        let name = format!("`{key}`");
        let has_row =
            rows.iter().any(|row| row[1].split(", ").any(|one| one == name) && row[2].trim_matches('`') == default);
        assert!(has_row, "docs/configuration.md has no row for {key} with the default {default}");
    }
}
