//! vi(1), vim(1), nano(1), edit(1): the editor of whoever sits at the terminal works on a copy,
//! which comes back into the file.
//!
//! # Simplifications
//! One file at a time; the line number and the commands that an editor takes are left out, and it
//! needs a terminal.

use super::options::{NONE, Options};
use super::tool::Tool;
use crate::world::errno::Errno;
use crate::world::process::{Process, STDIN};
use crate::world::terminal::Draft;

const OPTIONS: Options = Options { usage: "[FILE]", short: "c:eRrnyw", ..NONE };

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let Some(terminal) = tool.p.terminal(STDIN) else {
        tool.complain("standard input is not a terminal").await;
        return 1;
    };
    let files: Vec<_> = parsed.operands.iter().filter(|o| !o.starts_with('+')).collect();
    let [name] = files.as_slice() else {
        tool.complain("one file at a time").await;
        return 1;
    };
    let (text, new) = match tool.p.read_file(name) {
        Ok(text) => (text, false),
        Err(Errno::ENOENT) => (Default::default(), true),
        Err(e) => {
            tool.complain(format!("{name}: {e}")).await;
            return 1;
        }
    };
    let draft = Draft { name: (*name).clone(), text: text.clone() };
    let Some(edited) = terminal.edit(tool.p.world(), draft).await else { return 0 };
    if edited == text && !new {
        return 0;
    }
    match tool.p.write_file(name, edited, 0o666) {
        Ok(_) => 0,
        Err(e) => {
            tool.complain(format!("{name}: {e}")).await;
            1
        }
    }
}
