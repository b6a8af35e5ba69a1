//! su(1) and sudo(8): act as somebody else.
//!
//! # Simplifications
//! su reads a password from standard input, as it does where there is no terminal. sudo lets
//! everybody do everything without a password: a lab machine is its user's own.

use super::names;
use super::options::{NONE, Options};
use super::text::{Input, chomp};
use super::tool::Tool;
use crate::world::errno::Errno;
use crate::world::exec::Start;
use crate::world::passwd::{self, Passwd};
use crate::world::process::{Environment, Process, STDIN};
use crate::world::users::Cred;
use std::rc::Rc;

const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const USER_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";

const SU: Options = Options {
    usage: "[options] [-] [<user> [<argument>...]]",
    short: "c:lmps:fw:P",
    long: &[("command=", 'c'), ("login", 'l'), ("preserve-environment", 'p'), ("shell=", 's'), ("fast", 'f')],
    absent: "gGT",
    ..NONE
};
const SUDO: Options = Options {
    usage: "[-EHins] [-u user] [VAR=value] [command]",
    short: "EHinsu:g:kvS",
    long: &[
        ("preserve-env", 'E'),
        ("set-home", 'H'),
        ("login", 'i'),
        ("non-interactive", 'n'),
        ("shell", 's'),
        ("user=", 'u'),
        ("stdin", 'S'),
    ],
    absent: "ABbCDeglKPRTUV",
    trouble: 1,
    in_order: true,
    shows_usage: false,
};

fn person(p: &Process, name: &str) -> Option<(Rc<Passwd>, Cred)> {
    let host = p.host();
    let (fs, mut users) = (host.fs(), host.users());
    let user = users.getpwnam(&fs, name)?;
    let cred = users.cred(&fs, &user);
    Some((user, cred))
}

fn set(env: &mut Environment, name: &str, value: &str) {
    env.insert(name.into(), value.into());
}

/// su(1)
pub async fn su(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match SU.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let mut operands = parsed.operands.clone();
    let mut login = parsed.has('l');
    if operands.first().is_some_and(|o| &**o == "-") {
        operands.remove(0);
        login = true;
    }
    let name = if operands.is_empty() { "root".into() } else { operands.remove(0) };
    let Some((user, cred)) = person(&tool.p, &name) else {
        tool.warn(format!(
            "user {name} does not exist or the user entry does not contain all the required fields"
        ))
        .await;
        return 1;
    };
    if tool.p.real_uid() != 0 && !authenticated(&mut tool, &user.name).await {
        tool.warn("Authentication failure").await;
        return 1;
    }
    let shell = parsed.value('s').filter(|_| tool.p.real_uid() == 0 || user.shell.ends_with("sh"));
    let shell: String = match shell {
        Some(shell) => shell.to_owned(),
        None if user.shell.is_empty() => "/bin/sh".into(),
        None => user.shell.clone(),
    };
    let mut env = (*tool.p.env()).clone();
    if login {
        let term = env.get("TERM").cloned();
        env = Environment::new();
        env.extend(term.map(|t| ("TERM".into(), t)));
        set(&mut env, "PATH", if user.uid == 0 { ROOT_PATH } else { USER_PATH });
    }
    if login || !(parsed.has('p') || parsed.has('m')) {
        set(&mut env, "HOME", &user.home);
        set(&mut env, "SHELL", &shell);
        if login || user.uid != 0 {
            set(&mut env, "USER", &user.name);
            set(&mut env, "LOGNAME", &user.name);
        }
    }
    let base = names::base(&shell);
    let mut argv: Vec<Rc<str>> = vec![if login { format!("-{base}").into() } else { base.into() }];
    if let Some(command) = parsed.value('c') {
        argv.extend(["-c".into(), command.into()]);
    }
    argv.extend(operands);
    let directory = (login && tool.p.exists(&user.home)).then(|| user.home.clone());
    let start = Start { argv, cred: Some(cred), env: Some(env), directory, ..Start::default() };
    match tool.p.spawn(&shell, start) {
        Ok(child) => child.wait().await,
        Err(e) => {
            tool.warn(format!("failed to execute {shell}: {e}")).await;
            if e == Errno::ENOENT { 127 } else { 126 }
        }
    }
}

async fn authenticated(tool: &mut Tool, name: &str) -> bool {
    tool.p.eprint("Password: ").await;
    let terminal = tool.p.terminal(STDIN);
    if let Some(terminal) = &terminal {
        terminal.set_silent(true);
    }
    let line = match Input::open(&tool.p, "-") {
        Ok(mut input) => input.line().await.ok().flatten(),
        Err(_) => None,
    };
    if let Some(terminal) = &terminal {
        terminal.set_silent(false);
    }
    tool.p.eprint("\n").await;
    let Some(line) = line else { return false };
    let password = String::from_utf8_lossy(chomp(&line)).into_owned();
    // The program has root's rights by its set-user-id bit, and may read the hashes.
    let shadow = tool.p.read_text("/etc/shadow").unwrap_or_default();
    passwd::shadow_of(&shadow, name).is_some_and(|entry| passwd::verify(&entry.hash, &password))
}

/// sudo(8)
pub async fn sudo(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match SUDO.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let wanted = parsed.value('u').unwrap_or("root");
    let Some((user, cred)) = person(&tool.p, wanted) else {
        tool.warn(format!("unknown user {wanted}")).await;
        tool.warn("error initializing audit plugin sudoers_audit").await;
        return 1;
    };
    let host = tool.p.host().clone();
    let caller_uid = tool.p.real_uid();
    let caller = names::user(&host, caller_uid);
    let mut env = if parsed.has('E') { (*tool.p.env()).clone() } else { Environment::new() };
    for kept in ["TERM", "LANG", "LC_ALL", "DISPLAY"] {
        env.extend(tool.p.var(kept).map(|v| (kept.into(), v)));
    }
    set(&mut env, "PATH", ROOT_PATH);
    set(&mut env, "HOME", &user.home);
    set(&mut env, "USER", &user.name);
    set(&mut env, "LOGNAME", &user.name);
    set(&mut env, "SHELL", &user.shell);
    set(&mut env, "SUDO_USER", &caller);
    set(&mut env, "SUDO_UID", &caller_uid.to_string());
    let mut operands = &parsed.operands[..];
    while let Some((name, value)) = operands.first().and_then(|o| o.split_once('=')) {
        set(&mut env, name, value);
        operands = &operands[1..];
    }
    if (parsed.has('v') || parsed.has('k')) && operands.is_empty() {
        return 0;
    }
    let shell_wanted = parsed.has('i') || parsed.has('s');
    let (path, argv): (String, Vec<Rc<str>>) = if shell_wanted {
        let mut argv: Vec<Rc<str>> = vec![names::base(&user.shell).into()];
        if parsed.has('i') {
            argv[0] = format!("-{}", argv[0]).into();
        }
        if !operands.is_empty() {
            argv.extend(["-c".into(), operands.join(" ").into()]);
        }
        (user.shell.clone(), argv)
    } else {
        let Some(command) = operands.first() else {
            tool.p
                .eprint(
                    "usage: sudo -h | -K | -k | -V\nusage: sudo [-EHins] [-u user] [VAR=value] [command]\n",
                )
                .await;
            return 1;
        };
        tool.p.set_var("PATH", Some(ROOT_PATH));
        match tool.p.find_program(command) {
            Ok(path) => (path, operands.to_vec()),
            Err(_) => {
                tool.warn(format!("{command}: command not found")).await;
                return 1;
            }
        }
    };
    let directory = parsed.has('i').then(|| user.home.clone());
    let start = Start { argv, cred: Some(cred), env: Some(env), directory, ..Start::default() };
    match tool.p.spawn(&path, start) {
        Ok(child) => child.wait().await,
        Err(e) => {
            tool.warn(format!("unable to execute {path}: {e}")).await;
            1
        }
    }
}

/// nologin(8)
pub async fn nologin(p: Process) -> i32 {
    p.print("This account is currently not available.\n").await;
    1
}
