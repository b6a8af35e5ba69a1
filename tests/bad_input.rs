//! Bad input gets one message with file, line and column, the offending text marked, and what was
//! expected; the exit status is 2. The messages stand in `bad_input/files.md`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};

#[test]
fn the_messages_are_these() {
    trycmd::TestCases::new().case("tests/bad_input/*.md");
}

/// Texts too large to be kept: each must be refused in one message, and soon.
#[test]
fn large_files_are_refused_in_one_message() {
    let mega = 1_000_000;
    let cases: [(&str, String, &str); 13] = [
        ("long-line", format!("title: {}\nstepz: []\n", "x".repeat(10 * mega)), "unknown key `stepz`"),
        (
            "long-text",
            format!("summary: |\n{}stepz: []\n", "  a line of text\n".repeat(600_000)),
            "unknown key `stepz`",
        ),
        ("too-large", "x".repeat(17 << 20), "the file is larger than 16 megabytes"),
        // The last octet that is read lies within a letter.
        (
            "too-large-in-a-letter",
            format!("x{}", "é".repeat(9 << 20)),
            "the file is larger than 16 megabytes",
        ),
        ("comment", "#".repeat(10 * mega), "the file is empty"),
        ("values", format!("title: [{}]\n", "a,".repeat(3 * mega)), "too many values"),
        ("hosts", many_hosts(), "stands here for the second time"),
        ("brackets", format!("title: {}\n", "[".repeat(5 * mega)), "levels deep"),
        ("brackets-apart", format!("title: {}\n", "[a, ".repeat(mega)), "levels deep"),
        ("braces-apart", "{a: ".repeat(mega), "levels deep"),
        ("dashes", "- ".repeat(mega), "levels deep"),
        ("stairs", (0..3000).map(|n| format!("{}a:\n", " ".repeat(n))).collect(), "levels deep"),
        ("aliases", bomb(), "aliases are not read in scenarios"),
    ];
    for (name, text, message) in cases {
        let said = one_message(name, text.as_bytes());
        assert!(said.contains(message), "{name}: {said}");
    }
}

fn many_hosts() -> String {
    let hosts: String = (0..200_000).map(|n| format!("  h{n}.example: {{}}\n")).collect();
    format!("title: x\nhosts:\n{hosts}  h1.example: {{}}\n")
}

/// Nine lines that stand for a thousand million words.
fn bomb() -> String {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let mut text = format!("a: &a [{}]\n", ["lol"; 9].join(","));
    for pair in names.windows(2) {
        text += &format!("{}: &{} [{}]\n", pair[1], pair[1], vec![format!("*{}", pair[0]); 9].join(","));
    }
    text
}

#[test]
fn what_cannot_be_read_is_named() {
    for arguments in [
        &["check", "no-such.yaml"][..],
        &["run", "no-such.yaml"],
        &["exec", "no-such.yaml", "a.example", "true"],
        &["run", "--shard", "3/2"],
        &["run", "--junit", "no-such-folder/report.xml", "scenarios/relay-denial.yaml"],
        &["exec", "scenarios/relay-denial.yaml", "nowhere.example", "true"],
        &["exec", "scenarios/relay-denial.yaml", "mx.example.com:nobody-here", "true"],
    ] {
        let out = maillab(arguments);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}: {out:?}");
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(said.matches("error:").count(), 1, "{arguments:?}: {said}");
    }
}

/// Has a text checked; it must give one message and exit status 2.
fn one_message(name: &str, text: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.yaml"));
    let mut file = fs::File::create(&path).expect("a temporary file can be made");
    file.write_all(text).expect("and written");
    let out = maillab(&["check", path.to_str().expect("the path is text")]);
    fs::remove_file(&path).expect("and removed");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{name}: {said}");
    assert_eq!(said.matches("error: ").count(), 1, "{name}: {said}");
    assert!(said.contains(&format!("{name}.yaml:")), "{name}: {said}");
    assert!(said.len() < 4096, "{name}: the message has {} octets", said.len());
    said
}

fn maillab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_maillab")).args(arguments).output().expect("maillab starts")
}
