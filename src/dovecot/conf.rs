//! The language of dovecot.conf.
//!
//! ```text
//! key = value            # a comment
//! section name {
//!   key = "quoted value"
//! }
//! key = <file            the file's content
//! !include conf.d/*.conf
//! !include_try local.conf
//! ```
//!
//! A later value of a key counts. `$key` in a value is the value so far. Blocks of the same kind and
//! name are one (`service auth`); `passdb` and `userdb` without names stand in order. Settings within
//! `protocol imap { }` count for that protocol alone.
//!
//! # Simplifications
//! Names of settings are not checked, and values are text until somebody asks for more.

use crate::trace::Place;
use crate::world::clock::Duration;
use crate::world::process::Process;
use std::rc::Rc;

/// Files may include files this deep.
const DEEPEST: usize = 10;

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Where it was made.
    pub place: Place,
}

/// A section with its settings and sections; the whole configuration is one without a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// `service`, `passdb`, `protocol` …
    pub kind: String,
    /// What stands between the kind and the brace.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    settings: Vec<Setting>,
    sections: Vec<Block>,
}

/// Reads a configuration file of a host.
///
/// # Errors
/// What the real program says before it gives up.
pub fn read(p: &Process, path: &str) -> Result<Block, String> {
    let text = p.read_text(path).map_err(|e| format!("open({path}) failed: {e}"))?;
    Block::parse(&text, path, p).map_err(|e| format!("Error in configuration file {e}"))
}

impl Files for Process {
    fn read(&self, path: &str) -> Option<String> {
        self.read_text(path).ok()
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let (directory, name) = pattern.rsplit_once('/').unwrap_or((".", pattern));
        let (start, end) = name.split_once('*').unwrap_or((name, ""));
        let all = self.list(directory).unwrap_or_default();
        all.iter()
            .filter(|n| n.len() >= start.len() + end.len() && n.starts_with(start) && n.ends_with(end))
            .map(|n| format!("{directory}/{n}"))
            .collect()
    }
}

/// Where included files are read, and which a pattern names.
pub trait Files {
    /// A file's text.
    fn read(&self, path: &str) -> Option<String>;
    /// The files that a path with `*` names, in order.
    fn glob(&self, pattern: &str) -> Vec<String>;
}

impl Block {
    /// Reads a configuration, the text of the file `path`.
    ///
    /// # Errors
    /// What doveconf says of a line that is none, after `Error in configuration file`.
    pub fn parse(text: &str, path: &str, files: &dyn Files) -> Result<Block, String> {
        let mut root = Block::default();
        Parser { files, depth: 0 }.file(text, path, &mut root)?;
        Ok(root)
    }

    /// The setting of this name that counts.
    pub fn entry(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|s| s.key == key)
    }

    /// A value; nothing if it is not set.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|s| s.value.as_str())
    }

    /// A value for a protocol, or for all.
    pub fn for_protocol(&self, protocol: &str, key: &str) -> Option<&str> {
        let own = self.all("protocol").filter(|s| s.name == protocol).filter_map(|s| s.setting(key)).last();
        own.or_else(|| self.setting(key))
    }

    /// Is a setting `yes`?
    pub fn yes(&self, key: &str, default: bool) -> bool {
        self.setting(key)
            .map_or(default, |v| matches!(v.to_ascii_lowercase().as_str(), "yes" | "y" | "1" | "true"))
    }

    /// A setting that is a time: a number with a unit, or of seconds.
    pub fn time(&self, key: &str, default: Duration) -> Duration {
        let Some(text) = self.setting(key) else { return default };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(n) = text[..digits].parse::<u64>() else { return default };
        let unit = match text[digits..].trim() {
            "" | "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 604_800,
            _ => return default,
        };
        Duration::from_secs(n.saturating_mul(unit))
    }

    /// The words of a value.
    pub fn words(&self, key: &str, default: &str) -> Vec<String> {
        self.setting(key).unwrap_or(default).split_whitespace().map(str::to_owned).collect()
    }

    /// The sections of a kind, in order.
    pub fn all<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s Block> {
        self.sections.iter().filter(move |s| s.kind == kind)
    }

    /// The section of a kind and name.
    pub fn section(&self, kind: &str, name: &str) -> Option<&Block> {
        self.sections.iter().find(|s| s.kind == kind && s.name == name)
    }

    /// The section to which a new one's settings go: one of the same name, or the new one.
    fn open(&mut self, kind: &str, name: &str, place: Place) -> usize {
        let same = self.sections.iter().position(|s| s.kind == kind && s.name == name && !name.is_empty());
        same.unwrap_or_else(|| {
            self.sections.push(Block { kind: kind.into(), name: name.into(), place, ..Block::default() });
            self.sections.len() - 1
        })
    }
}

struct Parser<'f> {
    files: &'f dyn Files,
    depth: usize,
}

impl Parser<'_> {
    fn file(&mut self, text: &str, path: &str, root: &mut Block) -> Result<(), String> {
        let shared: Rc<str> = path.into();
        // The way from the root to the section that is open.
        let mut open: Vec<usize> = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((n, line)) = lines.next() {
            let mut line = uncommented(line).trim().to_owned();
            while line.ends_with('\\') {
                line.pop();
                let Some((_, next)) = lines.next() else { break };
                line.push(' ');
                line.push_str(uncommented(next).trim());
            }
            let place = Place::line(shared.clone(), n as u32 + 1);
            let error = |what: &str| Err(format!("{path} line {}: {what}", n + 1));
            let section = open.iter().try_fold(&mut *root, |s, at| s.sections.get_mut(*at));
            let Some(section) = section else { return error("Unexpected '}'") };
            if line.is_empty() {
            } else if let Some(rest) = line.strip_prefix("!include_try") {
                self.include(rest.trim(), path, false, section)?;
            } else if let Some(rest) = line.strip_prefix("!include") {
                self.include(rest.trim(), path, true, section)?;
            } else if line == "}" {
                if open.pop().is_none() {
                    return error("Unexpected '}'");
                }
            } else if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (key.trim(), self.value(value.trim(), section));
                section.settings.push(Setting { key: key.into(), value, place });
            } else if let Some(head) = line.strip_suffix('{') {
                let (kind, name) = head.trim().split_once(char::is_whitespace).unwrap_or((head.trim(), ""));
                let at = section.open(kind, name.trim().trim_matches('"'), place);
                open.push(at);
            } else {
                return error("Expecting '='");
            }
        }
        if open.is_empty() { Ok(()) } else { Err(format!("{path}: Missing '}}'")) }
    }

    fn value(&self, text: &str, section: &Block) -> String {
        if let Some(file) = text.strip_prefix('<') {
            return self.files.read(file.trim()).unwrap_or_default();
        }
        let quoted = |q: char| text.len() >= 2 && text.starts_with(q) && text.ends_with(q);
        if quoted('"') {
            return text[1..text.len() - 1].replace("\\\"", "\"").replace("\\\\", "\\");
        }
        if quoted('\'') {
            return text[1..text.len() - 1].to_owned();
        }
        if !text.contains('$') {
            return text.to_owned();
        }
        let word = |w: &str| match w.strip_prefix('$') {
            Some(key) => section.setting(key).unwrap_or_default().to_owned(),
            None => w.to_owned(),
        };
        text.split(' ').map(word).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
    }

    fn include(&mut self, pattern: &str, from: &str, must: bool, section: &mut Block) -> Result<(), String> {
        if self.depth >= DEEPEST {
            return Err(format!("{from}: files include each other too deep"));
        }
        let directory = from.rsplit_once('/').map_or("", |(d, _)| d);
        let full =
            if pattern.starts_with('/') { pattern.to_owned() } else { format!("{directory}/{pattern}") };
        let all = if full.contains('*') { self.files.glob(&full) } else { vec![full.clone()] };
        for path in all {
            match self.files.read(&path) {
                Some(text) => {
                    self.depth += 1;
                    self.file(&text, &path, section)?;
                    self.depth -= 1;
                }
                None if must => {
                    return Err(format!(
                        "{from}: Couldn't open include file {path}: No such file or directory"
                    ));
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// A line without its comment; `#` begins one at the start or after a blank, outside quotes.
fn uncommented(line: &str) -> &str {
    let (mut quoted, mut blank) = (false, true);
    for (i, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if blank && !quoted => return &line[..i],
            _ => {}
        }
        blank = c.is_whitespace();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct None_;

    impl Files for None_ {
        fn read(&self, path: &str) -> Option<String> {
            (path == "/etc/dovecot/local.conf").then(|| "ssl = no\n".to_owned())
        }
        fn glob(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
    }

    #[test]
    fn sections_values_and_includes() {
        let text = "protocols = imap # and\nprotocols = $protocols pop3\npassdb {\n driver = pam\n}\npassdb {\n}\n\
                    service auth {\n unix_listener auth-userdb {\n mode = 0600\n }\n}\nservice auth {\n user = root\n}\n\
                    protocol imap {\n mail_max_userip_connections = 1\n}\n!include local.conf\n!include_try none\n\
                    auth_failure_delay = 3 secs\nname = \"a # b\"\n";
        let conf = Block::parse(text, "/etc/dovecot/dovecot.conf", &None_).unwrap();
        assert_eq!(conf.setting("protocols"), Some("imap pop3"));
        assert_eq!(conf.all("passdb").count(), 2);
        assert_eq!(conf.all("service").count(), 1);
        let auth = conf.section("service", "auth").unwrap();
        assert_eq!((auth.setting("user"), auth.all("unix_listener").count()), (Some("root"), 1));
        assert_eq!(conf.for_protocol("imap", "mail_max_userip_connections"), Some("1"));
        assert_eq!(conf.setting("ssl"), Some("no"));
        assert_eq!(conf.time("auth_failure_delay", Duration::ZERO), Duration::from_secs(3));
        assert_eq!(conf.setting("name"), Some("a # b"));
        assert_eq!(conf.entry("ssl").unwrap().place.to_string(), "local.conf:1");
        assert!(Block::parse("passdb {\n", "x", &None_).is_err());
        assert!(Block::parse("what\n", "x", &None_).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z ={}!\"#$\\\\\n<]{0,80}") {
            let _ = Block::parse(&text, "x", &None_);
        }
    }
}
