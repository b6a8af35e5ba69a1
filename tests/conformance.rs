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
    let mut wrong = String::new();
    for name in must() {
        match differs(&name) {
            Ok(None) => {}
            Ok(Some(diff)) => wrong += &diff,
            Err(stopped) => wrong += &format!("{name}: {stopped}\n"),
        }
    }
    assert!(wrong.is_empty(), "the lab and the real programs disagree:\n{wrong}");
}

/// How far the lab is with the cases that need not be the same yet; `--nocapture` shows it.
#[test]
fn the_cases_ahead_are_counted() {
    let must = must();
    let all = cases();
    for name in &must {
        assert!(all.contains(name), "{name} stands in must.txt, and there is no such case");
    }
    let ahead: Vec<&String> = all.iter().filter(|n| !must.contains(n)).collect();
    let mut same = 0;
    for name in &ahead {
        let word = match differs(name) {
            Ok(None) => {
                same += 1;
                "the same: it belongs into must.txt".to_owned()
            }
            Ok(Some(diff)) => {
                let lines = |sign: char, head: &str| {
                    diff.lines().filter(|l| l.starts_with(sign) && !l.starts_with(head)).count()
                };
                format!("{} lines missing, {} too many", lines('-', "---"), lines('+', "+++"))
            }
            Err(stopped) => stopped,
        };
        println!("{name:36} {word}");
    }
    println!("{} cases, {} must be the same, {same} more are", all.len(), must.len());
}

/// The cases that must be the same.
fn must() -> Vec<String> {
    let list = fs::read_to_string("tests/conformance/must.txt").expect("the list is there");
    list.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect()
}

/// All cases that have a recording.
fn cases() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["notebook", "delivery", "smtpd", "mailbox", "local", "commands"] {
        let entries = fs::read_dir(Path::new("tests/conformance").join(folder)).expect("the folder is there");
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|e| e.file_name().to_string_lossy().strip_suffix(".real").map(str::to_owned))
            .collect();
        names.sort();
        found.extend(names.into_iter().map(|name| format!("{folder}/{name}")));
    }
    found
}

/// Where the lab and the recording differ, if they do.
fn differs(name: &str) -> Result<Option<String>, String> {
    let path = Path::new("tests/conformance").join(format!("{name}.real"));
    let real = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let real = mask(&String::from_utf8_lossy(&real));
    let ours = mask(&folded(&transcript(name)?));
    if ours == real {
        return Ok(None);
    }
    let diff = TextDiff::from_lines(&real, &ours);
    let header = format!("{name} real");
    Ok(Some(diff.unified_diff().context_radius(1).header(&header, "lab").to_string()))
}

/// The recorder reads what a program prints as a text of lines, whatever ends them.
fn folded(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Runs a case with room for shells that run in one another.
fn transcript(name: &str) -> Result<String, String> {
    let path = format!("tests/conformance/{name}.yaml");
    let text = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    let run = move || {
        let scenario = load::load(&text).map_err(|e| e.message)?;
        let options = Options { keep: Keep::Nothing, seed: None };
        run(&scenario, options).map(|outcome| outcome.transcript.clone()).map_err(|e| e.to_string())
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run).expect("a thread starts");
    thread.join().map_err(|_| "the lab panicked".to_owned())?
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
        "  Folder: /home/w/Maildir/new/MAILDIRNAME\t429\n"
    );
    assert_eq!(
        mask("-rw------- 1 wand mail 500 Nov 24 03:28 wand\n"),
        "-rw------- 1 wand mail N DATE wand\n"
    );
}

/// What `oracle normalise` makes of texts that no recording holds.
#[test]
fn masks_are_those_of_the_oracle() {
    let pairs = [
        (
            "C: MAIL SIZE 1234567\n5ABCDEF1 4F1abcdefghz1Q 5ABCDEF1\n",
            "C: MAIL SIZE 1234567\nQUEUEID1 QUEUEID2 QUEUEID1\n",
        ),
        ("total 12\n", "total N\n"),
        (
            "A12345F7 and 3 octets\nS: 1 512\nS: 2 RFC822.SIZE 99 {17}\n",
            "QUEUEID1 and N octets\nS: 1 N\nS: 2 RFC822.SIZE N {N}\n",
        ),
        ("3 octets\nS: 1 512\n", "3 octets\nS: 1 512\n"),
        ("<bob> AbCdEfGhIjKlMnOpQrStUv:R2 Saved\n", "<bob> SESSION:R2 Saved\n"),
        ("/var/spool/postfix/deferred/A/A12345F7\n", "/var/spool/postfix/deferred/H/QUEUEID1\n"),
        ("-- 0 Kbytes\n--     3 Kbytes in 1 Request.\n", "-- 0 Kbytes\n-- 3 Kbytes in 1 Request.\n"),
        ("procmail: [77] Tue Nov 24 03:28:18 2026\nprocmail: Match\n", "procmail: Match\n"),
        ("one\x0ctwo\n", "one\ntwo\n"),
        (
            "Nov 24 03:28:18 mx postfix/smtpd[9]: a\nNov 24 03:28:18 mx postfix/cleanup[8]: b\nNov 24 03:28:19 mx postfix/smtpd[7]: c\n",
            "DATE mx postfix/cleanup[PID]: b\nDATE mx postfix/smtpd[PID]: a\nDATE mx postfix/smtpd[PID]: c\n",
        ),
        ("", "\n"),
    ];
    for (text, masked) in pairs {
        assert_eq!(mask(text), masked, "{text:?}");
    }
}

#[test]
fn line_ends_do_not_count() {
    assert_eq!(folded("total 5\r\none\rtwo\n"), "total 5\none\ntwo\n");
    assert_eq!(mask(&folded("total 5\r\n")), "total N\n");
}
