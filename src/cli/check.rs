//! `maillab check`: reads scenarios and says what is wrong with them.

use super::source;
use maillab::scenario::boot;
use std::path::PathBuf;

/// Checks all files; 0 when all are good, 2 otherwise.
pub fn check(paths: &[PathBuf], colour: bool) -> u8 {
    let files = match source::find(paths) {
        Ok(files) => files,
        Err(text) => {
            eprintln!("error: {text}");
            return 2;
        }
    };
    let mut bad = 0;
    for path in &files {
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
    let plural = if files.len() == 1 { "" } else { "s" };
    match bad {
        0 => {
            println!("{} scenario{plural}, nothing wrong", files.len());
            0
        }
        n => {
            eprintln!("{} scenario{plural}, {n} with something wrong", files.len());
            2
        }
    }
}

/// Settings and services of a scenario that have no effect in the lab.
pub fn notices(source: &source::Source) -> Vec<String> {
    let mut all = Vec::new();
    for (name, host) in &source.scenario.hosts {
        if host.services.contains(&maillab::scenario::model::Service::Dovecot) {
            all.push(format!("{name}: of dovecot the lab has authentication only"));
        }
        for (parameter, place) in boot::without_effect(name, host) {
            all.push(format!("{name}: {parameter} ({place}) has no effect in the lab"));
        }
    }
    all
}
