//! mkfifo(1): makes named pipes.

use super::chmod::asked_mode;
use super::options::{NONE, Options};
use super::tool::{Tool, quoted};
use crate::world::fs::Special;
use crate::world::process::Process;

const MKFIFO: Options =
    Options { usage: "[OPTION]... NAME...", short: "m:Z", long: &[("mode=", 'm'), ("context", 'Z')], ..NONE };

/// The mode before the umask.
const MODE: u16 = 0o666;

/// mkfifo(1)
pub async fn mkfifo(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match MKFIFO.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.operands.is_empty() {
        return tool.usage("missing operand", 1).await;
    }
    let mode = match asked_mode(&mut tool, parsed.value('m'), MODE, false).await {
        Ok(mode) => mode.unwrap_or(MODE & !tool.p.umask()),
        Err(status) => return status,
    };
    for path in &parsed.operands {
        let made = {
            let p = &tool.p;
            let cred = p.cred().clone();
            p.host().fs_mut().mknod(&cred, p.cwd(), path, Special::Fifo, mode, p.now())
        };
        if let Err(e) = made {
            tool.complain(format!("cannot create fifo {}: {e}", quoted(path))).await;
        }
    }
    tool.done().await
}
