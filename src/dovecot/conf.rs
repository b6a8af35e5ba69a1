//! `dovecot.conf`: settings, and blocks of them that may stand in one another.
//!
//! ```text
//! protocols = lmtp
//! service lmtp {
//!   unix_listener /var/spool/postfix/private/dovecot-lmtp {
//!     mode = 0600
//!   }
//! }
//! ```

use crate::world::process::Process;

/// A block: its settings in order, and the blocks in it. The file itself is one without a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// `service`, `unix_listener` …
    pub kind: String,
    /// What stands between that and the brace.
    pub name: String,
    settings: Vec<(String, String)>,
    /// The blocks in it.
    pub blocks: Vec<Block>,
}

impl Block {
    /// The value of a setting; the last where it is set several times.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The blocks of a kind.
    pub fn all<'b>(&'b self, kind: &'b str) -> impl Iterator<Item = &'b Block> {
        self.blocks.iter().filter(move |b| b.kind == kind)
    }

    /// A setting within `protocol NAME { }`, or of the whole file.
    pub fn for_protocol(&self, protocol: &str, name: &str) -> Option<&str> {
        let own = self.all("protocol").filter(|b| b.name.split_whitespace().any(|n| n == protocol));
        own.filter_map(|b| b.setting(name)).last().or_else(|| self.setting(name))
    }
}

/// Reads a configuration file.
///
/// # Errors
/// What the real program says before it gives up: no such file, a brace too many or too few.
pub fn read(p: &Process, path: &str) -> Result<Block, String> {
    let text = p.read_text(path).map_err(|e| format!("open({path}) failed: {e}"))?;
    parse(&text, path)
}

/// The same of a text.
///
/// # Errors
/// A line that is neither setting nor block.
pub fn parse(text: &str, path: &str) -> Result<Block, String> {
    let mut open = vec![Block::default()];
    let mut number = 0;
    for (n, line) in text.lines().enumerate() {
        number = n + 1;
        let failed = |why: &str| format!("Error in configuration file {path} line {number}: {why}");
        let line = line.trim();
        let line =
            if line.starts_with('#') { "" } else { line.split(" #").next().unwrap_or_default().trim_end() };
        if line.is_empty() || line.starts_with('!') {
            continue;
        }
        if line == "}" {
            let Some(block) = open.pop().filter(|_| !open.is_empty()) else {
                return Err(failed("Unexpected '}'"));
            };
            if let Some(outer) = open.last_mut() {
                outer.blocks.push(block);
            }
        } else if let Some(head) = line.strip_suffix('{') {
            let (kind, name) = head.trim().split_once(char::is_whitespace).unwrap_or((head.trim(), ""));
            open.push(Block { kind: kind.to_owned(), name: name.trim().to_owned(), ..Block::default() });
        } else if let Some((name, value)) = line.split_once('=') {
            let value = value.trim();
            let quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
            let value = if quoted { &value[1..value.len() - 1] } else { value };
            if let Some(block) = open.last_mut() {
                block.settings.push((name.trim().to_owned(), value.to_owned()));
            }
        } else {
            return Err(failed(&format!("Expecting '=' (key={line})")));
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(whole), true) => Ok(whole),
        _ => Err(format!("Error in configuration file {path} line {number}: Missing '}}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_stand_in_blocks() {
        let text = "a = 1\n# no\nservice lmtp {\n unix_listener /x/y {\n  mode = 0600 # why\n }\n}\n\
                    protocol lmtp {\n a = 2\n}\n";
        let conf = parse(text, "c").unwrap();
        let service = conf.all("service").next().unwrap();
        let listener = service.all("unix_listener").next().unwrap();
        assert_eq!((&*service.name, &*listener.name), ("lmtp", "/x/y"));
        assert_eq!(listener.setting("mode"), Some("0600"));
        assert_eq!((conf.for_protocol("lmtp", "a"), conf.for_protocol("lda", "a")), (Some("2"), Some("1")));
        assert!(parse("}\n", "c").is_err());
        assert!(parse("x {\n", "c").is_err());
    }
}
