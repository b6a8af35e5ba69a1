//! telnet(1) and nc(1): a connection on standard input and output.
//!
//! # Simplifications
//! telnet speaks no telnet: there is no option negotiation. At its own prompt, behind the escape
//! character, it knows `close`, `quit` and an empty line. nc knows no UDP.

use super::options::{NONE, Options};
use super::tool::Tool;
use crate::world::clock::Duration;
use crate::world::dns::Lookup;
use crate::world::net::Listener;
use crate::world::process::Process;
use crate::world::stream::Stream;
use crate::world::timer::{Either, race};
use std::net::{IpAddr, SocketAddr};

/// A port, by its number or its name in /etc/services.
pub(super) fn port(p: &Process, text: &str) -> Option<u16> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let services = p.read_text("/etc/services").unwrap_or_default();
    services.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (name, port) = (words.next()?, words.next()?);
        let number = port.strip_suffix("/tcp")?;
        (name == text || words.any(|alias| alias == text)).then(|| number.parse().ok())?
    })
}

pub(super) async fn resolve(p: &Process, name: &str) -> Result<Vec<IpAddr>, &'static str> {
    match p.addresses_of(name).await {
        Lookup::Found(all) => Ok(all),
        Lookup::NotFound => Err("Name or service not known"),
        Lookup::Failed => Err("Temporary failure in name resolution"),
    }
}

/// telnet(1)
pub async fn telnet(p: Process) -> i32 {
    const OPTIONS: Options =
        Options { usage: "[HOST [PORT]]", short: "46E8", absent: "abcdeKklLnrSXx", ..NONE };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let Some(name) = parsed.operands.first().cloned() else {
        tool.put("telnet> \n").await;
        return tool.done().await;
    };
    let service = parsed.operands.get(1).cloned().unwrap_or_else(|| "telnet".into());
    let number = port(&tool.p, &service).or((&*service == "telnet").then_some(23));
    let addresses = match (resolve(&tool.p, &name).await, number) {
        (Ok(addresses), Some(_)) => addresses,
        (Err(why), _) => return lookup_failed(&tool, &name, &service, why).await,
        (Ok(_), None) => {
            return lookup_failed(&tool, &name, &service, "Servname not supported for ai_socktype").await;
        }
    };
    let family = parsed.last_of("46");
    let fits = |a: &IpAddr| family.is_none_or(|f| (f == '4') == a.is_ipv4());
    for address in addresses.into_iter().filter(fits) {
        tool.put(format!("Trying {address}...\n")).await;
        tool.flush().await;
        match tool.p.connect(SocketAddr::new(address, number.unwrap_or(23)), None).await {
            Ok(stream) => {
                tool.put(format!("Connected to {name}.\nEscape character is '^]'.\n")).await;
                tool.flush().await;
                let left = converse(&mut tool, &stream, true, None).await;
                let whose =
                    if left { "Connection closed.\n" } else { "Connection closed by foreign host.\n" };
                tool.p.eprint(whose).await;
                return 0;
            }
            Err(e) => tool.p.eprint(format!("telnet: Unable to connect to remote host: {e}\n")).await,
        }
    }
    1
}

async fn lookup_failed(tool: &Tool, name: &str, service: &str, why: &str) -> i32 {
    tool.p.eprint(format!("Server lookup failure:  {name}:{service}, {why}\n")).await;
    1
}

/// Copies both ways until the other side ends. At the end of standard input telnet hangs up
/// once it has shown what is there; nc goes on listening, for at most `quit` where given. Tells
/// whether it was left by telnet's own prompt.
pub(super) async fn converse(tool: &mut Tool, stream: &Stream, telnet: bool, quit: Option<Duration>) -> bool {
    loop {
        // What the peer sent comes first, so that an end of the input loses nothing that is there.
        match race(stream.read(), tool.p.read_stdin(65536)).await {
            Either::Left(Ok(bytes)) if !bytes.is_empty() => show(tool, &bytes, telnet).await,
            Either::Left(_) => return false,
            Either::Right(bytes) if bytes.is_empty() => break,
            Either::Right(bytes) if telnet && bytes.first() == Some(&ESCAPE) => {
                if leaves(tool).await {
                    stream.end();
                    return true;
                }
            }
            Either::Right(bytes) => {
                let bytes = if telnet { with_crlf(&bytes) } else { bytes.to_vec() };
                if stream.write(bytes).await.is_err() {
                    return false;
                }
            }
        }
    }
    if telnet {
        while stream.readable() {
            match stream.read().await {
                Ok(bytes) if !bytes.is_empty() => show(tool, &bytes, telnet).await,
                _ => break,
            }
        }
        stream.end();
        return false;
    }
    stream.end();
    let p = tool.p.clone();
    loop {
        let read = match quit {
            Some(limit) => match p.timeout(limit, stream.read()).await {
                Some(read) => read,
                None => return false,
            },
            None => stream.read().await,
        };
        match read {
            Ok(bytes) if !bytes.is_empty() => show(tool, &bytes, telnet).await,
            _ => return false,
        }
    }
}

/// What telnet takes for its escape character, Ctrl-].
const ESCAPE: u8 = 0x1d;

/// telnet's own prompt, for one command; is the connection to be left?
async fn leaves(tool: &mut Tool) -> bool {
    tool.put("\ntelnet> ").await;
    tool.flush().await;
    let line = tool.p.read_stdin(65536).await;
    let command = String::from_utf8_lossy(&line).trim().to_owned();
    match command.as_str() {
        "" if !line.is_empty() => false,
        // An unambiguous beginning will do.
        "" | "c" | "cl" | "close" | "q" | "quit" => true,
        _ => {
            tool.put("?Invalid command\n").await;
            tool.flush().await;
            false
        }
    }
}

async fn show(tool: &mut Tool, bytes: &[u8], telnet: bool) {
    if telnet {
        let text: Vec<u8> = bytes.iter().copied().filter(|b| *b != b'\r').collect();
        tool.put(text).await;
    } else {
        tool.put(bytes).await;
    }
    tool.flush().await;
}

pub(super) fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for b in bytes {
        match b {
            b'\n' => out.extend_from_slice(b"\r\n"),
            b'\r' => {}
            b => out.push(*b),
        }
    }
    out
}

/// nc(1)
pub async fn nc(p: Process) -> i32 {
    const OPTIONS: Options = Options {
        usage: "[-46hlNnvz] [-q seconds] [-w timeout] [destination] [port]",
        short: "46CN\u{11}lnp:q:s:vw:z",
        absent: "bDdFGhIikMmOPrStTUuVWXxZ",
        ..NONE
    };
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let seconds = |option| parsed.value(option).and_then(|t| t.parse().ok()).map(Duration::from_secs);
    if parsed.has('l') {
        return listen(tool, &parsed).await;
    }
    let (Some(name), Some(service)) = (parsed.operands.first().cloned(), parsed.operands.get(1).cloned())
    else {
        tool.p.eprint(format!("usage: nc {}\n", OPTIONS.usage)).await;
        return 1;
    };
    let Some(number) = port(&tool.p, &service) else {
        tool.p.eprint(format!("nc: port number invalid: {service}\n")).await;
        return 1;
    };
    let addresses = match resolve(&tool.p, &name).await {
        Ok(addresses) => addresses,
        Err(why) => {
            tool.p.eprint(format!("nc: getaddrinfo for host \"{name}\" port {service}: {why}\n")).await;
            return 1;
        }
    };
    for address in addresses {
        let call = tool.p.connect(SocketAddr::new(address, number), None);
        let called = match seconds('w') {
            Some(limit) => {
                tool.p.timeout(limit, call).await.unwrap_or(Err(crate::world::errno::Errno::ETIMEDOUT))
            }
            None => call.await,
        };
        match called {
            Ok(stream) => {
                if parsed.has('v') {
                    let shown = if name.parse::<IpAddr>().is_ok() {
                        name.to_string()
                    } else {
                        format!("{name} ({address})")
                    };
                    tool.p.eprint(format!("Connection to {shown} {service} port [tcp/*] succeeded!\n")).await;
                }
                if !parsed.has('z') {
                    converse(&mut tool, &stream, false, seconds('q').or(seconds('w'))).await;
                }
                return tool.done().await;
            }
            Err(e) if parsed.has('v') => {
                tool.p
                    .eprint(format!("nc: connect to {name} ({address}) port {service} (tcp) failed: {e}\n"))
                    .await;
            }
            Err(_) => {}
        }
    }
    1
}

async fn listen(mut tool: Tool, parsed: &super::options::Parsed) -> i32 {
    let text = parsed.value('p').map(Into::into).or_else(|| parsed.operands.last().cloned());
    let Some(number) = text.and_then(|t| port(&tool.p, &t)) else {
        tool.p.eprint("nc: missing port with option -l\n").await;
        return 1;
    };
    let listener: Listener = match tool.p.listen(&[SocketAddr::new(IpAddr::from([0, 0, 0, 0]), number)]) {
        Ok(listener) => listener,
        Err(e) => {
            tool.p.eprint(format!("nc: {e}\n")).await;
            return 1;
        }
    };
    tool.p.only_watches();
    let stream = listener.accept().await;
    drop(listener);
    converse(&mut tool, &stream, false, None).await;
    tool.done().await
}
