//! Names and addresses (RFC 1035): questions and answers in wire format, and a [`Zone`] that
//! answers them.
//!
//! The wire format is the `domain` crate's; here stand the few types of the lab.

mod zone;

pub use zone::{BadLine, Zone};

use bytes::Bytes;
use domain::base::iana::{Class, Rcode as WireRcode};
use domain::base::{Message, MessageBuilder, Name, Rtype, ToName, Ttl};
use domain::rdata::{A, Aaaa, AllRecordData, Cname, Mx, Ns, Ptr, Soa, Txt};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::str::FromStr;

/// The time to live of records that name none, in seconds.
pub const TTL: u32 = 300;

/// The types of records in the lab.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    A,
    Aaaa,
    Mx,
    Txt,
    Ptr,
    Cname,
    Ns,
    Soa,
}

impl Type {
    /// All of them with their names.
    pub const ALL: [(Type, &'static str); 8] = [
        (Type::A, "A"),
        (Type::Aaaa, "AAAA"),
        (Type::Mx, "MX"),
        (Type::Txt, "TXT"),
        (Type::Ptr, "PTR"),
        (Type::Cname, "CNAME"),
        (Type::Ns, "NS"),
        (Type::Soa, "SOA"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Type::ALL.iter().find(|(t, _)| *t == self).map_or("", |(_, n)| n)
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<Type> {
        Type::ALL.iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(t, _)| *t)
    }

    fn wire(self) -> Rtype {
        match self {
            Type::A => Rtype::A,
            Type::Aaaa => Rtype::AAAA,
            Type::Mx => Rtype::MX,
            Type::Txt => Rtype::TXT,
            Type::Ptr => Rtype::PTR,
            Type::Cname => Rtype::CNAME,
            Type::Ns => Rtype::NS,
            Type::Soa => Rtype::SOA,
        }
    }

    fn of(wire: Rtype) -> Option<Type> {
        Type::ALL.iter().find(|(t, _)| t.wire() == wire).map(|(t, _)| *t)
    }
}

/// What a record says. Names are absolute, without the final dot; the root is empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Data {
    /// An IPv4 or IPv6 address.
    Address(IpAddr),
    /// A mail exchanger, with its preference.
    Mx(u16, Rc<str>),
    /// Strings of at most 255 octets each.
    Txt(Vec<String>),
    /// The name of an address.
    Ptr(Rc<str>),
    /// Another name for this one.
    Cname(Rc<str>),
    /// A name server.
    Ns(Rc<str>),
    /// The start of a zone: primary server, mailbox, serial, refresh, retry, expire, minimum.
    Soa(Rc<str>, Rc<str>, [u32; 5]),
}

impl Data {
    /// Its type.
    pub fn kind(&self) -> Type {
        match self {
            Data::Address(IpAddr::V4(_)) => Type::A,
            Data::Address(IpAddr::V6(_)) => Type::Aaaa,
            Data::Mx(..) => Type::Mx,
            Data::Txt(_) => Type::Txt,
            Data::Ptr(_) => Type::Ptr,
            Data::Cname(_) => Type::Cname,
            Data::Ns(_) => Type::Ns,
            Data::Soa(..) => Type::Soa,
        }
    }
}

impl fmt::Display for Data {
    /// As in a zone file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::Address(a) => write!(f, "{a}"),
            Data::Mx(preference, name) => write!(f, "{preference} {name}."),
            Data::Txt(strings) => {
                for (n, s) in strings.iter().enumerate() {
                    let quoted = s.replace('\\', "\\\\").replace('"', "\\\"");
                    write!(f, "{}\"{quoted}\"", if n > 0 { " " } else { "" })?;
                }
                Ok(())
            }
            Data::Ptr(name) | Data::Cname(name) | Data::Ns(name) => write!(f, "{name}."),
            Data::Soa(server, mailbox, n) => {
                write!(f, "{server}. {mailbox}. {} {} {} {} {}", n[0], n[1], n[2], n[3], n[4])
            }
        }
    }
}

/// A record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Whose it is.
    pub name: Rc<str>,
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// How a question went (RFC 1035, section 4.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rcode {
    /// There is an answer, though it may hold no record.
    NoError,
    /// The server has failed.
    ServFail,
    /// There is no such name.
    NxDomain,
    /// Anything else.
    Other(u8),
}

/// What a server says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// How it went.
    pub rcode: Rcode,
    /// The records, with those of other names on the way (CNAME).
    pub records: Vec<Record>,
}

/// Writes a question; `None` where `name` is none that can be asked for.
pub fn question(id: u16, name: &str, kind: Type) -> Option<Bytes> {
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_id(id);
    message.header_mut().set_rd(true);
    let mut questions = message.question();
    questions.push((wire_name(name)?, kind.wire())).ok()?;
    Some(questions.finish().into())
}

/// Reads a question: the name and the type.
pub fn parse_question(wire: &[u8]) -> Option<(Rc<str>, Type)> {
    let message = Message::from_slice(wire).ok()?;
    let question = message.first_question()?;
    Some((text(&question.qname()), Type::of(question.qtype())?))
}

/// Writes the answer to a question.
pub fn answer(question: &[u8], answer: &Answer) -> Option<Bytes> {
    let question = Message::from_slice(question).ok()?;
    let rcode = match answer.rcode {
        Rcode::NoError => WireRcode::NOERROR,
        Rcode::ServFail => WireRcode::SERVFAIL,
        Rcode::NxDomain => WireRcode::NXDOMAIN,
        Rcode::Other(n) => WireRcode::masked_from_int(n),
    };
    let mut out = MessageBuilder::new_vec().start_answer(question, rcode).ok()?;
    out.header_mut().set_aa(true);
    out.header_mut().set_ra(true);
    for r in &answer.records {
        let (owner, ttl) = (wire_name(&r.name)?, Ttl::from_secs(r.ttl));
        match &r.data {
            Data::Address(IpAddr::V4(a)) => out.push((owner, Class::IN, ttl, A::new(*a))),
            Data::Address(IpAddr::V6(a)) => out.push((owner, Class::IN, ttl, Aaaa::new(*a))),
            Data::Mx(n, name) => out.push((owner, Class::IN, ttl, Mx::new(*n, wire_name(name)?))),
            Data::Ptr(name) => out.push((owner, Class::IN, ttl, Ptr::new(wire_name(name)?))),
            Data::Cname(name) => out.push((owner, Class::IN, ttl, Cname::new(wire_name(name)?))),
            Data::Ns(name) => out.push((owner, Class::IN, ttl, Ns::new(wire_name(name)?))),
            Data::Txt(strings) => out.push((owner, Class::IN, ttl, txt(strings)?)),
            Data::Soa(server, mailbox, n) => {
                let times = [n[1], n[2], n[3], n[4]].map(Ttl::from_secs);
                let soa = Soa::new(
                    wire_name(server)?,
                    wire_name(mailbox)?,
                    n[0].into(),
                    times[0],
                    times[1],
                    times[2],
                    times[3],
                );
                out.push((owner, Class::IN, ttl, soa))
            }
        }
        .ok()?;
    }
    Some(out.finish().into())
}

/// Reads an answer.
pub fn parse_answer(wire: &[u8]) -> Option<Answer> {
    let message = Message::from_slice(wire).ok()?;
    let rcode = match message.header().rcode() {
        WireRcode::NOERROR => Rcode::NoError,
        WireRcode::SERVFAIL => Rcode::ServFail,
        WireRcode::NXDOMAIN => Rcode::NxDomain,
        other => Rcode::Other(other.to_int()),
    };
    let mut records = Vec::new();
    for record in message.answer().ok()?.limit_to::<AllRecordData<_, _>>() {
        let record = record.ok()?;
        let data = match record.data() {
            AllRecordData::A(a) => Data::Address(IpAddr::V4(a.addr())),
            AllRecordData::Aaaa(a) => Data::Address(IpAddr::V6(a.addr())),
            AllRecordData::Mx(mx) => Data::Mx(mx.preference(), text(mx.exchange())),
            AllRecordData::Ptr(p) => Data::Ptr(text(p.ptrdname())),
            AllRecordData::Cname(c) => Data::Cname(text(c.cname())),
            AllRecordData::Ns(n) => Data::Ns(text(n.nsdname())),
            AllRecordData::Txt(t) => {
                Data::Txt(t.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect())
            }
            AllRecordData::Soa(s) => Data::Soa(
                text(s.mname()),
                text(s.rname()),
                [
                    s.serial().into_int(),
                    s.refresh().as_secs(),
                    s.retry().as_secs(),
                    s.expire().as_secs(),
                    s.minimum().as_secs(),
                ],
            ),
            _ => continue,
        };
        records.push(Record { name: text(record.owner()), ttl: record.ttl().as_secs(), data });
    }
    Some(Answer { rcode, records })
}

/// A message in words, for the trace: `MX example.com.` or `MX 10 mx.example.com.`
pub fn describe(wire: &[u8]) -> String {
    let Ok(message) = Message::from_slice(wire) else { return "not a DNS message".to_owned() };
    if !message.header().qr() {
        return parse_question(wire)
            .map_or_else(|| "no question".to_owned(), |(n, t)| format!("{} {n}.", t.name()));
    }
    match parse_answer(wire) {
        None => "a broken answer".to_owned(),
        Some(Answer { rcode: Rcode::NoError, records }) if records.is_empty() => "no such record".to_owned(),
        Some(Answer { rcode: Rcode::NoError, records }) => records
            .iter()
            .map(|r| format!("{} {}", r.data.kind().name(), r.data))
            .collect::<Vec<_>>()
            .join(", "),
        Some(Answer { rcode: Rcode::NxDomain, .. }) => "NXDOMAIN: no such name".to_owned(),
        Some(Answer { rcode: Rcode::ServFail, .. }) => "SERVFAIL: the server has failed".to_owned(),
        Some(Answer { rcode: Rcode::Other(n), .. }) => format!("error {n}"),
    }
}

/// The name under which the name of an address is kept (RFC 1035, section 3.5; RFC 3596, section 2.5).
pub fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(a) => {
            let [a, b, c, d] = Ipv4Addr::octets(&a);
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(a) => {
            let mut out = String::with_capacity(72);
            for octet in Ipv6Addr::octets(&a).iter().rev() {
                out.push_str(&format!("{:x}.{:x}.", octet & 15, octet >> 4));
            }
            out + "ip6.arpa"
        }
    }
}

fn wire_name(name: &str) -> Option<Name<Vec<u8>>> {
    if matches!(name, "" | ".") {
        return Some(Name::root_vec());
    }
    if !name.bytes().all(is_plain_or_dot) {
        return Name::from_str(name).ok();
    }
    let mut octets = Vec::with_capacity(name.len() + 2);
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        octets.push(u8::try_from(label.len()).ok().filter(|n| *n > 0)?);
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    // A label or a name that is too long is refused here.
    Name::from_octets(octets).ok()
}

/// Does this octet stand for itself in a name's text? Names of hosts have no others.
fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')
}

fn is_plain_or_dot(octet: u8) -> bool {
    is_plain(octet) || octet == b'.'
}

fn text(name: &impl ToName) -> Rc<str> {
    let mut plain = String::with_capacity(64);
    for label in name.iter_labels().take_while(|label| !label.is_root()) {
        match std::str::from_utf8(label.as_slice()) {
            Ok(label) if label.bytes().all(is_plain) => {
                if !plain.is_empty() {
                    plain.push('.');
                }
                plain.push_str(label);
            }
            _ => return escaped(name),
        }
    }
    plain.into()
}

/// The text of a name with octets in it that have to be escaped.
fn escaped(name: &impl ToName) -> Rc<str> {
    let text = name.to_vec().to_string();
    text.strip_suffix('.').unwrap_or(&text).into()
}

fn txt(strings: &[String]) -> Option<Txt<Vec<u8>>> {
    let mut octets = Vec::new();
    for s in strings {
        octets.push(u8::try_from(s.len()).ok()?);
        octets.extend_from_slice(s.as_bytes());
    }
    Txt::from_octets(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_asked_and_answered_is_read_back() {
        let asked = question(7, "example.com", Type::Mx).expect("it can be asked for");
        assert_eq!(parse_question(&asked), Some(("example.com".into(), Type::Mx)));
        let all = [
            Data::Mx(10, "mx.example.com".into()),
            Data::Mx(0, "".into()),
            Data::Address("192.0.2.1".parse().expect("an address")),
            Data::Address("2001:db8::1".parse().expect("an address")),
            Data::Txt(vec!["v=spf1 -all".into(), "".into()]),
            Data::Ptr("mx.example.com".into()),
            Data::Cname("a.b".into()),
            Data::Ns("ns.example.com".into()),
            Data::Soa("ns.example.com".into(), "root.example.com".into(), [1, 2, 3, 4, 5]),
        ];
        let records = all.map(|data| Record { name: "example.com".into(), ttl: TTL, data }).to_vec();
        let said = Answer { rcode: Rcode::NoError, records };
        let wire = answer(&asked, &said).expect("it can be written");
        assert_eq!(parse_answer(&wire), Some(said));
        assert!(describe(&wire).starts_with("MX 10 mx.example.com., MX 0 ., A 192.0.2.1"));
    }

    #[test]
    fn rfc_3596_section_2_5_reverse_names() {
        let v6 = "4321:0:1:2:3:4:567:89ab".parse().expect("an address");
        assert_eq!(
            reverse_name(v6),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"
        );
        let v4 = "192.0.2.10".parse().expect("an address");
        assert_eq!(reverse_name(v4), "10.2.0.192.in-addr.arpa");
    }

    proptest! {
        #[test]
        fn names_are_what_the_library_makes_of_them(name in "[a-z._*\\\\-]{0,20}|[a-z]{60,66}(\\.[a-z]{30,63}){0,4}") {
            let ours = wire_name(&name);
            prop_assert_eq!(ours.clone(), if name.is_empty() { Some(Name::root_vec()) } else { Name::from_str(&name).ok() });
            if let Some(ours) = ours {
                prop_assert_eq!(text(&ours), escaped(&ours));
            }
        }

        #[test]
        fn any_octets_are_read_or_refused(wire in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (parse_question(&wire), parse_answer(&wire), describe(&wire));
        }
    }
}
