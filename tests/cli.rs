//! The command line as it is used: reports, transcripts, exit statuses. The dialogues stand in
//! `cli/*.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn the_dialogues_are_these() {
    trycmd::TestCases::new().case("tests/cli/*.md");
}

/// Copies the scenarios to a folder of their own, for what is written beside them.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder can be made");
    for file in ["good.yaml", "wrong.yaml"] {
        fs::copy(Path::new("tests/cli/report.in").join(file), path.join(file)).expect("a file can be copied");
    }
    path
}

fn maillab(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maillab"));
    command.args(arguments).current_dir(folder).env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR");
    command.output().expect("maillab starts")
}

#[test]
fn a_snapshot_is_taken_and_then_compared() {
    let folder = folder("snapshot");
    let run = |arguments: &[&str]| maillab(&folder, arguments).status.code();
    assert_eq!(run(&["run", "--accept", "good.yaml"]), Some(0));
    assert_eq!(run(&["run", "good.yaml"]), Some(0));
    let snapshot = folder.join("snapshots/good.snap");
    let text = fs::read_to_string(&snapshot).expect("the snapshot is there");
    fs::write(&snapshot, text.replace("mail -s hi", "mail -s ho")).expect("it can be written");
    let out = maillab(&folder, &["run", "good.yaml"]);
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("the trace is not what it was") && said.contains("--accept"), "{said}");
    assert_eq!(run(&["run", "--accept", "good.yaml"]), Some(0));
    assert_eq!(fs::read_to_string(&snapshot).expect("the snapshot is there"), text);
}

#[test]
fn a_transcript_is_all_there_is_on_standard_output() {
    let out = maillab(Path::new("tests/cli/report.in"), &["run", "--transcript", "good.yaml"]);
    let said = "# 1. alice@mx.example.com\n$ echo hello | mail -s hi alice\n\n# 2. wait 1h\n\n\
                # 3. root@mx.example.com\n$ grep Subject /var/mail/alice\nSubject: hi\n";
    assert_eq!(String::from_utf8_lossy(&out.stdout), said);
    assert_eq!(out.status.code(), Some(0));
}

#[test]
fn a_shard_is_a_part_of_the_files() {
    let folder = folder("shard");
    let part = |shard: &str| maillab(&folder, &["run", "--transcript", "--shard", shard, "."]).stdout;
    let (first, second) = (part("1/2"), part("2/2"));
    assert!(!first.is_empty() && !second.is_empty());
    assert_eq!([first, second].concat(), part("1/1"));
}

#[test]
fn a_junit_report_is_written() {
    let folder = folder("junit");
    let out = maillab(&folder, &["run", "--junit", "report.xml", "."]);
    assert_eq!(out.status.code(), Some(1));
    let xml = fs::read_to_string(folder.join("report.xml")).expect("the report is there");
    assert!(xml.starts_with("<?xml") && xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
    assert!(xml.contains("&lt;x@elsewhere.example&gt;"), "{xml}");
}

#[test]
fn colour_is_for_those_who_want_it() {
    let folder = folder("colour");
    let with = |name: &str, value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_maillab"));
        command.args(["run", "."]).current_dir(&folder).env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR");
        let out = command.env(name, value).output().expect("maillab starts");
        out.stdout.contains(&0x1b)
    };
    assert!(with("CLICOLOR_FORCE", "1"));
    assert!(!with("NO_COLOR", "1"));
    assert!(!with("TERM", "xterm"), "a pipe is no terminal");
}

#[test]
fn the_order_is_that_of_the_files_whatever_the_number_of_jobs() {
    let folder = folder("jobs");
    let transcript = |jobs: &str| maillab(&folder, &["run", "--transcript", "--jobs", jobs, "."]).stdout;
    assert!(!transcript("1").is_empty());
    assert_eq!(transcript("1"), transcript("4"));
}

#[test]
fn a_reader_who_leaves_is_no_fault() {
    let line = format!("{} learn | true; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_maillab"));
    let said = Command::new("bash").args(["-c", &line]).output().expect("bash starts");
    assert_eq!(String::from_utf8_lossy(&said.stderr), "");
    assert!(matches!(said.stdout.as_slice(), b"0\n" | b"141\n"), "{said:?}");
}
