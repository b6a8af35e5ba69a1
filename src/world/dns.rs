//! Names: the name server that holds the world's zone, and each host's resolver (resolver(3)).
//!
//! Questions and answers pass in wire format (RFC 1035) and stand in the trace.
//!
//! # Simplifications
//! Every host has a name server of its own on 127.0.0.1, as `/etc/resolv.conf` says; what else
//! stands in that file is not read. Answers are not cached and never too large for a datagram.

use super::clock::Duration;
use super::process::Process;
use crate::proto::dns::{self, Data, Rcode, Type};
use crate::trace::Kind;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

/// How long the resolver waits for an answer, and how often it asks (resolv.conf(5)).
const TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

/// Why there is no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The name does not exist.
    NoSuchName,
    /// It exists, but has no record of this type.
    NoData,
    /// The name server failed or kept silent.
    TryAgain,
}

impl Trouble {
    /// The text of herror(3).
    pub const fn text(self) -> &'static str {
        match self {
            Trouble::NoSuchName => "Host not found",
            Trouble::NoData => "Host found but no data record of requested type",
            Trouble::TryAgain => "Host not found, try again",
        }
    }
}

/// What getaddrinfo(3) and getnameinfo(3) say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup<T> {
    /// This.
    Found(T),
    /// There is none.
    NotFound,
    /// It cannot be known now.
    Failed,
}

/// The octets of a message in which its number stands.
const ID: usize = 2;

/// How many answers are kept.
const KEPT: usize = 4096;

/// The answers of the name server so far, by the question without its number.
pub(super) type Answers = FxHashMap<Box<[u8]>, Reply>;

/// A datagram of the name server, and what is in it; nothing if it makes no sense.
#[derive(Clone)]
pub(super) struct Reply {
    wire: Bytes,
    answer: Option<Rc<dns::Answer>>,
}

impl Reply {
    fn new(wire: Bytes) -> Reply {
        let answer = dns::parse_answer(&wire).map(Rc::new);
        Reply { wire, answer }
    }
}

/// How long the host's own name server takes to find an answer, which it asks others for.
const ANSWER: Duration = Duration::from_millis(4);

impl Process {
    /// The records of a name, without those of other names on the way.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn query(&self, name: &str, kind: Type) -> Result<Vec<Data>, Trouble> {
        let id = self.host().random(65536) as u16;
        let question = dns::question(id, name, kind).ok_or(Trouble::NoSuchName)?;
        for _ in 0..ATTEMPTS {
            self.world().record(Kind::DnsQuestion { server: Box::new(SERVER), wire: question.clone() });
            let Some(Reply { wire, answer }) = self.name_server(&question) else {
                self.idle(TIMEOUT).await;
                self.world().record(Kind::DnsAnswer { wire: Bytes::new() });
                continue;
            };
            self.sleep(ANSWER).await;
            self.world().record(Kind::DnsAnswer { wire });
            let Some(answer) = answer else { continue };
            let records: Vec<Data> =
                answer.records.iter().map(|r| &r.data).filter(|d| d.kind() == kind).cloned().collect();
            return match answer.rcode {
                Rcode::NoError if records.is_empty() => Err(Trouble::NoData),
                Rcode::NoError => Ok(records),
                Rcode::NxDomain => Err(Trouble::NoSuchName),
                Rcode::ServFail | Rcode::Other(_) => Err(Trouble::TryAgain),
            };
        }
        Err(Trouble::TryAgain)
    }

    /// What the host's name server answers; `None` if it keeps silent.
    fn name_server(&self, question: &[u8]) -> Option<Reply> {
        let (world, host) = (self.world(), self.host().index());
        if world.faults().name_server_silent(host) {
            return None;
        }
        let (id, rest) = question.split_at_checked(ID)?;
        if world.faults().name_server_fails(host) {
            let failure = dns::Answer { rcode: Rcode::ServFail, records: Vec::new() };
            return dns::answer(question, &failure).map(Reply::new);
        }
        // The same is asked again and again; only the number of the question differs.
        if let Some(known) = world.0.answers.borrow().get(rest) {
            let wire = [id, &known.wire[ID..]].concat().into();
            return Some(Reply { wire, answer: known.answer.clone() });
        }
        let (name, kind) = dns::parse_question(question)?;
        let reply = Reply::new(dns::answer(question, &world.zone().lookup(&name, kind))?);
        let mut answers = world.0.answers.borrow_mut();
        if answers.len() >= KEPT {
            answers.clear();
        }
        answers.insert(rest.into(), reply.clone());
        Some(reply)
    }

    /// The mail exchangers of a domain: preference and name.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn mx_of(&self, domain: &str) -> Result<Vec<(u16, Rc<str>)>, Trouble> {
        let records = self.query(domain, Type::Mx).await?;
        Ok(records
            .into_iter()
            .filter_map(|d| match d {
                Data::Mx(preference, name) => Some((preference, name)),
                _ => None,
            })
            .collect())
    }

    /// The addresses of a name by the name server alone, of the families that this host has.
    ///
    /// # Errors
    /// The type that was asked for last, and why there is none of it.
    pub async fn lookup_addresses(&self, name: &str) -> Result<Vec<IpAddr>, (&'static str, Trouble)> {
        let mut found = Vec::new();
        let mut trouble = ("A", Trouble::NoSuchName);
        for kind in [Type::A, Type::Aaaa] {
            match self.query(name, kind).await {
                Ok(records) => found.extend(records.into_iter().filter_map(|d| match d {
                    Data::Address(a) => Some(a),
                    _ => None,
                })),
                Err(Trouble::TryAgain) => return Err((kind.name(), Trouble::TryAgain)),
                Err(e) => trouble = (kind.name(), e),
            }
        }
        if found.is_empty() { Err(trouble) } else { Ok(found) }
    }

    /// The addresses of a name: its own if it is one, `/etc/hosts`, then the name server (getaddrinfo(3)).
    pub async fn addresses_of(&self, name: &str) -> Lookup<Vec<IpAddr>> {
        if let Ok(address) = name.parse() {
            return Lookup::Found(vec![address]);
        }
        let known: Vec<IpAddr> = self
            .etc_hosts()
            .into_iter()
            .filter(|(_, names)| names.iter().any(|n| n.eq_ignore_ascii_case(name)))
            .map(|(address, _)| address)
            .collect();
        if !known.is_empty() {
            return Lookup::Found(known);
        }
        match self.lookup_addresses(name).await {
            Ok(all) => Lookup::Found(all),
            Err((_, Trouble::TryAgain)) => Lookup::Failed,
            Err(_) => Lookup::NotFound,
        }
    }

    /// The name of an address: `/etc/hosts`, then the name server (getnameinfo(3)).
    pub async fn name_of(&self, address: IpAddr) -> Lookup<Rc<str>> {
        let known = self.etc_hosts().into_iter().find(|(a, _)| *a == address);
        if let Some(name) = known.and_then(|(_, names)| names.into_iter().next()) {
            return Lookup::Found(name.into());
        }
        match self.query(&dns::reverse_name(address), Type::Ptr).await {
            Ok(records) => match records.into_iter().next() {
                Some(Data::Ptr(name)) => Lookup::Found(name),
                _ => Lookup::NotFound,
            },
            Err(Trouble::TryAgain) => Lookup::Failed,
            Err(_) => Lookup::NotFound,
        }
    }

    /// The lines of `/etc/hosts`: an address and its names (hosts(5)).
    fn etc_hosts(&self) -> Vec<(IpAddr, Vec<String>)> {
        let text = self.read_text("/etc/hosts").unwrap_or_default();
        text.lines()
            .filter_map(|line| {
                let mut words = line.split('#').next()?.split_whitespace();
                Some((words.next()?.parse().ok()?, words.map(str::to_owned).collect()))
            })
            .collect()
    }
}
