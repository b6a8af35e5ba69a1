//! Processes: ps(1), kill(1), killall(1), pgrep(1), pkill(1).
//!
//! # Simplifications
//! A process of the lab has no terminal, uses no memory and no processor time that could be
//! told. Of ps's formats there are those of `ps`, `ps u`, `ps -f` and `-o`.

use super::names;
use super::options::{NONE, Options};
use super::regex::{Dialect, Regex};
use super::tool::{Tool, quoted};
use crate::world::errno::Errno;
use crate::world::exec::Signal;
use crate::world::process::Process;
use std::rc::Rc;

/// A column of ps: its name, the heading, the width, and whether it stands to the right.
const COLUMNS: &[(&str, &str, usize, bool)] = &[
    ("pid", "PID", 5, true),
    ("ppid", "PPID", 5, true),
    ("user", "USER", 8, false),
    ("euser", "EUSER", 8, false),
    ("ruser", "RUSER", 8, false),
    ("uid", "UID", 5, true),
    ("gid", "GID", 5, true),
    ("group", "GROUP", 8, false),
    ("comm", "COMMAND", 15, false),
    ("ucmd", "CMD", 15, false),
    ("args", "COMMAND", 27, false),
    ("command", "COMMAND", 27, false),
    ("cmd", "CMD", 27, false),
    ("tty", "TT", 8, false),
    ("tname", "TTY", 8, false),
    ("stat", "STAT", 4, false),
    ("s", "S", 1, false),
    ("time", "TIME", 8, true),
    ("bsdtime", "TIME", 6, true),
    ("pcpu", "%CPU", 4, true),
    ("%cpu", "%CPU", 4, true),
    ("pmem", "%MEM", 4, true),
    ("%mem", "%MEM", 4, true),
    ("vsz", "VSZ", 6, true),
    ("rss", "RSS", 5, true),
    ("c", "C", 2, true),
    ("ni", "NI", 3, true),
    ("stime", "STIME", 5, false),
    ("start_time", "START", 5, false),
    ("lstart", "STARTED", 24, true),
    ("etime", "ELAPSED", 11, true),
    ("etimes", "ELAPSED", 7, true),
    ("uname", "UID", 8, false),
];

struct Column {
    name: &'static str,
    heading: String,
    width: usize,
    right: bool,
}

#[derive(Default)]
struct Wish {
    all: bool,
    own: bool,
    full: bool,
    user_format: bool,
    job: bool,
    headings: bool,
    columns: Vec<Column>,
    pids: Vec<u32>,
    parents: Vec<u32>,
    names: Vec<String>,
    users: Vec<u32>,
}

/// ps(1)
pub async fn ps(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let wish = match Wish::parse(&tool.p) {
        Ok(wish) => wish,
        Err(text) => {
            tool.p.eprint(format!("error: {text}\n\nUsage:\n ps [options]\n\n Try 'ps --help <simple|list|output|threads|misc|all>'\n  or 'ps --help <s|l|o|t|m|a>'\n for additional help text.\n\nFor more details see ps(1).\n")).await;
            return 1;
        }
    };
    let columns = wish.columns();
    let me = tool.p.cred().uid;
    let chosen =
        !(wish.pids.is_empty() && wish.names.is_empty() && wish.users.is_empty() && wish.parents.is_empty());
    let processes: Vec<Process> = tool
        .p
        .host()
        .processes()
        .into_iter()
        .filter(|q| {
            if chosen {
                return wish.pids.contains(&q.pid())
                    || wish.parents.contains(&q.parent())
                    || wish.names.iter().any(|n| **n == *q.name())
                    || wish.users.contains(&q.cred().uid);
            }
            wish.all || q.cred().uid == me
        })
        .collect();
    let found = !processes.is_empty();
    if wish.headings && columns.iter().any(|c| !c.heading.is_empty()) {
        let cells: Vec<String> = columns.iter().map(|c| c.heading.clone()).collect();
        tool.line(row(&columns, &cells)).await;
    }
    for q in &processes {
        let cells: Vec<String> = columns.iter().map(|c| cell(&tool.p, q, c.name)).collect();
        tool.line(row(&columns, &cells)).await;
    }
    tool.status = if chosen && !found { 1 } else { 0 };
    tool.done().await
}

fn row(columns: &[Column], cells: &[String]) -> String {
    let mut text = String::new();
    for (n, (c, cell)) in columns.iter().zip(cells).enumerate() {
        if n > 0 {
            text.push(' ');
        }
        let last = n + 1 == columns.len();
        let width = c.width;
        match (c.right, last) {
            (true, _) => text.push_str(&format!("{cell:>width$}")),
            (false, true) => text.push_str(cell),
            (false, false) => text.push_str(&format!("{cell:<width$}")),
        }
    }
    text
}

fn cell(me: &Process, q: &Process, name: &str) -> String {
    let user = |uid: u32| {
        let name = names::user(me.host(), uid);
        if name.len() > 8 { format!("{}+", &name[..7]) } else { name }
    };
    let age = me.now().since(q.started()).as_secs();
    match name {
        "pid" => q.pid().to_string(),
        "ppid" => q.parent().to_string(),
        "user" | "euser" | "uname" => user(q.cred().uid),
        "ruser" => user(q.real_uid()),
        "uid" => q.cred().uid.to_string(),
        "gid" => q.cred().gid.to_string(),
        "group" => names::group(me.host(), q.cred().gid),
        "comm" | "ucmd" => q.name().chars().take(15).collect(),
        "args" | "command" | "cmd" => q.argv().join(" "),
        "tty" | "tname" => "?".into(),
        "stat" | "s" => if q.pid() == me.pid() { "R" } else { "S" }.into(),
        "time" => "00:00:00".into(),
        "bsdtime" => "0:00".into(),
        "pcpu" | "%cpu" | "pmem" | "%mem" => "0.0".into(),
        "vsz" | "rss" | "c" | "ni" => "0".into(),
        "stime" | "start_time" => {
            let started = q.started();
            let format = match me.now().unix() / 86400 == started.unix() / 86400 {
                true => "%H:%M",
                false if me.now().civil().year() == started.civil().year() => "%b%d",
                false => "%Y",
            };
            started.strftime(format)
        }
        "lstart" => q.started().strftime("%a %b %e %H:%M:%S %Y"),
        "etimes" => age.to_string(),
        _ => match (age / 86400, age / 3600 % 24, age / 60 % 60, age % 60) {
            (0, 0, m, s) => format!("{m:02}:{s:02}"),
            (0, h, m, s) => format!("{h:02}:{m:02}:{s:02}"),
            (d, h, m, s) => format!("{d}-{h:02}:{m:02}:{s:02}"),
        },
    }
}

impl Wish {
    fn parse(p: &Process) -> Result<Wish, String> {
        let mut wish = Wish { headings: true, ..Wish::default() };
        let args = p.args();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let unix = arg.starts_with('-') && !arg.starts_with("--");
            match &**arg {
                "--no-headers" | "--no-heading" => {
                    wish.headings = false;
                    continue;
                }
                "--forest" => continue,
                long if long.starts_with("--") => return Err("unknown gnu long option".into()),
                _ => {}
            }
            let letters = arg.trim_start_matches('-');
            if !unix && letters.starts_with(|c: char| c.is_ascii_digit()) {
                wish.pids.extend(letters.split(',').filter_map(|n| n.parse::<u32>().ok()));
                continue;
            }
            let mut at = 0;
            while let Some(c) = letters[at..].chars().next() {
                at += c.len_utf8();
                let takes_value = if unix { "opuUCO".contains(c) || c == 'q' } else { "opU".contains(c) };
                let mut value = String::new();
                if takes_value {
                    value = if at < letters.len() {
                        letters[at..].to_owned()
                    } else {
                        rest.next().map(|r| r.to_string()).unwrap_or_default()
                    };
                    at = letters.len();
                    if value.is_empty() {
                        return Err(match c {
                            'o' => "format specification must follow -o".into(),
                            _ => "list of process IDs must follow -p".into(),
                        });
                    }
                }
                wish.option(p, unix, c, &value)?;
            }
        }
        Ok(wish)
    }

    fn option(&mut self, p: &Process, unix: bool, c: char, value: &str) -> Result<(), String> {
        let items = || value.split([',', ' ']).filter(|i| !i.is_empty());
        match (unix, c) {
            (true, 'e' | 'A' | 'a' | 'd') | (false, 'x' | 'g') => self.all |= unix || self.own,
            (false, 'a') => {}
            (true, 'f' | 'F') => self.full = true,
            (true, 'j') => self.job = true,
            (false, 'u') => self.user_format = true,
            (_, 'w' | 'H' | 'l' | 'c' | 'L' | 'y') | (false, 'f' | 'e') => {}
            (false, 'h') | (true, 'h') => self.headings = false,
            (_, 'o' | 'O') => {
                for item in value.split(',') {
                    let (name, heading) = match item.split_once('=') {
                        Some((name, heading)) => (name, Some(heading)),
                        None => (item, None),
                    };
                    let Some((name, default, width, right)) = COLUMNS.iter().find(|c| c.0 == name) else {
                        return Err(format!("unknown user-defined format specifier \"{name}\""));
                    };
                    let heading = heading.unwrap_or(default).to_owned();
                    self.columns.push(Column {
                        name,
                        width: (*width).max(heading.len()),
                        heading,
                        right: *right,
                    });
                }
            }
            (_, 'p' | 'q') => {
                for item in items() {
                    self.pids.push(item.parse().map_err(|_| "process ID list syntax error".to_owned())?);
                }
            }
            (true, 'C') => self.names.extend(items().map(str::to_owned)),
            (_, 'U') | (true, 'u') => {
                for item in items() {
                    self.users.push(names::uid_of(p, item).ok_or("user name does not exist")?);
                }
            }
            (true, _) => return Err("unsupported SysV option".into()),
            (false, _) => return Err("unsupported option (BSD syntax)".into()),
        }
        if !unix {
            self.own = true;
            self.all |= matches!(c, 'a' | 'x');
        }
        Ok(())
    }

    fn columns(&self) -> Vec<Column> {
        if !self.columns.is_empty() {
            let copy = |c: &Column| Column {
                name: c.name,
                heading: c.heading.clone(),
                width: c.width,
                right: c.right,
            };
            return self.columns.iter().map(copy).collect();
        }
        let names: &[&str] = if self.user_format {
            &[
                "user",
                "pid",
                "%cpu",
                "%mem",
                "vsz",
                "rss",
                "tname",
                "stat",
                "start_time",
                "bsdtime",
                "command",
            ]
        } else if self.full {
            &["uname", "pid", "ppid", "c", "stime", "tname", "time", "cmd"]
        } else if self.own {
            &["pid", "tname", "stat", "bsdtime", "command"]
        } else {
            &["pid", "tname", "time", "ucmd"]
        };
        let find = |name: &&str| COLUMNS.iter().find(|c| c.0 == *name);
        let columns = names.iter().filter_map(find).map(|(name, heading, width, right)| Column {
            name,
            heading: (*heading).to_owned(),
            width: *width,
            right: *right,
        });
        columns.collect()
    }
}

/// kill(1)
pub async fn kill(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    let mut signal = Some(Signal::Term);
    let mut targets: Vec<Rc<str>> = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let name = match &**arg {
            "-l" | "--list" | "-L" => {
                let list: Vec<&str> = Signal::ALL.iter().map(|(_, _, name)| *name).collect();
                tool.line(list.join(" ")).await;
                return tool.done().await;
            }
            "-s" | "--signal" => match rest.next() {
                Some(name) => name.to_string(),
                None => return bad_kill(&mut tool, "").await,
            },
            "--" => {
                targets.extend(rest.by_ref().cloned());
                continue;
            }
            option if option.starts_with('-') && targets.is_empty() => option[1..].to_owned(),
            _ => {
                targets.push(arg.clone());
                continue;
            }
        };
        signal = match &*name {
            "0" => None,
            name => match Signal::parse(&name.to_uppercase()) {
                Some(signal) => Some(signal),
                None => return bad_kill(&mut tool, name).await,
            },
        };
    }
    if targets.is_empty() {
        tool.p.eprint("\nUsage:\n kill [options] <pid> [...]\n").await;
        return 1;
    }
    for target in targets {
        let Ok(pid) = target.parse::<u32>() else {
            tool.complain(format!("failed to parse argument: {}", quoted(&target))).await;
            continue;
        };
        if let Err(e) = send(&tool.p, pid, signal) {
            tool.complain(format!("({pid}): {e}")).await;
        }
    }
    tool.done().await
}

async fn bad_kill(tool: &mut Tool, name: &str) -> i32 {
    tool.warn(format!("invalid argument {name}\n\nUsage:\n kill [options] <pid> [...]")).await;
    1
}

/// Sends a signal, or only looks whether that would be allowed.
fn send(p: &Process, pid: u32, signal: Option<Signal>) -> Result<(), Errno> {
    match signal {
        Some(signal) => p.kill(pid, signal),
        None => {
            let target = p.host().process(pid).ok_or(Errno::ESRCH)?;
            let me = p.cred().uid;
            if me == 0 || me == target.cred().uid { Ok(()) } else { Err(Errno::EPERM) }
        }
    }
}

/// killall(1)
pub async fn killall(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let mut signal = Some(Signal::Term);
    let mut wanted: Vec<Rc<str>> = Vec::new();
    let mut quiet = false;
    let args = tool.p.args();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.strip_prefix('-') {
            None => wanted.push(arg.clone()),
            Some("q") => quiet = true,
            Some(option) => {
                let name = if option == "s" {
                    rest.next().map(|n| n.to_string()).unwrap_or_default()
                } else {
                    option.to_owned()
                };
                signal = match Signal::parse(&name) {
                    Some(signal) => Some(signal),
                    None if name == "0" => None,
                    None => {
                        tool.p.eprint(format!("{name}: unknown signal; killall -l lists signals.\n")).await;
                        return 1;
                    }
                };
            }
        }
    }
    if wanted.is_empty() {
        tool.p.eprint("Usage: killall [OPTION]... [--] NAME...\n").await;
        return 1;
    }
    for name in wanted {
        let all = tool.p.host().processes();
        let found: Vec<u32> =
            all.iter().filter(|q| *q.name() == *name && q.pid() != tool.p.pid()).map(Process::pid).collect();
        if found.is_empty() {
            if !quiet {
                tool.p.eprint(format!("{name}: no process found\n")).await;
            }
            tool.status = 1;
        }
        for pid in found {
            if let Err(e) = send(&tool.p, pid, signal) {
                tool.p.eprint(format!("{name}({pid}): {e}\n")).await;
                tool.status = 1;
            }
        }
    }
    tool.done().await
}

/// pgrep(1) and pkill(1)
pub async fn pgrep(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[options] <pattern>",
        short: "acfhilnou:U:P:vx0123456789d:",
        long: &[
            ("list-full", 'a'),
            ("count", 'c'),
            ("full", 'f'),
            ("ignore-case", 'i'),
            ("list-name", 'l'),
            ("newest", 'n'),
            ("oldest", 'o'),
            ("parent=", 'P'),
            ("euid=", 'u'),
            ("exact", 'x'),
            ("signal=", SIGNAL),
            ("delimiter=", 'd'),
        ],
        absent: "eFgGLrstwz",
        trouble: 2,
        ..NONE
    };
    const SIGNAL: char = '\u{11}';
    let mut tool = Tool::new(p);
    let kills = &*tool.p.name() == "pkill";
    let mut signal = Some(Signal::Term);
    let mut args = tool.p.args();
    if kills {
        args.retain(|a| match a.strip_prefix('-').and_then(Signal::parse) {
            Some(found) => {
                signal = Some(found);
                false
            }
            None => true,
        });
    }
    let parsed = match OPTIONS.parse_args(&mut tool, &args).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if let Some(name) = parsed.value(SIGNAL) {
        signal = Signal::parse(name);
    }
    let users: Vec<u32> = parsed
        .value('u')
        .or(parsed.value('U'))
        .map_or(Vec::new(), |list| list.split(',').filter_map(|name| names::uid_of(&tool.p, name)).collect());
    if parsed.operands.is_empty() && parsed.value('u').or(parsed.value('U')).or(parsed.value('P')).is_none() {
        let name = tool.name.clone();
        tool.p
            .eprint(format!(
                "{name}: no matching criteria specified\nTry `{name} --help' for more information.\n"
            ))
            .await;
        return 2;
    }
    let pattern = parsed.operands.first().cloned().unwrap_or_default();
    let dialect = Dialect { extended: true, ignore_case: parsed.has('i'), ..Dialect::default() };
    let text = if parsed.has('x') { format!("^({pattern})$") } else { pattern.to_string() };
    let regex = match Regex::new(text.as_bytes(), dialect) {
        Ok(regex) => regex,
        Err(e) => {
            tool.warn(e).await;
            return 2;
        }
    };
    let mut found: Vec<Process> = tool.p.host().processes();
    found.retain(|q| {
        let name = if parsed.has('f') { q.argv().join(" ") } else { q.name().chars().take(15).collect() };
        let parent =
            parsed.value('P').is_none_or(|list| list.split(',').any(|n| n == q.parent().to_string()));
        let user = parsed.value('u').or(parsed.value('U')).is_none() || users.contains(&q.cred().uid);
        let fits = regex.is_match(name.as_bytes()) && user && parent;
        q.pid() != tool.p.pid() && fits != parsed.has('v')
    });
    if parsed.has('n') {
        found = found.pop().into_iter().collect();
    } else if parsed.has('o') {
        found.truncate(1);
    }
    tool.status = i32::from(found.is_empty());
    if parsed.has('c') {
        tool.line(found.len().to_string()).await;
        return tool.done().await;
    }
    for q in &found {
        if kills {
            if let Err(e) = send(&tool.p, q.pid(), signal) {
                tool.warn(format!("killing pid {} failed: {e}", q.pid())).await;
            }
        } else if parsed.has('a') {
            tool.line(format!("{} {}", q.pid(), q.argv().join(" "))).await;
        } else if parsed.has('l') {
            tool.line(format!("{} {}", q.pid(), q.name())).await;
        } else {
            tool.line(q.pid().to_string()).await;
        }
    }
    tool.done().await
}
