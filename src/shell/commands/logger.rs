//! logger(1): writes into the system log.
//!
//! # Simplifications
//! The lab keeps the log of the facility mail only, in /var/log/maillog; what goes to another
//! facility is taken and dropped.

use super::names;
use super::options::{NONE, Options};
use super::text::{Input, chomp};
use super::tool::Tool;
use crate::world::process::Process;

const OPTIONS: Options = Options {
    usage: "[options] [<message>]",
    short: "f:ip:st:",
    long: &[("file=", 'f'), ("id?", 'i'), ("priority=", 'p'), ("stderr", 's'), ("tag=", 't')],
    absent: "deknPSTu",
    ..NONE
};
const FACILITIES: &[&str] = &[
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const LEVELS: &[&str] =
    &["emerg", "panic", "alert", "crit", "err", "error", "warning", "warn", "notice", "info", "debug"];

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let priority = parsed.value('p').unwrap_or("user.notice");
    let (facility, level) = priority.split_once('.').unwrap_or(("user", priority));
    if !FACILITIES.contains(&facility) {
        tool.complain(format!("unknown facility name: {facility}")).await;
        return 1;
    }
    if !LEVELS.contains(&level) {
        tool.complain(format!("unknown priority name: {level}")).await;
        return 1;
    }
    let tag = match parsed.value('t') {
        Some(tag) => tag.to_owned(),
        None => names::user(tool.p.host(), tool.p.cred().uid),
    };
    let mut lines = Vec::new();
    if parsed.operands.is_empty() {
        let name = parsed.value('f').unwrap_or("-").to_owned();
        match Input::open(&tool.p, &name) {
            Ok(mut input) => {
                while let Ok(Some(line)) = input.line().await {
                    lines.push(String::from_utf8_lossy(chomp(&line)).into_owned());
                }
            }
            Err(e) => {
                tool.complain(format!("file {name}: {e}")).await;
                return 1;
            }
        }
    } else {
        lines.push(parsed.operands.join(" "));
    }
    let id = if parsed.has('i') { format!("[{}]", tool.p.pid()) } else { String::new() };
    for line in lines {
        if parsed.has('s') {
            tool.p.eprint(format!("<{}>{tag}{id}: {line}\n", if facility == "mail" { 21 } else { 13 })).await;
        }
        if facility == "mail" {
            tool.p.syslog(&tag, &line);
        }
    }
    tool.done().await
}
