//! What procmail says: remarks, and after a delivery the abstract of three lines. All of it goes
//! to standard error, which is the log file once `LOGFILE` is set.

use super::recipe::Procmail;
use crate::world::process::STDERR;

/// The longest part of a subject that is shown.
const SUBJECT: usize = 78;
/// The column at which the size of a message stands.
const SIZE_COLUMN: usize = 72;

/// When an abstract is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Abstract {
    /// Never.
    Off,
    /// At the end, where there is a log file or everything is told.
    #[default]
    Logged,
    /// At the end.
    On,
    /// After each delivery.
    All,
}

impl Procmail {
    /// Writes to the log as it is.
    pub async fn log(&self, text: impl Into<bytes::Bytes>) {
        if let Ok(open) = self.p.fd(STDERR) {
            // A log that cannot be written to is no reason to stop a delivery.
            let _ = open.write(text).await;
        }
    }

    /// A remark that is always made.
    pub async fn say(&self, text: &str) {
        let mut line = String::new();
        self.stamp(&mut line);
        line.push_str("procmail: ");
        line.push_str(text);
        line.push('\n');
        self.log(line).await;
    }

    /// A remark with a name in quotes.
    pub async fn say_of(&self, text: &str, name: &str) {
        self.say(&format!("{text} \"{name}\"")).await;
    }

    /// A remark that is made with `VERBOSE=on`.
    pub async fn tell(&self, text: impl FnOnce() -> String) {
        if self.verbose {
            self.say(&text()).await;
        }
    }

    /// With `VERBOSE=on`, a line with the time whenever a second has passed.
    pub async fn show_time(&self) {
        let mut line = String::new();
        self.stamp(&mut line);
        if !line.is_empty() {
            self.log(line).await;
        }
    }

    fn stamp(&self, line: &mut String) {
        let now = self.p.now();
        if self.verbose && self.stamped.replace(now.unix()) != now.unix() {
            let date = now.strftime("%a %b %e %H:%M:%S %Y");
            line.push_str(&format!("procmail: [{}] {date}\n", self.p.pid()));
        }
    }

    /// Writes the abstract of the last delivery, if it is due.
    pub async fn write_abstract(&self, at_end: bool) {
        let due = match self.abstracts {
            Abstract::Off => false,
            Abstract::Logged => at_end && (self.log_opened || self.verbose),
            Abstract::On => at_end,
            Abstract::All => true,
        };
        if due && (at_end || !self.last_folder.is_empty()) {
            let text = abstract_of(&self.message, &self.last_folder, self.last_size);
            self.log(text).await;
        }
    }
}

/// The three lines: the `From ` line and the subject, where the message has them, and the folder.
fn abstract_of(message: &super::message::Message, folder: &str, size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    if let Some(line) = message.from_line() {
        out.extend_from_slice(line);
    }
    if let Some(subject) = subject(&message.unfolded_header()) {
        out.push(b' ');
        out.extend_from_slice(&subject[..subject.len().min(SUBJECT)]);
        out.push(b'\n');
    }
    out.extend_from_slice(b"  Folder: ");
    out.extend_from_slice(folder.as_bytes());
    let mut column = (folder.len() + 10) / 8 * 8;
    loop {
        out.push(b'\t');
        column += 8;
        if column >= SIZE_COLUMN {
            break;
        }
    }
    out.extend_from_slice(format!("{size:7}\n").as_bytes());
    out
}

fn subject(header: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"subject:";
    header
        .split(|c| *c == b'\n')
        .find(|l| l.len() >= NAME.len() && l[..NAME.len()].eq_ignore_ascii_case(NAME))
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::*;

    #[test]
    fn the_size_stands_in_column_72() {
        let m = Message::new(b"From wand@x.localdomain  Tue Nov 24 03:30:38 2026\nSubject: boo\n\n".to_vec());
        let of = |folder| String::from_utf8(abstract_of(&m, folder, 429)).unwrap();
        let top = "From wand@x.localdomain  Tue Nov 24 03:30:38 2026\n Subject: boo\n";
        assert_eq!(
            of("/home/wand/Maildir/new/1795491038.4162_1.lpic2-study-1"),
            format!("{top}  Folder: /home/wand/Maildir/new/1795491038.4162_1.lpic2-study-1\t    429\n")
        );
        assert_eq!(of("/dev/null"), format!("{top}  Folder: /dev/null\t\t\t\t\t\t\t    429\n"));
    }
}
