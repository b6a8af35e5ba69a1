//! The restrictions by name, and restriction lists read into them (SMTPD_ACCESS_README).

use crate::postfix::config::typed;
use crate::postfix::dict::{Flags, Maps};
use crate::postfix::server::Daemon;
use std::rc::Rc;

/// About what a restriction is, and what the client is told was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Client,
    ReverseClient,
    Helo,
    Sender,
    Recipient,
    Etrn,
    Data,
    EndOfData,
    SaslLogin,
    Certificate,
}

impl Class {
    /// As it stands in replies.
    pub const fn text(self) -> &'static str {
        match self {
            Class::Client => "Client host",
            Class::ReverseClient => "Unverified Client host",
            Class::Helo => "Helo command",
            Class::Sender => "Sender address",
            Class::Recipient => "Recipient address",
            Class::Etrn => "Etrn command",
            Class::Data => "Data command",
            Class::EndOfData => "End-of-data",
            Class::SaslLogin => "SASL login name",
            Class::Certificate => "Client certificate",
        }
    }
}

/// Which servers of a domain an access table is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Servers {
    /// The host itself.
    A,
    /// Its mail exchangers.
    Mx,
    /// Its name servers.
    Ns,
}

/// Which clients `reject_sender_login_mismatch` and its kin look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mismatch {
    /// All.
    Any,
    /// Those who logged in.
    Authenticated,
    /// Those who did not.
    Unauthenticated,
    /// All, but only senders that somebody owns.
    Known,
}

/// What a restriction does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Permit,
    Reject,
    Defer,
    DeferIfPermit,
    DeferIfReject,
    WarnIfReject,
    Sleep,
    UnauthPipelining,
    PlaintextSession,
    Policy,
    Mynetworks,
    InetInterfaces,
    SaslAuthenticated,
    TlsClientcerts,
    UnknownClient,
    UnknownReverseClient,
    Access(Class),
    ServerAccess(Class, Servers),
    RblClient,
    DnswlClient,
    Rhsbl(Class),
    RhswlClient,
    InvalidHelo,
    NonFqdnHelo,
    UnknownHelo,
    NonFqdn(Class),
    UnknownDomain(Class),
    Unlisted(Class),
    Unverified(Class),
    SenderLogin(Mismatch),
    UnauthDestination,
    DeferUnauthDestination,
    AuthDestination,
    MxBackup,
    MultiRecipientBounce,
    /// A list of `smtpd_restriction_classes`.
    OfClass,
    /// No such restriction.
    Unknown,
}

use Class::{Certificate, Client, Etrn, Helo, Recipient, ReverseClient, SaslLogin, Sender};

/// The names, in lower case.
const NAMES: &[(&str, Kind)] = &[
    ("permit", Kind::Permit),
    ("reject", Kind::Reject),
    ("defer", Kind::Defer),
    ("defer_if_permit", Kind::DeferIfPermit),
    ("defer_if_reject", Kind::DeferIfReject),
    ("warn_if_reject", Kind::WarnIfReject),
    ("sleep", Kind::Sleep),
    ("reject_unauth_pipelining", Kind::UnauthPipelining),
    ("reject_plaintext_session", Kind::PlaintextSession),
    ("check_policy_service", Kind::Policy),
    ("permit_mynetworks", Kind::Mynetworks),
    ("permit_inet_interfaces", Kind::InetInterfaces),
    ("permit_sasl_authenticated", Kind::SaslAuthenticated),
    ("permit_tls_clientcerts", Kind::TlsClientcerts),
    ("permit_tls_all_clientcerts", Kind::TlsClientcerts),
    ("reject_unknown_client_hostname", Kind::UnknownClient),
    ("reject_unknown_client", Kind::UnknownClient),
    ("reject_unknown_reverse_client_hostname", Kind::UnknownReverseClient),
    ("check_client_access", Kind::Access(Client)),
    ("check_reverse_client_hostname_access", Kind::Access(ReverseClient)),
    ("check_helo_access", Kind::Access(Helo)),
    ("check_sender_access", Kind::Access(Sender)),
    ("check_recipient_access", Kind::Access(Recipient)),
    ("check_etrn_access", Kind::Access(Etrn)),
    ("check_sasl_access", Kind::Access(SaslLogin)),
    ("check_ccert_access", Kind::Access(Certificate)),
    ("check_client_a_access", Kind::ServerAccess(Client, Servers::A)),
    ("check_client_mx_access", Kind::ServerAccess(Client, Servers::Mx)),
    ("check_client_ns_access", Kind::ServerAccess(Client, Servers::Ns)),
    ("check_reverse_client_hostname_a_access", Kind::ServerAccess(ReverseClient, Servers::A)),
    ("check_reverse_client_hostname_mx_access", Kind::ServerAccess(ReverseClient, Servers::Mx)),
    ("check_reverse_client_hostname_ns_access", Kind::ServerAccess(ReverseClient, Servers::Ns)),
    ("check_helo_a_access", Kind::ServerAccess(Helo, Servers::A)),
    ("check_helo_mx_access", Kind::ServerAccess(Helo, Servers::Mx)),
    ("check_helo_ns_access", Kind::ServerAccess(Helo, Servers::Ns)),
    ("check_sender_a_access", Kind::ServerAccess(Sender, Servers::A)),
    ("check_sender_mx_access", Kind::ServerAccess(Sender, Servers::Mx)),
    ("check_sender_ns_access", Kind::ServerAccess(Sender, Servers::Ns)),
    ("check_recipient_a_access", Kind::ServerAccess(Recipient, Servers::A)),
    ("check_recipient_mx_access", Kind::ServerAccess(Recipient, Servers::Mx)),
    ("check_recipient_ns_access", Kind::ServerAccess(Recipient, Servers::Ns)),
    ("reject_rbl_client", Kind::RblClient),
    ("reject_rbl", Kind::RblClient),
    ("permit_dnswl_client", Kind::DnswlClient),
    ("reject_rhsbl_client", Kind::Rhsbl(Client)),
    ("reject_rhsbl_reverse_client", Kind::Rhsbl(ReverseClient)),
    ("reject_rhsbl_helo", Kind::Rhsbl(Helo)),
    ("reject_rhsbl_sender", Kind::Rhsbl(Sender)),
    ("reject_rhsbl_recipient", Kind::Rhsbl(Recipient)),
    ("permit_rhswl_client", Kind::RhswlClient),
    ("reject_invalid_helo_hostname", Kind::InvalidHelo),
    ("reject_invalid_hostname", Kind::InvalidHelo),
    ("reject_non_fqdn_helo_hostname", Kind::NonFqdnHelo),
    ("reject_non_fqdn_hostname", Kind::NonFqdnHelo),
    ("reject_unknown_helo_hostname", Kind::UnknownHelo),
    ("reject_unknown_hostname", Kind::UnknownHelo),
    ("reject_non_fqdn_sender", Kind::NonFqdn(Sender)),
    ("reject_non_fqdn_recipient", Kind::NonFqdn(Recipient)),
    ("reject_unknown_sender_domain", Kind::UnknownDomain(Sender)),
    ("reject_unknown_address", Kind::UnknownDomain(Sender)),
    ("reject_unknown_recipient_domain", Kind::UnknownDomain(Recipient)),
    ("reject_unlisted_sender", Kind::Unlisted(Sender)),
    ("reject_unlisted_recipient", Kind::Unlisted(Recipient)),
    ("check_recipient_maps", Kind::Unlisted(Recipient)),
    ("reject_unverified_sender", Kind::Unverified(Sender)),
    ("reject_unverified_recipient", Kind::Unverified(Recipient)),
    ("reject_sender_login_mismatch", Kind::SenderLogin(Mismatch::Any)),
    ("reject_authenticated_sender_login_mismatch", Kind::SenderLogin(Mismatch::Authenticated)),
    ("reject_unauthenticated_sender_login_mismatch", Kind::SenderLogin(Mismatch::Unauthenticated)),
    ("reject_known_sender_login_mismatch", Kind::SenderLogin(Mismatch::Known)),
    ("reject_unauth_destination", Kind::UnauthDestination),
    ("defer_unauth_destination", Kind::DeferUnauthDestination),
    ("permit_auth_destination", Kind::AuthDestination),
    ("permit_mx_backup", Kind::MxBackup),
    ("reject_multi_recipient_bounce", Kind::MultiRecipientBounce),
];

/// A restriction of a list.
#[derive(Debug)]
pub struct Restriction {
    /// As it was written.
    pub name: Rc<str>,
    /// What it does.
    pub kind: Kind,
    /// The word after it, where it takes one.
    pub argument: Option<Rc<str>>,
    /// The table that the argument names.
    pub table: Option<Rc<Maps>>,
}

/// A restriction list.
#[derive(Debug)]
pub struct List {
    /// The parameter whose value it is.
    pub setting: Rc<str>,
    /// Its restrictions in order.
    pub items: Vec<Restriction>,
}

impl List {
    /// Reads a list and opens its tables. A bare `type:table` means the access check of `default`;
    /// what is in `classes` is a restriction class.
    pub fn parse(
        setting: &str,
        text: &str,
        default: Option<Class>,
        classes: &[Rc<str>],
        daemon: &Daemon,
    ) -> List {
        let mut items = Vec::new();
        let mut words = typed::words(text).into_iter().peekable();
        while let Some(word) = words.next() {
            let lower = word.to_ascii_lowercase();
            let known = NAMES.iter().find(|(name, _)| *name == lower).map(|(_, kind)| *kind);
            let kind = match known {
                Some(kind) => kind,
                None if classes.iter().any(|c| **c == *word) => Kind::OfClass,
                None if word.contains(':') => default.map_or(Kind::Unknown, Kind::Access),
                None => Kind::Unknown,
            };
            let argument = match kind {
                Kind::Access(_) if known.is_none() => Some(word),
                kind if takes_argument(kind) => words.next(),
                _ => None,
            };
            let table = match kind {
                Kind::Access(_) | Kind::ServerAccess(..) => argument.map(|spec| open(spec, daemon)),
                _ => None,
            };
            items.push(Restriction { name: word.into(), kind, argument: argument.map(Into::into), table });
        }
        List { setting: setting.into(), items }
    }
}

fn takes_argument(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Policy
            | Kind::Sleep
            | Kind::Access(_)
            | Kind::ServerAccess(..)
            | Kind::RblClient
            | Kind::DnswlClient
            | Kind::Rhsbl(_)
            | Kind::RhswlClient
    )
}

/// Opens a table, and says what is wrong with it.
pub fn open(spec: &str, daemon: &Daemon) -> Rc<Maps> {
    let maps = Maps::open_with(spec, Flags::USUAL, &daemon.p);
    for e in maps.errors() {
        daemon.msg.log(&format!("error: {e}"));
    }
    for w in maps.warnings() {
        daemon.msg.log_warn(w);
    }
    Rc::new(maps)
}
