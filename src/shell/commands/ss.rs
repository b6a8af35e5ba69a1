//! ss(8) and netstat(8): who listens.
//!
//! # Simplifications
//! Only listening TCP sockets are known; `-a` shows the same. There are no owners to be shown by `-p`.

use super::options::{NONE, Options};
use super::tool::Tool;
use crate::world::process::Process;
use std::net::SocketAddr;

const OPTIONS: Options = Options {
    usage: "[OPTIONS]",
    short: "46aHlnpt",
    long: &[
        ("all", 'a'),
        ("listening", 'l'),
        ("no-header", 'H'),
        ("numeric", 'n'),
        ("processes", 'p'),
        ("tcp", 't'),
    ],
    absent: "bDdEeFfiKkMmNoOrSsuVvwxZz",
    ..NONE
};

fn listeners(p: &Process) -> Vec<SocketAddr> {
    p.host().listening_addresses()
}

fn shown(p: &Process, address: SocketAddr, numeric: bool, brackets: bool) -> (String, String) {
    let ip = match (address.ip().is_ipv6(), brackets) {
        (true, true) => format!("[{}]", address.ip()),
        _ => address.ip().to_string(),
    };
    let number = address.port().to_string();
    if numeric {
        return (ip, number);
    }
    let services = p.read_text("/etc/services").unwrap_or_default();
    let name = services.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (name, port) = (words.next()?, words.next()?);
        (port.strip_suffix("/tcp")? == number).then(|| name.to_owned())
    });
    (ip, name.unwrap_or(number))
}

/// ss(8)
pub async fn ss(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let mut rows = Vec::new();
    if parsed.has('l') || parsed.has('a') {
        for address in listeners(&tool.p) {
            let (ip, port) = shown(&tool.p, address, parsed.has('n'), true);
            let any = if address.is_ipv6() { "[::]" } else { "0.0.0.0" };
            rows.push((ip, port, any));
        }
    }
    let wide_ip = rows.iter().map(|r| r.0.len()).max().unwrap_or(0).max(13);
    let wide_port = rows.iter().map(|r| r.1.len()).max().unwrap_or(0).max(4);
    let wide_any = rows.iter().map(|r| r.2.len()).max().unwrap_or(0).max(12);
    if !parsed.has('H') {
        tool.line(format!(
            "State  Recv-Q Send-Q {:>wide_ip$}:{:<wide_port$} {:>wide_any$}:PortProcess",
            "Local Address", "Port", "Peer Address"
        ))
        .await;
    }
    for (ip, port, any) in rows {
        tool.line(format!(
            "LISTEN 0      100    {ip:>wide_ip$}:{port:<wide_port$} {any:>wide_any$}:*          "
        ))
        .await;
    }
    tool.done().await
}

/// netstat(8)
pub async fn netstat(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let what = match (parsed.has('l'), parsed.has('a')) {
        (true, _) => "(only servers)",
        (_, true) => "(servers and established)",
        _ => "(w/o servers)",
    };
    tool.line(format!("Active Internet connections {what}")).await;
    tool.line("Proto Recv-Q Send-Q Local Address           Foreign Address         State      ").await;
    if parsed.has('l') || parsed.has('a') {
        for address in listeners(&tool.p) {
            let (ip, port) = shown(&tool.p, address, parsed.has('n'), false);
            let (proto, any) = if address.is_ipv6() { ("tcp6", ":::*") } else { ("tcp ", "0.0.0.0:*") };
            let local = format!("{ip}:{port}");
            tool.line(format!("{proto}       0      0 {local:<23} {any:<23} LISTEN     ")).await;
        }
    }
    tool.done().await
}
