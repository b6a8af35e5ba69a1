//! `cd`, `pwd`, `dirs`, `pushd`, `popd`, `umask`.

use super::{complain, invalid_option, letters};
use crate::shell::state::Shell;
use crate::world::errno::{Errno, Sys};

pub(super) async fn pwd(shell: &mut Shell, args: &[&str]) -> i32 {
    let found = match letters(args, "LP") {
        Ok((found, _)) => found,
        Err(option) => return invalid_option(shell, &option, "pwd [-LP]").await,
    };
    let path = match found.ends_with('P') {
        true => shell.p.cwd_path(),
        false => shell.get("PWD").unwrap_or_else(|| shell.p.cwd_path()),
    };
    print(shell, "pwd", format!("{path}\n")).await
}

/// Prints, or says why it cannot.
async fn print(shell: &Shell, builtin: &str, text: String) -> i32 {
    super::output::put(shell, builtin, text.into_bytes()).await
}

pub(super) async fn cd(shell: &mut Shell, args: &[&str]) -> i32 {
    let (found, rest) = match letters(args, "LPe@") {
        Ok(found) => found,
        Err(option) => return invalid_option(shell, &option, "cd [-L|[-P [-e]] [-@]] [dir]").await,
    };
    let physical = found.ends_with('P');
    if rest.len() > 1 && shell.is_bash() {
        return complain(shell, "cd: too many arguments").await;
    }
    let mut shown = false;
    let target = match rest.first() {
        None => match shell.get("HOME") {
            Some(home) => home,
            None if shell.is_bash() => return complain(shell, "cd: HOME not set").await,
            None => return 0,
        },
        Some(&"-") => match shell.get("OLDPWD") {
            Some(old) => {
                shown = true;
                old
            }
            None if shell.is_bash() => return complain(shell, "cd: OLDPWD not set").await,
            None => shell.get("PWD").unwrap_or_default(),
        },
        Some(path) => (*path).to_owned(),
    };
    let plain = target.starts_with('/') || matches!(target.as_str(), "." | "..") || target.starts_with("./");
    if !plain
        && !target.starts_with("../")
        && let Some(path) = shell.get("CDPATH")
    {
        for directory in path.split(':').filter(|d| !d.is_empty()) {
            if go(shell, &format!("{directory}/{target}"), physical).is_ok() {
                let pwd = shell.get("PWD").unwrap_or_default();
                return print(shell, "cd", format!("{pwd}\n")).await;
            }
        }
    }
    match go(shell, &target, physical) {
        Ok(()) if shown => {
            let pwd = shell.get("PWD").unwrap_or_default();
            print(shell, "cd", format!("{pwd}\n")).await
        }
        Ok(()) => 0,
        Err(e) => {
            shell.say(&format!("cd: {target}: {e}"), &format!("cd: can't cd to {target}")).await;
            if shell.is_bash() { 1 } else { 2 }
        }
    }
}

/// Goes to a directory and notes it in PWD, by the links that led there unless `physical`.
fn go(shell: &mut Shell, target: &str, physical: bool) -> Sys<()> {
    let old = shell.get("PWD").unwrap_or_else(|| shell.p.cwd_path());
    if target.is_empty() {
        shell.set_unchecked("OLDPWD", old);
        return Ok(());
    }
    let logical = flattened(&old, target);
    if physical {
        shell.p.chdir(target)?;
    } else {
        // Where the flattened path leads nowhere, the given one may.
        match shell.p.chdir(&logical) {
            Ok(()) => {}
            Err(Errno::ENOENT) => shell.p.chdir(target)?,
            Err(e) => return Err(e),
        }
    }
    let path = if physical { shell.p.cwd_path() } else { logical };
    shell.set_unchecked("OLDPWD", old);
    shell.set_unchecked("PWD", path);
    for name in ["OLDPWD", "PWD"] {
        if let Some(v) = shell.variables.get_mut(name) {
            v.exported = true;
        }
    }
    Ok(())
}

/// A path without `.` and `..`, as they are written.
fn flattened(from: &str, target: &str) -> String {
    let whole = if target.starts_with('/') { target.to_owned() } else { format!("{from}/{target}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn shown(shell: &Shell, path: &str) -> String {
    match shell.get("HOME").filter(|h| h.len() > 1) {
        Some(home) if path == home => "~".to_owned(),
        Some(home) if path.strip_prefix(&home).is_some_and(|r| r.starts_with('/')) => {
            format!("~{}", &path[home.len()..])
        }
        _ => path.to_owned(),
    }
}

pub(super) async fn dirs(shell: &mut Shell) -> i32 {
    let pwd = shell.get("PWD").unwrap_or_default();
    let all = std::iter::once(&pwd).chain(shell.directories.iter().rev());
    let text: Vec<String> = all.map(|d| shown(shell, d)).collect();
    print(shell, "dirs", text.join(" ") + "\n").await
}

pub(super) async fn pushd(shell: &mut Shell, args: &[&str]) -> i32 {
    let pwd = shell.get("PWD").unwrap_or_default();
    let target = match args.first() {
        Some(target) => (*target).to_owned(),
        None => match shell.directories.pop() {
            Some(target) => target,
            None => return complain(shell, "pushd: no other directory").await,
        },
    };
    if let Err(e) = go(shell, &target, false) {
        return complain(shell, &format!("pushd: {target}: {e}")).await;
    }
    shell.directories.push(pwd);
    dirs(shell).await
}

pub(super) async fn popd(shell: &mut Shell) -> i32 {
    let Some(target) = shell.directories.pop() else {
        return complain(shell, "popd: directory stack empty").await;
    };
    if let Err(e) = go(shell, &target, false) {
        return complain(shell, &format!("popd: {target}: {e}")).await;
    }
    dirs(shell).await
}

pub(super) async fn umask(shell: &mut Shell, args: &[&str]) -> i32 {
    let (found, rest) = match letters(args, "pS") {
        Ok(found) => found,
        Err(option) => return invalid_option(shell, &option, "umask [-p] [-S] [mode]").await,
    };
    let Some(text) = rest.first() else {
        let mask = shell.p.umask();
        let words = if found.contains('S') { symbols(mask) } else { format!("{mask:04o}") };
        let front = match (found.contains('p'), found.contains('S')) {
            (true, true) => "umask -S ",
            (true, false) => "umask ",
            _ => "",
        };
        return print(shell, "umask", format!("{front}{words}\n")).await;
    };
    let mask = if text.starts_with(|c: char| c.is_ascii_digit()) {
        u16::from_str_radix(text, 8).ok().filter(|m| *m <= 0o777).ok_or("octal number out of range")
    } else {
        from_symbols(text, shell.p.umask()).ok_or("invalid symbolic mode operator")
    };
    match mask {
        Ok(mask) => {
            shell.p.set_umask(mask);
            if found.contains('S') {
                return print(shell, "umask", format!("{}\n", symbols(mask))).await;
            }
            0
        }
        Err(what) => {
            shell.say(&format!("umask: {text}: {what}"), &format!("umask: Illegal mode: {text}")).await;
            if shell.is_bash() { 1 } else { 2 }
        }
    }
}

/// `u=rwx,g=rx,o=rx`: what the mask lets through.
fn symbols(mask: u16) -> String {
    let class = |name: char, shift: u16| {
        let bits = !(mask >> shift) & 7;
        let letters: String =
            [(4, 'r'), (2, 'w'), (1, 'x')].iter().filter(|(b, _)| bits & b != 0).map(|(_, c)| *c).collect();
        format!("{name}={letters}")
    };
    [class('u', 6), class('g', 3), class('o', 0)].join(",")
}

fn from_symbols(text: &str, mask: u16) -> Option<u16> {
    let mut allowed = !mask & 0o777;
    for clause in text.split(',') {
        let at = clause.find(['=', '+', '-'])?;
        let (who, rest) = clause.split_at(at);
        let mut bits = 0;
        for c in rest[1..].chars() {
            bits |= match c {
                'r' => 4,
                'w' => 2,
                'x' => 1,
                _ => return None,
            };
        }
        for class in if who.is_empty() { "a" } else { who }.chars() {
            let shifts: &[u16] = match class {
                'u' => &[6],
                'g' => &[3],
                'o' => &[0],
                'a' => &[6, 3, 0],
                _ => return None,
            };
            for shift in shifts {
                match rest.as_bytes()[0] {
                    b'=' => allowed = (allowed & !(7 << shift)) | (bits << shift),
                    b'+' => allowed |= bits << shift,
                    _ => allowed &= !(bits << shift),
                }
            }
        }
    }
    Some(!allowed & 0o777)
}
