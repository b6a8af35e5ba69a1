//! What Postfix's daemons say to each other over the sockets in `public/` and `private/`.
//!
//! The real ones send attributes as text; here the values themselves pass
//! ([`Stream::send`](crate::world::stream::Stream::send)), at the same places and in the same order.

use super::queue::Recipient;
use crate::world::clock::Time;
use bytes::Bytes;
use std::net::IpAddr;
use std::rc::Rc;

/// Where addresses without a domain belong (`rewrite_context`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum RewriteContext {
    /// To this host: `$myorigin` is appended.
    #[default]
    Local,
    /// To a stranger: nothing is appended unless `remote_header_rewrite_domain` says so.
    Remote,
}

/// Who handed a message in, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct ClientInfo {
    /// The client's verified host name, or `unknown`.
    pub name: Rc<str>,
    /// The name its address has, verified or not, or `unknown`.
    pub reverse_name: Rc<str>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// The same as it is written, since every message repeats it; empty without one.
    pub shown_address: Rc<str>,
    /// Its port.
    pub port: u16,
    /// The address and port that it called.
    pub server: Option<std::net::SocketAddr>,
    /// What it said in HELO or EHLO.
    pub helo: Rc<str>,
    /// `SMTP` or `ESMTP`.
    pub protocol: Rc<str>,
    /// Mechanism and user, where the client has logged in.
    pub login: Option<(Rc<str>, Rc<str>)>,
}

/// What a rule at the door, an access table or a check of the content, wants done with a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    /// It is put aside for the administrator.
    pub hold: bool,
    /// It is taken and thrown away.
    pub discard: bool,
    /// It goes through this content filter, `transport:destination`.
    pub filter: Option<Rc<str>>,
    /// It goes to this recipient instead of its own.
    pub redirect: Option<Rc<str>>,
    /// These recipients get it, too.
    pub bcc: Vec<Rc<str>>,
    /// Headers to put on top of it.
    pub prepend: Vec<Rc<str>>,
}

/// A message on its way into the queue: smtpd, pickup, local and bounce → cleanup.
#[derive(Default)]
pub struct Submission {
    /// When it arrived.
    pub arrival: Time,
    /// Whose addresses without a domain these are.
    pub context: RewriteContext,
    /// A local sender's full name.
    pub full_name: Option<Rc<str>>,
    /// The SMTP client, for a message that came by SMTP.
    pub client: Option<ClientInfo>,
    /// The envelope sender; empty for the null sender.
    pub sender: Rc<str>,
    /// `ENVID=`, if given.
    pub dsn_envid: Option<Rc<str>>,
    /// `RET=`, if given: `true` for the full message.
    pub dsn_ret_full: Option<bool>,
    /// `BODY=8BITMIME`.
    pub eight_bit: bool,
    /// `SMTPUTF8`.
    pub smtputf8: bool,
    /// The recipients; their offsets mean nothing yet.
    pub recipients: Vec<Recipient>,
    /// Headers that the receiving program puts on top, each line ended by LF.
    pub prepend: Vec<u8>,
    /// The message as it came, each line ended by LF.
    pub content: Bytes,
    /// The sender wants a report on each recipient (`sendmail -v`, `-bv`).
    pub trace: TraceFlags,
    /// Is it made by the mail system itself? Then it is not filtered, and nobody gets copies.
    pub internal: bool,
    /// Are its addresses taken as they are? local's own tables have been asked already.
    pub unmapped: bool,
    /// Its content is not looked at (`receive_override_options = no_header_body_checks`).
    pub uninspected: bool,
    /// Through what it goes (`content_filter`), as the program that took it is told.
    pub filter: Option<Rc<str>>,
    /// Were the recipients found in the message (`sendmail -t`), behind what is inspected?
    pub recipients_last: bool,
    /// Is it refused already, and only inspected?
    pub given_up: bool,
    /// Did it break off, and is given up?
    pub broken_off: bool,
    /// What has been decided about it already.
    pub actions: Actions,
}

/// What `sendmail -bv` and `-v` ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TraceFlags {
    /// Nothing.
    #[default]
    None,
    /// Deliver, and report (`-v`).
    Record,
    /// Do not deliver, and report what would have happened (`-bv`).
    VerifyOnly,
    /// Do not deliver, and tell verify what would have happened (`reject_unverified_*`).
    Probe,
}

impl TraceFlags {
    /// As a queue file has it (`trace_flags=`).
    pub const fn text(self) -> Option<&'static str> {
        match self {
            TraceFlags::None => None,
            TraceFlags::Probe => Some("256"),
            TraceFlags::VerifyOnly => Some("512"),
            TraceFlags::Record => Some("1024"),
        }
    }

    /// The flags that an attribute of a queue file means.
    pub fn read(text: Option<&str>) -> TraceFlags {
        let all = [TraceFlags::Probe, TraceFlags::VerifyOnly, TraceFlags::Record];
        all.into_iter().find(|flags| flags.text() == text).unwrap_or_default()
    }

    /// Is nothing to be delivered?
    pub const fn is_rehearsal(self) -> bool {
        matches!(self, TraceFlags::VerifyOnly | TraceFlags::Probe)
    }
}

/// Instead of a [`Submission`]: the message is larger than it may be, and so much of it had been passed on.
pub struct GivenUp {
    /// Octets of content.
    pub octets: usize,
}

/// What cleanup made of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CleanupStatus {
    /// It is in the queue.
    Ok,
    /// It is not: why, with an enhanced status code and a text for the client.
    Rejected {
        /// The code of an SMTP reply.
        code: u16,
        /// The enhanced status code.
        dsn: Rc<str>,
        /// Why.
        text: Rc<str>,
    },
    /// It is not, in the words of the administrator's rule.
    Refused {
        /// The code of an SMTP reply.
        code: u16,
        /// The enhanced status code.
        dsn: Rc<str>,
        /// Why.
        text: Rc<str>,
    },
}

/// An address to complete: any program → trivial-rewrite.
#[derive(Clone, Debug)]
pub struct RewriteRequest {
    /// By whose rules.
    pub context: RewriteContext,
    /// The address, in internal form.
    pub address: Rc<str>,
}

/// Where does this address go? smtpd and qmgr → trivial-rewrite.
#[derive(Clone, Debug)]
pub struct ResolveRequest {
    /// On whose behalf, for sender-dependent routing.
    pub sender: Rc<str>,
    /// The address, in internal form.
    pub address: Rc<str>,
    /// Is it only to be found out whether it can be delivered to (`address_verify_*`)?
    pub probe: bool,
}

/// The class an address falls into (ADDRESS_CLASS_README).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressClass {
    /// `mydestination`, `inet_interfaces`, `proxy_interfaces`.
    Local,
    /// `virtual_alias_domains`.
    VirtualAlias,
    /// `virtual_mailbox_domains`.
    VirtualMailbox,
    /// `relay_domains`.
    Relay,
    /// Anything else.
    Default,
}

/// What trivial-rewrite made of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The delivery agent's service in master.cf.
    pub transport: Rc<str>,
    /// The next hop.
    pub nexthop: Rc<str>,
    /// The recipient as the agent gets it.
    pub recipient: Rc<str>,
    /// Its class.
    pub class: AddressClass,
    /// Is there a sender-specified route in it (`user%domain@here`)?
    pub routed: bool,
    /// Something is wrong with it: no such address can be.
    pub error: bool,
    /// A table could not be read.
    pub failed: bool,
}

/// One try to deliver one message to some recipients at one place: qmgr → a delivery agent.
#[derive(Clone, Debug)]
pub struct DeliveryRequest {
    /// The queue id.
    pub id: Rc<str>,
    /// The size, as it is logged.
    pub size: u64,
    /// The next hop.
    pub nexthop: Rc<str>,
    /// The envelope sender.
    pub sender: Rc<str>,
    /// Those to deliver to.
    pub recipients: Vec<Recipient>,
    /// `ENVID=`, or empty.
    pub dsn_envid: Rc<str>,
    /// `RET=FULL` (true), `RET=HDRS` (false).
    pub dsn_ret_full: Option<bool>,
    /// Does it hold octets beyond ASCII, as its sender said (`BODY=8BITMIME`)?
    pub eight_bit: bool,
    /// Whose addresses without a domain these are.
    pub context: RewriteContext,
    /// When the message arrived.
    pub arrival: Time,
    /// When qmgr made it active.
    pub active: Time,
    /// When qmgr handed it over.
    pub handed: Time,
    /// What `sendmail -bv` and `-v` ask for.
    pub trace: TraceFlags,
    /// The message's file.
    pub file: Bytes,
    /// Where the message's own records start in it.
    pub data_offset: usize,
    /// What to do about connections.
    pub reuse: Reuse,
}

/// May a delivery agent use a connection that another delivery left, and leave its own to the next?
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reuse {
    /// It may use one (`DEL_REQ_FLAG_CONN_LOAD`).
    pub load: bool,
    /// It is to leave its own (`DEL_REQ_FLAG_CONN_STORE`).
    pub store: bool,
}

impl DeliveryRequest {
    /// What is known of the client that handed the message in: an attribute of the queue file.
    pub fn client_attribute(&self, name: &str) -> Option<String> {
        let file = super::queue::QueueFile::parse(self.file.clone()).ok()?;
        file.attribute(name).map(|value| value.into_owned())
    }
}

/// What came of a try: a delivery agent → qmgr.
#[derive(Clone, Debug)]
pub struct DeliveryReport {
    /// Some recipients have to wait: the message stays.
    pub deferred: bool,
    /// Why nothing at all can be delivered at this place now: qmgr leaves it alone for a while.
    pub site_down: Option<super::deliver::Dsn>,
}
