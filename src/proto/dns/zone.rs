//! A zone: records, read from master-file lines (RFC 1035, section 5.1) with absolute names.

use super::{Answer, Data, Rcode, Record, TTL, Type};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

/// How many names a name may lead on to (CNAME).
const CHAIN: usize = 8;

/// A line that is no record, and where in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadLine {
    /// The line, counted from 1.
    pub line: usize,
    /// Where the offending text starts in it, in octets from 0.
    pub column: usize,
    /// Its length in octets; zero where something is missing.
    pub len: usize,
    /// What is wrong with it.
    pub message: String,
    /// What would be right.
    pub expected: &'static str,
}

/// The records of the world's name server.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: Vec<Record>,
    /// Records by their names in lower case.
    index: std::collections::BTreeMap<String, Vec<usize>>,
}

impl Zone {
    /// Reads master-file lines: `name [ttl] [class] type data ; comment`.
    ///
    /// # Errors
    /// The first line that is no record.
    pub fn parse(text: &str) -> Result<Zone, BadLine> {
        let mut zone = Zone::default();
        for (n, line) in text.lines().enumerate() {
            if let Some(record) = parse_line(line).map_err(|e| BadLine { line: n + 1, ..e })? {
                zone.add(record);
            }
        }
        Ok(zone)
    }

    /// Adds a record.
    pub fn add(&mut self, record: Record) {
        let key = record.name.to_ascii_lowercase();
        self.index.entry(key).or_default().push(self.records.len());
        self.records.push(record);
    }

    /// All records, in the order in which they were added.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The answer to a question, following CNAME records.
    pub fn lookup(&self, name: &str, kind: Type) -> Answer {
        let mut records = Vec::new();
        let mut name = name.to_ascii_lowercase();
        for _ in 0..CHAIN {
            let here: Vec<&Record> =
                self.index.get(&name).into_iter().flatten().map(|i| &self.records[*i]).collect();
            let alias = here.iter().find_map(|r| match &r.data {
                Data::Cname(to) if kind != Type::Cname => Some((*r, to)),
                _ => None,
            });
            let before = records.len();
            records.extend(here.iter().filter(|r| r.data.kind() == kind).map(|r| (*r).clone()));
            match alias {
                Some((record, to)) if records.len() == before => {
                    records.push(record.clone());
                    name = to.to_ascii_lowercase();
                }
                _ => {
                    let known = !here.is_empty() || self.has_names_below(&name);
                    let rcode = if known { Rcode::NoError } else { Rcode::NxDomain };
                    return Answer { rcode, records };
                }
            }
        }
        Answer { rcode: Rcode::NoError, records }
    }

    /// A name exists, too, when only names below it do.
    fn has_names_below(&self, name: &str) -> bool {
        let suffix = format!(".{name}");
        self.index.keys().any(|k| k.ends_with(&suffix))
    }
}

/// A word of a line, and where it starts.
type Word<'l> = (usize, &'l str);

fn bad(word: Word<'_>, message: impl Into<String>, expected: &'static str) -> BadLine {
    BadLine { line: 0, column: word.0, len: word.1.len(), message: message.into(), expected }
}

fn parse_line(line: &str) -> Result<Option<Record>, BadLine> {
    let words = words(line);
    let end: Word<'_> = (line.trim_end().len(), "");
    let mut words = words.into_iter().peekable();
    let Some(owner) = words.next() else { return Ok(None) };
    let name = absolute(owner)?;
    let mut ttl = TTL;
    let kind = loop {
        let word =
            words.next().ok_or_else(|| bad(end, "the record has no type", "a type such as A, MX or TXT"))?;
        if word.1.eq_ignore_ascii_case("IN") {
            continue;
        }
        if let Ok(n) = word.1.parse() {
            ttl = n;
            continue;
        }
        match Type::named(word.1) {
            Some(kind) => break kind,
            None => {
                let message = format!("unknown record type `{}`", word.1);
                return Err(bad(word, message, "A, AAAA, MX, TXT, PTR, CNAME, NS or SOA"));
            }
        }
    };
    let mut next =
        |what: &'static str| words.next().ok_or_else(|| bad(end, format!("the record has no {what}"), what));
    let data = match kind {
        Type::A => Data::Address(IpAddr::V4(parsed::<Ipv4Addr>(next("IPv4 address")?, "an IPv4 address")?)),
        Type::Aaaa => {
            Data::Address(IpAddr::V6(parsed::<Ipv6Addr>(next("IPv6 address")?, "an IPv6 address")?))
        }
        Type::Mx => {
            let preference = parsed(next("preference")?, "a preference from 0 to 65535")?;
            Data::Mx(preference, absolute(next("name of the mail exchanger")?)?)
        }
        Type::Ptr => Data::Ptr(absolute(next("name")?)?),
        Type::Cname => Data::Cname(absolute(next("name")?)?),
        Type::Ns => Data::Ns(absolute(next("name")?)?),
        Type::Soa => {
            let (server, mailbox) = (absolute(next("name of the server")?)?, absolute(next("mailbox")?)?);
            let mut numbers = [0; 5];
            for n in &mut numbers {
                *n = parsed(next("serial, refresh, retry, expire and minimum")?, "a number of seconds")?;
            }
            Data::Soa(server, mailbox, numbers)
        }
        Type::Txt => {
            let mut strings = vec![string(next("text")?)?];
            for word in words.by_ref() {
                strings.push(string(word)?);
            }
            Data::Txt(strings)
        }
    };
    match words.next() {
        Some(word) => {
            Err(bad(word, "the record goes on after its end", "the end of the line, or a `;` comment"))
        }
        None => Ok(Some(Record { name, ttl, data })),
    }
}

fn parsed<T: std::str::FromStr>(word: Word<'_>, expected: &'static str) -> Result<T, BadLine> {
    word.1.parse().map_err(|_| bad(word, format!("`{}` is not {expected}", word.1), expected))
}

/// A name, with or without the final dot; `.` is the root.
fn absolute(word: Word<'_>) -> Result<Rc<str>, BadLine> {
    let name = word.1.strip_suffix('.').unwrap_or(word.1);
    if super::wire_name(name).is_none() || word.1.starts_with('"') {
        return Err(bad(
            word,
            format!("`{}` is not a name", word.1),
            "a domain name such as mx.example.com.",
        ));
    }
    Ok(name.into())
}

/// A character string, quoted or not.
fn string(word: Word<'_>) -> Result<String, BadLine> {
    let text = match word.1.strip_prefix('"') {
        Some(rest) => rest
            .strip_suffix('"')
            .ok_or_else(|| bad(word, "the string is not closed", "a `\"` at its end"))?,
        None => word.1,
    };
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    if out.len() > 255 {
        return Err(bad(
            word,
            "the string is longer than 255 octets",
            "several strings of at most 255 octets",
        ));
    }
    Ok(out)
}

/// The words of a line, without its comment; a quoted string is one, with its quotes.
fn words(line: &str) -> Vec<Word<'_>> {
    let (mut all, mut start, mut quoted, mut escaped) = (Vec::new(), None, false, false);
    for (i, c) in line.char_indices() {
        let ends = !quoted && (c.is_whitespace() || c == ';');
        if ends {
            if let Some(from) = start.take() {
                all.push((from, &line[from..i]));
            }
            if c == ';' {
                return all;
            }
            continue;
        }
        start.get_or_insert(i);
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    if let Some(from) = start {
        all.push((from, &line[from..]));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(text: &str) -> Zone {
        Zone::parse(text).expect("the lines are records")
    }

    #[test]
    fn records_are_read_and_names_compared_without_case() {
        let z = zone(
            "example.com.  MX  10 mx.Example.com. ; the mail\n\n; nothing\n\
             example.com. 60 IN TXT \"v=spf1 mx; -all\" two\nnull.example. MX 0 .\nwww.example.com. CNAME example.com.\n",
        );
        let mx = z.lookup("EXAMPLE.com", Type::Mx);
        assert_eq!(mx.records[0].data, Data::Mx(10, "mx.Example.com".into()));
        let txt = z.lookup("example.com", Type::Txt);
        assert_eq!(txt.records[0].data, Data::Txt(vec!["v=spf1 mx; -all".into(), "two".into()]));
        assert_eq!(txt.records[0].ttl, 60);
        assert_eq!(z.lookup("null.example", Type::Mx).records[0].data, Data::Mx(0, "".into()));
        assert_eq!(z.lookup("www.example.com", Type::Mx).records.len(), 2);
    }

    #[test]
    fn a_name_with_names_below_it_exists() {
        let z = zone("a.b.example. A 192.0.2.1\n");
        assert_eq!(z.lookup("b.example", Type::A).rcode, Rcode::NoError);
        assert_eq!(z.lookup("c.example", Type::A).rcode, Rcode::NxDomain);
    }

    #[test]
    fn a_bad_line_is_told_with_its_place() {
        for (line, column, len) in [
            ("example.com. MX ten mx.", 16, 3),
            ("example.com. FOO bar", 13, 3),
            ("example.com. A 192.0.2", 15, 7),
            ("example.com. A", 14, 0),
            ("example.com. A 192.0.2.1 more", 25, 4),
            ("example..com. A 192.0.2.1", 0, 13),
            ("x. TXT \"open", 7, 5),
        ] {
            let error = Zone::parse(&format!("\n{line}\n")).expect_err(line);
            assert_eq!((error.line, error.column, error.len), (2, column, len), "{line}: {}", error.message);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_zone_or_not(text in "\\PC{0,80}") {
            let _ = Zone::parse(&text);
        }
    }
}
