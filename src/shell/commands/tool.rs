//! What all small commands share: buffered output, complaints in GNU's form, the exit status.
//!
//! Standard output is buffered in blocks of [`BLOCK`] octets, as the C library does where it is
//! no terminal; a complaint sends out first what is buffered, as error(3) does.

use crate::world::errno::Errno;
use crate::world::exec::Signal;
use crate::world::process::{Process, STDOUT};
use std::fmt::{Display, Write};
use std::rc::Rc;

/// The size of the output buffer, in octets.
const BLOCK: usize = 4096;

/// A command at work.
pub struct Tool {
    /// Its process.
    pub p: Process,
    /// The name it was called by.
    pub name: Rc<str>,
    /// What it is going to exit with.
    pub status: i32,
    out: Vec<u8>,
    broken: bool,
}

impl Tool {
    /// The command that this process is.
    pub fn new(p: Process) -> Tool {
        let name = p.argv().first().cloned().unwrap_or_else(|| p.name());
        Tool { p, name, status: 0, out: Vec::new(), broken: false }
    }

    /// Adds to standard output.
    pub async fn put(&mut self, text: impl AsRef<[u8]>) {
        self.out.extend_from_slice(text.as_ref());
        if self.out.len() >= BLOCK {
            let whole = self.out.len() / BLOCK * BLOCK;
            let rest = self.out.split_off(whole);
            self.flush().await;
            self.out = rest;
        }
    }

    /// Adds a line to standard output.
    pub async fn line(&mut self, text: impl AsRef<[u8]>) {
        self.put(text).await;
        self.put(b"\n").await;
    }

    /// Sends out what is buffered. Who writes to a pipe that nobody reads ends here.
    pub async fn flush(&mut self) {
        if self.out.is_empty() || self.broken {
            return;
        }
        let bytes = std::mem::take(&mut self.out);
        let written = match self.p.fd(STDOUT) {
            Ok(open) => open.write(bytes).await,
            Err(e) => Err(e),
        };
        match written {
            Ok(()) => {}
            Err(Errno::EPIPE) => self.p.die(Signal::Pipe).await,
            Err(e) => {
                self.broken = true;
                self.status = self.status.max(1);
                self.p.eprint(format!("{}: write error: {e}\n", self.name)).await;
            }
        }
    }

    /// Says on standard error what is wrong, under the command's name, without a new status.
    pub async fn warn(&mut self, text: impl Display) {
        self.flush().await;
        self.p.eprint(format!("{}: {text}\n", self.name)).await;
    }

    /// Says what is wrong; the command will exit with 1 at least.
    pub async fn complain(&mut self, text: impl Display) {
        self.warn(text).await;
        self.status = self.status.max(1);
    }

    /// Says what is wrong and where help is to be had; gives `status` to exit with.
    pub async fn usage(&mut self, text: impl Display, status: i32) -> i32 {
        self.warn(text).await;
        self.p.eprint(format!("Try '{} --help' for more information.\n", self.name)).await;
        status
    }

    /// Says that an option of the real command is not there in the lab; the status is 1.
    pub async fn unavailable(&mut self, option: &str) -> i32 {
        self.flush().await;
        let text = format!("maillab: {}: option {option} is not available in the lab\n", self.name);
        self.p.eprint(text).await;
        1
    }

    /// Sends out the rest and gives the exit status.
    pub async fn done(mut self) -> i32 {
        self.flush().await;
        self.status
    }
}

/// A name in quotes, as GNU's messages show it: `'a'`, `"it's"`.
pub fn quoted(name: &str) -> String {
    if name.chars().any(char::is_control) {
        return escaped(name);
    }
    if !name.contains('\'') {
        return format!("'{name}'");
    }
    if !name.contains(['"', '$', '`', '\\']) {
        return format!("\"{name}\"");
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

/// A name as most messages show it: in quotes only where a shell would need them.
pub fn shown(name: &str) -> String {
    let special = |c: char| c.is_control() || " \"'$`\\!&();<>|*?[^={}".contains(c);
    let leading = name.starts_with(['#', '~']);
    if name.is_empty() || leading || name.contains(special) { quoted(name) } else { name.to_owned() }
}

fn escaped(name: &str) -> String {
    let mut text = String::from("'");
    for c in name.chars() {
        match c {
            '\n' => text.push_str("'$'\\n''"),
            '\t' => text.push_str("'$'\\t''"),
            '\r' => text.push_str("'$'\\r''"),
            c if c.is_control() => {
                let _ = write!(text, "'$'\\{:03o}''", c as u32);
            }
            c => text.push(c),
        }
    }
    text.push('\'');
    text.strip_prefix("''").map_or(text.clone(), str::to_owned).trim_end_matches("''").to_owned()
}
