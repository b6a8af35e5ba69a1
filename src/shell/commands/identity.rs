//! Who one is: id(1), whoami(1), logname(1), groups(1), who(1), hostname(1), uname(1), getent(1).

use super::names;
use super::options::{NONE, Options};
use super::tool::{Tool, quoted};
use crate::world::dns::Lookup;
use crate::world::passwd;
use crate::world::process::Process;
use std::net::IpAddr;

/// id(1)
pub async fn id(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]... [USER]...",
        short: "agGnruzZ",
        long: &[("group", 'g'), ("groups", 'G'), ("name", 'n'), ("real", 'r'), ("user", 'u'), ("zero", 'z')],
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.has('Z') {
        tool.complain("--context (-Z) works only on an SELinux-enabled kernel").await;
        return 1;
    }
    let choice = parsed.last_of("ugG");
    if choice.is_none() && (parsed.has('n') || parsed.has('r')) {
        tool.complain("cannot print only names or real IDs in default format").await;
        return 1;
    }
    let host = tool.p.host().clone();
    let mut people = Vec::new();
    if parsed.operands.is_empty() {
        let (uid, gid, groups) = {
            let cred = tool.p.cred();
            (if parsed.has('r') { tool.p.real_uid() } else { cred.uid }, cred.gid, cred.groups.to_vec())
        };
        people.push((uid, gid, groups));
    }
    for name in &parsed.operands {
        let found = {
            let (fs, mut users) = (host.fs(), host.users());
            let by_number = |n: u32| n;
            let user = match users.getpwnam(&fs, name) {
                Some(user) => Some(user),
                None => name.parse().ok().map(by_number).and_then(|n| users.getpwuid(&fs, n)),
            };
            user.map(|u| (u.uid, u.gid, users.groups_of(&fs, &u.name, u.gid).to_vec()))
        };
        match found {
            Some(person) => people.push(person),
            None => tool.complain(format!("{}: no such user", quoted(name))).await,
        }
    }
    for (uid, gid, groups) in people {
        let mut all = vec![gid];
        all.extend(groups.into_iter().filter(|g| *g != gid));
        let user = |n: u32| if parsed.has('n') { names::user(&host, n) } else { n.to_string() };
        let group = |n: u32| if parsed.has('n') { names::group(&host, n) } else { n.to_string() };
        let text = match choice {
            Some('u') => user(uid),
            Some('g') => group(gid),
            Some(_) => all.iter().map(|g| group(*g)).collect::<Vec<_>>().join(" "),
            None => {
                let named = |n: u32, name: Option<String>| {
                    name.map_or_else(|| n.to_string(), |name| format!("{n}({name})"))
                };
                let group_name = |n: u32| Some(names::group(&host, n)).filter(|name| *name != n.to_string());
                let user_name = Some(names::user(&host, uid)).filter(|name| *name != uid.to_string());
                let groups: Vec<String> = all.iter().map(|g| named(*g, group_name(*g))).collect();
                format!(
                    "uid={} gid={} groups={}",
                    named(uid, user_name),
                    named(gid, group_name(gid)),
                    groups.join(",")
                )
            }
        };
        tool.line(text).await;
    }
    tool.done().await
}

/// whoami(1)
pub async fn whoami(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match NONE.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if let Some(extra) = parsed.operands.first() {
        return tool.usage(format!("extra operand {}", quoted(extra)), 1).await;
    }
    let uid = tool.p.cred().uid;
    let host = tool.p.host().clone();
    let user = host.users().getpwuid(&host.fs(), uid);
    match user {
        Some(user) => tool.line(&user.name).await,
        None => tool.complain(format!("cannot find name for user ID {uid}")).await,
    }
    tool.done().await
}

/// logname(1): who logged in on the terminal; nobody has one.
pub async fn logname(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    tool.complain("no login name").await;
    tool.done().await
}

/// who(1) and users(1): nobody is logged in on a terminal.
pub async fn who(_: Process) -> i32 {
    0
}

/// groups(1)
pub async fn groups(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match NONE.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let host = tool.p.host().clone();
    let list = |all: &[u32]| all.iter().map(|g| names::group(&host, *g)).collect::<Vec<_>>().join(" ");
    if parsed.operands.is_empty() {
        let own = tool.p.cred().gid;
        let mut all = vec![own];
        all.extend(tool.p.cred().groups.iter().copied().filter(|g| *g != own));
        tool.line(list(&all)).await;
    }
    for name in &parsed.operands {
        let found = {
            let (fs, mut users) = (host.fs(), host.users());
            users.getpwnam(&fs, name).map(|u| users.groups_of(&fs, &u.name, u.gid))
        };
        match found {
            Some(all) => tool.line(format!("{name} : {}", list(&all))).await,
            None => tool.complain(format!("{}: no such user", quoted(name))).await,
        }
    }
    tool.done().await
}

/// hostname(1); the name cannot be changed
pub async fn hostname(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[-A|-d|-f|-i|-I|-s]",
        short: "Adfi\u{11}Is",
        long: &[
            ("all-fqdns", 'A'),
            ("domain", 'd'),
            ("fqdn", 'f'),
            ("long", 'f'),
            ("ip-address", 'i'),
            ("all-ip-addresses", 'I'),
            ("short", 's'),
        ],
        absent: "abFvy",
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let host = tool.p.host().clone();
    if !parsed.operands.is_empty() {
        let text = if tool.p.cred().uid == 0 {
            "maillab: the name of a host cannot be changed in the lab"
        } else {
            "you must be root to change the host name"
        };
        tool.complain(text).await;
        return 1;
    }
    let name = host.name();
    let addresses: Vec<String> = host.addresses().iter().map(IpAddr::to_string).collect();
    let text = match parsed.last_of("AdfiIs") {
        Some('s') => host.short_name().to_owned(),
        Some('d') => match name.split_once('.') {
            Some((_, domain)) => domain.to_owned(),
            None => return 0,
        },
        Some('i') => addresses.join(" "),
        Some('I') => format!("{} ", addresses.join(" ")),
        _ => name.to_string(),
    };
    tool.line(text).await;
    tool.done().await
}

/// uname(1)
pub async fn uname(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[OPTION]...",
        short: "asnrvmpio",
        long: &[
            ("all", 'a'),
            ("kernel-name", 's'),
            ("nodename", 'n'),
            ("kernel-release", 'r'),
            ("kernel-version", 'v'),
            ("machine", 'm'),
            ("processor", 'p'),
            ("hardware-platform", 'i'),
            ("operating-system", 'o'),
        ],
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let name = tool.p.host().name().to_string();
    // The kernel of Debian 12.11.
    let parts = [
        ('s', "Linux"),
        ('n', &name),
        ('r', "6.1.0-37-amd64"),
        ('v', "#1 SMP PREEMPT_DYNAMIC Debian 6.1.140-1 (2025-05-22)"),
        ('m', "x86_64"),
        ('p', "unknown"),
        ('i', "unknown"),
        ('o', "GNU/Linux"),
    ];
    let all = parsed.has('a');
    let wanted = |c: char| all && !"pi".contains(c) || parsed.has(c) || parsed.given.is_empty() && c == 's';
    let text: Vec<&str> = parts.iter().filter(|(c, _)| wanted(*c)).map(|(_, t)| *t).collect();
    tool.line(text.join(" ")).await;
    tool.done().await
}

/// getent(1) for passwd, group, shadow, hosts, ahosts
pub async fn getent(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    let Some((database, keys)) = args.split_first() else {
        tool.warn("wrong number of arguments").await;
        tool.p.eprint("Try `getent --help' or `getent --usage' for more information.\n").await;
        return 1;
    };
    let read = |path: &str| tool.p.read_text(path).unwrap_or_default();
    let (passwd, group) = (read("/etc/passwd"), read("/etc/group"));
    let mut missing = false;
    match &**database {
        "passwd" => {
            let all: Vec<_> = passwd::users(&passwd).collect();
            if keys.is_empty() {
                for u in &all {
                    tool.line(u.to_string()).await;
                }
            }
            for key in keys {
                match all.iter().find(|u| u.name == **key || u.uid.to_string() == **key) {
                    Some(u) => tool.line(u.to_string()).await,
                    None => missing = true,
                }
            }
        }
        "group" => {
            let all: Vec<_> = passwd::groups(&group).collect();
            if keys.is_empty() {
                for g in &all {
                    tool.line(g.to_string()).await;
                }
            }
            for key in keys {
                match all.iter().find(|g| g.name == **key || g.gid.to_string() == **key) {
                    Some(g) => tool.line(g.to_string()).await,
                    None => missing = true,
                }
            }
        }
        "shadow" => {
            let text = tool.p.read_text("/etc/shadow").unwrap_or_default();
            for line in text.lines() {
                if keys.is_empty() || keys.iter().any(|k| line.split(':').next() == Some(k)) {
                    tool.line(line).await;
                }
            }
        }
        "hosts" | "ahosts" => {
            if keys.is_empty() {
                for line in read_hosts(&tool.p) {
                    tool.line(line).await;
                }
            }
            for key in keys {
                let lines = host_lines(&tool.p, key, &**database == "ahosts").await;
                missing |= lines.is_empty();
                for line in lines {
                    tool.line(line).await;
                }
            }
        }
        other => {
            tool.p.eprint(format!("Unknown database: {other}\nTry `getent --help' or `getent --usage' for more information.\n")).await;
            return 1;
        }
    }
    tool.flush().await;
    if missing { 2 } else { 0 }
}

fn read_hosts(p: &Process) -> Vec<String> {
    let text = p.read_text("/etc/hosts").unwrap_or_default();
    let lines = text.lines().map(|l| l.split('#').next().unwrap_or_default());
    let words = lines.filter_map(|l| {
        let (address, names) = l.trim().split_once(char::is_whitespace)?;
        Some(format!("{address:<15} {}", names.split_whitespace().collect::<Vec<_>>().join(" ")))
    });
    words.collect()
}

async fn host_lines(p: &Process, key: &str, all: bool) -> Vec<String> {
    if let Ok(address) = key.parse::<IpAddr>() {
        return match p.name_of(address).await {
            Lookup::Found(name) => vec![format!("{:<15} {name}", address.to_string())],
            _ => Vec::new(),
        };
    }
    let addresses = match p.addresses_of(key).await {
        Lookup::Found(addresses) => addresses,
        _ => return Vec::new(),
    };
    if !all {
        // getent asks for IPv6 first and shows that alone where there is any.
        let six: Vec<_> = addresses.iter().filter(|a| a.is_ipv6()).collect();
        let shown = if six.is_empty() { addresses.iter().collect() } else { six };
        return shown.iter().map(|a| format!("{:<15} {key}", a.to_string())).collect();
    }
    let mut lines = Vec::new();
    for address in addresses {
        let text = address.to_string();
        let name = if lines.is_empty() { key } else { "" };
        lines.push(format!("{text:<15} STREAM {name}"));
        lines.push(format!("{text:<15} DGRAM  "));
        lines.push(format!("{text:<15} RAW    "));
    }
    lines
}
