//! `maillab check`: reads scenarios and lessons and says what is wrong with them.

use super::source;
use maillab::scenario::boot;
use std::path::PathBuf;

/// Checks all files; 0 when all are good, 2 otherwise.
pub fn check(paths: &[PathBuf], colour: bool) -> u8 {
    let files = match source::find_with_lessons(paths) {
        Ok(files) => files,
        Err(text) => {
            eprintln!("error: {text}");
            return 2;
        }
    };
    let mut bad = 0;
    let is_lesson = |path: &&PathBuf| path.extension().is_some_and(|e| e == "md");
    for path in &files {
        if is_lesson(&path) {
            if let Err(text) = source::read_lesson(path, colour) {
                eprintln!("{text}\n");
                bad += 1;
            }
            continue;
        }
        let read = source::read(path, colour).and_then(|source| match boot::try_disks(&source.scenario) {
            Ok(()) => Ok(source),
            Err(problem) => Err(source.complaint(&problem, colour)),
        });
        match read {
            Ok(source) => {
                for notice in notices(&source) {
                    println!("note: {}: {notice}", path.display());
                }
            }
            Err(text) => {
                eprintln!("{text}\n");
                bad += 1;
            }
        }
    }
    let lessons = files.iter().filter(is_lesson).count();
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let what = match (files.len() - lessons, lessons) {
        (n, 0) => count(n, "scenario"),
        (0, n) => count(n, "lesson"),
        (a, b) => format!("{} and {}", count(a, "scenario"), count(b, "lesson")),
    };
    match bad {
        0 => {
            println!("{what}, nothing wrong");
            0
        }
        n => {
            eprintln!("{what}, {n} with something wrong");
            2
        }
    }
}

/// Settings and services of a scenario that have no effect in the lab.
pub fn notices(source: &source::Source) -> Vec<String> {
    let mut all = Vec::new();
    for (name, host) in &source.scenario.hosts {
        if host.services.contains(&maillab::scenario::model::Service::Dovecot) {
            let conf = host.files.get(maillab::dovecot::CONF).map(|f| f.text.as_str());
            for protocol in maillab::dovecot::unserved(conf) {
                all.push(format!("{name}: nothing serves dovecot's {protocol} in the lab"));
            }
        }
        for (parameter, place) in boot::without_effect(name, host) {
            all.push(format!("{name}: {parameter} ({place}) has no effect in the lab"));
        }
    }
    all
}
