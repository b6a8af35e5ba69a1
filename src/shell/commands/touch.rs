//! touch(1): makes empty files and sets times.

use super::date;
use super::options::{NONE, Options};
use super::tool::{Tool, quoted};
use crate::world::clock::Time;
use crate::world::errno::{Errno, Sys};
use crate::world::fs::{OpenFlags, Touch};
use crate::world::process::Process;

const OPTIONS: Options = Options {
    usage: "[OPTION]... FILE...",
    short: "acd:mr:t:",
    long: &[("no-create", 'c'), ("date=", 'd'), ("reference=", 'r'), ("time=", TIME)],
    absent: "fh",
    ..NONE
};
const TIME: char = '\u{11}';

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.operands.is_empty() {
        return tool.usage("missing file operand", 1).await;
    }
    let (mut atime, mut mtime) = (Touch::Now, Touch::Now);
    if let Some(path) = parsed.value('r') {
        match tool.p.stat(path, true) {
            Ok(stat) => (atime, mtime) = (Touch::At(stat.atime), Touch::At(stat.mtime)),
            Err(e) => {
                tool.complain(format!("failed to get attributes of {}: {e}", quoted(path))).await;
                return 1;
            }
        }
    }
    let now = tool.p.now();
    for (option, value) in &parsed.given {
        let Some(text) = value else { continue };
        let time = match option {
            'd' => date::read(text, now),
            't' => stamp(text, now),
            _ => continue,
        };
        let Some(time) = time else {
            tool.complain(format!("invalid date format {}", quoted(text))).await;
            return 1;
        };
        (atime, mtime) = (Touch::At(time), Touch::At(time));
    }
    let only = |word: &str| parsed.value(TIME).is_some_and(|w| word.split(' ').any(|known| known == w));
    let (access, modify) =
        (parsed.has('a') || only("access atime use"), parsed.has('m') || only("modify mtime"));
    if access && !modify {
        mtime = Touch::Keep;
    }
    if modify && !access {
        atime = Touch::Keep;
    }
    for name in &parsed.operands {
        match touch(&tool.p, name, parsed.has('c'), atime, mtime) {
            Ok(()) => {}
            Err((true, e)) => tool.complain(format!("cannot touch {}: {e}", quoted(name))).await,
            Err((false, e)) => tool.complain(format!("setting times of {}: {e}", quoted(name))).await,
        }
    }
    tool.done().await
}

fn touch(p: &Process, name: &str, keep_away: bool, atime: Touch, mtime: Touch) -> Result<(), (bool, Errno)> {
    if !p.exists(name) {
        if keep_away {
            return Ok(());
        }
        let how = OpenFlags { write: true, create: true, ..OpenFlags::default() };
        let made: Sys<_> = p.open(name, how, 0o666);
        made.map_err(|e| (true, e))?;
        if atime == Touch::Now && mtime == Touch::Now {
            return Ok(());
        }
    }
    p.set_times(name, atime, mtime).map_err(|e| (matches!((atime, mtime), (Touch::Now, Touch::Now)), e))
}

/// `[[CC]YY]MMDDhhmm[.ss]`
fn stamp(text: &str, now: Time) -> Option<Time> {
    let (digits, seconds) = text.split_once('.').unwrap_or((text, "00"));
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let full = match digits.len() {
        8 => format!("{}{digits}", now.civil().year()),
        10 if &digits[..2] < "69" => format!("20{digits}"),
        10 => format!("19{digits}"),
        12 => digits.to_owned(),
        _ => return None,
    };
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", format!("{full}{seconds}")).ok()?;
    date::instant(time)
}
