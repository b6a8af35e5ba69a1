//! What words come to, and what setting a variable does (procmailrc(5), "Environment").

use super::log::Abstract;
use super::recipe::Procmail;
use super::word::{Piece, Word};
use crate::world::fs::OpenFlags;
use crate::world::process::STDERR;
use std::future::Future;
use std::pin::Pin;

/// The value of a variable of the environment, or its default.
const DEFAULTS: &[(&str, &str)] = &[
    ("SHELLMETAS", "&|<>~;?*["),
    ("SHELLFLAGS", "-c"),
    ("LOCKEXT", ".lock"),
    ("MSGPREFIX", "msg."),
    ("SENDMAIL", "/usr/sbin/sendmail"),
    ("SENDMAILFLAGS", "-oi"),
];

/// procmail puts these into the environment when it starts.
pub const AT_START: &[(&str, &str)] = &[
    ("SHELLMETAS", "&|<>~;?*["),
    ("SHELLFLAGS", "-c"),
    ("LOCKEXT", ".lock"),
    ("MSGPREFIX", "msg."),
    ("SENDMAIL", "/usr/sbin/sendmail"),
    ("SENDMAILFLAGS", "-oi"),
    ("PROCMAIL_VERSION", "3.23pre"),
    ("COMSAT", "no"),
    ("LINEBUF", "2048"),
];

impl Procmail {
    /// A variable; unset is empty.
    pub fn var(&self, name: &str) -> String {
        match self.p.var(name) {
            Some(value) => value.to_string(),
            None => {
                DEFAULTS.iter().find(|(n, _)| *n == name).map_or_else(String::new, |(_, v)| (*v).to_owned())
            }
        }
    }

    /// A number of seconds or the like, by a variable.
    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.p.var(name).and_then(|v| v.trim().parse().ok()).unwrap_or(default)
    }

    /// A name as `$name` finds it; the special ones too.
    fn lookup(&self, name: &str) -> Option<String> {
        let arguments = &self.arguments;
        Some(match name {
            "$" => self.p.pid().to_string(),
            "#" => arguments.len().to_string(),
            "?" => self.last_exit.to_string(),
            "-" => self.last_folder.clone(),
            "_" => self.rcfile.to_string(),
            "=" => (self.score as i64).to_string(),
            "@" => arguments.join(" "),
            "0" => "procmail".to_owned(),
            digit if digit.bytes().all(|c| c.is_ascii_digit()) && !digit.is_empty() => {
                digit.parse::<usize>().ok().and_then(|n| arguments.get(n - 1)).cloned()?
            }
            name => self.p.var(name)?.to_string(),
        })
    }

    /// What a word comes to; commands in it are run.
    pub fn expand<'a>(&'a mut self, word: &'a Word) -> Pin<Box<dyn Future<Output = String> + 'a>> {
        Box::pin(async move {
            let mut out = String::new();
            for piece in &word.0 {
                match piece {
                    Piece::Text(text) => out.push_str(text),
                    Piece::Variable(name) => out.push_str(&self.lookup(name).unwrap_or_default()),
                    Piece::Quoted(name) => out.push_str(&quoted(&self.lookup(name).unwrap_or_default())),
                    Piece::Choice { name, empty_is_unset, when_set, word } => {
                        let value = self.lookup(name).filter(|v| !(*empty_is_unset && v.is_empty()));
                        match (value, *when_set) {
                            (Some(_), true) | (None, false) => out.push_str(&self.expand(word).await),
                            (Some(value), false) => out.push_str(&value),
                            (None, true) => {}
                        }
                    }
                    Piece::Command(command) => {
                        let output = self.backquote(command).await;
                        out.push_str(&output);
                    }
                }
            }
            out
        })
    }

    /// Several words.
    pub async fn expand_all(&mut self, words: &[Word]) -> Vec<String> {
        let mut out = Vec::with_capacity(words.len());
        for word in words {
            out.push(self.expand(word).await);
        }
        out
    }

    /// Sets a variable, or takes it away, and does what goes with it.
    pub async fn assign(&mut self, name: &str, value: Option<&str>) {
        self.tell(|| match value {
            Some(value) => format!("Assigning \"{name}={value}\""),
            None => format!("Assigning \"{name}\""),
        })
        .await;
        if matches!(name, "INCLUDERC" | "SWITCHRC" | "LOG" | "SHIFT" | "DELIVERED") {
            return self.act_on(name, value.unwrap_or_default()).await;
        }
        self.p.set_var(name, value);
        self.act_on(name, value.unwrap_or_default()).await;
    }

    async fn act_on(&mut self, name: &str, value: &str) {
        match name {
            "HOST" if *value != **self.p.host().name() => self.leave_host().await,
            "MAILDIR" if self.p.chdir(value).is_err() => self.say_of("Couldn't chdir to", value).await,
            "LOGFILE" => self.open_log(value).await,
            "LOG" => self.log(value.to_owned()).await,
            "VERBOSE" => {
                self.verbose = switched_on(value);
                self.show_time().await;
            }
            "LOGABSTRACT" => {
                self.abstracts = match value {
                    v if v.starts_with(['a', 'A']) => Abstract::All,
                    v if switched_on(v) => Abstract::On,
                    _ => Abstract::Off,
                }
            }
            "UMASK" => {
                self.p.set_umask(u16::from_str_radix(value, 8).unwrap_or(0o77));
            }
            "SHIFT" => {
                let n = value.trim().parse().unwrap_or(0usize).min(self.arguments.len());
                self.arguments.drain(..n);
            }
            "DELIVERED" => self.delivered = switched_on(value),
            "INCLUDERC" | "SWITCHRC" => self.read_rc(name, value).await,
            "LOCKFILE" => self.global_lock(value).await,
            "DROPPRIVS" if switched_on(value) => self.drop_privileges(),
            _ => {}
        }
    }

    /// `HOST` is another than this one: what is left of the rcfile is for that one.
    async fn leave_host(&mut self) {
        self.tell(|| format!("HOST mismatched \"{}\"", self.p.host().name())).await;
        if !self.leave_rcfile().await {
            // Nothing is left to be done, and that is no failure.
            self.delivered = true;
        }
    }

    async fn open_log(&mut self, path: &str) {
        if path.is_empty() {
            return;
        }
        match self.p.open(path, OpenFlags::APPEND, 0o666) {
            Ok(file) => {
                self.p.set_fd(STDERR, Some(file));
                self.log_opened = true;
            }
            Err(_) => self.say_of("Error while writing to", path).await,
        }
    }
}

/// `on`, `yes`, `true` or a number other than zero.
pub fn switched_on(value: &str) -> bool {
    let value = value.trim();
    let letter = value.chars().next().map(|c| c.to_ascii_lowercase());
    match letter {
        Some('y' | 't' | 'a' | 'e') => true,
        Some('o') => value[1..].starts_with(['n', 'N']),
        _ => value.parse::<i64>().is_ok_and(|n| n != 0),
    }
}

/// A value as an expression that matches just it.
fn quoted(value: &str) -> String {
    let mut out = String::from("()");
    for c in value.chars() {
        if "(|)*?+.^$[\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches() {
        for on in ["on", "yes", "1", "true", "all", "ON"] {
            assert!(switched_on(on), "{on}");
        }
        for off in ["off", "no", "0", "", "false"] {
            assert!(!switched_on(off), "{off}");
        }
    }

    #[test]
    fn values_as_expressions() {
        assert_eq!(quoted("a.b[c]"), "()a\\.b\\[c]");
    }
}
