//! postdrop(1): puts a message into `maildrop/`, with the rights of group postdrop.
//!
//! Reads records from standard input; nothing of an envelope that users may not set is taken over.
//! Then wakes `pickup`.

use super::config::Config;
use super::getopt;
use super::master::{self, Trigger};
use super::msg::Msg;
use super::queue::{self, Queue, SPOOL};
use super::record::{Records, Type};
use crate::world::process::{Process, STDIN, STDOUT};
use bytes::Bytes;
use std::rc::Rc;

const USAGE: &str = "usage: postdrop [-c config_dir] [-v]";

/// Its first answer: this and the queue id, with two zeros behind.
pub const ANSWER: &str = "protocol\0postdrop_protocol\0queue_id\0";

/// The exit status for a message over `message_size_limit` (EX_DATAERR of sysexits.h).
pub const TOO_LARGE: i32 = 65;

/// The command.
pub async fn main(p: Process) -> i32 {
    let msg = Msg::command(&p, "postdrop");
    let options = match getopt::of_command(&p, &msg, "postdrop", "c:rv", USAGE).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let config = match super::configuration_of_host(&p, &msg, options.value('c')).await {
        Ok(config) => config,
        Err(status) => return status,
    };
    if let Err(why) = super::authorized::check(&p, &config, "authorized_submit_users", "submit mail") {
        return msg.fatal(why).await;
    }
    p.set_umask(0o022);
    let long = config.bool("enable_long_queue_ids").unwrap_or(false);
    let id = match queue::enter(&p, Queue::Maildrop, 0o644, long) {
        Ok(id) => id,
        Err(e) => {
            return msg
                .fatal(format!(
                    "uid={}: create file maildrop/{}.{}: {e}",
                    p.real_uid(),
                    p.now().subsec_micros(),
                    p.pid()
                ))
                .await;
        }
    };
    if let Ok(answer) = p.fd(STDOUT) {
        // Nobody need be there to hear it.
        let _ = answer.write(format!("{ANSWER}{id}\0\0")).await;
    }
    let path = Queue::Maildrop.path(&id);
    match message(&p, &config).await {
        Ok(input) => drop_in(&p, &msg, &id, &path, input).await,
        Err(refusal) => {
            let _ = p.unlink(&path);
            match refusal {
                Refusal::Cancelled => 0,
                Refusal::Overrun => {
                    msg.warn("mail_stream_cleanup: close error").await;
                    0
                }
                Refusal::Fatal(text) => msg.fatal(format!("uid={}: {text}", p.real_uid())).await,
                Refusal::TooLarge => {
                    msg.warn(format!("uid={}: File too large", p.real_uid())).await;
                    TOO_LARGE
                }
            }
        }
    }
}

/// Why a message is not taken.
enum Refusal {
    /// It came to no end: whoever wrote to us died at it, or thought better of it.
    Cancelled,
    /// Nor was there room for what came.
    Overrun,
    TooLarge,
    Fatal(String),
}

/// The message from standard input, whole.
async fn message(p: &Process, config: &Config) -> Result<Bytes, Refusal> {
    let input = match p.fd(STDIN) {
        Ok(open) => open.read_to_end(super::STDIN_LIMIT).await,
        Err(e) => Err(e),
    };
    let input = input.map_err(|e| Refusal::Fatal(format!("read from standard input: {e}")))?;
    let mut ends = false;
    for record in Records::new(&input, 0) {
        let record = record.map_err(|_| Refusal::Fatal("malformed input".into()))?;
        ends = record.kind == Type::End;
    }
    let limit = config.int("message_size_limit").unwrap_or(0);
    match () {
        () if limit > 0 && input.len() as i64 > limit => {
            Err(if ends { Refusal::TooLarge } else { Refusal::Overrun })
        }
        () if !ends => Err(Refusal::Cancelled),
        () => Ok(input),
    }
}

/// Puts the message into its file, and wakes pickup.
async fn drop_in(p: &Process, msg: &Msg, id: &Rc<str>, path: &str, input: Bytes) -> i32 {
    let len = input.len();
    if let Err(e) = p.write_file(path, input, 0o644).and_then(|()| p.chmod(path, 0o744)) {
        let _ = p.unlink(path);
        return msg.fatal(format!("uid={}: write file {path}: {e}", p.real_uid())).await;
    }
    p.hand_over(path, || format!("a letter lies in maildrop/{id}, {len} bytes"));
    p.queue_event(id, &["", "maildrop"]);
    // Nobody there: pickup finds the file when it comes up.
    let _ = master::trigger(p, &format!("{SPOOL}/public/pickup"), Trigger("W")).await;
    0
}
