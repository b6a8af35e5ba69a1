//! The layers of ARCHITECTURE.md: an arrow points at what is used, and nothing points back up.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, the lowest first. What stands in one line does not know its neighbours.
const LAYERS: [&[&str]; 8] = [
    &["proto", "trace"],
    &["world"],
    &["postfix", "dovecot", "procmail", "mua", "shell"],
    &["view"],
    &["scenario"],
    &["repl"],
    &["lesson"],
    &["book"],
];

/// Arrows that are meant although the layers would not have them, with the reason.
const MEANT: [(&str, &str, &str); 4] = [
    ("trace", "world", "an event carries a virtual instant (world::clock), nothing else of the world"),
    ("trace", "proto", "DNS messages are shown in words"),
    ("postfix", "shell", "none: Postfix runs commands through /bin/sh, a file"),
    ("view", "scenario", "diagnostics show places of a scenario"),
];

#[test]
fn no_arrow_points_up() {
    let mut wrong = Vec::new();
    for file in rust_files(Path::new("src")) {
        let Some(from) = layer_of(&file) else { continue };
        let text = fs::read_to_string(&file).expect("a source file is text");
        for (n, line) in text.lines().enumerate() {
            for to in uses(line) {
                let Some(level_to) = level(&to) else { continue };
                let level_from = level(&from).expect("a layer has a level");
                let sideways = level_to == level_from && to != from;
                let meant = MEANT.iter().any(|(a, b, _)| *a == from && *b == to);
                if (level_to > level_from || sideways) && !meant {
                    wrong.push(format!("{}:{}: {from} uses {to}", file.display(), n + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn every_source_file_says_what_it_is() {
    let silent: Vec<_> = rust_files(Path::new("src"))
        .into_iter()
        .filter(|f| !fs::read_to_string(f).expect("a source file is text").starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "files without a head: {silent:?}");
}

fn level(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&layer))
}

fn layer_of(file: &Path) -> Option<String> {
    let first = file.strip_prefix("src").ok()?.components().next()?.as_os_str().to_str()?.to_owned();
    level(&first).map(|_| first)
}

/// The layers named by `crate::` paths in a line.
fn uses(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("crate::")
        .filter_map(|(at, found)| {
            let rest = &code[at + found.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (!rest[..end].is_empty()).then(|| rest[..end].to_owned())
        })
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut entries: Vec<_> =
        fs::read_dir(folder).expect("the folder is there").flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            all.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
    all
}
