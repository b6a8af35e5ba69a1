//! `set` and `shopt`.

use super::{complain, invalid_option, letters};
use crate::shell::options::{Options, SET, SHOPT};
use crate::shell::quote;
use crate::shell::state::Shell;
use crate::shell::variable::Value;

const USAGE: &str = "set [-abefhkmnptuvxBCEHPT] [-o option-name] [--] [-] [arg ...]";

pub(super) async fn set(shell: &mut Shell, args: &[&str]) -> i32 {
    if args.is_empty() {
        show_variables(shell).await;
        return 0;
    }
    let mut rest = args.iter();
    let mut positional: Option<Vec<String>> = None;
    while let Some(arg) = rest.next() {
        let on = arg.starts_with('-');
        match *arg {
            "--" => {
                positional = Some(rest.map(|a| (*a).to_owned()).collect());
                break;
            }
            "-" => {
                (shell.options.xtrace, shell.options.verbose) = (false, false);
                let all: Vec<String> = rest.map(|a| (*a).to_owned()).collect();
                positional = Some(all).filter(|all| !all.is_empty());
                break;
            }
            "+" => {}
            letters if on || letters.starts_with('+') => {
                for letter in letters[1..].chars() {
                    if letter == 'o' {
                        match rest.next() {
                            None => show_options(shell, on).await,
                            Some(name) if shell.options.set(name, on) => {}
                            Some(name) => {
                                let dash = format!("set: Illegal option {}o {name}", &letters[..1]);
                                shell.say(&format!("set: {name}: invalid option name"), &dash).await;
                                return 2;
                            }
                        }
                        continue;
                    }
                    match Options::by_letter(letter) {
                        Some(name) => {
                            shell.options.set(name, on);
                        }
                        None => {
                            return invalid_option(shell, &format!("{}{letter}", &letters[..1]), USAGE).await;
                        }
                    }
                }
            }
            first => {
                positional = Some(std::iter::once(first).chain(rest.copied()).map(str::to_owned).collect());
                break;
            }
        }
    }
    if let Some(positional) = positional {
        shell.positional = positional;
    }
    0
}

async fn show_variables(shell: &Shell) {
    let mut out = String::new();
    for (name, v) in &shell.variables {
        let value = match &v.value {
            Value::Unset => continue,
            Value::Text(text) if shell.is_bash() => format!("={}", quote::value(text)),
            Value::Text(text) => format!("={}", quote::single(text)),
            _ => v.declared(),
        };
        out.push_str(&format!("{name}{value}\n"));
    }
    for (name, f) in &shell.functions {
        if shell.is_bash() {
            out.push_str(&crate::shell::show::function(name, &f.body));
        }
    }
    shell.p.print(out).await;
}

async fn show_options(shell: &Shell, words: bool) {
    let line = |name: &str| {
        let on = shell.options.is_set(name);
        match (words, on) {
            (true, on) => format!("{name:<15}\t{}\n", if on { "on" } else { "off" }),
            (false, true) => format!("set -o {name}\n"),
            (false, false) => format!("set +o {name}\n"),
        }
    };
    shell.p.print(SET.iter().map(|(name, _)| line(name)).collect::<String>()).await;
}

pub(super) async fn shopt(shell: &mut Shell, args: &[&str]) -> i32 {
    let (found, rest) = match letters(args, "pqsuo") {
        Ok(found) => found,
        Err(option) => return invalid_option(shell, &option, "shopt [-pqsu] [-o] [optname ...]").await,
    };
    let of_set = found.contains('o');
    let stands = |shell: &Shell, name: &str| match of_set {
        true => SET.iter().any(|(n, _)| *n == name).then(|| shell.options.is_set(name)),
        false => shell.options.shopt(name),
    };
    let change = found.contains(['s', 'u']).then(|| found.contains('s'));
    let all: Vec<&str> =
        if of_set { SET.iter().map(|(n, _)| *n).collect() } else { SHOPT.iter().map(|(n, _)| *n).collect() };
    let names: Vec<&str> = if rest.is_empty() { all } else { rest.to_vec() };
    let (mut status, mut out) = (0, String::new());
    for name in names {
        let Some(on) = stands(shell, name) else {
            status = complain(shell, &format!("shopt: {name}: invalid shell option name")).await;
            continue;
        };
        match change {
            Some(to) if !rest.is_empty() => {
                if of_set {
                    shell.options.set(name, to);
                } else {
                    shell.options.set_shopt(name, to);
                }
                continue;
            }
            Some(to) if to != on => continue,
            _ => {}
        }
        status |= i32::from(!rest.is_empty() && !on);
        if found.contains('p') {
            let word = if of_set { "set" } else { "shopt" };
            let flag = match (of_set, on) {
                (true, true) => "-o",
                (true, false) => "+o",
                (false, true) => "-s",
                (false, false) => "-u",
            };
            out.push_str(&format!("{word} {flag} {name}\n"));
        } else if !found.contains('q') {
            out.push_str(&format!("{name:<15}\t{}\n", if on { "on" } else { "off" }));
        }
    }
    shell.p.print(out).await;
    status
}
