//! Same file, same seed, same bytes.

use maillab::scenario::load;
use maillab::scenario::run::{Options, run};
use maillab::trace::{jsonl, text};
use std::fs;
use std::path::PathBuf;

fn twice(folder: &str) {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder is there").flatten().map(|e| e.path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    assert!(!files.is_empty(), "there are scenarios in {folder}");
    for path in files {
        let source = fs::read_to_string(&path).expect("the scenario is there");
        let trace = |seed| {
            let source = source.clone();
            let run = move || {
                let scenario = load::load(&source).unwrap_or_else(|e| panic!("{}", e.message));
                let outcome =
                    run(&scenario, Options { seed, ..Options::default() }).unwrap_or_else(|e| panic!("{e}"));
                let trace = outcome.world.trace();
                (jsonl::render(&trace), text::render(&trace, true), outcome.transcript.clone())
            };
            let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run);
            thread.expect("a thread starts").join().expect("the scenario runs")
        };
        let (first, second) = (trace(None), trace(None));
        assert!(first == second, "{}: two runs differ", path.display());
        // A different seed is a different world, or the seed would mean nothing.
        assert!(trace(Some(2)).0 != first.0, "{}: the seed has no effect", path.display());
    }
}

#[test]
fn every_scenario_runs_twice_the_same() {
    twice("scenarios");
}

#[test]
fn the_recorded_cases_run_twice_the_same() {
    twice("tests/conformance/notebook");
}
