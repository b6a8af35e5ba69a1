//! What postmap(1) and postalias(1) have in common: their options, asking tables, deleting from
//! them, listing them, and making a compiled table from a source.
//!
//! With `-h` and `-b` the keys are the headers and lines of a message ([`message`]); with `-F` a value
//! names files, and the table holds their content in BASE64.
//!
//! # Simplifications
//! `-F` reads the files that `static:`, `inline:`, `texthash:` and tables of patterns name when they are
//! asked, not when they are opened. `-u` and `-U` (UTF-8 in keys) change nothing.

mod message;

use super::config::{Config, typed};
use super::dict::source::{Entry, Parsed};
use super::dict::{COMPILED, Dict, Flags, TYPES, compiled};
use super::msg::Msg;
use crate::proto::base64;
use crate::world::errno::Errno;
use crate::world::process::{Process, STDIN};
use crate::world::users::Cred;
use std::collections::BTreeMap;

/// What makes the two commands different.
pub struct Tool {
    /// The command's name.
    pub name: &'static str,
    /// The options it takes; a colon follows one with a value.
    pub options: &'static str,
    /// What it says when it is called wrongly.
    pub usage: &'static str,
    /// What stands between key and value in a listing.
    pub between: &'static str,
    /// Reads a source: text, path, whether keys are folded.
    pub parse: fn(&str, &str, bool) -> Parsed,
    /// Entries that every table gets, besides those of the source.
    pub own_entries: fn(&Process, &Config) -> Vec<(String, String)>,
}

/// The options as they were given.
struct Options<'a> {
    given: BTreeMap<char, Option<&'a str>>,
    maps: Vec<&'a str>,
}

impl Options<'_> {
    fn has(&self, option: char) -> bool {
        self.given.contains_key(&option)
    }

    fn value(&self, option: char) -> Option<&str> {
        self.given.get(&option).copied().flatten()
    }
}

/// The command; gives its exit status.
pub async fn run(p: Process, tool: &Tool) -> i32 {
    let msg = Msg::command(&p, tool.name);
    let args = p.args();
    let args: Vec<&str> = args.iter().map(|a| &**a).collect();
    let options = match getopt(&args, tool.options) {
        Ok(options) => options,
        Err(Mistake::Option(complaint)) => {
            p.eprint(format!("{}: {complaint}\n", tool.name)).await;
            return msg.fatal(tool.usage).await;
        }
        Err(Mistake::Both(text)) => return msg.fatal(text).await,
    };
    let config = match super::configuration(&p, &msg, options.value('c')).await {
        Ok(config) => config,
        Err(status) => return status,
    };
    let flags = Flags { fold: !options.has('f'), ..Flags::USUAL };
    let typed = |map: &str| match map.contains(':') {
        true => map.to_string(),
        false => format!("{}:{map}", config.string("default_database_type")),
    };
    let maps: Vec<String> = options.maps.iter().map(|m| typed(m)).collect();
    let work = Work { p: &p, msg: &msg, tool, flags, options: &options };
    let of_message = ['b', 'h', 'm'].iter().any(|o| options.has(*o));
    let done = match (options.value('q'), options.value('d')) {
        (key, _) if of_message && key != Some("-") => {
            Err("specify -b -h or -m only with \"-q -\"".to_owned())
        }
        _ if maps.is_empty() && !options.has('s') => Err(tool.usage.to_string()),
        (Some(_), _) if of_message => work.query_message(&maps).await,
        (Some(key), _) => work.query(key, &maps).await,
        (_, Some(key)) => work.delete(key, &maps).await,
        _ if options.has('s') => work.list(&maps).await,
        _ => work.make(&maps, &config).await,
    };
    match done {
        Ok(status) => status,
        Err(text) => msg.fatal(text).await,
    }
}

struct Work<'a> {
    p: &'a Process,
    msg: &'a Msg,
    tool: &'a Tool,
    flags: Flags,
    options: &'a Options<'a>,
}

impl Work<'_> {
    async fn open(&self, map: &str) -> Result<Dict, String> {
        let opened = Dict::open(map, self.flags, self.p);
        if let Some(path) = opened.as_ref().err().and_then(|why| no_database(why)) {
            let dot = if path.starts_with('/') { "" } else { "./" };
            let text = format!("BDB0641 __db_meta_setup: {dot}{path}: unexpected file type or format\n");
            self.p.eprint(text).await;
        }
        let dict = opened?;
        for warning in dict.warnings() {
            self.msg.warn(warning).await;
        }
        Ok(dict)
    }

    async fn stdin(&self) -> String {
        let Ok(open) = self.p.fd(STDIN) else { return String::new() };
        let bytes = open.read_to_end(super::STDIN_LIMIT).await.unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// `-q key`, or `-q -` for keys from standard input: the first table that knows one counts.
    async fn query(&self, key: &str, maps: &[String]) -> Result<i32, String> {
        let many = key == "-";
        match many {
            true => self.ask_all(&self.stdin().await.lines().collect::<Vec<_>>(), true, maps).await,
            false if key.is_empty() => Ok(1),
            false => self.ask_all(&[key], false, maps).await,
        }
    }

    /// `-q -` with `-h`, `-b` or `-m`: the keys are in a message.
    async fn query_message(&self, maps: &[String]) -> Result<i32, String> {
        let given = |letter| self.options.has(letter);
        let neither = !given('h') && !given('b');
        if neither {
            self.msg.warn("ignoring -m option without -b or -h").await;
        }
        let wanted =
            message::Wanted { headers: neither || given('h'), body: neither || given('b'), mime: given('m') };
        let keys = message::keys(&self.stdin().await, wanted);
        self.ask_all(&keys, true, maps).await
    }

    async fn ask_all<K: AsRef<str>>(
        &self,
        keys: &[K],
        with_key: bool,
        maps: &[String],
    ) -> Result<i32, String> {
        let mut dicts: Vec<Dict> = Vec::new();
        let mut status = 1;
        for key in keys.iter().map(AsRef::as_ref) {
            for (i, map) in maps.iter().enumerate() {
                if dicts.len() <= i {
                    dicts.push(self.open(map).await?);
                }
                let Some(value) = self.ask(&dicts[i], key).await? else { continue };
                let line = match with_key {
                    true => format!("{key}{}{value}\n", self.tool.between),
                    false => format!("{value}\n"),
                };
                self.p.print(line).await;
                status = 0;
                break;
            }
        }
        Ok(status)
    }

    async fn ask(&self, dict: &Dict, key: &str) -> Result<Option<String>, String> {
        let found = dict.lookup(key).map_err(|e| {
            let why = e.text.rsplit(": ").next().unwrap_or_default().to_string();
            format!("table {}: query error: {why}", dict.name())
        })?;
        if found.as_ref().is_some_and(|f| f.value.is_empty()) {
            let name = dict.name();
            self.msg.warn(format!("table {name}: key {key}: empty string result is not allowed")).await;
            self.msg.warn(format!("table {name} should return NO RESULT in case of NOT FOUND")).await;
        }
        match found {
            Some(found) if self.options.has('F') => self.content(dict.name(), key, &found.value).await,
            found => Ok(found.map(|f| f.value.to_string())),
        }
    }

    /// The content of the files for which a value stands (`-F`).
    async fn content(&self, table: &str, key: &str, value: &str) -> Result<Option<String>, String> {
        if !COMPILED.iter().any(|kind| table.strip_prefix(kind).is_some_and(|rest| rest.starts_with(':'))) {
            return match self.files(value) {
                Ok(content) => Ok(Some(String::from_utf8_lossy(&content).into_owned())),
                Err(why) => {
                    self.msg.warn(why).await;
                    Ok(None)
                }
            };
        }
        match base64::decode(value) {
            Some(content) => Ok(Some(String::from_utf8_lossy(&content).into_owned())),
            None => {
                let table = compiled::path(table);
                self.msg.warn(format!("table {table}: key {key}: malformed BASE64 value: {value}")).await;
                Err(format!("table {table}: query error"))
            }
        }
    }

    /// What stands in the files that a value names, each but the last with a line end more.
    fn files(&self, names: &str) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        for (i, name) in typed::words(names).into_iter().enumerate() {
            if i > 0 {
                content.push(b'\n');
            }
            content.extend(self.p.read_file(name).map_err(|e| format!("open {name}: {e}"))?);
        }
        Ok(content)
    }

    /// `-d key`, or `-d -` for keys from standard input.
    async fn delete(&self, key: &str, maps: &[String]) -> Result<i32, String> {
        let text = if key == "-" { self.stdin().await } else { key.to_string() };
        let mut status = 1;
        for map in maps {
            let (kind, source) = map.split_once(':').unwrap_or(("hash", map));
            if !COMPILED.contains(&kind) {
                let dict = Dict::open(map, self.flags, self.p)?;
                return Err(match kind {
                    "static" | "environ" | "fail" | "unix" | "nis" => {
                        format!("table {}: delete operation is not supported", dict.name())
                    }
                    _ => format!("{} map requires O_RDONLY access mode", dict.name()),
                });
            }
            self.open(map).await?;
            let path = compiled::path(source);
            let mut table = self.read_table(&path, kind, source)?.unwrap_or_default();
            let before = table.entries.len();
            for key in text.lines() {
                let key = if self.flags.fold { key.to_lowercase() } else { key.to_string() };
                table.entries.retain(|(k, _)| *k != key);
            }
            if table.entries.len() < before {
                status = 0;
                self.write_table(&path, &table, 0o644)?;
            }
        }
        Ok(status)
    }

    /// `-s`: everything in the first table.
    async fn list(&self, maps: &[String]) -> Result<i32, String> {
        let Some(map) = maps.first() else { return Ok(1) };
        let dict = self.open(map).await?;
        let (kind, source) = map.split_once(':').unwrap_or(("hash", map));
        let entries: Vec<(String, String)> = match COMPILED.contains(&kind) {
            true => {
                let table = self.read_table(&compiled::path(source), kind, source)?.unwrap_or_default();
                table.listed().into_iter().cloned().collect()
            }
            false => dict
                .entries()
                .ok_or_else(|| format!("table {}: sequence operation is not supported", dict.name()))?
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
        };
        let mut text = String::new();
        for (key, value) in entries {
            let value = match self.options.has('F') {
                true => self.content(dict.name(), &key, &value).await?.unwrap_or_default(),
                false => value,
            };
            text.push_str(&format!("{key}{}{value}\n", self.tool.between));
        }
        self.p.print(text).await;
        Ok(0)
    }

    async fn make(&self, maps: &[String], config: &Config) -> Result<i32, String> {
        for map in maps {
            let (kind, source) = map.split_once(':').unwrap_or(("hash", map));
            let mine = self.p.cred().clone();
            let made = self.make_one(kind, source, config).await;
            self.p.set_cred(mine);
            made?;
        }
        Ok(0)
    }

    async fn make_one(&self, kind: &str, source: &str, config: &Config) -> Result<(), String> {
        let incremental = self.options.has('i');
        let (text, shown, mode) = if incremental {
            (self.stdin().await, "stdin", 0o644)
        } else {
            let stat = self.p.stat(source, true).map_err(|e| format!("open {source}: {e}"))?;
            // A directory is opened as well, and nothing is read from it.
            let text = match self.p.read_text(source) {
                Err(Errno::EISDIR) => String::new(),
                text => text.map_err(|e| format!("open {source}: {e}"))?,
            };
            // Root makes a user's table with that user's rights.
            if !self.options.has('o') && self.p.cred().uid == 0 && stat.uid != 0 {
                self.p.set_cred(Cred { uid: stat.uid, gid: stat.gid, groups: [].into() });
            }
            (text, source, if self.options.has('p') { 0o644 } else { stat.mode & 0o666 })
        };
        if !COMPILED.contains(&kind) {
            return Err(match TYPES.contains(&kind) {
                true => format!("unsupported dictionary type: {kind} does not support bulk-mode creation."),
                false => {
                    format!("unsupported dictionary type: {kind}. Is the postfix-{kind} package installed?")
                }
            });
        }
        let path = compiled::path(source);
        let existing = if incremental { self.read_table(&path, kind, source)? } else { None };
        let mut table = existing.unwrap_or_else(|| compiled::Table::new(kind, source));
        // Before anything is said of the source, the table must be there to be written.
        if !self.p.exists(&path) || !incremental {
            self.write_table(&path, &table, mode)?;
        }
        let parsed = (self.tool.parse)(&text, shown, self.flags.fold);
        let parsed = if self.options.has('F') { self.with_files(parsed, shown) } else { parsed };
        self.fill(&mut table, parsed, &path).await;
        if !incremental {
            for (key, value) in (self.tool.own_entries)(self.p, config) {
                table.entries.retain(|(k, _)| *k != key);
                table.entries.push((key, value));
            }
        }
        self.write_table(&path, &table, mode)
    }

    /// With each value, the content of the files that it names.
    fn with_files(&self, parsed: Parsed, shown: &str) -> Parsed {
        let mut read = Parsed { warnings: parsed.warnings, entries: Vec::new() };
        for entry in parsed.entries {
            match self.files(&entry.value) {
                Ok(content) => read.entries.push(Entry { value: base64::encode(&content), ..entry }),
                Err(why) => {
                    read.warnings.push(format!("{shown}, line {}: {why}: skipping this entry", entry.line));
                }
            }
        }
        read.warnings.sort_by_key(|warning| line_of(warning));
        read
    }

    /// Adds the entries of a source, saying what is wrong with it line by line.
    async fn fill(&self, table: &mut compiled::Table, parsed: Parsed, path: &str) {
        let mut index: BTreeMap<String, usize> =
            table.entries.iter().enumerate().map(|(i, (k, _))| (k.clone(), i)).collect();
        let mut warnings = parsed.warnings.iter().peekable();
        for entry in parsed.entries {
            while let Some(warning) = warnings.next_if(|w| line_of(w) <= entry.line) {
                self.msg.warn(warning).await;
            }
            match index.get(&entry.key) {
                None => {
                    index.insert(entry.key.clone(), table.entries.len());
                    table.entries.push((entry.key, entry.value));
                }
                Some(&at) if self.options.has('r') => table.entries[at].1 = entry.value,
                Some(_) if self.options.has('w') => {}
                Some(_) => self.msg.warn(format!("{path}: duplicate entry: \"{}\"", entry.key)).await,
            }
        }
        for warning in warnings {
            self.msg.warn(warning).await;
        }
    }

    fn read_table(&self, path: &str, kind: &str, source: &str) -> Result<Option<compiled::Table>, String> {
        match self.p.read_file(path) {
            Ok(bytes) => match compiled::decode(&bytes).filter(|t| t.kind == kind) {
                Some(table) => Ok(Some(compiled::Table { source: source.into(), ..table })),
                None => Err(format!("open database {path}: Invalid argument")),
            },
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(format!("open database {path}: {e}")),
        }
    }

    fn write_table(&self, path: &str, table: &compiled::Table, mode: u16) -> Result<(), String> {
        let mask = self.p.set_umask(0o022);
        let written = self.p.write_file(path, compiled::encode(table), mode);
        self.p.set_umask(mask);
        written.map_err(|e| format!("open {path}: {e}"))
    }
}

/// The file that is no database of this kind, of which Berkeley DB itself has a word to say.
fn no_database(why: &str) -> Option<&str> {
    why.strip_prefix("open database ")?.strip_suffix(": Invalid argument")
}

/// The line that a warning about a source is about.
fn line_of(warning: &str) -> u32 {
    let behind = warning.rsplit_once(", line ").map_or("", |(_, rest)| rest);
    behind.split(':').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// What is wrong with the options.
#[derive(Debug, PartialEq, Eq)]
enum Mistake {
    /// What getopt(3) complains of.
    Option(String),
    /// What may not stand together.
    Both(&'static str),
}

/// Reads options as getopt(3) does.
fn getopt<'a>(args: &[&'a str], allowed: &str) -> Result<Options<'a>, Mistake> {
    let mut options = Options { given: BTreeMap::new(), maps: Vec::new() };
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        if arg == "--" {
            break;
        }
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            options.maps.push(arg);
            break;
        };
        for (at, letter) in letters.char_indices() {
            let Some(i) = allowed.find(letter).filter(|_| letter != ':') else {
                return Err(Mistake::Option(format!("invalid option -- '{letter}'")));
            };
            match letter {
                's' if options.has('q') || options.has('d') => {
                    return Err(Mistake::Both("specify only one of -s or -q or -d"));
                }
                'q' | 'd' if ['s', 'q', 'd'].iter().any(|o| options.has(*o)) => {
                    return Err(Mistake::Both("specify only one of -s -q or -d"));
                }
                _ => {}
            }
            if !allowed[i + 1..].starts_with(':') {
                options.given.insert(letter, None);
                continue;
            }
            let rest = &letters[at + letter.len_utf8()..];
            let value = if rest.is_empty() { args.next() } else { Some(rest) };
            let value =
                value.ok_or_else(|| Mistake::Option(format!("option requires an argument -- '{letter}'")))?;
            options.given.insert(letter, Some(value));
            break;
        }
    }
    options.maps.extend(args);
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postfix::testing::Machine;

    #[test]
    fn as_the_real_postmap() {
        Machine::new("mail.example.com").replay(include_str!("mkmap/recorded.txt"));
    }

    #[test]
    fn as_the_real_postalias() {
        let host = Machine::new("mail.example.com");
        let out = |line: &str| host.type_in("root", line);
        assert_eq!(
            out("postalias -s hash:/etc/aliases; echo $?"),
            "postalias: fatal: open database /etc/aliases.db: No such file or directory\n1\n"
        );
        host.write("/etc/aliases", "root: alice\nnobody\nx@y: z\nroot: bob\n");
        assert_eq!(
            out("newaliases; echo $?"),
            "postalias: warning: /etc/aliases, line 2: need name:value pair\n\
             postalias: warning: /etc/aliases, line 3: name must be local\n\
             postalias: warning: /etc/aliases.db: duplicate entry: \"root\"\n0\n"
        );
        assert_eq!(out("postalias -q ROOT hash:/etc/aliases"), "alice\n");
        assert_eq!(
            out("postalias -s hash:/etc/aliases"),
            "@:\t@\nYP_LAST_MODIFIED:\t1609771500\nYP_MASTER_NAME:\tmail.example.com\nroot:\talice\n"
        );
        assert_eq!(
            host.type_in("alice", "newaliases; echo $?"),
            "postalias: fatal: open /etc/aliases.db: Permission denied\n1\n"
        );
        assert_eq!(
            out("postalias regexp:/etc/aliases; echo $?"),
            "postalias: fatal: unsupported dictionary type: regexp does not support bulk-mode creation.\n1\n"
        );
        assert_eq!(out("postalias -d root /etc/aliases; echo $?"), "0\n");
        assert_eq!(out("postalias -q root hash:/etc/aliases; echo $?"), "1\n");
    }

    #[test]
    fn tables_refuse_what_they_cannot_do() {
        let host = Machine::new("mail.example.com");
        for (line, want) in [
            ("postmap -d x static:y", "postmap: fatal: table static:y: delete operation is not supported\n"),
            (
                "postmap -d x texthash:/etc/aliases",
                "postmap: fatal: texthash:/etc/aliases map requires O_RDONLY access mode\n",
            ),
            ("postmap -s static:x", "postmap: fatal: table static:x: sequence operation is not supported\n"),
            ("postmap -q a fail:x", "postmap: fatal: table fail:x: query error: Application error\n"),
            (
                "postmap lmdb:/etc/aliases",
                "postmap: fatal: unsupported dictionary type: lmdb. Is the postfix-lmdb package installed?\n",
            ),
            (
                "postmap -Z",
                "postmap: invalid option -- 'Z'\npostmap: fatal: usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...\n",
            ),
        ] {
            let out = host
                .type_in("root", line)
                .lines()
                .filter(|l| !l.contains("key: value"))
                .map(|l| format!("{l}\n"))
                .collect::<String>();
            assert_eq!(out, want, "{line}");
        }
    }

    #[test]
    fn options_as_getopt_reads_them() {
        let read = |args: &[&'static str]| {
            getopt(args, "fiq:s").map(|o| (o.has('f'), o.value('q').map(String::from), o.maps.join(" ")))
        };
        assert_eq!(
            read(&["-fq", "key", "hash:/x", "-s"]),
            Ok((true, Some("key".into()), "hash:/x -s".into()))
        );
        assert_eq!(read(&["-qkey", "--", "-f"]), Ok((false, Some("key".into()), "-f".into())));
        assert_eq!(read(&["-Z"]), Err(Mistake::Option("invalid option -- 'Z'".into())));
        assert_eq!(read(&["-q"]), Err(Mistake::Option("option requires an argument -- 'q'".into())));
    }
}
