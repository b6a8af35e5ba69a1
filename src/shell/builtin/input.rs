//! Builtins that take text in and apart: `read`, `mapfile`, `getopts`.

use super::{complain, invalid_option, usage};
use crate::shell::state::Shell;
use crate::shell::variable::{Value, Variable, is_name};
use crate::world::clock::Duration;
use crate::world::open::Open;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The longest line that is read, in octets.
const LONGEST: usize = 16 << 20;

#[derive(Default)]
struct Reading {
    raw: bool,
    array: Option<String>,
    delimiter: Option<u8>,
    count: Option<usize>,
    exact: bool,
    fd: i32,
    limit: Option<Duration>,
    names: Vec<String>,
}

const READ: &str = "read [-ers] [-a array] [-d delim] [-i text] [-n nchars] [-N nchars] [-p prompt] [-t timeout] [-u fd] [name ...]";

pub(super) async fn read(shell: &mut Shell, args: &[&str]) -> i32 {
    let reading = match reading(shell, args).await {
        Ok(reading) => reading,
        Err(status) => return status,
    };
    for name in &reading.names {
        if !is_name(name.split('[').next().unwrap_or_default()) {
            let bash = format!("read: `{name}': not a valid identifier");
            shell.say(&bash, &format!("read: {name}: bad variable name")).await;
            return if shell.is_bash() { 1 } else { 2 };
        }
    }
    let Ok(open) = shell.p.fd(reading.fd) else {
        return complain(
            shell,
            &format!("read: {}: invalid file descriptor: Bad file descriptor", reading.fd),
        )
        .await;
    };
    let taken = match reading.limit {
        Some(limit) => match shell.p.timeout(limit, line(&open, &reading)).await {
            Some(taken) => taken,
            None => return 142,
        },
        None => line(&open, &reading).await,
    };
    let (marked, whole) = taken;
    match give(shell, &reading, marked) {
        Ok(()) => i32::from(!whole),
        Err(e) => complain(shell, &e).await,
    }
}

async fn reading(shell: &mut Shell, args: &[&str]) -> Result<Reading, i32> {
    let mut r = Reading::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty() && r.names.is_empty()) else {
            r.names.push((*arg).to_owned());
            continue;
        };
        if letters == "-" {
            r.names.extend(rest.map(|a| (*a).to_owned()));
            break;
        }
        for (at, letter) in letters.char_indices() {
            match letter {
                'r' => r.raw = true,
                's' | 'e' => {}
                'a' | 'd' | 'i' | 'n' | 'N' | 'p' | 't' | 'u' => {
                    let tail = &letters[at + 1..];
                    let value = if tail.is_empty() { rest.next().copied() } else { Some(tail) };
                    let Some(value) = value else {
                        shell.complain(&format!("read: -{letter}: option requires an argument")).await;
                        return Err(usage(shell, READ).await);
                    };
                    let number = || value.parse::<usize>().ok();
                    match letter {
                        'a' => r.array = Some(value.to_owned()),
                        'd' => r.delimiter = Some(value.bytes().next().unwrap_or(0)),
                        'n' => r.count = number(),
                        'N' => (r.count, r.exact) = (number(), true),
                        'u' => r.fd = value.parse().unwrap_or(-1),
                        't' => {
                            r.limit =
                                value.parse().ok().and_then(|s: f64| Duration::try_from_secs_f64(s).ok());
                        }
                        // A prompt is for a terminal; there is none.
                        _ => {}
                    }
                    break;
                }
                other => return Err(invalid_option(shell, &format!("-{other}"), READ).await),
            }
        }
    }
    Ok(r)
}

/// Octets up to the delimiter, each with whether a backslash guarded it; was there a delimiter?
async fn line(open: &Rc<Open>, r: &Reading) -> (Vec<(u8, bool)>, bool) {
    let delimiter = r.delimiter.unwrap_or(b'\n');
    let (mut out, mut guarded) = (Vec::new(), false);
    if r.count == Some(0) {
        return (out, true);
    }
    loop {
        let got = match open.read(4096).await {
            Ok(got) if !got.is_empty() && out.len() < LONGEST => got,
            _ => return (out, false),
        };
        for (at, b) in got.iter().copied().enumerate() {
            let rest = || open.unread(got.slice(at + 1..));
            if std::mem::take(&mut guarded) {
                // A guarded line end joins two lines.
                if b != b'\n' {
                    out.push((b, true));
                }
            } else if b == b'\\' && !r.raw {
                guarded = true;
                continue;
            } else if b == delimiter && !r.exact {
                rest();
                return (out, true);
            } else if b != 0 {
                out.push((b, false));
            }
            if r.count.is_some_and(|n| out.len() >= n) {
                rest();
                return (out, true);
            }
        }
    }
}

/// Splits what was read among the variables.
fn give(shell: &mut Shell, r: &Reading, marked: Vec<(u8, bool)>) -> Result<(), String> {
    let text = |part: &[(u8, bool)]| {
        let bytes: Vec<u8> = part.iter().map(|(b, _)| *b).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    if r.exact || (r.names.is_empty() && r.array.is_none()) {
        let name = r.names.first().map_or("REPLY", String::as_str).to_owned();
        return shell.set(&name, text(&marked));
    }
    let ifs = shell.get("IFS").unwrap_or_else(|| " \t\n".to_owned());
    let separates = |(b, guarded): &(u8, bool)| !guarded && ifs.as_bytes().contains(b);
    let blank = |m: &(u8, bool)| separates(m) && matches!(m.0, b' ' | b'\t' | b'\n');
    let skip = |from: usize| (from..marked.len()).find(|i| !blank(&marked[*i])).unwrap_or(marked.len());
    let mut at = skip(0);
    let mut field = || {
        if at >= marked.len() {
            return None;
        }
        let start = at;
        let end = (at..marked.len()).find(|i| separates(&marked[*i])).unwrap_or(marked.len());
        at = skip(end);
        if at < marked.len() && separates(&marked[at]) && (at == end || blank(&marked[end])) {
            at = skip(at + 1);
        }
        Some((start, end, at))
    };
    if let Some(name) = &r.array {
        let mut all = BTreeMap::new();
        while let Some((start, end, _)) = field() {
            all.insert(all.len() as i64, text(&marked[start..end]));
        }
        shell.changeable(name)?;
        shell.variables.insert(name.clone(), Variable::new(Value::Array(all)));
        return Ok(());
    }
    let last = r.names.len() - 1;
    for (n, name) in r.names.iter().enumerate() {
        let found = field();
        let value = match found {
            None => String::new(),
            Some((start, end, next)) if n < last || next >= marked.len() => text(&marked[start..end]),
            // The last variable takes the rest, without the blanks at its end.
            Some((start, ..)) => {
                let end = (start..marked.len()).rev().find(|i| !blank(&marked[*i])).map_or(start, |i| i + 1);
                text(&marked[start..end])
            }
        };
        shell.set(name, value)?;
    }
    Ok(())
}

pub(super) async fn mapfile(shell: &mut Shell, args: &[&str]) -> i32 {
    let (mut cut, mut name, mut most, mut skipped, mut rest) =
        (false, "MAPFILE", 0usize, 0usize, args.iter());
    while let Some(arg) = rest.next() {
        match *arg {
            "-t" => cut = true,
            "-n" => most = rest.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            "-s" => skipped = rest.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            option if option.starts_with('-') => {
                let text = "mapfile [-d delim] [-n count] [-O origin] [-s count] [-t] [-u fd] [-C callback] [-c quantum] [array]";
                return invalid_option(shell, option, text).await;
            }
            other => name = other,
        }
    }
    let Ok(open) = shell.p.fd(0) else { return 1 };
    let all = open.read_to_end(LONGEST).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&all).into_owned();
    let lines = text.split_inclusive('\n').skip(skipped).take(if most == 0 { usize::MAX } else { most });
    let lines = lines.map(|l| if cut { l.strip_suffix('\n').unwrap_or(l) } else { l }.to_owned());
    let value = Value::Array(lines.enumerate().map(|(n, l)| (n as i64, l)).collect());
    shell.variables.insert(name.to_owned(), Variable::new(value));
    0
}

pub(super) async fn getopts(shell: &mut Shell, args: &[&str]) -> i32 {
    let [spec, name, rest @ ..] = args else {
        if shell.is_bash() {
            return usage(shell, "getopts optstring name [arg ...]").await;
        }
        shell.complain("getopts: Usage: getopts optstring var [arg]").await;
        return 2;
    };
    let own: Vec<String> = if rest.is_empty() {
        shell.positional.clone()
    } else {
        rest.iter().map(|a| (*a).to_owned()).collect()
    };
    // OPTIND counts arguments; the place within one is kept beside it.
    let index: usize = shell.get("OPTIND").and_then(|n| n.parse().ok()).unwrap_or(1).max(1);
    let place = if shell.option_place.0 == index { shell.option_place.1 } else { 1 };
    let done = |shell: &mut Shell, index: usize| {
        shell.set_unchecked("OPTIND", index.to_string());
        shell.set_unchecked(name, "?");
        shell.variables.remove("OPTARG");
        1
    };
    let letters: Vec<char> = match own.get(index - 1) {
        Some(arg) if arg == "--" => return done(shell, index + 1),
        Some(arg) if arg.starts_with('-') && arg.len() > 1 => arg.chars().collect(),
        _ => return done(shell, index),
    };
    let letter = letters.get(place).copied().unwrap_or('?');
    let last = place + 1 >= letters.len();
    let silent = spec.starts_with(':');
    let at = spec.find(letter).filter(|_| letter != ':');
    let takes = at.is_some_and(|at| spec[at + letter.len_utf8()..].starts_with(':'));
    let mut next = if last { (index + 1, 1) } else { (index, place + 1) };
    let (mut value, mut argument, mut said) = (letter.to_string(), None, None);
    if at.is_none() {
        value = "?".to_owned();
        if silent {
            argument = Some(letter.to_string());
        } else if shell.is_bash() {
            said = Some(format!("{}: illegal option -- {letter}\n", shell.name));
        } else {
            said = Some(format!("Illegal option -{letter}\n"));
        }
    } else if takes {
        let tail: String = letters[place + 1..].iter().collect();
        next = (index + if last { 2 } else { 1 }, 1);
        argument = if last { own.get(index).cloned() } else { Some(tail) };
        if argument.is_none() {
            next = (index + 1, 1);
            if silent {
                (value, argument) = (":".to_owned(), Some(letter.to_string()));
            } else {
                value = "?".to_owned();
                said = Some(if shell.is_bash() {
                    format!("{}: option requires an argument -- {letter}\n", shell.name)
                } else {
                    format!("No arg for -{letter} option\n")
                });
            }
        }
    }
    if let Some(said) = said.filter(|_| shell.get("OPTERR").as_deref() != Some("0")) {
        shell.p.eprint(said).await;
    }
    match argument {
        Some(text) => shell.set_unchecked("OPTARG", text),
        None => drop(shell.variables.remove("OPTARG")),
    }
    shell.set_unchecked("OPTIND", next.0.to_string());
    shell.option_place = next;
    match shell.set(name, value) {
        Ok(()) => 0,
        Err(e) => complain(shell, &e).await,
    }
}
