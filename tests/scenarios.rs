//! The scenarios in `scenarios/`: each does what it says, and its trace is the snapshot beside it.
//!
//! `cargo insta review` or `maillab run --accept` takes new traces.

use maillab::scenario::load;
use maillab::scenario::run::{Options, run};
use maillab::view::snapshot;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_scenario_does_what_it_says_and_its_trace_is_the_snapshot() {
    let mut files: Vec<PathBuf> =
        fs::read_dir("scenarios").expect("the folder is there").flatten().map(|e| e.path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    assert!(files.len() >= 8, "the scenarios that are named in the README are there");
    for path in files {
        // Shells run in one another, and a test's own stack is small.
        let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(move || one(&path));
        let (name, trace) = thread.expect("a thread starts").join().expect("the scenario runs");
        insta::with_settings!({ snapshot_path => "../scenarios/snapshots", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, trace);
        });
    }
}

fn one(path: &Path) -> (String, String) {
    let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
    let text = fs::read_to_string(path).expect("the scenario is there");
    let scenario = load::load(&text).unwrap_or_else(|e| panic!("{name}: {}", e.message));
    let outcome = run(&scenario, Options::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(outcome.mismatches.is_empty(), "{name} heard something else: {:?}", outcome.mismatches);
    let trace = snapshot::of(&scenario, &outcome.world.trace());
    (name, trace)
}
