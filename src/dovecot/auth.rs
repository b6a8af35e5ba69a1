//! auth: says whether somebody is who they claim to be (doc/auth-protocol).
//!
//! Clients speak lines of fields between tabs. The server tells its mechanisms; `AUTH` begins an
//! exchange, answered by `CONT` (a challenge), `OK` or `FAIL`. Refusals come after
//! `auth_failure_delay`, and a client's address that failed before waits longer.
//!
//! # Simplifications
//! The mechanisms are PLAIN, LOGIN and CRAM-MD5; no cache, no master users, no workers.

use super::conf::Block;
use super::log::log;
use super::master::Inheritance;
use super::passdb;
use crate::proto::{base64, sasl};
use crate::world::clock::Duration;
use crate::world::process::Process;
use crate::world::stream::Stream;
use bytes::BytesMut;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// No client sends a line longer than this.
const LONGEST: usize = 8192;

/// How long an address that failed waits at its next try, the longer the more often it failed.
const PENALTIES: [u64; 5] = [0, 4, 8, 15, 15];

/// The state that all connections share.
struct Auth {
    p: Process,
    conf: Rc<Block>,
    mechanisms: Vec<String>,
    failures: RefCell<BTreeMap<String, usize>>,
    connections: Cell<u32>,
}

/// An exchange that goes on.
struct Exchange {
    mechanism: String,
    /// `rip=`, for the penalty and the log.
    remote: String,
    /// LOGIN: the user; CRAM-MD5: the challenge.
    said: Option<String>,
}

/// What a step of an exchange leads to.
enum Step {
    Continue(Exchange, String),
    Ok(String),
    Fail { user: Option<String>, reason: Option<&'static str>, delayed: bool },
}

/// The process.
pub async fn main(p: Process) -> i32 {
    let Some(work) = p.inherited::<Inheritance>() else {
        log(&p, "auth", "Fatal: This process must be started by the dovecot master");
        return 89;
    };
    let mechanisms: Vec<String> =
        work.conf.words("auth_mechanisms", "plain").iter().map(|m| m.to_ascii_uppercase()).collect();
    for name in &mechanisms {
        if !matches!(name.as_str(), "PLAIN" | "LOGIN" | "CRAM-MD5") {
            log(&p, "auth", &format!("Fatal: Unknown authentication mechanism '{name}'"));
            return 89;
        }
    }
    if mechanisms.iter().any(|m| m == "CRAM-MD5") && !passdb::tells_passwords(&work.conf) {
        log(&p, "auth", "Fatal: CRAM-MD5 mechanism can't be supported with given passdbs");
        return 89;
    }
    let auth = Rc::new(Auth {
        p: p.clone(),
        conf: Rc::new(work.conf.clone()),
        mechanisms,
        failures: RefCell::default(),
        connections: Cell::new(0),
    });
    let count = work.listeners.len();
    for n in 1..count {
        p.task(serve_all(auth.clone(), work.clone(), n));
    }
    serve_all(auth, work, 0).await;
    0
}

async fn serve_all(auth: Rc<Auth>, work: Rc<Inheritance>, n: usize) {
    let Some(listener) = work.listeners.get(n) else { return };
    loop {
        let stream = listener.accept().await;
        auth.p.task(serve(auth.clone(), stream));
    }
}

/// One client.
async fn serve(auth: Rc<Auth>, stream: Stream) {
    let number = auth.connections.get() + 1;
    auth.connections.set(number);
    let mut hello = String::from("VERSION\t1\t2\n");
    for name in &auth.mechanisms {
        let properties = if name == "CRAM-MD5" { "dictionary\tactive" } else { "plaintext" };
        hello.push_str(&format!("MECH\t{name}\t{properties}\n"));
    }
    let cookie = auth.p.host().random(u64::MAX);
    hello.push_str(&format!(
        "SPID\t{}\nCUID\t{number}\nCOOKIE\t{cookie:016x}{number:016x}\nDONE\n",
        auth.p.pid()
    ));
    if stream.write(hello).await.is_err() {
        return;
    }
    let mut input = BytesMut::new();
    let mut open: BTreeMap<String, Exchange> = BTreeMap::new();
    while let Some(line) = line(&stream, &mut input).await {
        let fields: Vec<&str> = line.split('\t').collect();
        let (id, step) = match fields[..] {
            ["AUTH", id, mechanism, ref rest @ ..] => (id, auth.begin(mechanism, rest).await),
            ["CONT", id, answer] => match open.remove(id) {
                Some(exchange) => (id, auth.go_on(exchange, answer)),
                None => continue,
            },
            _ => continue,
        };
        let answer = match step {
            Step::Continue(exchange, challenge) => {
                open.insert(id.to_owned(), exchange);
                format!("CONT\t{id}\t{}\n", base64::encode(challenge.as_bytes()))
            }
            Step::Ok(user) => format!("OK\t{id}\tuser={user}\n"),
            Step::Fail { user, reason, delayed } => {
                if delayed {
                    let pause = auth.conf.time("auth_failure_delay", Duration::from_secs(2));
                    auth.p.sleep(pause).await;
                }
                let user = user.map_or_else(String::new, |u| format!("\tuser={u}"));
                let reason = reason.map_or_else(String::new, |r| format!("\treason={r}"));
                format!("FAIL\t{id}{user}{reason}\n")
            }
        };
        if stream.write(answer).await.is_err() {
            let text = "Error: auth client 0 disconnected with 1 pending requests: EOF";
            return log(&auth.p, "auth", text);
        }
    }
}

async fn line(stream: &Stream, input: &mut BytesMut) -> Option<String> {
    loop {
        if let Some(end) = memchr::memchr(b'\n', input) {
            let line = input.split_to(end + 1);
            return Some(String::from_utf8_lossy(&line[..end]).into_owned());
        }
        if input.len() > LONGEST {
            return None;
        }
        let bytes = stream.read().await.ok().filter(|b| !b.is_empty())?;
        input.extend_from_slice(&bytes);
    }
}

impl Auth {
    async fn begin(&self, mechanism: &str, fields: &[&str]) -> Step {
        let value =
            |name: &str| fields.iter().find_map(|f| f.strip_prefix(name)).unwrap_or_default().to_owned();
        let mechanism = mechanism.to_ascii_uppercase();
        if !self.mechanisms.contains(&mechanism) {
            return Step::Fail {
                user: None,
                reason: Some("Unsupported authentication mechanism"),
                delayed: false,
            };
        }
        let exchange = Exchange { mechanism, remote: value("rip="), said: None };
        let initial = fields.iter().find_map(|f| f.strip_prefix("resp="));
        match initial {
            None => self.challenge(exchange),
            Some(text) => match base64::decode(text) {
                None => Step::Fail {
                    user: None,
                    reason: Some("Invalid base64 data in initial response"),
                    delayed: false,
                },
                Some(data) => {
                    let failed = self.failures.borrow().get(&exchange.remote).copied().unwrap_or(0);
                    let pause = PENALTIES[failed.min(PENALTIES.len() - 1)];
                    if pause > 0 {
                        self.p.sleep(Duration::from_secs(pause)).await;
                    }
                    self.answer(exchange, &data)
                }
            },
        }
    }

    /// What an exchange without a first response begins with.
    fn challenge(&self, mut exchange: Exchange) -> Step {
        let challenge = match exchange.mechanism.as_str() {
            "PLAIN" => String::new(),
            "LOGIN" => "Username:".to_owned(),
            _ => {
                let (now, host) = (self.p.now().unix(), self.p.host());
                let number = host.random(10_000_000_000_000_000);
                let challenge = format!("<{number:016}.{now}@{}>", host.name());
                exchange.said = Some(challenge.clone());
                challenge
            }
        };
        Step::Continue(exchange, challenge)
    }

    fn go_on(&self, exchange: Exchange, answer: &str) -> Step {
        match base64::decode(answer) {
            Some(data) => self.answer(exchange, &data),
            None => Step::Fail {
                user: None,
                reason: Some("Invalid base64 data in continued response"),
                delayed: false,
            },
        }
    }

    fn answer(&self, mut exchange: Exchange, data: &[u8]) -> Step {
        let text = String::from_utf8_lossy(data).into_owned();
        match (exchange.mechanism.as_str(), exchange.said.take()) {
            ("PLAIN", _) => {
                let parts: Vec<&str> = text.splitn(3, '\0').collect();
                match parts[..] {
                    [_, user, password] if !user.is_empty() => self.by_password(&exchange, user, password),
                    _ => self.failed(&exchange, None),
                }
            }
            ("LOGIN", None) => {
                exchange.said = Some(text);
                Step::Continue(exchange, "Password:".to_owned())
            }
            ("LOGIN", Some(user)) => self.by_password(&exchange, &user, &text),
            (_, said) => self.by_digest(&exchange, &said.unwrap_or_default(), &text),
        }
    }

    fn by_password(&self, exchange: &Exchange, user: &str, password: &str) -> Step {
        let user = user.to_lowercase();
        match passdb::verify(&self.p, &self.conf, &user, password) {
            passdb::Verdict::Right => self.succeeded(exchange, user),
            verdict => {
                self.say_why(exchange, &user, verdict == passdb::Verdict::Unknown);
                self.failed(exchange, Some(user))
            }
        }
    }

    /// CRAM-MD5 (RFC 2195): the user, and a digest of the challenge keyed with the password.
    fn by_digest(&self, exchange: &Exchange, challenge: &str, answer: &str) -> Step {
        let Some((user, digest)) = answer.rsplit_once(' ') else { return self.failed(exchange, None) };
        let user = user.to_lowercase();
        let stored = passdb::credentials(&self.p, &self.conf, &user);
        let unknown = stored.is_none();
        let password = stored.filter(|s| matches!(s.scheme.as_str(), "PLAIN" | "CLEAR" | "CLEARTEXT"));
        let right =
            password.is_some_and(|s| sasl::cram_md5(s.value.as_bytes(), challenge.as_bytes()) == digest);
        if right {
            return self.succeeded(exchange, user);
        }
        self.say_why(exchange, &user, unknown);
        self.failed(exchange, Some(user))
    }

    /// `auth_verbose`
    fn say_why(&self, exchange: &Exchange, user: &str, unknown: bool) {
        if self.conf.yes("auth_verbose", false) {
            let driver = self.conf.all("passdb").last().and_then(|s| s.setting("driver")).unwrap_or_default();
            let why = if unknown { "unknown user" } else { "Password mismatch" };
            log(&self.p, "auth", &format!("{driver}({user},{}): {why}", exchange.remote));
        }
    }

    fn succeeded(&self, exchange: &Exchange, user: String) -> Step {
        self.failures.borrow_mut().remove(&exchange.remote);
        Step::Ok(user)
    }

    fn failed(&self, exchange: &Exchange, user: Option<String>) -> Step {
        *self.failures.borrow_mut().entry(exchange.remote.clone()).or_default() += 1;
        Step::Fail { user, reason: None, delayed: true }
    }
}
