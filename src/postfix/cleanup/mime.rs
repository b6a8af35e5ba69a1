//! The structure of a message's body (RFC 2046), as far as its headers and lines are looked at by
//! different tables.

use super::checks::{Fate, Inspector, Part};
use crate::proto::mime::{self, ContentType};

/// Parts lie within each other this deep; what is deeper is a body.
const DEEPEST: usize = 100;

/// Where a line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Among headers: of a part, or of a message within the message.
    Headers(Part),
    Body,
}

/// Is this header about MIME?
pub fn is_about_mime(name: &str) -> bool {
    let starts = name.get(..8).is_some_and(|n| n.eq_ignore_ascii_case("content-"));
    starts || name.eq_ignore_ascii_case("mime-version")
}

/// A body on its way past the tables.
pub struct Walk<'i, 'c> {
    inspector: &'i mut Inspector<'c>,
    mime: bool,
    limit: usize,
    state: State,
    boundaries: Vec<String>,
    content_type: ContentType,
    /// Is this part declared to hold octets beyond ASCII?
    eight_bit: bool,
    /// A header whose end has not come.
    header: String,
    /// Octets of this part's body so far.
    seen: usize,
    out: Vec<u8>,
}

impl<'i, 'c> Walk<'i, 'c> {
    /// At the empty line behind the message's headers, which said `content_type`.
    pub fn new(
        inspector: &'i mut Inspector<'c>,
        mime: bool,
        limit: usize,
        content_type: ContentType,
    ) -> Self {
        let state = State::Body;
        let mut walk = Walk {
            inspector,
            mime,
            limit,
            state,
            boundaries: Vec::new(),
            content_type,
            eight_bit: false,
            header: String::new(),
            seen: 0,
            out: Vec::new(),
        };
        walk.begin_content();
        walk
    }

    /// The body, with the empty line before it, as the rules leave it.
    pub fn run(mut self, body: &[u8]) -> Vec<u8> {
        self.out.reserve(body.len() + 64);
        let body = match body.strip_prefix(b"\n") {
            Some(rest) => {
                self.out.push(b'\n');
                rest
            }
            None => body,
        };
        for line in body.split_inclusive(|b| *b == b'\n') {
            self.line(line);
            if self.inspector.refused.is_some() {
                return self.out;
            }
        }
        self.end_header();
        self.out
    }

    fn line(&mut self, raw: &[u8]) {
        let text = String::from_utf8_lossy(raw.strip_suffix(b"\n").unwrap_or(raw)).into_owned();
        if let Some((at, last)) = mime::boundary(&self.boundaries, &text) {
            self.end_header();
            self.body_line(raw, &text);
            self.boundaries.truncate(if last { at } else { at + 1 });
            self.content_type = ContentType::default();
            self.seen = 0;
            self.state = if last { State::Body } else { State::Headers(Part::Mime) };
            return;
        }
        let State::Headers(_) = self.state else { return self.body_line(raw, &text) };
        if text.starts_with([' ', '\t']) && !self.header.is_empty() {
            self.header.push('\n');
            self.header.push_str(&text);
            return;
        }
        self.end_header();
        let named = |(name, _): (&str, &str)| {
            let name = name.trim_end_matches([' ', '\t']);
            !name.is_empty() && name.bytes().all(|b| (33..127).contains(&b))
        };
        if text.split_once(':').is_some_and(named) {
            self.header = text;
        } else {
            self.begin_content();
            self.body_line(raw, &text);
        }
    }

    /// What stands after the headers.
    fn begin_content(&mut self) {
        self.seen = 0;
        self.state = State::Body;
        let encoding = self.content_type.encoding();
        self.eight_bit = matches!(encoding, "8bit" | "binary");
        let is_identity = self.eight_bit || matches!(encoding, "" | "7bit");
        if self.inspector.strict().encoding && self.content_type.is_composite() && !is_identity {
            self.inspector.mime_error("invalid message/* or multipart/* encoding domain", encoding);
        }
        if !self.mime || self.boundaries.len() >= DEEPEST {
            return;
        }
        if let Some(boundary) = self.content_type.multipart() {
            self.boundaries.push(boundary.to_owned());
        } else if self.content_type.is_message() {
            self.state = State::Headers(Part::Nested);
        }
        self.content_type = ContentType::default();
    }

    fn end_header(&mut self) {
        if self.header.is_empty() {
            return;
        }
        let header = std::mem::take(&mut self.header);
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        let name = name.trim_end();
        self.content_type.note(name, value);
        self.inspector.seven_bit_header(&header);
        let part = match self.state {
            State::Headers(Part::Nested) if !is_about_mime(name) => Part::Nested,
            _ => Part::Mime,
        };
        self.emit(part, header.as_bytes(), &header, true);
    }

    fn body_line(&mut self, raw: &[u8], text: &str) {
        if !self.eight_bit && self.inspector.strict().body && !raw.is_ascii() {
            self.inspector.mime_error("improper use of 8-bit data in message body", text);
        }
        let looks = self.seen < self.limit && !text.is_empty();
        self.seen += raw.len();
        match looks {
            true => self.emit(Part::Body, raw, text, false),
            false => self.out.extend_from_slice(raw),
        }
    }

    fn emit(&mut self, part: Part, raw: &[u8], text: &str, ends: bool) {
        let keep = |out: &mut Vec<u8>| {
            out.extend_from_slice(raw);
            if ends {
                out.push(b'\n');
            }
        };
        match self.inspector.look(part, text) {
            Fate::Keep => keep(&mut self.out),
            Fate::Drop => {}
            Fate::Prepend(line) => {
                self.out.extend_from_slice(line.as_bytes());
                self.out.push(b'\n');
                keep(&mut self.out);
            }
            Fate::Replace(line) => {
                self.out.extend_from_slice(line.as_bytes());
                self.out.push(b'\n');
            }
        }
    }
}
