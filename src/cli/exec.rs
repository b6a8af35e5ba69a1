//! `maillab exec`: one command on one host of a scenario.

use super::source;
use maillab::scenario::boot;
use maillab::scenario::load;
use maillab::scenario::run;
use maillab::trace::Keep;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Runs the command; gives its exit status.
pub fn exec(path: &Path, target: &str, command: &str, colour: bool) -> u8 {
    let source = match source::read(path, colour) {
        Ok(source) => source,
        Err(text) => {
            eprintln!("{text}");
            return 2;
        }
    };
    let (name, user) = target.split_once(':').unwrap_or((target, "root"));
    let hosts = &source.scenario.hosts;
    let Some(host) = hosts.get(name) else {
        let known = load::some_of(hosts.keys());
        eprintln!("error: there is no host `{name}` in {}\n  = the hosts are {known}", path.display());
        return 2;
    };
    if user != "root" && !host.users.contains_key(user) {
        eprintln!("error: there is no user `{user}` on {name}");
        return 2;
    }
    let world = match boot::boot(&source.scenario, Keep::Nothing, None) {
        Ok(world) => world,
        Err(problem) => {
            eprintln!("{}", source.complaint(&problem, colour));
            return 2;
        }
    };
    let status = match world.host(name) {
        Some(host) => {
            let (child, seen) = run::command(&host, user, command);
            let limit = world.now() + Duration::from_secs(24 * 60 * 60);
            world.run_while(limit, || child.status().is_some());
            // Standard output may be closed; there is nobody to tell then.
            let _ = std::io::stdout().write_all(&seen.borrow());
            child.status().map_or(124, |s| (s & 255) as u8)
        }
        None => 2,
    };
    let failure = world.failure();
    world.shut_down();
    match failure {
        Some(failure) => {
            eprintln!("error: {failure}");
            3
        }
        None => status,
    }
}
