//! postdrop(1): puts a message into `maildrop/`, with the rights of group postdrop.
//!
//! Reads records from standard input; nothing of an envelope that users may not set is taken over.
//! Then wakes `pickup`.

use super::getopt;
use super::master::{self, Trigger};
use super::msg::Msg;
use super::queue::{self, Queue, SPOOL};
use super::record::{Records, Type};
use crate::world::process::{Process, STDIN};

const USAGE: &str = "usage: postdrop [-c config_dir] [-v]";

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
    let input = match p.fd(STDIN) {
        Ok(open) => open.read_to_end(super::STDIN_LIMIT).await,
        Err(e) => Err(e),
    };
    let input = match input {
        Ok(input) => input,
        Err(e) => return msg.fatal(format!("uid={}: read from standard input: {e}", p.real_uid())).await,
    };
    let complete = Records::new(&input, 0).last().is_some_and(|r| r.is_ok_and(|r| r.kind == Type::End));
    if !complete {
        // Whoever wrote to us died at it: nothing is sent that was not finished.
        return msg.fatal(format!("uid={}: unexpected end of input", p.real_uid())).await;
    }
    let limit = config.int("message_size_limit").unwrap_or(0);
    if limit > 0 && input.len() as i64 > limit {
        msg.warn(format!("uid={}: File too large", p.real_uid())).await;
        return TOO_LARGE;
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
    let path = Queue::Maildrop.path(&id);
    let len = input.len();
    if let Err(e) = p.write_file(&path, input, 0o644).and_then(|()| p.chmod(&path, 0o744)) {
        let _ = p.unlink(&path);
        return msg.fatal(format!("uid={}: write file {path}: {e}", p.real_uid())).await;
    }
    p.hand_over(&path, || format!("a letter lies in maildrop/{id}, {len} bytes"));
    p.queue_event(&id, &["", "maildrop"]);
    // Nobody there: pickup finds the file when it comes up.
    let _ = master::trigger(&p, &format!("{SPOOL}/public/pickup"), Trigger("W")).await;
    0
}
