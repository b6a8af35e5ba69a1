//! The lab says what the real programs said: recorded transcripts, compared after masking what
//! differs between two honest runs. See `tests/conformance/README.md`.

#[path = "conformance/mask.rs"]
mod mask;

use maillab::scenario::load;
use maillab::scenario::run::{Options, run};
use maillab::trace::Keep;
use mask::mask;
use similar::TextDiff;
use std::fs;
use std::path::Path;

#[test]
fn the_lab_says_what_the_real_programs_said() {
    let list = fs::read_to_string("tests/conformance/must.txt").expect("the list is there");
    let mut wrong = String::new();
    for name in list.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let real = fs::read_to_string(Path::new("tests/conformance").join(format!("{name}.real")));
        let real = mask(&real.unwrap_or_else(|e| panic!("{name}.real: {e}")));
        let ours = mask(&transcript(name));
        if ours != real {
            let diff = TextDiff::from_lines(&real, &ours);
            wrong +=
                &diff.unified_diff().context_radius(1).header(&format!("{name} real"), "lab").to_string();
        }
    }
    assert!(wrong.is_empty(), "the lab and the real programs disagree:\n{wrong}");
}

/// Runs a case with room for shells that run in one another.
fn transcript(name: &str) -> String {
    let path = format!("tests/conformance/{name}.yaml");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let run = move || {
        let scenario = load::load(&text).unwrap_or_else(|e| panic!("{path}: {}", e.message));
        let options = Options { keep: Keep::Nothing, seed: None };
        run(&scenario, options).unwrap_or_else(|e| panic!("{path}: {e}")).transcript.clone()
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run);
    thread.expect("a thread starts").join().expect("the case runs")
}

#[test]
fn what_differs_between_two_runs_is_masked() {
    let one = "Nov 24 03:28:18 mx postfix/qmgr[22412]: B063CA2: from=<a@b>, size=342, nrcpt=1 (queue active)\n\
               Nov 24 03:28:18 mx postfix/local[1]: B063CA2: to=<a>, delay=0.03, delays=0.02/0/0/0, dsn=2.0.0\n";
    let masked = "DATE mx postfix/local[PID]: QUEUEID1: to=<a>, delay=N, delays=N, dsn=2.0.0\n\
                  DATE mx postfix/qmgr[PID]: QUEUEID1: from=<a@b>, size=N, nrcpt=1 (queue active)\n";
    assert_eq!(mask(one), masked);
    assert_eq!(
        mask("  Folder: /home/w/Maildir/new/1795491038.4162_1.host\t    429\n"),
        "  Folder: /home/w/Maildir/new/MAILDIRNAME.host\t429\n"
    );
    assert_eq!(
        mask("-rw------- 1 wand mail 500 Nov 24 03:28 wand\n"),
        "-rw------- 1 wand mail N DATE wand\n"
    );
}
