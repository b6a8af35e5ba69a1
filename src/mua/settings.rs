//! Variables, aliases and header lists of s-nail, and the part of its language that sets them.
//!
//! They come from `/etc/s-nail.rc` (the settings of Debian's where a host has no such file),
//! then from `$MAILRC` or `~/.mailrc`, then from the options `-S`.
//!
//! # Simplifications
//! Of the language of start-up files `set`, `unset`, `alias`, `unalias`, `retain`, `ignore` and
//! `source` are obeyed; conditions, macros and key bindings are passed over.

use crate::world::process::Process;
use std::collections::BTreeMap;

/// What Debian's `/etc/s-nail.rc` sets.
pub const SYSTEM_RC: &str = "\
set autocollapse append asksend crt editheaders emptystart fullnames
set history-gabby=all history-gabby-persist
set hold indentprefix=\"> \" followup-to-honour=ask-yes markanswered
set mime-counter-evidence=0b1111 keep keepsave quote recipients-in-cc
set reply-to-honour=ask-yes sendcharsets=utf-8,iso-8859-1 showname showto
retain date sender from to cc subject message-id mail-followup-to reply-to
";

/// What the lab sets for those who sit at a terminal.
pub const PERSON_RC: &str = "set dot noasksend\n";

/// Files that read each other in a circle are left at this depth.
const DEEPEST_SOURCE: usize = 16;

/// What the start-up files and options say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    variables: BTreeMap<String, String>,
    /// Aliases: a name and the addresses it stands for.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Header fields that are shown; all where none is named.
    pub retained: Vec<String>,
    /// Header fields that are not shown.
    pub ignored: Vec<String>,
}

impl Settings {
    /// Reads the start-up files: the system's and the user's, as far as asked for.
    pub fn load(p: &Process, system: bool, user: bool) -> Settings {
        let mut settings = Settings::default();
        if system {
            let text = p.read_text("/etc/s-nail.rc").unwrap_or_else(|_| SYSTEM_RC.to_owned());
            settings.run(p, &text, 0);
        }
        if user {
            let path = p.var("MAILRC").map_or_else(|| expand_home(p, "~/.mailrc"), |m| expand_home(p, &m));
            if let Ok(text) = p.read_text(&path) {
                settings.run(p, &text, 0);
            }
        }
        settings
    }

    /// The value of a variable; empty for one that is only on.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Is a variable set?
    pub fn on(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// Obeys `name`, `name=value` or `noname`.
    pub fn assign(&mut self, text: &str) {
        match text.split_once('=') {
            Some((name, value)) => {
                self.variables.insert(name.trim().to_owned(), value.to_owned());
            }
            None => match text.strip_prefix("no") {
                Some(name) => {
                    self.variables.remove(name);
                }
                None => {
                    self.variables.insert(text.to_owned(), String::new());
                }
            },
        }
    }

    /// Removes a variable.
    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// All variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Is a header field shown?
    pub fn shows(&self, field: &str) -> bool {
        if self.retained.is_empty() {
            !self.ignored.iter().any(|f| f.eq_ignore_ascii_case(field))
        } else {
            self.retained.iter().any(|f| f.eq_ignore_ascii_case(field))
        }
    }

    /// Obeys one command that changes settings; false where it is none of these.
    pub fn command(&mut self, p: &Process, words: &[String], depth: usize) -> bool {
        let Some((verb, arguments)) = words.split_first() else { return true };
        match verb.trim_start_matches('\\') {
            "set" | "se" => arguments.iter().for_each(|a| self.assign(a)),
            "unset" | "uns" => arguments.iter().for_each(|a| self.unset(a)),
            "alias" | "a" | "group" => {
                if let Some((name, members)) = arguments.split_first() {
                    self.aliases.entry(name.clone()).or_default().extend_from_slice(members);
                }
            }
            "unalias" | "ungroup" => arguments.iter().for_each(|a| drop(self.aliases.remove(a))),
            "retain" | "ret" => self.retained.extend_from_slice(arguments),
            "ignore" | "discard" => self.ignored.extend_from_slice(arguments),
            "source" | "so" => {
                for path in arguments {
                    if let Ok(text) = p.read_text(&expand_home(p, path))
                        && depth < DEEPEST_SOURCE
                    {
                        self.run(p, &text, depth + 1);
                    }
                }
            }
            _ => return false,
        }
        true
    }

    fn run(&mut self, p: &Process, text: &str, depth: usize) {
        for line in logical_lines(text) {
            self.command(p, &words(&line), depth);
        }
    }
}

/// Lines, those that end in a backslash joined with the next, without comments.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut whole = String::new();
    for line in text.lines() {
        let line = line.trim_start();
        match line.strip_suffix('\\') {
            Some(part) => whole.push_str(part),
            None => {
                whole.push_str(line);
                if !whole.starts_with('#') {
                    lines.push(std::mem::take(&mut whole));
                }
                whole.clear();
            }
        }
    }
    lines.push(whole);
    lines
}

/// The words of a command, quoted as for a shell.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The user's home directory: for root that of the password file, for others `$HOME`.
pub fn home(p: &Process) -> String {
    if let Some(home) = p.var("HOME")
        && p.real_uid() != 0
    {
        return home.to_string();
    }
    let host = p.host();
    let user = host.users().getpwuid(&host.fs(), p.real_uid());
    user.map_or_else(|| "/".to_owned(), |u| u.home.clone())
}

/// A file name, `~` being the user's home directory.
pub fn expand_home(p: &Process, path: &str) -> String {
    match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{}{rest}", home(p)),
        _ => path.to_owned(),
    }
}

/// The login name of the user.
pub fn login_name(p: &Process) -> String {
    let host = p.host();
    host.users().user_name(&host.fs(), p.real_uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_the_shell_splits_them() {
        assert_eq!(words(r#"set a="b c" 'd e' f\ g # no"#), ["set", "a=b c", "d e", "f g"]);
        assert_eq!(words("alias x ''"), ["alias", "x", ""]);
    }

    #[test]
    fn variables_on_and_off() {
        let mut s = Settings::default();
        for text in ["hold", "from=a@b", "nohold", "crt=5"] {
            s.assign(text);
        }
        assert!(!s.on("hold"));
        assert_eq!((s.get("from"), s.get("crt")), (Some("a@b"), Some("5")));
    }

    #[test]
    fn the_system_file_shows_eight_fields() {
        let lines = logical_lines(SYSTEM_RC);
        assert_eq!(lines.len(), 7);
        assert_eq!(words(&lines[5]).len(), 10);
    }
}
