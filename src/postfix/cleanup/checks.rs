//! Content inspection: `header_checks`, `mime_header_checks`, `nested_header_checks` and
//! `body_checks` (header_checks(5)).

use crate::postfix::dict::Maps;
use crate::postfix::escape::unescape;
use crate::postfix::ipc::{Actions, CleanupStatus, Submission};
use crate::postfix::server::Daemon;
use crate::proto::smtp::command::is_header_name;
use crate::proto::smtp::reply::Dsn;
use crate::trace::{Decision, Outcome};
use bytes::Bytes;
use std::rc::Rc;

/// The tables, and how far they look.
pub struct Checks {
    header: Maps,
    mime: Maps,
    nested: Maps,
    body: Maps,
    /// Octets of a part's body that `body_checks` look at.
    pub body_limit: usize,
    /// The content is looked at as MIME.
    pub mime_processing: bool,
    /// What of MIME must be right.
    strict: Strict,
    /// Characters of which no message may have any.
    reject: Vec<u8>,
    /// Characters that are taken out.
    strip: Vec<u8>,
}

/// What is refused that MIME does not allow (`strict_8bitmime` and its kin).
#[derive(Clone, Copy)]
pub struct Strict {
    /// Octets beyond ASCII in headers.
    pub headers: bool,
    /// The same in bodies that are not declared to hold them.
    pub body: bool,
    /// An encoding over contents that are made of others.
    pub encoding: bool,
}

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A header of the message.
    Primary,
    /// A header about MIME, of the message or a part of it.
    Mime,
    /// A header of a message within the message.
    Nested,
    /// A line of a body.
    Body,
    /// Any line, looked at for its characters.
    Any,
}

impl Part {
    const fn setting(self) -> &'static str {
        match self {
            Part::Primary => "header_checks",
            Part::Mime => "mime_header_checks",
            Part::Nested => "nested_header_checks",
            Part::Body => "body_checks",
            Part::Any => "message_reject_characters",
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Part::Body => "body",
            Part::Any => "content",
            _ => "header",
        }
    }
}

impl Checks {
    /// Opens the tables, and says what is wrong with them.
    pub fn new(daemon: &Daemon) -> Checks {
        let maps = |part: Part| {
            let maps = Maps::open(&daemon.string(part.setting()), &daemon.p).unwrap_or_default();
            for e in maps.errors() {
                daemon.msg.log(&format!("error: {e}"));
            }
            for w in maps.warnings() {
                daemon.msg.log_warn(w);
            }
            maps
        };
        Checks {
            header: maps(Part::Primary),
            mime: maps(Part::Mime),
            nested: maps(Part::Nested),
            body: maps(Part::Body),
            body_limit: daemon.int("body_checks_size_limit").max(0) as usize,
            strict: Strict {
                headers: daemon.yes("strict_7bit_headers") || daemon.yes("strict_8bitmime"),
                body: daemon.yes("strict_8bitmime_body") || daemon.yes("strict_8bitmime"),
                encoding: daemon.yes("strict_mime_encoding_domain"),
            },
            reject: unescape(&daemon.string("message_reject_characters")),
            strip: unescape(&daemon.string("message_strip_characters")),
            mime_processing: !daemon.yes("disable_mime_input_processing"),
        }
    }

    /// Has anything behind the message's own headers to be looked at?
    pub fn look_at_body(&self) -> bool {
        let Strict { headers, body, encoding } = self.strict;
        let is_strict = self.mime_processing && (headers || body || encoding);
        is_strict || !(self.mime.is_empty() && self.nested.is_empty() && self.body.is_empty())
    }

    fn table(&self, part: Part) -> Option<&Maps> {
        match part {
            Part::Primary => Some(&self.header),
            Part::Mime => Some(&self.mime),
            Part::Nested => Some(&self.nested),
            Part::Body => Some(&self.body),
            Part::Any => None,
        }
    }
}

/// What becomes of a header or line.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Keep,
    /// It goes.
    Drop,
    /// This line stands before it.
    Prepend(String),
    /// This stands in its place.
    Replace(String),
}

/// The inspection of one message.
pub struct Inspector<'c> {
    daemon: &'c Daemon,
    checks: &'c Checks,
    id: &'c str,
    /// From whom and to whom, as the log says it.
    about: String,
    /// What the rules want done.
    pub actions: Actions,
    /// Why the message is refused.
    pub refused: Option<CleanupStatus>,
    done: bool,
}

impl<'c> Inspector<'c> {
    /// Begins; `sender` and `recipient` are those of the envelope, completed.
    pub fn new(
        daemon: &'c Daemon,
        checks: &'c Checks,
        id: &'c str,
        s: &Submission,
        sender: &str,
        recipient: Option<&str>,
    ) -> Inspector<'c> {
        let mut about = match &s.client {
            Some(c) => format!("{}[{}]; from=<{sender}>", c.name, c.shown_address),
            None => format!("local; from=<{sender}>"),
        };
        if let Some(recipient) = recipient {
            about.push_str(&format!(" to=<{recipient}>"));
        }
        if let Some(c) = &s.client {
            about.push_str(&format!(" proto={}", c.protocol));
            if !c.helo.is_empty() {
                about.push_str(&format!(" helo=<{}>", c.helo));
            }
        }
        // What the mail system itself writes is not inspected.
        let (actions, done) = (s.actions.clone(), s.internal || s.uninspected);
        Inspector { daemon, checks, id, about, actions, refused: None, done }
    }

    /// Is there anything left to look for?
    pub fn is_over(&self) -> bool {
        self.done
    }

    /// Looks for characters that a message may not have, and takes out those that it had better not
    /// have (`message_reject_characters`, `message_strip_characters`).
    pub fn characters(&mut self, content: &mut Bytes) {
        let Checks { reject, strip, .. } = self.checks;
        if self.done || reject.is_empty() && strip.is_empty() {
            return;
        }
        let is_bad = |line: &&[u8]| line.iter().any(|b| reject.contains(b));
        if let Some(line) = content.split(|b| *b == b'\n').find(is_bad) {
            let shown = line.split(|b| *b == 0).next().unwrap_or_default();
            self.act(Part::Any, &String::from_utf8_lossy(shown), "REJECT disallowed character");
        } else if content.iter().any(|b| strip.contains(b)) {
            *content = content.iter().copied().filter(|b| !strip.contains(b)).collect();
        }
    }

    /// What is refused of MIME; nothing where nothing is looked for any more.
    pub fn strict(&self) -> Strict {
        let on = self.checks.mime_processing && !self.done;
        let Strict { headers, body, encoding } = self.checks.strict;
        Strict { headers: on && headers, body: on && body, encoding: on && encoding }
    }

    /// Refuses the message for what MIME does not allow.
    pub fn mime_error(&mut self, what: &str, content: &str) {
        let (id, about) = (self.id, &self.about);
        let shown = printable(content);
        self.daemon.msg.log(&format!("{id}: reject: mime-error {what}: {shown} from {about}"));
        self.refuse(550, "5.6.0", what);
    }

    /// A header must not have octets beyond ASCII, where that counts.
    pub fn seven_bit_header(&mut self, header: &str) {
        if self.strict().headers && !header.is_ascii() {
            self.mime_error("improper use of 8-bit data in message header", header);
        }
    }

    /// Looks at a header, without its last line end, or at a line of a body.
    pub fn look(&mut self, part: Part, text: &str) -> Fate {
        let maps = self.checks.table(part).filter(|maps| !self.done && !maps.is_empty());
        let Some(maps) = maps else { return Fate::Keep };
        match maps.find(text) {
            Ok(None) => Fate::Keep,
            Ok(Some(found)) => {
                let daemon = self.daemon;
                daemon.p.decide(|| Decision {
                    rule: part.what().into(),
                    setting: part.setting().into(),
                    place: daemon.config.place(part.setting()),
                    compared: match found.line {
                        Some(line) => format!("{} in {}, line {line}", printable(text), found.table),
                        None => format!("{} in {}", printable(text), found.table),
                    },
                    outcome: Outcome::Becomes(found.value.to_string().into()),
                });
                self.act(part, text, &found.value)
            }
            Err(e) => {
                e.log(&self.daemon.msg);
                let name = part.setting();
                self.daemon.msg.log_warn(format!(
                    "{}: {name} map lookup problem -- message not accepted, try again later",
                    self.id
                ));
                let (dsn, text) = ("4.3.0".into(), super::WRITE_ERROR.into());
                self.refused = Some(CleanupStatus::Rejected { code: 451, dsn, text });
                self.done = true;
                Fate::Keep
            }
        }
    }

    fn refuse(&mut self, code: u16, dsn: &str, text: &str) {
        self.refused = Some(CleanupStatus::Refused { code, dsn: dsn.into(), text: text.into() });
        self.done = true;
    }

    fn log(&self, action: &str, part: Part, content: &str, text: &str) {
        let colon = if text.is_empty() { "" } else { ": " };
        let (id, about, what) = (self.id, &self.about, part.what());
        self.daemon
            .msg
            .log(&format!("{id}: {action}: {what} {} from {about}{colon}{text}", printable(content)));
    }

    /// Does what a rule says.
    fn act(&mut self, part: Part, content: &str, value: &str) -> Fate {
        let (word, text) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        let text = text.trim_start();
        let name = part.setting();
        let warn = |what: String| {
            self.daemon.msg.log_warn(what);
            Fate::Keep
        };
        let is_header = || text.split_once(':').is_some_and(|(name, _)| is_header_name(name.trim_end()));
        let action = word.to_ascii_uppercase();
        match action.as_str() {
            "DUNNO" | "OK" => Fate::Keep,
            "IGNORE" => Fate::Drop,
            "STRIP" => {
                self.log("strip", part, content, text);
                Fate::Drop
            }
            "WARN" | "INFO" => {
                self.log(if action == "WARN" { "warning" } else { "info" }, part, content, text);
                Fate::Keep
            }
            "REJECT" => {
                let dsn = Dsn::parse(text).filter(|d| d.class != 2);
                let code = dsn.map_or_else(|| "5.7.1".to_owned(), |d| d.to_string());
                let rest = if dsn.is_some() { text[code.len()..].trim_start() } else { text };
                let rest = if rest.is_empty() { "message content rejected" } else { rest };
                self.log("reject", part, content, &format!("{code} {rest}"));
                self.refuse(if code.starts_with('4') { 451 } else { 550 }, &code, rest);
                Fate::Keep
            }
            "DISCARD" | "PASS" => {
                self.log(&action.to_ascii_lowercase(), part, content, text);
                self.actions.discard |= action == "DISCARD";
                self.done = true;
                Fate::Keep
            }
            "HOLD" => {
                if !self.actions.hold {
                    self.log("hold", part, content, text);
                    self.actions.hold = true;
                }
                Fate::Keep
            }
            "FILTER" if text.is_empty() => warn(format!("missing FILTER command argument in {name} map")),
            "FILTER" if !text.contains(':') => {
                warn(format!("bad FILTER command {text} in {name} -- need transport:destination"))
            }
            "FILTER" => {
                self.log("filter", part, content, text);
                self.actions.filter = Some(text.into());
                Fate::Keep
            }
            "REDIRECT" | "BCC" if text.is_empty() => {
                warn(format!("missing {action} command argument in {name} map"))
            }
            "REDIRECT" if !text.contains('@') => {
                warn(format!("bad REDIRECT target \"{text}\" in {name} map -- need user@domain"))
            }
            "REDIRECT" => {
                self.log("redirect", part, content, text);
                self.actions.redirect = Some(text.into());
                // Where the message goes is settled; nothing more is asked.
                self.done = true;
                Fate::Keep
            }
            "BCC" if !text.contains('@') => {
                warn(format!("bad BCC address \"{text}\" in {name} map -- need user@domain"))
            }
            "BCC" => {
                self.log("bcc", part, content, text);
                self.actions.bcc.push(text.into());
                Fate::Keep
            }
            "PREPEND" | "REPLACE" if text.is_empty() => {
                warn(format!("{action} action without text in {name} map"))
            }
            "PREPEND" | "REPLACE" if part != Part::Body && !is_header() => warn(format!(
                "bad {action} header text \"{text}\" in {name} map -- need \"headername: headervalue\""
            )),
            "PREPEND" => {
                self.log("prepend", part, content, text);
                Fate::Prepend(text.to_owned())
            }
            "REPLACE" => {
                self.log("replace", part, content, text);
                Fate::Replace(text.to_owned())
            }
            _ => warn(format!("unknown command in {name} map: {value}")),
        }
    }
}

/// As the log shows it.
fn printable(text: &str) -> Rc<str> {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect::<String>().into()
}
