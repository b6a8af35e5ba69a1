//! Builtins that make and change variables: `export`, `readonly`, `local`, `declare`, `unset`,
//! `shift`, `let`.

use super::{complain, invalid_option, letters};
use crate::shell::state::Shell;
use crate::shell::variable::{Assoc, Letters, Value, Variable, is_name};
use crate::shell::{arith, quote, show};
use crate::world::process::STDOUT;

/// A variable's name, with the value that may stand behind it, and whether that is added.
fn split(argument: &str) -> (&str, Option<&str>, bool) {
    match argument.split_once('=') {
        Some((name, value)) => match name.strip_suffix('+') {
            Some(name) => (name, Some(value), true),
            None => (name, Some(value), false),
        },
        None => (argument, None, false),
    }
}

async fn no_name(shell: &Shell, builtin: &str, argument: &str) -> i32 {
    let bash = format!("{builtin}: `{argument}': not a valid identifier");
    shell.say(&bash, &format!("{builtin}: {}: bad variable name", split(argument).0)).await;
    if shell.is_bash() { 1 } else { 2 }
}

/// `export` and `readonly`.
pub(super) async fn attributes(shell: &mut Shell, builtin: &str, args: &[&str]) -> i32 {
    let usage = match builtin {
        "export" => "export [-fn] [name[=value] ...] or export -p",
        _ => "readonly [-aAf] [name[=value] ...] or readonly -p",
    };
    let (found, rest) = match letters(args, if builtin == "export" { "fnp" } else { "aAfp" }) {
        Ok(found) => found,
        Err(option) => return invalid_option(shell, &option, usage).await,
    };
    if rest.is_empty() || found.contains('p') {
        show_all(shell, builtin).await;
        return 0;
    }
    let mut status = 0;
    for argument in rest {
        let (name, value, append) = split(argument);
        if found.contains('f') {
            if !shell.functions.contains_key(name) {
                status = complain(shell, &format!("{builtin}: {name}: not a function")).await;
            }
            continue;
        }
        if !is_name(name) {
            status = no_name(shell, builtin, argument).await;
            continue;
        }
        if let Some(value) = value
            && let Err(e) = set(shell, name, value, append)
        {
            shell.complain(&e).await;
            status = if shell.is_bash() { 1 } else { 2 };
            continue;
        }
        let name = shell.meant(name);
        let v = shell.variables.entry(name).or_default();
        match builtin {
            "export" => v.exported = !found.contains('n'),
            _ => v.readonly = true,
        }
    }
    status
}

fn set(shell: &mut Shell, name: &str, value: &str, append: bool) -> Result<(), String> {
    let integer = shell.variables.get(name).is_some_and(|v| v.integer);
    let before = shell.get(name).filter(|_| append).unwrap_or_default();
    let value = if append && integer { format!("({before})+({value})") } else { before + value };
    shell.set(name, value)
}

async fn show_all(shell: &Shell, builtin: &str) {
    let wanted = |v: &Variable| if builtin == "export" { v.exported } else { v.readonly };
    let lines = shell.variables.iter().filter(|(_, v)| wanted(v)).map(|(name, v)| {
        if shell.is_bash() {
            return format!("declare -{} {name}{}\n", v.attributes(), v.declared());
        }
        match v.text() {
            Some(text) => format!("{builtin} {name}={}\n", quote::single(text)),
            None => format!("{builtin} {name}\n"),
        }
    });
    shell.p.print(lines.collect::<String>()).await;
}

/// Hides a variable for the rest of the function.
fn hide(shell: &mut Shell, name: &str) {
    let old = shell.variables.get(name).cloned();
    let Some(frame) = shell.locals.last_mut() else { return };
    if frame.iter().any(|(n, _)| n == name) {
        return;
    }
    frame.push((name.to_owned(), old));
    shell.variables.remove(name);
}

pub(super) async fn local(shell: &mut Shell, args: &[&str]) -> i32 {
    if shell.locals.is_empty() {
        return if shell.is_bash() {
            complain(shell, "local: can only be used in a function").await
        } else {
            shell.complain("local: not in a function").await;
            2
        };
    }
    if !shell.is_bash() {
        // dash keeps the value that the variable has.
        for argument in args {
            let (name, value, _) = split(argument);
            let old = shell.variables.get(name).cloned();
            hide(shell, name);
            let kept = old.unwrap_or_default();
            shell.variables.entry(name.to_owned()).or_insert(kept);
            if let Some(value) = value
                && let Err(e) = shell.set(name, value)
            {
                shell.complain(&e).await;
                return 2;
            }
        }
        return 0;
    }
    declare(shell, "local", args).await
}

const DECLARE: &str = "declare [-aAfFgiIlnrtux] [name[=value] ...] or declare -p [-aAfFilnrtux] [name ...]";

pub(super) async fn declare(shell: &mut Shell, builtin: &str, args: &[&str]) -> i32 {
    let plus: String = args.iter().filter_map(|a| a.strip_prefix('+')).collect();
    let own: Vec<&str> = args.iter().copied().filter(|a| !(a.starts_with('+') && a.len() > 1)).collect();
    let usage = match builtin {
        "local" => "local [option] name[=value] ...".to_owned(),
        name => DECLARE.replace("declare", name),
    };
    let (found, rest) = match letters(&own, "aAfFgiIlnprtux") {
        Ok(found) => found,
        Err(option) => return invalid_option(shell, &option, &usage).await,
    };
    if found.contains(['f', 'F']) {
        return functions(shell, builtin, &found, rest).await;
    }
    if found.contains('p') || rest.is_empty() {
        return show(shell, builtin, &found, rest).await;
    }
    let mut status = 0;
    for argument in rest {
        status = status.max(one(shell, builtin, &found, &plus, argument).await);
    }
    status
}

async fn one(shell: &mut Shell, builtin: &str, found: &str, plus: &str, argument: &str) -> i32 {
    let (whole, value, append) = split(argument);
    let (name, index) = match whole.split_once('[').and_then(|(n, i)| Some((n, i.strip_suffix(']')?))) {
        Some((name, index)) => (name, Some(index)),
        None => (whole, None),
    };
    if !is_name(name) {
        return no_name(shell, builtin, argument).await;
    }
    if !shell.locals.is_empty() && !found.contains('g') {
        hide(shell, name);
    }
    let reference = found.contains('n');
    let name = if reference { name.to_owned() } else { shell.meant(name) };
    let v = shell.variables.entry(name.clone()).or_default();
    let protected = v.readonly;
    for (letters, on) in [(found, true), (plus, false)] {
        for letter in letters.chars() {
            match letter {
                'x' => v.exported = on,
                'i' => v.integer = on,
                'l' => v.letters = on.then_some(Letters::Lower),
                'u' => v.letters = on.then_some(Letters::Upper),
                'n' => v.reference = on,
                'a' if on => make_array(v),
                'A' if on && !matches!(v.value, Value::Assoc(_)) => v.value = Value::Assoc(Assoc::default()),
                _ => {}
            }
        }
    }
    if let Some(value) = value {
        let done = match index {
            _ if protected => Err(format!("{name}: readonly variable")),
            Some(index) => arith::set_element(shell, &name, index, value.to_owned()),
            None if reference => {
                shell.set_unchecked(&name, value);
                Ok(())
            }
            None => set(shell, &name, value, append),
        };
        if let Err(e) = done {
            return complain(shell, &e).await;
        }
    }
    if found.contains('r')
        && let Some(v) = shell.variables.get_mut(&name)
    {
        v.readonly = true;
    }
    0
}

fn make_array(v: &mut Variable) {
    v.value = match std::mem::take(&mut v.value) {
        Value::Text(text) => Value::Array([(0, text)].into()),
        Value::Unset => Value::Array(Default::default()),
        value => value,
    };
}

async fn functions(shell: &Shell, builtin: &str, found: &str, names: &[&str]) -> i32 {
    let (mut status, mut out) = (0, String::new());
    let all: Vec<&str> = shell.functions.keys().map(String::as_str).collect();
    for name in if names.is_empty() { all.as_slice() } else { names } {
        match shell.functions.get(*name) {
            Some(_) if found.contains('F') && names.is_empty() => {
                out.push_str(&format!("declare -f {name}\n"))
            }
            Some(_) if found.contains('F') => out.push_str(&format!("{name}\n")),
            Some(f) => out.push_str(&show::function(name, &f.body)),
            None => {
                status = 1;
                if found.contains('p') {
                    shell.complain(&format!("{builtin}: {name}: not found")).await;
                }
            }
        }
    }
    shell.p.write(STDOUT, out).await;
    status
}

async fn show(shell: &Shell, builtin: &str, found: &str, names: &[&str]) -> i32 {
    let (mut status, mut out) = (0, String::new());
    let line = |name: &str, v: &Variable| format!("declare -{} {name}{}\n", v.attributes(), v.declared());
    if names.is_empty() {
        let wanted: Vec<char> = found.chars().filter(|c| *c != 'p' && *c != 'g').collect();
        for (name, v) in &shell.variables {
            let attributes = v.attributes();
            if found.is_empty() {
                if let Some(text) = v.text() {
                    out.push_str(&format!("{name}={}\n", quote::value(text)));
                }
            } else if wanted.iter().all(|c| attributes.contains(*c)) {
                out.push_str(&line(name, v));
            }
        }
    }
    for name in names {
        match shell.variables.get(*name) {
            Some(v) => out.push_str(&line(name, v)),
            None => status = complain(shell, &format!("{builtin}: {name}: not found")).await,
        }
    }
    shell.p.print(out).await;
    status
}

pub(super) async fn unset(shell: &mut Shell, args: &[&str]) -> i32 {
    let (found, rest) = match letters(args, "fvn") {
        Ok(found) => found,
        Err(option) => return invalid_option(shell, &option, "unset [-f] [-v] [-n] [name ...]").await,
    };
    let mut status = 0;
    for argument in rest {
        if found.contains('f') {
            shell.functions.remove(*argument);
            continue;
        }
        if let Some((name, index)) =
            argument.split_once('[').and_then(|(n, i)| Some((n, i.strip_suffix(']')?)))
        {
            if let Err(e) = unset_element(shell, name, index) {
                status = complain(shell, &format!("unset: {e}")).await;
            }
            continue;
        }
        let name = if found.contains('n') { (*argument).to_owned() } else { shell.meant(argument) };
        if shell.variables.get(&name).is_some_and(|v| v.readonly) {
            let bash = format!("unset: {name}: cannot unset: readonly variable");
            shell.say(&bash, &format!("unset: {name}: is read only")).await;
            status = if shell.is_bash() { 1 } else { 2 };
        } else if shell.variables.remove(&name).is_none() && !found.contains('v') {
            shell.functions.remove(&name);
        }
    }
    status
}

fn unset_element(shell: &mut Shell, name: &str, index: &str) -> Result<(), String> {
    let name = shell.meant(name);
    if matches!(index, "@" | "*") {
        shell.variables.remove(&name);
        return Ok(());
    }
    if let Some(Value::Assoc(all)) = shell.variables.get_mut(&name).map(|v| &mut v.value) {
        all.remove(index.trim_matches(['"', '\'']));
        return Ok(());
    }
    let n = arith::number(shell, index)?;
    match shell.variables.get_mut(&name).map(|v| &mut v.value) {
        Some(Value::Array(all)) => {
            let n = if n < 0 { all.keys().next_back().map_or(n, |last| last + 1 + n) } else { n };
            all.remove(&n);
            Ok(())
        }
        Some(Value::Text(_)) if n == 0 => {
            shell.variables.remove(&name);
            Ok(())
        }
        Some(Value::Text(_)) => Err(format!("{name}: not an array variable")),
        _ => Ok(()),
    }
}

pub(super) async fn shift(shell: &mut Shell, args: &[&str]) -> i32 {
    let args = if args.first() == Some(&"--") { &args[1..] } else { args };
    let n = match args.first() {
        None => 1,
        Some(text) => match text.parse::<i64>() {
            Ok(n) if n < 0 => return complain(shell, &format!("shift: {n}: shift count out of range")).await,
            Ok(n) => n as usize,
            Err(_) => {
                let bash = format!("shift: {text}: numeric argument required");
                shell.say(&bash, &format!("shift: Illegal number: {text}")).await;
                return 1;
            }
        },
    };
    if n > shell.positional.len() {
        if !shell.is_bash() {
            shell.complain("shift: can't shift that many").await;
        }
        return 1;
    }
    shell.positional.drain(..n);
    0
}

pub(super) async fn let_(shell: &mut Shell, args: &[&str]) -> i32 {
    if args.is_empty() {
        return complain(shell, "let: expression expected").await;
    }
    let mut last = 0;
    for text in args {
        match arith::number(shell, text) {
            Ok(n) => last = n,
            Err(e) => return complain(shell, &format!("let: {e}")).await,
        }
    }
    i32::from(last == 0)
}
