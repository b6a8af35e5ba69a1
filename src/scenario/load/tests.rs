//! Whatever stands in a file, reading it ends, and ends without a panic.

use super::{load, parse_duration};
use crate::scenario::model::Act;
use crate::view::diagnostic;
use proptest::prelude::*;
use std::time::Duration;

/// A scenario that uses every key.
const FULL: &str = include_str!("full.yaml");

/// Reads a text, and renders what is wrong with it: both must work for any text.
fn read(text: &str) -> bool {
    match load(text) {
        Ok(_) => true,
        Err(problem) => {
            let shown = diagnostic::render(&problem, "x.yaml", text, false);
            assert!(shown.starts_with("error: ") && shown.contains("x.yaml:"), "{shown}");
            assert!(problem.span.start <= text.len(), "{problem:?} lies behind the text");
            false
        }
    }
}

#[test]
fn every_key_is_read() {
    let scenario = load(FULL).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(scenario.seed, 7);
    assert_eq!(scenario.hosts.len(), 3);
    assert_eq!(scenario.zone.records().len(), 2);
    let kinds: Vec<&str> = scenario
        .steps
        .iter()
        .map(|s| match &s.act {
            Act::Chat(_) => "chat",
            Act::Shell(_) => "shell",
            Act::Wait { .. } => "wait",
            Act::Note(_) => "note",
            Act::Fault(_) => "fault",
            Act::Heal(_) => "heal",
            Act::Until(_) => "until",
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "note", "chat", "shell", "wait", "fault", "fault", "fault", "fault", "fault", "fault", "fault",
            "heal", "heal", "until"
        ]
    );
}

#[test]
fn lines_know_where_they_stand() {
    let scenario = load(FULL).unwrap_or_else(|e| panic!("{e:?}"));
    for step in &scenario.steps {
        match &step.act {
            Act::Chat(chat) => {
                for (line, expected) in &chat.lines {
                    assert_eq!(FULL[line.span.clone()], line.value);
                    for e in expected {
                        assert_eq!(FULL[e.span.clone()], e.value);
                    }
                }
            }
            Act::Shell(shell) => {
                for (command, expected) in &shell.commands {
                    let first = command.value.lines().next().unwrap_or_default();
                    assert_eq!(&FULL[command.span.clone()], format!("$ {first}"));
                    for e in expected {
                        assert_eq!(FULL[e.span.clone()], e.value);
                    }
                }
            }
            _ => {}
        }
    }
}

#[test]
fn spans_of_time() {
    assert_eq!(parse_duration("1d12h"), Some(Duration::from_secs(129_600)));
    assert_eq!(parse_duration("200ms"), Some(Duration::from_millis(200)));
    for bad in ["", "5", "m", "5x", "-5m", "5 m", "1e3s", "99999999999999999999s", "200000000d"] {
        assert_eq!(parse_duration(bad), None, "{bad}");
    }
}

/// Texts that look like YAML, and some that only begin to.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "- ",
        "? ",
        ": ",
        "  ",
        "\n",
        "\n  ",
        "\n    ",
        "\t",
        "|\n",
        ">-\n",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        "\"",
        "*a",
        "&a ",
        "!!str ",
        "%YAML 1.2\n",
        "---\n",
        "...\n",
        "#",
        "\r\n",
        "\u{feff}",
        "\0",
        "é",
        "\u{2028}",
        "title",
        "hosts",
        "steps",
        "chat",
        "shell",
        "$ x",
        "> x",
        "C: x",
        "S: x",
        "~",
        "12",
        "true",
    ]);
    prop_oneof![4 => fixed.prop_map(str::to_owned), 1 => ".{0,6}"]
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(pieces in prop::collection::vec(piece(), 0..60)) {
        read(&pieces.concat());
    }

    /// A scenario with a few parts cut out, doubled, or replaced.
    #[test]
    fn damaged_scenarios_are_read_or_refused(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, piece()), 1..6)
    ) {
        let mut text: Vec<char> = FULL.chars().collect();
        for (at, cut, new) in edits {
            let start = at.index(text.len() + 1);
            let end = (start + cut).min(text.len());
            text.splice(start..end, new.chars());
        }
        read(&text.into_iter().collect::<String>());
    }

    /// What two readers of YAML make of a file is the same, where both read it. Anchors aside: their
    /// names may have colons in YAML 1.2 (section 6.9.2), which the other reader does not know.
    #[test]
    fn scalars_are_what_another_reader_says(text in " {0,2}([!-%'-~][ -~]{0,19})?") {
        let source = format!("title: {text}\nhosts: {{}}\n");
        let other = serde_yaml::from_str::<serde_yaml::Value>(&source).ok();
        let other = other.as_ref().and_then(|v| v.get("title")).and_then(|t| t.as_str());
        if let (Ok(ours), Some(other)) = (load(&source), other) {
            prop_assert_eq!(ours.title, other);
        }
    }
}
