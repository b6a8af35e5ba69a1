//! Builtins that make, change and fill variables: `export`, `readonly`, `local`, `declare`, `unset`,
//! `read`, `getopts`.

use super::complain;
use crate::shell::pattern;
use crate::shell::state::{Shell, Value, Variable};
use crate::world::process::STDERR;

/// A variable's name, with the value that may stand behind it.
fn split(argument: &str) -> (&str, Option<&str>, bool) {
    match argument.split_once('=') {
        Some((name, value)) => match name.strip_suffix('+') {
            Some(name) => (name, Some(value), true),
            None => (name, Some(value), false),
        },
        None => (argument, None, false),
    }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(super) async fn attributes(
    shell: &mut Shell,
    argv: &[String],
    args: &[&str],
    export: bool,
    readonly: bool,
) -> i32 {
    let names: Vec<&&str> = args.iter().filter(|a| !a.starts_with('-')).collect();
    if names.is_empty() {
        let word = if export { "declare -x" } else { "declare -r" };
        let shown: Vec<String> = shell
            .variables
            .iter()
            .filter(|(_, v)| if export { v.exported } else { v.readonly })
            .map(|(n, v)| format!("{word} {n}={}\n", quoted(v)))
            .collect();
        shell.p.print(shown.concat()).await;
        return 0;
    }
    let remove = args.contains(&"-n");
    let mut status = 0;
    for argument in names {
        let (name, value, append) = split(argument);
        if !is_name(name) {
            shell.complain(&format!("{}: `{argument}': not a valid identifier", argv[0])).await;
            status = 1;
            continue;
        }
        if let Some(value) = value {
            let value = if append { shell.get(name).unwrap_or_default() + value } else { value.to_owned() };
            if let Err(e) = shell.set(name, value) {
                shell.complain(&e).await;
                status = 1;
                continue;
            }
        }
        let empty = || Variable { value: Value::Text(String::new()), exported: false, readonly: false };
        if value.is_some() || shell.variables.contains_key(name) {
            let v = shell.variables.entry(name.to_owned()).or_insert_with(empty);
            v.exported = (v.exported || export) && !remove;
            v.readonly |= readonly;
        }
    }
    status
}

fn quoted(v: &Variable) -> String {
    let escape =
        |t: &str| t.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`");
    match &v.value {
        Value::Text(text) => format!("\"{}\"", escape(text)),
        Value::Array(all) => {
            let items: Vec<String> = all.iter().map(|(n, t)| format!("[{n}]=\"{}\"", escape(t))).collect();
            format!("({})", items.join(" "))
        }
    }
}

pub(super) async fn local(shell: &mut Shell, args: &[&str]) -> i32 {
    if shell.locals.is_empty() {
        return complain(shell, "local: can only be used in a function").await;
    }
    for argument in args.iter().filter(|a| !a.starts_with('-')) {
        let (name, value, _) = split(argument);
        let old = shell.variables.get(name).cloned();
        if let Some(frame) = shell.locals.last_mut()
            && !frame.iter().any(|(n, _)| n == name)
        {
            frame.push((name.to_owned(), old));
        }
        shell.variables.remove(name);
        shell.set_unchecked(name, value.unwrap_or_default());
    }
    0
}

pub(super) async fn declare(shell: &mut Shell, argv: &[String], args: &[&str]) -> i32 {
    let flags: String = args.iter().filter_map(|a| a.strip_prefix('-')).collect();
    if flags.contains('A') {
        return complain(shell, "declare: -A: associative arrays are not available in the lab").await;
    }
    if flags.contains('p') || args.is_empty() {
        let wanted: Vec<&&str> = args.iter().filter(|a| !a.starts_with('-')).collect();
        let shown: Vec<String> = shell
            .variables
            .iter()
            .filter(|(n, _)| wanted.is_empty() || wanted.iter().any(|w| **w == n.as_str()))
            .map(|(n, v)| {
                let attribute = match (&v.value, v.exported, v.readonly) {
                    (Value::Array(_), ..) => "-a",
                    (_, true, _) => "-x",
                    (_, _, true) => "-r",
                    _ => "--",
                };
                format!("declare {attribute} {n}={}\n", quoted(v))
            })
            .collect();
        shell.p.print(shown.concat()).await;
        return 0;
    }
    let names: Vec<&str> = args.iter().copied().filter(|a| !a.starts_with('-')).collect();
    if !shell.locals.is_empty() && !flags.contains('g') {
        let status = local(shell, &names).await;
        if status != 0 {
            return status;
        }
    } else {
        for argument in &names {
            let (name, value, _) = split(argument);
            if let Some(value) = value
                && let Err(e) = shell.set(name, value)
            {
                return complain(shell, &e).await;
            }
        }
    }
    if flags.contains('x') || flags.contains('r') {
        let bare: Vec<&str> = names.iter().map(|a| split(a).0).collect();
        return attributes(shell, argv, &bare, flags.contains('x'), flags.contains('r')).await;
    }
    0
}

pub(super) async fn unset(shell: &mut Shell, args: &[&str]) -> i32 {
    let functions = args.contains(&"-f");
    let mut status = 0;
    for name in args.iter().filter(|a| !a.starts_with('-')) {
        if shell.variables.get(*name).is_some_and(|v| v.readonly) {
            status = complain(shell, &format!("unset: {name}: cannot unset: readonly variable")).await;
        } else if functions || shell.variables.remove(*name).is_none() {
            shell.functions.remove(*name);
        }
    }
    status
}

pub(super) async fn read(shell: &mut Shell, args: &[&str]) -> i32 {
    let (mut raw, mut names, mut array, mut rest) = (false, Vec::new(), false, args.iter());
    while let Some(arg) = rest.next() {
        match *arg {
            "-r" => raw = true,
            "-a" => array = true,
            "-p" | "-t" | "-d" | "-n" | "-u" | "-N" => {
                let value = rest.next().copied().unwrap_or_default();
                if *arg == "-p" {
                    shell.p.write(STDERR, value.to_owned()).await;
                }
            }
            "-s" | "-e" => {}
            name => names.push(name.to_owned()),
        }
    }
    let mut line = Vec::new();
    let mut whole;
    loop {
        let (part, ended) = shell.read_line().await;
        line.extend_from_slice(&part);
        whole = ended;
        if raw || !ended || line.last() != Some(&b'\\') {
            break;
        }
        line.pop();
    }
    let text = String::from_utf8_lossy(&line).into_owned();
    let text = if raw { text } else { pattern::unquote(&text) };
    let ifs = shell.get("IFS").unwrap_or_else(|| " \t\n".to_owned());
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n') && ifs.contains(c);
    let text = text.trim_matches(blank);
    if array {
        let all = text.split(|c| ifs.contains(c)).filter(|w| !w.is_empty()).enumerate();
        let all = all.map(|(n, w)| (n as i64, w.to_owned())).collect();
        let name = names.first().cloned().unwrap_or_else(|| "REPLY".into());
        shell.variables.insert(name, Variable { value: Value::Array(all), exported: false, readonly: false });
        return i32::from(!whole);
    }
    if names.is_empty() {
        names.push("REPLY".to_owned());
    }
    let mut left = text;
    let last = names.len() - 1;
    for (n, name) in names.iter().enumerate() {
        let value = if n == last {
            left
        } else {
            let (first, after) = left.split_once(|c| ifs.contains(c)).unwrap_or((left, ""));
            left = after.trim_start_matches(blank);
            first
        };
        if let Err(e) = shell.set(name, value) {
            return complain(shell, &e).await;
        }
    }
    i32::from(!whole)
}

pub(super) async fn getopts(shell: &mut Shell, args: &[&str]) -> i32 {
    let [spec, name, rest @ ..] = args else {
        shell.complain("getopts: usage: getopts optstring name [arg ...]").await;
        return 2;
    };
    let own: Vec<String> = if rest.is_empty() {
        shell.positional.clone()
    } else {
        rest.iter().map(|a| (*a).to_owned()).collect()
    };
    // OPTIND counts arguments; the place within one is kept beside it.
    let index: usize = shell.get("OPTIND").and_then(|n| n.parse().ok()).unwrap_or(1);
    let place: usize = shell.get("__OPTPLACE").and_then(|n| n.parse().ok()).unwrap_or(1);
    let Some(arg) = own.get(index.wrapping_sub(1)).filter(|a| a.starts_with('-') && a.len() > 1) else {
        shell.set_unchecked(name, "?");
        return 1;
    };
    if arg == "--" {
        shell.set_unchecked("OPTIND", (index + 1).to_string());
        shell.set_unchecked(name, "?");
        return 1;
    }
    let letter = arg.chars().nth(place).unwrap_or('?');
    let mut next = (index, place + 1);
    if place + 1 >= arg.chars().count() {
        next = (index + 1, 1);
    }
    let silent = spec.starts_with(':');
    let found = spec.find(letter).filter(|_| letter != ':');
    let takes = found.is_some_and(|at| spec[at + letter.len_utf8()..].starts_with(':'));
    let mut value = letter.to_string();
    if found.is_none() {
        if !silent {
            shell.p.eprint(format!("{}: illegal option -- {letter}\n", shell.name)).await;
        } else {
            shell.set_unchecked("OPTARG", letter.to_string());
        }
        value = "?".to_owned();
    } else if takes {
        let tail: String = arg.chars().skip(place + 1).collect();
        let argument = if tail.is_empty() { own.get(index).cloned() } else { Some(tail.clone()) };
        next = (index + if tail.is_empty() { 2 } else { 1 }, 1);
        match argument {
            Some(text) => shell.set_unchecked("OPTARG", text),
            None if silent => {
                shell.set_unchecked("OPTARG", letter.to_string());
                value = ":".to_owned();
            }
            None => {
                shell.p.eprint(format!("{}: option requires an argument -- {letter}\n", shell.name)).await;
                value = "?".to_owned();
            }
        }
    }
    shell.set_unchecked("OPTIND", next.0.to_string());
    shell.set_unchecked("__OPTPLACE", next.1.to_string());
    shell.set_unchecked(name, value);
    0
}
