//! `maillab run`: runs scenarios, several at a time, and reports in their order.

use super::source::{self, Source};
use super::{Run, TraceFormat, check, junit, report, words};
use maillab::scenario::run::{Options, Stopped, run as run_scenario};
use maillab::trace::{Keep, jsonl, text};
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What came of a scenario.
pub struct Result {
    /// Its name.
    pub name: String,
    /// How many steps it has.
    pub steps: usize,
    /// How many letters entered a queue.
    pub letters: u64,
    /// How much virtual time passed.
    pub elapsed: Duration,
    /// How much time it took.
    pub wall: Duration,
    /// The exit status it alone would give.
    pub status: u8,
    /// What there is to say when that is not 0.
    pub details: String,
    /// What goes to standard output instead of the report.
    output: String,
}

/// Runs all; gives the exit status.
pub fn run(arguments: &Run, colour: bool) -> u8 {
    let files = match source::find(&arguments.paths) {
        Ok(files) => files,
        Err(text) => {
            eprintln!("error: {text}");
            return 2;
        }
    };
    if arguments.verbose && arguments.trace != Some(TraceFormat::Text) {
        eprintln!("note: -v has no effect without --trace text");
    }
    let files: Vec<PathBuf> = match arguments.shard {
        Some((k, n)) => files.into_iter().skip(k - 1).step_by(n).collect(),
        None => files,
    };
    let results = all(&files, arguments, colour);
    let status = results.iter().map(|r| r.status).max().unwrap_or(0);
    if arguments.transcript || matches!(arguments.trace, Some(TraceFormat::Text | TraceFormat::Jsonl)) {
        let mut out = std::io::stdout().lock();
        for r in &results {
            // Standard output may be closed; there is nobody to tell then.
            let _ = out.write_all(r.output.as_bytes());
            if !r.details.is_empty() {
                eprintln!("{}", r.details.trim_end());
            }
        }
    } else {
        print_report(&results);
    }
    if let Some(path) = &arguments.junit
        && let Err(e) = fs::write(path, junit::report(&results))
    {
        eprintln!("error: {}: {e}", path.display());
        return 2;
    }
    status
}

fn print_report(results: &[Result]) {
    let width = results.iter().map(|r| r.name.chars().count()).max().unwrap_or(0);
    for r in results {
        println!("{}", report::line(r, width));
    }
    println!();
    for r in results.iter().filter(|r| !r.details.is_empty()) {
        println!("{}\n", r.details.trim_end());
    }
    println!("{}", report::total(results));
}

/// Runs the files on as many threads as wanted; the results come in the files' order.
fn all(files: &[PathBuf], arguments: &Run, colour: bool) -> Vec<Result> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.unwrap_or(processors).clamp(1, files.len().max(1));
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            // A world lives in one thread; recursion in shells and parsers gets room.
            let worker = || {
                while let Some((n, path)) = {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    files.get(n).map(|p| (n, p))
                } {
                    // One scenario's end is not the end of the others.
                    let result = catch_unwind(AssertUnwindSafe(|| one(path, arguments, colour)));
                    let result = result.unwrap_or_else(|panic| {
                        let text =
                            format!("error: {}: maillab itself failed: {}", path.display(), words(&*panic));
                        nothing(path, 3, text)
                    });
                    results.lock().unwrap_or_else(|e| e.into_inner()).push((n, result));
                }
            };
            let spawned = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, worker);
            if let Err(e) = spawned {
                eprintln!("error: no thread can be started: {e}");
            }
        }
    });
    let mut results = results.into_inner().unwrap_or_else(|e| e.into_inner());
    results.sort_by_key(|(n, _)| *n);
    results.into_iter().map(|(_, r)| r).collect()
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the report tells how long a run took"
)]
fn one(path: &Path, arguments: &Run, colour: bool) -> Result {
    let start = std::time::Instant::now();
    let mut result = match source::read(path, colour) {
        Ok(source) => of_source(&source, arguments, colour),
        Err(details) => nothing(path, 2, details),
    };
    result.wall = start.elapsed();
    result
}

fn nothing(path: &Path, status: u8, details: String) -> Result {
    Result {
        name: source::name(path),
        steps: 0,
        letters: 0,
        elapsed: Duration::ZERO,
        wall: Duration::ZERO,
        status,
        details,
        output: String::new(),
    }
}

fn of_source(source: &Source, arguments: &Run, colour: bool) -> Result {
    let keep = if arguments.trace == Some(TraceFormat::None) { Keep::Nothing } else { Keep::All };
    let outcome = match run_scenario(&source.scenario, Options { keep, seed: arguments.seed }) {
        Ok(outcome) => outcome,
        Err(stopped) => return without_outcome(source, &stopped, colour),
    };
    let trace = outcome.world.trace();
    let mut details = String::new();
    for m in &outcome.mismatches {
        details.push_str(&report::mismatch(source, m, &trace, colour));
        details.push_str("\n\n");
    }
    if !arguments.transcript && arguments.trace.is_none() && arguments.seed.is_none() {
        details.push_str(&snapshot(source, &trace, arguments.accept));
    }
    let status = u8::from(!details.is_empty());
    if !arguments.transcript && arguments.trace.is_none() {
        for notice in check::notices(source) {
            eprintln!("note: {}: {notice}", source.path.display());
        }
    }
    let output = match arguments.trace {
        _ if arguments.transcript => outcome.transcript.clone(),
        Some(TraceFormat::Text) => text::render(&trace, arguments.verbose),
        Some(TraceFormat::Jsonl) => jsonl::render(&trace),
        Some(TraceFormat::None) | None => String::new(),
    };
    Result {
        name: source::name(&source.path),
        steps: source.scenario.steps.len(),
        letters: outcome.letters,
        elapsed: outcome.elapsed,
        wall: Duration::ZERO,
        status,
        details,
        output,
    }
}

/// A run that did not come to its end: the scenario's fault, or the lab's.
fn without_outcome(source: &Source, stopped: &Stopped, colour: bool) -> Result {
    match stopped {
        Stopped::Boot(problem) => nothing(&source.path, 2, source.complaint(problem, colour)),
        Stopped::Failed(failure) => {
            let text = format!("error: {}: a program of the lab failed: {failure}", source.path.display());
            nothing(&source.path, 3, text)
        }
    }
}

/// Compares the trace with the snapshot beside the scenario, where there is one; what differs, in words.
fn snapshot(source: &Source, trace: &maillab::trace::Trace, accept: bool) -> String {
    let path = source::snapshot(&source.path);
    let now = maillab::view::snapshot::of(&source.scenario, trace);
    if accept {
        let file = maillab::view::snapshot::file(&now);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, file));
        return written.err().map_or_else(String::new, |e| format!("error: {}: {e}\n", path.display()));
    }
    let Ok(before) = fs::read_to_string(&path) else { return String::new() };
    if maillab::view::snapshot::is(&before, &now) {
        return String::new();
    }
    let before = maillab::view::snapshot::body(&before);
    let diff = similar::TextDiff::from_lines(before, now.as_str());
    let mut out = format!("{}: the trace is not what it was\n", path.display());
    let shown = diff.unified_diff().context_radius(2).header("snapshot", "now").to_string();
    for line in shown.lines().take(40) {
        out.push_str(line);
        out.push('\n');
    }
    out.push_str("  = if it should be so:  maillab run --accept\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use maillab::world::Failure;

    #[test]
    fn a_program_of_the_lab_that_fails_is_named_and_gives_3() {
        let text = include_str!("../../scenarios/relay-denial.yaml").to_owned();
        let scenario = maillab::scenario::load::load(&text).expect("the scenario is good");
        let source = Source { path: "lab.yaml".into(), text, scenario };
        let failure =
            Failure { program: "qmgr[12] on mx.example.com".into(), event: 7, message: "oh".into() };
        let result = without_outcome(&source, &Stopped::Failed(failure), false);
        assert_eq!(result.status, 3);
        assert!(
            result.details.contains("qmgr[12] on mx.example.com failed after event 7: oh"),
            "{}",
            result.details
        );
    }
}
