//! The headers of a message on its way through cleanup: what is dropped, completed and added.

use super::checks::{Fate, Inspector, Part};
use super::mapping::{Class, Mapping};
use super::mime;
use super::{FullName, Settings};
use crate::postfix::address_map::MapTrouble;
use crate::postfix::ipc::Submission;
use crate::postfix::queue_id;
use crate::postfix::rewrite::Rewriter;
use crate::postfix::server::Daemon;
use crate::proto::address::{self, HeaderAddresses};
use crate::proto::message::{self, Role};
use crate::proto::mime::ContentType;
use crate::world::clock::Time;
use bytes::Bytes;
use std::rc::Rc;

/// One message's headers.
pub struct Pass<'s> {
    id: &'s Rc<str>,
    submission: &'s Submission,
    drop: &'s [Rc<str>],
    /// No more of a header is kept, in octets.
    limit: usize,
    headers: Vec<Vec<u8>>,
    /// `Received:` headers seen, for loops.
    pub received: usize,
    message_id: Option<String>,
    resent_message_id: Option<String>,
    content_type: ContentType,
    has: Has,
}

/// Which of the headers are there that a message must have.
#[derive(Default)]
struct Has {
    date: bool,
    from: bool,
    recipient: bool,
    resent: bool,
    resent_date: bool,
    resent_from: bool,
}

impl<'s> Pass<'s> {
    /// Nothing read yet.
    pub fn new(id: &'s Rc<str>, submission: &'s Submission, settings: &'s Settings) -> Pass<'s> {
        let (drop, limit) = (&settings.drop[..], settings.header_size_limit);
        let (headers, has) = (Vec::with_capacity(12), Has::default());
        let content_type = ContentType::default();
        let (message_id, resent_message_id) = (None, None);
        Pass {
            id,
            submission,
            drop,
            limit,
            headers,
            received: 0,
            message_id,
            resent_message_id,
            content_type,
            has,
        }
    }

    /// Reads the headers that the receiving program put on top, then the message's own, past the
    /// tables; gives the body, with the empty line before it.
    pub fn read(&mut self, content: &Bytes, inspector: &mut Inspector<'_>, log: &dyn Fn(&str)) -> Bytes {
        let submission = self.submission;
        self.part(&submission.prepend, inspector, log);
        let at = if inspector.refused.is_none() { self.part(content, inspector, log) } else { 0 };
        let body = content.slice(at..);
        if body.is_empty() || body.first() == Some(&b'\n') {
            return body;
        }
        // The body began without the empty line that must be there.
        let mut with = Vec::with_capacity(body.len() + 1);
        with.push(b'\n');
        with.extend_from_slice(&body);
        with.into()
    }

    /// The headers at the start of a text; gives where they end.
    fn part(&mut self, text: &[u8], inspector: &mut Inspector<'_>, log: &dyn Fn(&str)) -> usize {
        let mut at = 0;
        while let Some((end, name)) = header_at(text, at) {
            let header = &text[at..end];
            at = end;
            let fate = match inspector.is_over() {
                true => Fate::Keep,
                false => {
                    let text = String::from_utf8_lossy(header.strip_suffix(b"\n").unwrap_or(header));
                    inspector.seven_bit_header(&text);
                    let mime = std::str::from_utf8(name).is_ok_and(mime::is_about_mime);
                    inspector.look(if mime { Part::Mime } else { Part::Primary }, &text)
                }
            };
            match fate {
                Fate::Keep => self.take(header, name, log),
                Fate::Drop => {}
                Fate::Prepend(line) => {
                    self.push(format!("{line}\n"));
                    self.take(header, name, log);
                }
                Fate::Replace(line) => {
                    let line = format!("{line}\n");
                    if let Some((_, name)) = header_at(line.as_bytes(), 0) {
                        let name = name.to_vec();
                        self.take(line.as_bytes(), &name, log);
                    }
                }
            }
            if inspector.refused.is_some() || inspector.actions.discard {
                break;
            }
        }
        at
    }

    fn take(&mut self, header: &[u8], name: &[u8], log: &dyn Fn(&str)) {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if self.drop.iter().any(|d| **d == *name) {
            return;
        }
        let value = || {
            let text = String::from_utf8_lossy(&header[name.len()..]);
            text.trim_start().trim_start_matches(':').trim().to_owned()
        };
        match &*name {
            "received" => self.received += 1,
            "message-id" => {
                let id = value();
                log(&format!("{}: message-id={id}", self.id));
                self.message_id = Some(id);
            }
            "resent-message-id" => {
                let id = value();
                log(&format!("{}: resent-message-id={id}", self.id));
                self.resent_message_id = Some(id);
            }
            "date" => self.has.date = true,
            "from" => self.has.from = true,
            "to" | "cc" => self.has.recipient = true,
            "resent-date" => self.has.resent_date = true,
            "resent-from" => self.has.resent_from = true,
            "content-type" | "content-transfer-encoding" => self.content_type.note(&name, &value()),
            _ => {}
        }
        self.has.resent |= name.starts_with("resent-");
        let mut header = cut(header, self.limit).to_vec();
        if !header.ends_with(b"\n") {
            header.push(b'\n');
        }
        // Blanks before the colon go (RFC 5322, section 4.5.8).
        if let Some(colon) = memchr::memchr(b':', &header) {
            header.drain(name.len()..colon);
        }
        self.headers.push(header);
    }

    /// Completes the addresses of a local message's headers.
    ///
    /// # Errors
    /// A table of addresses that cannot answer.
    pub async fn rewrite_addresses(
        &mut self,
        daemon: &Daemon,
        rewriter: &Rewriter,
        mapping: Option<&Mapping>,
    ) -> Result<(), MapTrouble> {
        for header in &mut self.headers {
            let Some(colon) = memchr::memchr(b':', header) else { continue };
            let Some(role) = message::address_role(&header[..colon]) else { continue };
            let class = if role == Role::Sender { Class::HeaderSender } else { Class::HeaderRecipient };
            let text = String::from_utf8_lossy(&header[colon + 1..]).into_owned();
            let mut addresses = HeaderAddresses::parse(&text);
            let mut changed = false;
            for address in addresses.iter_mut() {
                let old: Rc<str> = address.as_str().into();
                let new = rewriter.rewrite(&daemon.p, self.submission.context, &old).await;
                let new = match mapping {
                    Some(mapping) => mapping.apply(daemon, rewriter, new, class).await?,
                    None => new,
                };
                if new != old {
                    *address = new.to_string();
                    changed = true;
                }
            }
            if changed {
                let name = String::from_utf8_lossy(&header[..colon]).into_owned();
                *header = addresses.fold(&name).into_bytes();
            }
        }
        Ok(())
    }

    /// Adds what a message must have; `from` is the completed envelope sender.
    pub(super) fn add_missing(&mut self, settings: &Settings, from: &str, now: Time, log: &dyn Fn(&str)) {
        let prefix = self.resent_prefix_name();
        let resent = self.has.resent;
        let id_missing = if resent { self.resent_message_id.is_none() } else { self.message_id.is_none() };
        if id_missing {
            let id = match queue_id::is_long(self.id) {
                true => format!("<{}@{}>", self.id, settings.myhostname),
                false => format!("<{}.{}@{}>", now.strftime("%Y%m%d%H%M%S"), self.id, settings.myhostname),
            };
            self.push(format!("{prefix}Message-Id: {id}\n"));
            log(&format!("{}: {}message-id={id}", self.id, prefix.to_ascii_lowercase()));
            *(if resent { &mut self.resent_message_id } else { &mut self.message_id }) = Some(id);
        }
        if !(if resent { self.has.resent_date } else { self.has.date }) {
            self.push(format!("{prefix}Date: {}\n", message::date_with_zone(now.unix())));
        }
        if !(if resent { self.has.resent_from } else { self.has.from }) {
            let quoted = if from.is_empty() { "MAILER-DAEMON".into() } else { address::quote(from) };
            let name = self.submission.full_name.as_deref();
            let line = match name.filter(|n| !n.is_empty() && !from.is_empty()) {
                Some(name) if settings.full_name == FullName::Comment => {
                    format!("{prefix}From: {quoted} ({name})\n")
                }
                Some(name) => format!("{prefix}From: {} <{quoted}>\n", address::quote_phrase(name)),
                None => format!("{prefix}From: {quoted}\n"),
            };
            self.push(line);
        }
        if !self.has.recipient && !settings.undisclosed.is_empty() {
            self.push(format!("{}\n", settings.undisclosed));
        }
    }

    fn push(&mut self, header: String) {
        self.headers.push(header.into_bytes());
    }

    fn resent_prefix_name(&self) -> &'static str {
        if self.has.resent { "Resent-" } else { "" }
    }

    /// Has the message no id?
    pub fn lacks_id(&self) -> bool {
        self.message_id.is_none() && self.resent_message_id.is_none()
    }

    /// What the headers say of the body.
    pub fn content_type(&self) -> ContentType {
        self.content_type.clone()
    }

    /// All headers.
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.submission.content.len().min(4096) + 400);
        for h in &self.headers {
            out.extend_from_slice(h);
        }
        out
    }
}

/// What is kept of a header that is longer than it may be; no blank line is left over.
fn cut(header: &[u8], limit: usize) -> &[u8] {
    if header.len() <= limit {
        return header;
    }
    let kept = &header[..limit];
    match memchr::memrchr(b'\n', kept) {
        Some(end) if kept[end..].trim_ascii().is_empty() => &kept[..end],
        _ => kept,
    }
}

/// The header that starts at `at`: where it ends, and its name. Continuation lines belong to it.
fn header_at(content: &[u8], at: usize) -> Option<(usize, &[u8])> {
    let rest = &content[at..];
    let colon = memchr::memchr2(b':', b'\n', rest)?;
    let name = &rest[..colon];
    // Blanks before the colon are tolerated, others are not (RFC 5322, section 4.5).
    let bare = name.trim_ascii_end();
    if rest[colon] != b':' || bare.is_empty() || !bare.iter().all(|b| (33..127).contains(b)) {
        return None;
    }
    let mut end = colon;
    loop {
        end = memchr::memchr(b'\n', &rest[end..]).map_or(rest.len(), |n| end + n + 1);
        if !matches!(rest.get(end), Some(b' ' | b'\t')) {
            return Some((at + end, bare));
        }
    }
}
