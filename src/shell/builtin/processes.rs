//! Builtins about processes: `jobs`, `wait`, `kill`, `trap`, `ulimit`, `times`.

use super::{complain, invalid_option, usage};
use crate::shell::quote;
use crate::shell::state::Shell;
use crate::shell::trap;
use crate::world::exec::Signal;

pub(super) async fn jobs(shell: &mut Shell, args: &[&str]) -> i32 {
    let running = shell.running();
    let last = running.len();
    let mut out = String::new();
    for (n, job) in running.iter().enumerate() {
        let mark = match last - n {
            1 => '+',
            2 => '-',
            _ => ' ',
        };
        match args.first() {
            Some(&"-p") => out.push_str(&format!("{}\n", job.pid())),
            Some(&"-l") => {
                out.push_str(&format!(
                    "[{}]{mark} {:5} Running                 {} &\n",
                    job.number,
                    job.pid(),
                    job.text
                ));
            }
            _ if shell.is_bash() => {
                out.push_str(&format!("[{}]{mark}  Running                 {} &\n", job.number, job.text));
            }
            _ => out.push_str(&format!("[{}] {mark} Running                    {}\n", job.number, job.text)),
        }
    }
    shell.p.print(out).await;
    0
}

pub(super) async fn wait(shell: &mut Shell, args: &[&str]) -> i32 {
    let mut status = 0;
    if args.is_empty() || args == ["-n"] {
        for n in 0..shell.jobs.len() {
            let child = shell.jobs[n].child.clone();
            status = child.wait().await;
            crate::shell::run::tell_of_jobs(shell).await;
            if args == ["-n"] {
                return status;
            }
        }
        shell.jobs.clear();
        return 0;
    }
    for arg in args.iter().filter(|a| !a.starts_with('-')) {
        let job = match arg.parse::<u32>() {
            Ok(pid) => shell.jobs.iter().find(|j| j.pid() == pid),
            Err(_) => shell.job(arg),
        };
        match job.map(|j| j.child.clone()) {
            Some(child) => {
                status = child.wait().await;
                crate::shell::run::tell_of_jobs(shell).await;
            }
            None => {
                let (bash, code) = match arg.parse::<u32>() {
                    Ok(pid) => (format!("wait: pid {pid} is not a child of this shell"), 127),
                    Err(_) if arg.starts_with('%') => (format!("wait: {arg}: no such job"), 127),
                    Err(_) => (format!("wait: `{arg}': not a pid or valid job spec"), 1),
                };
                if shell.is_bash() {
                    shell.complain(&bash).await;
                } else if code == 1 {
                    shell.complain(&format!("wait: Illegal number: {arg}")).await;
                }
                status = if shell.is_bash() || code == 127 { code } else { 2 };
            }
        }
    }
    status
}

const KILL: &str = "kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]";

/// What Linux names its signals.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

async fn list_signals(shell: &Shell, args: &[&str]) -> i32 {
    if args.is_empty() {
        let mut out = String::new();
        for (n, name) in SIGNALS.iter().enumerate() {
            let end = if n % 5 == 4 { "\n" } else { "\t" };
            out.push_str(&format!("{:2}) SIG{name}{end}", n + 1));
        }
        shell.p.print(out.trim_end().to_owned() + "\n").await;
        return 0;
    }
    let mut status = 0;
    for arg in args {
        let name = arg.strip_prefix("SIG").unwrap_or(arg);
        let text = match arg.parse::<usize>() {
            Ok(n) => SIGNALS.get((n & 127).wrapping_sub(1)).map(|s| (*s).to_owned()),
            Err(_) => SIGNALS.iter().position(|s| s.eq_ignore_ascii_case(name)).map(|n| (n + 1).to_string()),
        };
        match text {
            Some(text) => shell.p.print(format!("{text}\n")).await,
            None => status = complain(shell, &format!("kill: {arg}: invalid signal specification")).await,
        }
    }
    status
}

pub(super) async fn kill(shell: &mut Shell, args: &[&str]) -> i32 {
    let mut rest = args;
    let mut named = "TERM";
    match rest {
        [] if shell.is_bash() => return usage(shell, KILL).await,
        [] => {
            shell.complain("kill: Usage: kill [-s sigspec | -signum | -sigspec] [pid | job]... or\nkill -l [exitstatus]").await;
            return 2;
        }
        ["-l" | "-L", after @ ..] => return list_signals(shell, after).await,
        ["-s" | "-n", name, after @ ..] => (named, rest) = (*name, after),
        ["--", after @ ..] => rest = after,
        [option, after @ ..] if option.starts_with('-') && option.len() > 1 => {
            (named, rest) = (&option[1..], after);
        }
        _ => {}
    }
    let upper = named.to_ascii_uppercase();
    let known = SIGNALS.contains(&upper.strip_prefix("SIG").unwrap_or(&upper))
        || named.parse::<u8>().is_ok_and(|n| n < 65);
    // Signal 0 only asks whether the process is there.
    let signal = Signal::parse(&upper);
    if !known {
        let dash = format!("kill: invalid signal number or name: {named}");
        shell.say(&format!("kill: {named}: invalid signal specification"), &dash).await;
        return if shell.is_bash() { 1 } else { 2 };
    }
    if rest.first() == Some(&"--") {
        rest = &rest[1..];
    }
    let mut status = 0;
    for arg in rest {
        let pid = match arg.parse::<i64>() {
            Ok(pid) => Some(u32::try_from(pid.unsigned_abs()).unwrap_or(u32::MAX)),
            Err(_) => shell.job(arg).map(|j| j.pid()),
        };
        let Some(pid) = pid else {
            let (bash, dash) = match arg.starts_with('%') {
                true => (format!("kill: {arg}: no such job"), format!("kill: No such job: {arg}")),
                false => (
                    format!("kill: {arg}: arguments must be process or job IDs"),
                    format!("kill: Illegal number: {arg}"),
                ),
            };
            shell.say(&bash, &dash).await;
            status = 1;
            continue;
        };
        let outcome = match signal {
            Some(signal) => shell.p.kill(pid, signal),
            None => shell.p.host().process(pid).map(drop).ok_or(crate::world::errno::Errno::ESRCH),
        };
        if let Err(e) = outcome {
            shell.say(&format!("kill: ({arg}) - {e}"), &format!("kill: {e}\n")).await;
            status = 1;
        }
    }
    // A process that has ended goes no further than here.
    if shell.p.host().process(shell.p.pid()).is_none() {
        std::future::pending::<()>().await;
    }
    status
}

pub(super) async fn trap(shell: &mut Shell, args: &[&str]) -> i32 {
    let args = if args.first() == Some(&"--") { &args[1..] } else { args };
    let show = args.first().is_none_or(|a| *a == "-p");
    if show {
        let wanted: Vec<&str> = args.iter().skip(1).filter_map(|a| trap::key(a)).collect();
        let order = |name: &str| match name {
            "EXIT" => 0,
            name => Signal::parse(name).map_or(1000, Signal::number),
        };
        let mut all: Vec<(&String, &String)> =
            shell.traps.iter().filter(|(n, _)| wanted.is_empty() || wanted.contains(&n.as_str())).collect();
        all.sort_by_key(|(name, _)| order(name));
        let bash = shell.is_bash();
        let lines = all.iter().map(|(name, command)| {
            let front = if bash && !trap::EVENTS.contains(&name.as_str()) { "SIG" } else { "" };
            format!("trap -- {} {front}{name}\n", quote::single(command))
        });
        let text = lines.collect::<String>();
        shell.p.print(text).await;
        return 0;
    }
    if args.first() == Some(&"-l") {
        return list_signals(shell, &[]).await;
    }
    let (action, signals) = match args {
        [one] => ("-", std::slice::from_ref(one)),
        // A number in front means that all are to be as they were.
        [first, ..] if first.parse::<u8>().is_ok() => ("-", args),
        [action, signals @ ..] => (*action, signals),
        [] => return 0,
    };
    let mut status = 0;
    for name in signals {
        let Some(key) = trap::key(name) else {
            let known = SIGNALS.contains(&name.to_ascii_uppercase().trim_start_matches("SIG"));
            if !known {
                let dash = format!("trap: {name}: bad trap");
                shell.say(&format!("trap: {name}: invalid signal specification"), &dash).await;
                status = 1;
            }
            continue;
        };
        if action == "-" {
            shell.traps.remove(key);
            trap::watch(shell, key, false);
        } else {
            shell.traps.insert(key.to_owned(), action.to_owned());
            trap::watch(shell, key, true);
        }
    }
    status
}

/// Limits, as they are usual on Debian; none is enforced.
const LIMITS: [(&str, &str, &str); 16] = [
    ("real-time non-blocking time  (microseconds, -R) ", "R", "unlimited"),
    ("core file size              (blocks, -c) ", "c", "0"),
    ("data seg size               (kbytes, -d) ", "d", "unlimited"),
    ("scheduling priority                 (-e) ", "e", "0"),
    ("file size                   (blocks, -f) ", "f", "unlimited"),
    ("pending signals                     (-i) ", "i", "7823"),
    ("max locked memory           (kbytes, -l) ", "l", "256436"),
    ("max memory size             (kbytes, -m) ", "m", "unlimited"),
    ("open files                          (-n) ", "n", "1024"),
    ("pipe size                (512 bytes, -p) ", "p", "8"),
    ("POSIX message queues         (bytes, -q) ", "q", "819200"),
    ("real-time priority                  (-r) ", "r", "0"),
    ("stack size                  (kbytes, -s) ", "s", "8192"),
    ("cpu time                   (seconds, -t) ", "t", "unlimited"),
    ("max user processes                  (-u) ", "u", "7823"),
    ("virtual memory              (kbytes, -v) ", "v", "unlimited"),
];

pub(super) async fn ulimit(shell: &mut Shell, args: &[&str]) -> i32 {
    let (mut letter, mut value) = ("f".to_owned(), None);
    for arg in args {
        match arg.strip_prefix('-') {
            Some("a") => {
                let all = LIMITS.iter().map(|(text, _, limit)| format!("{text}{limit}\n"));
                shell.p.print(all.collect::<String>()).await;
                return 0;
            }
            Some("S" | "H") => {}
            Some(letters) => letter = letters.trim_start_matches(['S', 'H']).to_owned(),
            None => value = Some(*arg),
        }
    }
    match (LIMITS.iter().find(|(_, l, _)| *l == letter), value) {
        (None, _) => {
            invalid_option(shell, &format!("-{letter}"), "ulimit [-SHabcdefiklmnpqrstuvxPRT] [limit]").await
        }
        (Some((_, _, limit)), None) => {
            shell.p.print(format!("{limit}\n")).await;
            0
        }
        (Some(_), Some(_)) => complain(shell, "ulimit: limits cannot be set in the lab").await,
    }
}

pub(super) async fn times(shell: &Shell) -> i32 {
    let line = if shell.is_bash() { "0m0.000s 0m0.000s\n" } else { "0m0.000000s 0m0.000000s\n" };
    shell.p.print(line.repeat(2)).await;
    0
}

pub(super) async fn no_job_control(shell: &Shell, argv: &[String]) -> i32 {
    match argv[0].as_str() {
        "disown" => complain(shell, "disown: current: no such job").await,
        name => {
            let dash = format!("{name}: job control off");
            shell.say(&format!("{name}: no job control"), &dash).await;
            1
        }
    }
}
