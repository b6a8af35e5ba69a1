//! Keys from a message: what `postmap -hq -` and `-bq -` look up (`-h`, `-b` and `-m` of postmap(1)).

use crate::proto::mime::{self, ContentType};

/// Parts lie within each other this deep; what is deeper is a body.
const DEEPEST: usize = 100;

/// Which keys are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Headers, with their continuation lines (`-h`).
    pub headers: bool,
    /// Lines of the body (`-b`).
    pub body: bool,
    /// Headers of MIME parts and of messages within the message are headers (`-m`).
    pub mime: bool,
}

/// The keys of a message, in order.
pub fn keys(message: &str, wanted: Wanted) -> Vec<String> {
    let mut walk = Walk { wanted, ..Walk::default() };
    for line in message.lines() {
        walk.line(line);
    }
    walk.end_header();
    walk.keys
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted { headers: true, body: true, mime: false }
    }
}

#[derive(Default)]
struct Walk {
    wanted: Wanted,
    in_body: bool,
    header: String,
    content_type: ContentType,
    boundaries: Vec<String>,
    keys: Vec<String>,
}

impl Walk {
    fn line(&mut self, line: &str) {
        if let Some((at, last)) = mime::boundary(&self.boundaries, line) {
            self.end_header();
            self.body(line);
            self.boundaries.truncate(if last { at } else { at + 1 });
            self.content_type = ContentType::default();
            self.in_body = last;
            return;
        }
        if self.in_body {
            return self.body(line);
        }
        if line.starts_with([' ', '\t']) && !self.header.is_empty() {
            self.header.push('\n');
            self.header.push_str(line);
            return;
        }
        self.end_header();
        let is_name = |name: &str| {
            let name = name.trim_end_matches([' ', '\t']);
            !name.is_empty() && name.bytes().all(|b| (33..127).contains(&b))
        };
        if line.split_once(':').is_some_and(|(name, _)| is_name(name)) {
            self.header = line.to_owned();
            return;
        }
        // The body begins behind an empty line, be there one or not.
        self.body("");
        self.begin_content();
        if !line.is_empty() {
            self.line(line);
        }
    }

    fn begin_content(&mut self) {
        self.in_body = true;
        let content_type = std::mem::take(&mut self.content_type);
        if !self.wanted.mime || self.boundaries.len() >= DEEPEST {
            return;
        }
        if let Some(boundary) = content_type.multipart() {
            self.boundaries.push(boundary.to_owned());
        } else if content_type.is_message() {
            self.in_body = false;
        }
    }

    fn end_header(&mut self) {
        if self.header.is_empty() {
            return;
        }
        let header = std::mem::take(&mut self.header);
        if let Some((name, value)) = header.split_once(':') {
            self.content_type.note(name.trim_end(), value);
        }
        if self.wanted.headers {
            self.keys.push(header);
        }
    }

    fn body(&mut self, line: &str) {
        if self.wanted.body {
            self.keys.push(line.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str =
        "A: b\n c\nContent-Type: multipart/mixed; boundary=x\n\npre\n--x\nD: e\n\nbody\n--x--\n";

    fn of(headers: bool, body: bool, mime: bool) -> Vec<String> {
        keys(MESSAGE, Wanted { headers, body, mime })
    }

    #[test]
    fn headers_and_bodies() {
        let head = ["A: b\n c", "Content-Type: multipart/mixed; boundary=x"];
        assert_eq!(of(true, false, false), head);
        assert_eq!(of(true, false, true)[2..], ["D: e"]);
        assert_eq!(of(false, true, true), ["", "pre", "--x", "", "body", "--x--"]);
        assert_eq!(of(false, true, false), ["", "pre", "--x", "D: e", "", "body", "--x--"]);
        let none = Wanted { headers: true, body: true, mime: false };
        assert_eq!(keys("From a\nB: c\n", none), ["", "From a", "B: c"]);
    }
}
