//! The smallest: true, false, yes, sleep, pwd, env, printenv, basename, dirname, tty, sync.

use super::conversion::Conversion;
use super::names;
use super::options::{NONE, Options};
use super::printf::leading_number;
use super::tool::{Tool, quoted};
use crate::world::clock::Duration;
use crate::world::errno::Errno;
use crate::world::process::{Process, STDIN};
use std::rc::Rc;

/// true(1)
pub async fn yes_indeed(_: Process) -> i32 {
    0
}

/// false(1)
pub async fn no_indeed(_: Process) -> i32 {
    1
}

/// yes(1): the same line again and again, until nobody reads it.
///
/// # Simplifications
/// After 256 MiB it ends by itself: a file cannot hold more, and nothing else would stop it.
pub async fn yes(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    let line = if args.is_empty() { "y\n".to_owned() } else { format!("{}\n", args.join(" ")) };
    for _ in 0..(256 << 20) / line.len() {
        tool.put(&line).await;
        if tool.status != 0 {
            break;
        }
    }
    tool.done().await
}

/// sleep(1)
pub async fn sleep(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    if args.is_empty() {
        return tool.usage("missing operand", 1).await;
    }
    let mut total = 0.0;
    for arg in &args {
        if let Some(option) = arg.strip_prefix('-').filter(|o| o.starts_with(|c: char| !c.is_ascii_digit())) {
            let text = match option.strip_prefix('-') {
                Some(_) => format!("unrecognized option '{arg}'"),
                None => format!("invalid option -- '{}'", option.chars().next().unwrap_or('-')),
            };
            return tool.usage(text, 1).await;
        }
        let (n, used) = leading_number(arg);
        let unit = match &arg[used..] {
            "" | "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => f64::NAN,
        };
        if used == 0 || unit.is_nan() || n < 0.0 {
            return tool.usage(format!("invalid time interval {}", quoted(arg)), 1).await;
        }
        total += n * unit;
    }
    tool.p.sleep(Duration::from_secs_f64(total.min(1e9))).await;
    0
}

/// pwd(1)
pub async fn pwd(p: Process) -> i32 {
    const OPTIONS: Options =
        Options { usage: "[OPTION]...", short: "LP", long: &[("logical", 'L'), ("physical", 'P')], ..NONE };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let mut path = tool.p.cwd_path();
    if parsed.last_of("LP") == Some('L')
        && let Some(logical) = tool.p.var("PWD").filter(|d| d.starts_with('/'))
        && tool.p.stat(&logical, true).is_ok_and(|s| s.ino == tool.p.cwd())
    {
        path = logical.to_string();
    }
    tool.line(path).await;
    tool.done().await
}

/// env(1)
pub async fn env(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... [-] [NAME=VALUE]... [COMMAND [ARG]...]",
        short: "iu:0C:",
        long: &[("ignore-environment", 'i'), ("unset=", 'u'), ("null", '0'), ("chdir=", 'C')],
        absent: "Sv",
        trouble: 125,
        in_order: true,
        shows_usage: false,
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let mut operands = &parsed.operands[..];
    let mut env = (*tool.p.env()).clone();
    if operands.first().is_some_and(|o| &**o == "-") {
        operands = &operands[1..];
        env.clear();
    }
    for (option, value) in &parsed.given {
        match (option, value) {
            ('i', _) => env.clear(),
            ('u', Some(name)) => {
                env.remove(&**name);
            }
            _ => {}
        }
    }
    while let Some((name, value)) = operands.first().and_then(|o| o.split_once('=')) {
        env.insert(name.into(), value.into());
        operands = &operands[1..];
    }
    if operands.is_empty() {
        let end = if parsed.has('0') { '\0' } else { '\n' };
        for (name, value) in &env {
            tool.put(format!("{name}={value}{end}")).await;
        }
        return tool.done().await;
    }
    tool.p.set_env(env);
    if let Some(directory) = parsed.value('C')
        && let Err(e) = tool.p.chdir(directory)
    {
        tool.warn(format!("cannot change directory to {}: {e}", quoted(directory))).await;
        return 125;
    }
    let found = tool.p.find_program(&operands[0]);
    let ran = match found {
        Ok(path) => tool.p.clone().exec(&path, operands).await,
        Err(e) => Err(e),
    };
    match ran {
        Ok(status) => status,
        Err(e) => {
            tool.warn(format!("{}: {e}", quoted(&operands[0]))).await;
            if e == Errno::ENOENT { 127 } else { 126 }
        }
    }
}

/// printenv(1)
pub async fn printenv(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    if args.is_empty() {
        for (name, value) in &*tool.p.env() {
            tool.line(format!("{name}={value}")).await;
        }
    }
    for name in &args {
        match tool.p.var(name) {
            Some(value) => tool.line(&*value).await,
            None => tool.status = 1,
        }
    }
    tool.done().await
}

/// basename(1)
pub async fn basename(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "NAME [SUFFIX]",
        short: "as:z",
        long: &[("multiple", 'a'), ("suffix=", 's'), ("zero", 'z')],
        in_order: true,
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let operands = &parsed.operands;
    if operands.is_empty() {
        return tool.usage("missing operand", 1).await;
    }
    let many = parsed.has('a') || parsed.has('s');
    if let Some(extra) = operands.get(2).filter(|_| !many) {
        return tool.usage(format!("extra operand {}", quoted(extra)), 1).await;
    }
    let suffix: Rc<str> = match (many, operands.get(1)) {
        (false, Some(suffix)) => suffix.clone(),
        _ => parsed.value('s').unwrap_or_default().into(),
    };
    let end = if parsed.has('z') { "\0" } else { "\n" };
    for name in &operands[..if many { operands.len() } else { 1 }] {
        let base = names::base(name);
        let cut = base.strip_suffix(&*suffix).filter(|cut| !cut.is_empty()).unwrap_or(base);
        tool.put(format!("{cut}{end}")).await;
    }
    tool.done().await
}

/// dirname(1)
pub async fn dirname(p: Process) -> i32 {
    const OPTIONS: Options =
        Options { usage: "[OPTION] NAME...", short: "z", long: &[("zero", 'z')], ..NONE };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.operands.is_empty() {
        return tool.usage("missing operand", 1).await;
    }
    let end = if parsed.has('z') { "\0" } else { "\n" };
    for name in &parsed.operands {
        tool.put(format!("{}{end}", names::parent(name))).await;
    }
    tool.done().await
}

/// tty(1): no process of the lab has a terminal.
pub async fn tty(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let terminal = tool.p.terminal(STDIN).is_some();
    if !tool.p.args().iter().any(|a| matches!(&**a, "-s" | "--silent" | "--quiet")) {
        tool.line(if terminal { "/dev/pts/0" } else { "not a tty" }).await;
    }
    tool.flush().await;
    i32::from(!terminal)
}

/// sync(1): what is written is there at once.
pub async fn sync(_: Process) -> i32 {
    0
}

/// seq(1)
pub async fn seq(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let (mut separator, mut format, mut equal) = ("\n".to_owned(), None, false);
    let args = tool.p.args();
    let mut numbers: Vec<Rc<str>> = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let option =
            arg.strip_prefix('-').filter(|o| o.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-'));
        match option.filter(|_| numbers.is_empty()) {
            Some(o) if o.starts_with('s') && o.len() > 1 => separator = o[1..].to_owned(),
            Some("s") => separator = rest.next().map(|s| s.to_string()).unwrap_or_default(),
            Some("w" | "-equal-width") => equal = true,
            Some("f") => format = rest.next().map(|s| s.to_string()),
            Some("-") => numbers.extend(rest.by_ref().cloned()),
            Some(o) => {
                let text = match o.strip_prefix('-') {
                    Some(_) => format!("unrecognized option '{arg}'"),
                    None => format!("invalid option -- '{}'", o.chars().next().unwrap_or('-')),
                };
                return tool.usage(text, 1).await;
            }
            None => numbers.push(arg.clone()),
        }
    }
    if numbers.is_empty() {
        return tool.usage("missing operand", 1).await;
    }
    if let Some(extra) = numbers.get(3) {
        return tool.usage(format!("extra operand {}", quoted(extra)), 1).await;
    }
    let mut values = Vec::new();
    for text in &numbers {
        match leading_number(text) {
            (x, used) if used == text.len() && used > 0 => values.push(x),
            _ => return tool.usage(format!("invalid floating point argument: {}", quoted(text)), 1).await,
        }
    }
    let (first, step, last) = match values[..] {
        [last] => (1.0, 1.0, last),
        [first, last] => (first, 1.0, last),
        _ => (values[0], values[1], values[2]),
    };
    if step == 0.0 {
        let text = format!("invalid Zero increment value: {}", quoted(&numbers[1]));
        return tool.usage(text, 1).await;
    }
    let decimals = |text: &Rc<str>| text.split_once('.').map_or(0, |(_, after)| after.len());
    let places = numbers[..numbers.len().min(2)].iter().map(decimals).max().unwrap_or(0);
    let places = if numbers.len() == 2 {
        decimals(&numbers[0])
    } else if numbers.len() == 1 {
        0
    } else {
        places
    };
    let count = ((last - first) / step + 1e-10).floor();
    let shown = |x: f64| format!("{x:.places$}");
    let width =
        if equal && count >= 0.0 { shown(first).len().max(shown(first + count * step).len()) } else { 0 };
    let mut n = 0.0;
    while n <= count {
        let x = first + n * step;
        let text = match &format {
            None => {
                let text = shown(x);
                match text.strip_prefix('-') {
                    Some(size) if width > 0 => format!("-{size:0>0$}", width - 1).into_bytes(),
                    _ => format!("{text:0>width$}").into_bytes(),
                }
            }
            Some(format) => {
                let at = format.find('%').unwrap_or(format.len());
                let Some((c, used)) = format.as_bytes().get(at + 1..).and_then(Conversion::parse) else {
                    tool.complain(format!("format {} has no % directive", quoted(format))).await;
                    return 1;
                };
                [&format.as_bytes()[..at], &c.float(x), &format.as_bytes()[at + 1 + used..]].concat()
            }
        };
        if n > 0.0 {
            tool.put(&separator).await;
        }
        tool.put(text).await;
        n += 1.0;
        if tool.status != 0 {
            break;
        }
    }
    if n > 0.0 {
        tool.put("\n").await;
    }
    tool.done().await
}
