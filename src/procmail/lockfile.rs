//! lockfile(1): makes lock files for scripts.
//!
//! Exit status: 0; 64 for a usage error; 69 where a file may not be made; 73 when the number of
//! tries is used up.
//!
//! # Simplifications
//! `-l` looks at the age of a lock by the virtual clock only; `-s` is obeyed with it.

use crate::world::clock::Duration;
use crate::world::errno::Errno;
use crate::world::process::Process;
use std::rc::Rc;

const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;
const CANNOT_CREATE: i32 = 73;

struct Options {
    /// Seconds between two tries.
    pause: u64,
    /// How often to try; for ever where none is given.
    retries: Option<u64>,
    /// After this age in seconds a lock is removed.
    timeout: Option<u64>,
    /// Seconds to wait after that.
    suspend: u64,
    /// Success and failure change places.
    inverted: bool,
    files: Vec<String>,
}

/// lockfile(1).
pub async fn main(p: Process) -> i32 {
    let Some(options) = parse(&p, &p.args()) else {
        p.eprint("Usage: lockfile -v | -ml | -mu | [-nnn] [-r nnn] [-l nnn] [-s nnn] [-!] file ...\n").await;
        return USAGE;
    };
    let mut made: Vec<String> = Vec::new();
    let mut status = 0;
    for file in &options.files {
        status = lock(&p, &options, file).await;
        if status != 0 {
            break;
        }
        made.push(file.clone());
    }
    if status != 0 {
        for file in &made {
            let _ = p.unlink(file);
        }
    }
    match (options.inverted, status) {
        (false, status) => status,
        (true, 0) => 1,
        (true, _) => 0,
    }
}

async fn lock(p: &Process, options: &Options, file: &str) -> i32 {
    let mut tries = 0;
    loop {
        let umask = p.set_umask(0o333);
        let made = p.create_file(file, "0", 0o777);
        p.set_umask(umask);
        match made {
            Ok(()) => return 0,
            Err(Errno::EEXIST) => {}
            Err(_) => {
                p.eprint(format!("lockfile: Sorry, giving up on \"{file}\"\n")).await;
                return UNAVAILABLE;
            }
        }
        let age = p.stat(file, false).map_or(0, |s| p.now().since(s.mtime).as_secs());
        if options.timeout.is_some_and(|t| age >= t) && p.unlink(file).is_ok() {
            p.eprint(format!("lockfile: Forcing lock on \"{file}\"\n")).await;
            p.sleep(Duration::from_secs(options.suspend)).await;
            continue;
        }
        if options.retries.is_some_and(|r| tries >= r) {
            p.eprint(format!("lockfile: Sorry, giving up on \"{file}\"\n")).await;
            return CANNOT_CREATE;
        }
        tries += 1;
        p.sleep(Duration::from_secs(options.pause)).await;
    }
}

fn parse(p: &Process, args: &[Rc<str>]) -> Option<Options> {
    let mut options =
        Options { pause: 8, retries: None, timeout: None, suspend: 16, inverted: false, files: Vec::new() };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = |attached: &str| match attached {
            "" => args.next().and_then(|a| a.parse::<i64>().ok()),
            text => text.parse().ok(),
        };
        match arg.strip_prefix('-') {
            None => options.files.push(arg.to_string()),
            Some("!") => options.inverted = true,
            Some("ml" | "mu") => {
                let host = p.host();
                let user = host.users().user_name(&host.fs(), p.real_uid());
                options.files.push(format!("/var/mail/{user}.lock"));
            }
            Some(o) if o.starts_with('r') => options.retries = u64::try_from(number(&o[1..])?).ok(),
            Some(o) if o.starts_with('l') => options.timeout = u64::try_from(number(&o[1..])?).ok(),
            Some(o) if o.starts_with('s') => options.suspend = u64::try_from(number(&o[1..])?).unwrap_or(0),
            Some(o) => options.pause = o.parse().ok()?,
        }
    }
    (!options.files.is_empty()).then_some(options)
}
