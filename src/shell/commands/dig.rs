//! dig(1) and host(1): ask the name server.
//!
//! # Simplifications
//! There is one server, the host's own; `@server` is taken as that. An answer is always
//! authoritative, and has no other sections.

use super::tool::Tool;
use crate::proto::dns::{self, Data, Record, Type};
use crate::world::dns::Trouble;
use crate::world::process::Process;
use std::net::IpAddr;

/// What the server answered.
enum Reply {
    Records(Vec<Record>),
    NoSuchName,
    ServerFailed,
    Silence,
}

async fn ask(p: &Process, name: &str, kind: Type) -> Reply {
    match p.query(name, kind).await {
        Err(Trouble::NoSuchName) => Reply::NoSuchName,
        Err(Trouble::TryAgain) if p.world().faults().name_server_silent(p.host().index()) => Reply::Silence,
        Err(Trouble::TryAgain) => Reply::ServerFailed,
        // The query leaves out the aliases on the way, which dig shows.
        Ok(_) | Err(Trouble::NoData) => Reply::Records(p.world().zone().lookup(name, kind).records),
    }
}

/// dig(1)
pub async fn dig(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    let (mut name, mut kind, mut short) = (None::<String>, None, false);
    let mut only_answer = false;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match &**arg {
            "+short" => short = true,
            "+noall" => only_answer = true,
            flag if flag.starts_with('+') || flag.starts_with('@') => {}
            "-4" | "-6" | "IN" | "in" => {}
            "-x" => {
                let Some(address) = rest.next().and_then(|a| a.parse::<IpAddr>().ok()) else {
                    tool.p.eprint("Invalid IP address \n").await;
                    return 1;
                };
                name = Some(dns::reverse_name(address));
                kind = Some(Type::Ptr);
            }
            "-t" => match rest.next().and_then(|t| Type::named(t)) {
                Some(t) => kind = Some(t),
                None => {
                    tool.p.eprint(";; Warning, ignoring invalid type\n").await;
                }
            },
            option if option.starts_with('-') => {
                tool.p.eprint(format!("maillab: dig: option {option} is not available in the lab\n")).await;
                return 1;
            }
            word => match Type::named(word) {
                Some(t) if kind.is_none() => kind = Some(t),
                _ => name = Some(word.to_owned()),
            },
        }
    }
    let kind = kind.unwrap_or(if name.is_some() { Type::A } else { Type::Ns });
    let name = name.unwrap_or_default().trim_end_matches('.').to_owned();
    let reply = ask(&tool.p, &name, kind).await;
    let (status, records) = match reply {
        Reply::Records(records) => ("NOERROR", records),
        Reply::NoSuchName => ("NXDOMAIN", Vec::new()),
        Reply::ServerFailed => ("SERVFAIL", Vec::new()),
        Reply::Silence => {
            for _ in 0..3 {
                tool.line(";; communications error to 127.0.0.1#53: timed out").await;
            }
            if !short {
                tool.line(format!("\n; <<>> DiG 9.18.33-1~deb12u2-Debian <<>> {}", args.join(" "))).await;
                tool.line(";; global options: +cmd").await;
            }
            tool.line(";; no servers could be reached").await;
            tool.flush().await;
            return 9;
        }
    };
    if short {
        for record in &records {
            tool.line(record.data.to_string()).await;
        }
        return tool.done().await;
    }
    let question = format!("{name}.");
    if !only_answer {
        let id = tool.p.host().random(65536);
        tool.put(format!(
            "\n; <<>> DiG 9.18.33-1~deb12u2-Debian <<>> {}\n;; global options: +cmd\n",
            args.join(" ")
        ))
        .await;
        let flags = format!("qr aa rd ra; QUERY: 1, ANSWER: {}, AUTHORITY: 0, ADDITIONAL: 0", records.len());
        tool.put(format!(
            ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: {status}, id: {id}\n;; flags: {flags}\n\n"
        ))
        .await;
        tool.put(format!(
            ";; QUESTION SECTION:\n{}IN\t{}\n\n",
            columns(&format!(";{question}"), 32),
            kind.name()
        ))
        .await;
        if !records.is_empty() {
            tool.line(";; ANSWER SECTION:").await;
        }
    }
    for r in &records {
        let head = columns(&format!("{}.", r.name), 24);
        let kind = r.data.kind().name();
        tool.line(format!("{head}{}\tIN\t{kind}\t{}", r.ttl, r.data)).await;
    }
    if !only_answer {
        let size = wire_size(&name, kind, &records);
        let when = tool.p.now().strftime("%a %b %d %H:%M:%S UTC %Y");
        let gap = if records.is_empty() { "" } else { "\n" };
        tool.put(format!("{gap};; Query time: 0 msec\n;; SERVER: 127.0.0.1#53(127.0.0.1) (UDP)\n;; WHEN: {when}\n;; MSG SIZE  rcvd: {size}\n\n")).await;
    }
    tool.done().await
}

/// Fills up with tabs to this column, with one at least.
fn columns(text: &str, to: usize) -> String {
    let tabs = to.saturating_sub(text.len()).div_ceil(8).max(1);
    format!("{text}{}", "\t".repeat(tabs))
}

fn wire_size(name: &str, kind: Type, records: &[Record]) -> usize {
    let answer = dns::Answer { rcode: dns::Rcode::NoError, records: records.to_vec() };
    let wire = dns::question(0, name, kind).and_then(|q| dns::answer(&q, &answer));
    wire.map_or(0, |w| w.len())
}

/// host(1)
pub async fn host(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    let (mut names, mut kinds) = (Vec::new(), Vec::new());
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match &**arg {
            "-t" => match rest.next() {
                Some(word) => match Type::named(word) {
                    Some(kind) => kinds.push(kind),
                    None => {
                        tool.p.eprint(format!("host: invalid type: {word}\n")).await;
                        return 1;
                    }
                },
                None => break,
            },
            option if option.starts_with('-') => {
                tool.p.eprint(format!("maillab: host: option {option} is not available in the lab\n")).await;
                return 1;
            }
            word => names.push(word.to_owned()),
        }
    }
    let Some(asked) = names.first() else {
        tool.p.eprint("Usage: host [-t type] hostname\n").await;
        return 1;
    };
    let name = asked.trim_end_matches('.').to_owned();
    let (name, kinds, all) = match name.parse::<IpAddr>() {
        Ok(address) => (dns::reverse_name(address), vec![Type::Ptr], false),
        Err(_) if kinds.is_empty() => (name, vec![Type::A, Type::Aaaa, Type::Mx], true),
        Err(_) => (name, kinds, false),
    };
    let mut shown_aliases = false;
    for kind in kinds {
        let records = match ask(&tool.p, &name, kind).await {
            Reply::Records(records) => records,
            Reply::NoSuchName => {
                tool.line(format!("Host {name} not found: 3(NXDOMAIN)")).await;
                tool.flush().await;
                return 1;
            }
            Reply::ServerFailed => {
                tool.line(format!("Host {name} not found: 2(SERVFAIL)")).await;
                tool.flush().await;
                return 1;
            }
            Reply::Silence => {
                tool.line(";; communications error to 127.0.0.1#53: timed out").await;
                tool.line(";; communications error to 127.0.0.1#53: timed out").await;
                tool.line(";; no servers could be reached").await;
                tool.flush().await;
                return 1;
            }
        };
        if records.is_empty() && !all {
            tool.line(format!("{name} has no {} record", kind.name())).await;
            tool.status = 1;
        }
        for r in records {
            if matches!(r.data, Data::Cname(_)) && kind != Type::Cname {
                if shown_aliases {
                    continue;
                }
                tool.line(format!("{} is an alias for {}", r.name, r.data)).await;
                continue;
            }
            let text = match &r.data {
                Data::Address(a) if a.is_ipv4() => format!("has address {a}"),
                Data::Address(a) => format!("has IPv6 address {a}"),
                Data::Mx(..) => format!("mail is handled by {}", r.data),
                Data::Txt(_) => format!("descriptive text {}", r.data),
                Data::Ptr(_) => format!("domain name pointer {}", r.data),
                Data::Ns(_) => format!("name server {}", r.data),
                Data::Soa(..) => format!("has SOA record {}", r.data),
                Data::Cname(_) => format!("is an alias for {}", r.data),
            };
            tool.line(format!("{} {text}", r.name)).await;
        }
        shown_aliases = true;
    }
    tool.done().await
}
