//! What the headers of a message or of a part of it say of its content (RFC 2045).

/// Type, boundary and encoding of a content.
#[derive(Default, Clone, Debug)]
pub struct ContentType {
    kind: String,
    boundary: Option<String>,
    encoding: String,
}

impl ContentType {
    /// Takes note of a header, if it is one of the two that count.
    pub fn note(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("content-transfer-encoding") {
            self.encoding = value.trim().to_ascii_lowercase();
        }
        if !name.eq_ignore_ascii_case("content-type") {
            return;
        }
        let mut parts = split(value);
        self.kind = parts.remove(0).trim().to_ascii_lowercase();
        self.boundary = parts.iter().find_map(|p| {
            let (name, value) = p.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
        });
    }

    /// The encoding, in lower case; empty where none is told.
    pub fn encoding(&self) -> &str {
        &self.encoding
    }

    /// The boundary between its parts, where it has parts.
    pub fn multipart(&self) -> Option<&str> {
        self.boundary.as_deref().filter(|b| self.kind.starts_with("multipart/") && !b.is_empty())
    }

    /// Is it a whole message with headers of its own?
    pub fn is_message(&self) -> bool {
        matches!(self.kind.as_str(), "message/rfc822" | "message/global")
    }

    /// Is it made of others, so that no encoding but the identity may be put on it (RFC 2045, section 6.4)?
    pub fn is_composite(&self) -> bool {
        self.kind.starts_with("multipart/") || self.kind.starts_with("message/")
    }
}

/// The parts of a value between semicolons that stand outside quotes; one at least.
fn split(value: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in value.chars() {
        quoted ^= c == '"';
        match parts.last_mut() {
            Some(last) if c != ';' || quoted => last.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts
}
/// Which of the boundaries of open multiparts a line is, the innermost first, and whether it is its last
/// one (RFC 2046, section 5.1.1).
pub fn boundary(open: &[String], line: &str) -> Option<(usize, bool)> {
    let rest = line.strip_prefix("--")?;
    let at = open.iter().rposition(|b| rest.starts_with(b.as_str()))?;
    Some((at, rest[open[at].len()..].starts_with("--")))
}
