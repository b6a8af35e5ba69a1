//! Lookup tables: `type:name`, opened and asked for a key (DATABASE_README).
//!
//! - [`source`]: the text from which postmap and postalias make a table
//! - [`compiled`]: the `.db` files they make; [`buckets`]: the order of a hash
//! - [`rules`]: tables of patterns, `regexp:` ([`posix`] syntax) and `pcre:`; [`cidr`]: of networks
//! - [`maps`]: lists of tables, and how an address is looked up in them
//! - [`match_list`]: lists of domains, of strings and of networks
//! - [`files`]: what a table needs of the machine it is on
//!
//! The types: `hash` and `btree` (compiled: what the source says counts only once postmap has been
//! run), `texthash`, `static`, `inline`, `regexp`, `pcre`, `cidr`, `unionmap`, `pipemap`,
//! `randmap`, `environ`, `fail`, `internal`, `unix:passwd.byname`, `unix:group.byname`; `nis` is
//! there and knows nothing, as on a host without a NIS domain. `proxy:` is looked through.
//!
//! # Simplifications
//! `tcp`, `socketmap` and `memcache` are refused as types this Postfix was built without. `randmap`
//! takes its values in turn. `hash` and `btree` differ only in the order in which they are listed.

pub mod buckets;
pub mod cidr;
pub mod compiled;
pub mod files;
pub mod maps;
pub mod match_list;
pub mod posix;
pub mod rules;
pub mod source;

pub use files::Files;
pub use maps::Maps;
pub use match_list::MatchList;

use crate::postfix::config::{main_cf, typed};
use crate::postfix::msg::Msg;
use crate::world::clock::Time;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// What a lookup found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The value.
    pub value: Rc<str>,
    /// The table it was found in, as `type:name`.
    pub table: Rc<str>,
    /// The line of the rule that matched, for tables that are read as they are.
    pub line: Option<u32>,
    /// The key that was found, where several forms of an address were tried.
    pub key: Option<Rc<str>>,
    /// The address extension that the key did not have; the caller may put it onto the result.
    pub unmatched: Option<Rc<str>>,
}

/// Why a lookup gave no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DictError {
    /// The table, as `type:name`.
    pub table: Rc<str>,
    /// What the real program logs as a warning.
    pub text: String,
    /// What was looked up, if it was by [`Maps`], which have a word of their own.
    pub key: Option<Rc<str>>,
}

impl DictError {
    /// Of a table that cannot answer.
    pub fn new(table: impl Into<Rc<str>>, text: String) -> DictError {
        DictError { table: table.into(), text, key: None }
    }

    /// Says in the log what is wrong, and with which key that was found out.
    pub fn log(&self, msg: &Msg) {
        msg.log_warn(self);
        if let Some(key) = &self.key {
            let shown: String = key.chars().map(|c| if c.is_control() { '?' } else { c }).take(100).collect();
            msg.log_warn(format!("{} lookup error for \"{shown}\"", self.table));
        }
    }
}

impl fmt::Display for DictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for DictError {}

/// How a table is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flags {
    /// Keys of file tables are folded to lower case.
    pub fold: bool,
    /// `$1` in a result is refused: for tables in which strangers' text may not choose commands.
    pub no_regsub: bool,
}

impl Flags {
    /// As most tables are opened.
    pub const USUAL: Flags = Flags { fold: true, no_regsub: false };
    /// As local(8) opens `alias_maps`.
    pub const ALIAS: Flags = Flags { fold: true, no_regsub: true };
}

/// An open table.
#[derive(Debug)]
pub struct Dict {
    name: Rc<str>,
    flags: Flags,
    content: Content,
    warnings: Vec<String>,
    /// The file that was read, and when it had been changed.
    stamp: Option<(Rc<str>, Time)>,
}

#[derive(Debug)]
enum Content {
    /// Keys and values, with the line of each where the source was read.
    Pairs {
        pairs: BTreeMap<Rc<str>, (Rc<str>, Option<u32>)>,
        fold: bool,
    },
    /// One value for all keys.
    Static(Rc<str>),
    Rules(rules::Rules),
    Cidr(cidr::Cidr),
    /// All answers, joined by commas.
    Union(Vec<Dict>),
    /// Each table's answer is the next one's key.
    Pipe(Vec<Dict>),
    /// The values in turn.
    Random(Vec<Rc<str>>, Cell<usize>),
    /// It always fails.
    Fail,
    /// It could not be opened, and a daemon goes on all the same.
    Unavailable(String),
}

/// How many braces and how many `proxy:` one table's name may hold; the real program has no limit.
const DEEPEST: usize = 200;

/// Types that can be made with postmap and postalias.
pub const COMPILED: [&str; 2] = ["hash", "btree"];

/// The types that `postconf -m` lists.
pub const TYPES: &[&str] = &[
    "btree",
    "cidr",
    "environ",
    "fail",
    "hash",
    "inline",
    "internal",
    "memcache",
    "nis",
    "pcre",
    "pipemap",
    "proxy",
    "randmap",
    "regexp",
    "socketmap",
    "static",
    "tcp",
    "texthash",
    "unionmap",
    "unix",
];

impl Dict {
    /// Opens `type:name`; without a type, `hash`.
    ///
    /// # Errors
    /// What a command ends with; daemons go on with [`Dict::surrogate`].
    pub fn open(spec: &str, flags: Flags, io: &dyn Files) -> Result<Dict, String> {
        let (kind, name) = spec.split_once(':').unwrap_or(("hash", spec));
        if kind.is_empty() || name.is_empty() {
            let full = if spec.contains(':') { spec.to_string() } else { format!("hash:{spec}") };
            return Err(format!("open dictionary: expecting \"type:name\" form instead of \"{full}\""));
        }
        if name.matches('{').count() > DEEPEST || name.matches("proxy:").count() > DEEPEST {
            return Err(format!("bad syntax: \"{kind}:{name}\""));
        }
        if kind == "proxy" {
            let inner = Dict::open(name, flags, io)?;
            return Ok(Dict { name: spec.into(), ..inner });
        }
        let mut dict = Dict {
            name: format!("{kind}:{name}").into(),
            flags,
            content: Content::Fail,
            warnings: Vec::new(),
            stamp: None,
        };
        dict.content = match kind {
            "hash" | "btree" => dict.compiled(kind, name, io)?,
            "texthash" => dict.texthash(name, io)?,
            "regexp" | "pcre" => {
                let text = dict.rules(kind, name, io)?;
                let syntax = if kind == "pcre" { rules::Syntax::Pcre } else { rules::Syntax::Posix };
                let rules = rules::Rules::parse(&text, syntax, name, flags.no_regsub);
                dict.warnings.extend(rules.warnings.iter().cloned());
                Content::Rules(rules)
            }
            "cidr" => {
                let text = dict.rules(kind, name, io)?;
                let cidr = cidr::Cidr::parse(&text, name);
                dict.warnings.extend(cidr.warnings.iter().cloned());
                Content::Cidr(cidr)
            }
            "static" => Content::Static(static_value(name)?),
            "inline" => inline(name)?,
            "unionmap" => Content::Union(dict.members(kind, name, io)?),
            "pipemap" => Content::Pipe(dict.members(kind, name, io)?),
            "randmap" => match braced(name).map(typed::words).filter(|w| !w.is_empty()) {
                Some(words) => Content::Random(words.into_iter().map(unbrace).collect(), Cell::new(0)),
                None => return Err(format!("bad syntax: \"{kind}:{name}\"; need \"{kind}:{{value...}}\"")),
            },
            "environ" => pairs(io.environment().into_iter().map(|(k, v)| (k, v, None)), false),
            "unix" => accounts(name, io)?,
            "internal" => pairs([], false),
            "nis" => {
                let text = "dict_nis_init: NIS domain name not set - NIS lookups disabled";
                dict.warnings.push(text.into());
                pairs([], false)
            }
            "fail" => Content::Fail,
            _ => return Err(format!("unsupported dictionary type: {kind}")),
        };
        Ok(dict)
    }

    /// A table that could not be opened, for a daemon: every lookup fails with the reason. The
    /// daemon logs `error: ` and the reason when it starts.
    pub fn surrogate(spec: &str, reason: &str) -> Dict {
        let name = if spec.contains(':') { spec.into() } else { format!("hash:{spec}").into() };
        Dict {
            name,
            flags: Flags::USUAL,
            content: Content::Unavailable(reason.to_string()),
            warnings: Vec::new(),
            stamp: None,
        }
    }

    /// `type:name`.
    pub fn name(&self) -> &Rc<str> {
        &self.name
    }

    /// What was wrong with its source, for the log.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Why a daemon goes on without it.
    pub fn unavailable(&self) -> Option<&str> {
        match &self.content {
            Content::Unavailable(reason) => Some(reason),
            _ => None,
        }
    }

    /// Its name and flags, as a daemon logs them when it finds the table changed.
    pub fn identity(&self) -> String {
        let more = if self.flags.no_regsub { "no_regsub|no_proxy|no_unauth|" } else { "" };
        format!("{}(0,lock|{more}fold_fix|utf8_request)", self.name)
    }

    /// Has its file been changed or removed since it was opened?
    pub fn changed(&self, io: &dyn Files) -> bool {
        match &self.content {
            Content::Union(all) | Content::Pipe(all) => all.iter().any(|d| d.changed(io)),
            _ => self.stamp.as_ref().is_some_and(|(path, then)| io.modified(path) != Ok(*then)),
        }
    }

    /// All keys and values, where the table can be listed, as `postmap -s` does.
    pub fn entries(&self) -> Option<impl Iterator<Item = (&Rc<str>, &Rc<str>)>> {
        match &self.content {
            Content::Pairs { pairs, .. } => Some(pairs.iter().map(|(k, (v, _))| (k, v))),
            _ => None,
        }
    }

    /// Looks up a key.
    ///
    /// # Errors
    /// A table that cannot answer.
    pub fn lookup(&self, key: &str) -> Result<Option<Found>, DictError> {
        let found = |value: Rc<str>, line| {
            Ok(Some(Found { value, table: self.name.clone(), line, key: None, unmatched: None }))
        };
        match &self.content {
            Content::Pairs { pairs, fold } => {
                let hit = if *fold && key.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) {
                    pairs.get(&*key.to_lowercase())
                } else {
                    pairs.get(key)
                };
                hit.map_or(Ok(None), |(value, line)| found(value.clone(), *line))
            }
            Content::Static(value) => found(value.clone(), None),
            Content::Rules(rules) => match rules.lookup(key) {
                Ok(Some((value, line))) => found(value, Some(line)),
                Ok(None) => Ok(None),
                Err(text) => Err(DictError::new(self.name.clone(), text)),
            },
            Content::Cidr(cidr) => {
                cidr.lookup(key).map_or(Ok(None), |(value, line)| found(value.clone(), Some(line)))
            }
            Content::Union(all) => {
                let mut values: Vec<Rc<str>> = Vec::new();
                for dict in all {
                    values.extend(dict.lookup(key)?.map(|f| f.value));
                }
                if values.is_empty() { Ok(None) } else { found(values.join(",").into(), None) }
            }
            Content::Pipe(all) => {
                let mut value: Rc<str> = key.into();
                for dict in all {
                    match dict.lookup(&value)? {
                        Some(next) => value = next.value,
                        None => return Ok(None),
                    }
                }
                found(value, None)
            }
            Content::Random(values, next) => {
                let turn = next.get();
                next.set((turn + 1) % values.len().max(1));
                values.get(turn).map_or(Ok(None), |value| found(value.clone(), None))
            }
            Content::Fail => {
                let text = format!("table {} lookup error: Application error", self.name);
                Err(DictError::new(self.name.clone(), text))
            }
            Content::Unavailable(reason) => {
                let text = format!("{} is unavailable. {reason}", self.name);
                Err(DictError::new(self.name.clone(), text))
            }
        }
    }

    fn read(&mut self, path: &str, io: &dyn Files) -> Result<String, String> {
        let bytes = io.read(path).map_err(|e| format!("open {path}: {e}"))?;
        self.stamp = io.modified(path).ok().map(|time| (path.into(), time));
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The rules of a table: those in braces in its name (`{{rule}, {rule}}`), or its file.
    fn rules(&mut self, kind: &str, name: &str, io: &dyn Files) -> Result<String, String> {
        if !name.starts_with('{') {
            return self.read(name, io);
        }
        let all = braced(name).ok_or_else(|| format!("{kind} map: {}", brace_error(name)))?;
        let mut text = String::new();
        for word in typed::words(all) {
            if !word.starts_with('{') {
                return Err(format!("{kind} map: no '{{' at start of text in \"{word}\""));
            }
            text += braced(word).ok_or_else(|| format!("{kind} map: {}", brace_error(word)))?.trim();
            text.push('\n');
        }
        Ok(text)
    }

    fn compiled(&mut self, kind: &str, name: &str, io: &dyn Files) -> Result<Content, String> {
        let path = compiled::path(name);
        let bytes = io.read(&path).map_err(|e| format!("open database {path}: {e}"))?;
        let table = compiled::decode(&bytes)
            .filter(|t| t.kind == kind)
            .ok_or_else(|| format!("open database {path}: Invalid argument"))?;
        self.stamp = io.modified(&path).ok().map(|time| (path.as_str().into(), time));
        if let (Ok(source), Ok(made)) = (io.modified(name), io.modified(&path))
            && source > made
            && io.now().since(source).as_secs() > compiled::TOLERANCE
        {
            self.warnings.push(format!("database {path} is older than source file {name}"));
        }
        Ok(pairs(table.entries.into_iter().map(|(k, v)| (k, v, None)), self.flags.fold))
    }

    fn texthash(&mut self, name: &str, io: &dyn Files) -> Result<Content, String> {
        let bytes = io.read(name).map_err(|e| format!("open database {name}: {e}"))?;
        self.stamp = io.modified(name).ok().map(|time| (name.into(), time));
        let text = String::from_utf8_lossy(&bytes);
        let parsed = source::parse_map(&text, name, source::Reader::Texthash, self.flags.fold);
        self.warnings.extend(parsed.warnings);
        let mut kept = BTreeMap::new();
        for entry in parsed.entries {
            if kept.contains_key(entry.key.as_str()) {
                self.warnings
                    .push(format!("{name}, line {}: duplicate entry: \"{}\"", entry.line, entry.key));
            } else {
                kept.insert(entry.key.into(), (entry.value.into(), Some(entry.line)));
            }
        }
        Ok(Content::Pairs { pairs: kept, fold: self.flags.fold })
    }

    fn members(&mut self, kind: &str, name: &str, io: &dyn Files) -> Result<Vec<Dict>, String> {
        let bad = || format!("bad syntax: \"{kind}:{name}\"; need \"{kind}:{{type:name...}}\"");
        let words = braced(name).map(typed::words).filter(|w| !w.is_empty()).ok_or_else(bad)?;
        let mut members = Vec::new();
        for word in words {
            if !word.contains(':') {
                return Err(bad());
            }
            let dict = Dict::open(word, self.flags, io)?;
            self.warnings.extend(dict.warnings.iter().cloned());
            members.push(dict);
        }
        Ok(members)
    }
}

fn pairs(all: impl IntoIterator<Item = (String, String, Option<u32>)>, fold: bool) -> Content {
    let pairs = all.into_iter().map(|(k, v, line)| (k.into(), (v.into(), line))).collect();
    Content::Pairs { pairs, fold }
}

/// What is in the braces that make up all of a text.
fn braced(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('{')?;
    let mut depth = 1usize;
    for (i, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return inside[i + 1..].is_empty().then(|| inside[..i].trim_matches(main_cf::is_blank));
        }
    }
    None
}

fn unbrace(word: &str) -> Rc<str> {
    braced(word).unwrap_or(word).into()
}

/// `missing '}'` or `syntax error after '}'`, whichever is wrong with braces.
fn brace_error(text: &str) -> String {
    let closed = text.matches('{').count() <= text.matches('}').count();
    match closed {
        true => format!("syntax error after '}}' in \"{text}\""),
        false => format!("missing '}}' in \"{text}\""),
    }
}

fn static_value(name: &str) -> Result<Rc<str>, String> {
    if !name.starts_with('{') {
        return Ok(name.into());
    }
    braced(name).map(Rc::from).ok_or_else(|| format!("bad static:name syntax: {}", brace_error(name)))
}

fn inline(name: &str) -> Result<Content, String> {
    let need = format!("\"inline:{name}\"; need \"inline:{{name=value...}}\"");
    let words = braced(name).map(typed::words).filter(|w| !w.is_empty());
    let words = words.ok_or_else(|| format!("bad syntax: {need}"))?;
    let mut all = Vec::new();
    for word in words {
        let text = match word.starts_with('{') {
            true => braced(word).ok_or_else(|| format!("{}: {need}", brace_error(word)))?,
            false => word,
        };
        // A name may be missing here, other than in main.cf; nothing can be looked up under it.
        if text.starts_with('=') {
            continue;
        }
        let (key, value) = main_cf::split_setting(text).map_err(|e| format!("{e}: {need}"))?;
        all.push((key.to_lowercase(), value.to_string(), None));
    }
    Ok(pairs(all, true))
}

fn accounts(name: &str, io: &dyn Files) -> Result<Content, String> {
    let path = match name {
        "passwd.byname" => "/etc/passwd",
        "group.byname" => "/etc/group",
        _ => return Err(format!("unknown table: unix:{name}")),
    };
    let bytes = io.read(path).map_err(|e| format!("open {path}: {e}"))?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter_map(|line| {
        let (user, _) = line.split_once(':')?;
        Some((user.to_string(), line.to_string(), None))
    });
    Ok(pairs(lines, false))
}

#[cfg(test)]
mod tests;
