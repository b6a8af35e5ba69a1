//! postlog(1): puts a line into the log, for scripts.

use super::getopt;
use super::msg::Msg;
use crate::world::process::{Process, STDIN};

const USAGE: &str = "usage: postlog [-c config_dir] [-i] [-p priority] [-t tag] [-v] [text]";

/// The levels, and what stands before a text of each.
const LEVELS: [(&str, &str); 5] =
    [("info", ""), ("warn", "warning: "), ("error", "error: "), ("fatal", "fatal: "), ("panic", "panic: ")];

/// The command.
pub async fn main(p: Process) -> i32 {
    let msg = Msg::daemon_named(&p, "postfix/postlog");
    let options = match getopt::of_command(&p, &msg, "postlog", "c:ip:t:v", USAGE).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    if let Err(status) = super::configuration_of_host(&p, &msg, options.value('c')).await {
        return status;
    }
    let level = options.value('p').unwrap_or("info");
    // `warning` is an older word for the same.
    let known = LEVELS.iter().find(|(name, _)| *name == level || level == "warning" && *name == "warn");
    let Some((_, prefix)) = known else {
        return msg.fatal(format!("bad severity: \"{level}\"")).await;
    };
    let ident = options.value('t').unwrap_or("postfix/postlog").to_owned();
    if options.rest.is_empty() {
        let input = match p.fd(STDIN) {
            Ok(open) => open.read_to_end(super::STDIN_LIMIT).await.unwrap_or_default(),
            Err(_) => bytes::Bytes::new(),
        };
        for line in String::from_utf8_lossy(&input).lines() {
            p.syslog(&ident, &format!("{prefix}{line}"));
        }
    } else {
        p.syslog(&ident, &format!("{prefix}{}", options.rest.join(" ")));
    }
    0
}
