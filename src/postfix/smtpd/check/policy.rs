//! Policy services (SMTPD_POLICY_README): `check_policy_service type:endpoint`.
//!
//! The request is lines `name=value` up to an empty one; so is the answer, with an `action` as in
//! an access(5) table. The connection is kept for the next question.

use super::asked::Asked;
use super::restriction::Restriction;
use super::{Checks, Subject, Verdict};
use crate::postfix::config::{main_cf, typed};
use crate::postfix::dict::Found;
use crate::postfix::queue::SPOOL;
use crate::world::clock::Duration;
use crate::world::dns::Lookup;
use crate::world::process::Process;
use crate::world::stream::Stream;
use bytes::BytesMut;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

/// The connections that are open, by endpoint.
#[derive(Default)]
pub struct Services(RefCell<Vec<(Rc<str>, Stream)>>);

/// A service and how to talk to it.
struct Endpoint {
    name: Rc<str>,
    default_action: Rc<str>,
    timeout: Duration,
    try_limit: u32,
    retry_delay: Duration,
    context: Rc<str>,
}

/// An answer longer than this is none.
const LONGEST_ANSWER: usize = 100_000;

impl Checks {
    pub(super) async fn policy(
        &self,
        item: &Restriction,
        asked: &Asked<'_>,
        subject: &Subject,
    ) -> (Verdict, String) {
        let what = "type:endpoint";
        let Some(argument) = item.argument.as_ref().filter(|a| a.contains(':')) else {
            return (self.without_argument(item, asked, what), String::new());
        };
        let daemon = asked.session.daemon;
        let Some(endpoint) = endpoint(argument, asked) else {
            return (self.without_argument(item, asked, what), String::new());
        };
        let request = request(&endpoint, asked);
        let server = endpoint.name.split_once(':').map_or(&*endpoint.name, |(kind, place)| match kind {
            "inet" | "unix" => place,
            _ => &endpoint.name,
        });
        let mut action = None;
        for attempt in 0..endpoint.try_limit.max(1) {
            if attempt > 0 {
                daemon.p.sleep(endpoint.retry_delay).await;
            }
            match self.exchange(&endpoint, &request, &daemon.p).await {
                Ok(answer) => {
                    action = answer;
                    break;
                }
                Err(why) => daemon.msg.log_warn(why),
            }
        }
        let (action, compared) = match action {
            Some(action) => {
                let compared = format!("{} answers {action}", endpoint.name);
                (action, compared)
            }
            None => {
                daemon.msg.log_warn(format!("problem talking to server {server}: Connection refused"));
                (endpoint.default_action.clone(), format!("{} does not answer", endpoint.name))
            }
        };
        let found =
            Found { value: action, table: endpoint.name.clone(), line: None, key: None, unmatched: None };
        (self.action(&found, "policy query", subject, asked).await, compared)
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        request: &str,
        p: &Process,
    ) -> Result<Option<Rc<str>>, String> {
        let open = {
            let mut all = self.policies.0.borrow_mut();
            let at = all.iter().position(|(name, _)| *name == endpoint.name);
            at.map(|at| all.remove(at).1)
        };
        // A connection that was kept may have been closed meanwhile; then a new one is made.
        for stream in [open, None] {
            let kept = stream.is_some();
            let stream = match stream {
                Some(stream) => stream,
                None => connect(&endpoint.name, p).await?,
            };
            if stream.write(request.to_owned()).await.is_ok()
                && let Some(answer) = p.timeout(endpoint.timeout, answer(&stream)).await.flatten()
            {
                self.policies.0.borrow_mut().push((endpoint.name.clone(), stream));
                let action = answer.lines().find_map(|l| l.strip_prefix("action="));
                return Ok(action.map(Into::into));
            }
            if !kept {
                return Err("premature end-of-input".to_owned());
            }
        }
        Err("Connection refused".to_owned())
    }
}

async fn answer(stream: &Stream) -> Option<String> {
    let mut text = BytesMut::new();
    loop {
        let bytes = stream.read().await.ok().filter(|b| !b.is_empty())?;
        text.extend_from_slice(&bytes);
        if text.ends_with(b"\n\n") {
            return Some(String::from_utf8_lossy(&text).into_owned());
        }
        if text.len() > LONGEST_ANSWER {
            return None;
        }
    }
}

async fn connect(name: &str, p: &Process) -> Result<Stream, String> {
    let (kind, place) = name.split_once(':').unwrap_or(("", name));
    if kind == "unix" {
        let path = if place.starts_with('/') { place.to_owned() } else { format!("{SPOOL}/{place}") };
        return p.connect_unix(&path).await.map_err(|e| format!("connect to {place}: {e}"));
    }
    let place = if kind == "inet" { place } else { name };
    let (host, port) = place.rsplit_once(':').unwrap_or(("localhost", place));
    let host = host.trim_matches(['[', ']']);
    let port = crate::postfix::port(p, port).ok_or_else(|| format!("bad port: {port}"))?;
    let Lookup::Found(addresses) = p.addresses_of(host).await else {
        return Err(format!("host or service {place} not found: Name or service not known"));
    };
    let mut why = String::new();
    for address in addresses {
        match p.connect(SocketAddr::new(address, port), None).await {
            Ok(stream) => return Ok(stream),
            Err(e) => why = format!("connect to {place}: {e}"),
        }
    }
    Err(why)
}

/// The endpoint of an argument, `type:endpoint` or `{ type:endpoint, name = value … }`.
fn endpoint(argument: &str, asked: &Asked<'_>) -> Option<Endpoint> {
    let daemon = asked.session.daemon;
    let inside = argument.strip_prefix('{').and_then(|a| a.strip_suffix('}'));
    let words = typed::words(inside.unwrap_or(argument));
    let (name, mut options) = (*words.first()?, &words[1..]);
    let mut endpoint = Endpoint {
        name: name.into(),
        default_action: daemon.string("smtpd_policy_service_default_action"),
        timeout: daemon.seconds("smtpd_policy_service_timeout"),
        try_limit: daemon.int("smtpd_policy_service_try_limit").max(1) as u32,
        retry_delay: daemon.seconds("smtpd_policy_service_retry_delay"),
        context: daemon.string("smtpd_policy_service_policy_context"),
    };
    while let Some((first, rest)) = options.split_first() {
        // `name = value` may stand as three words, or in braces of its own.
        let (text, rest) = match rest {
            ["=", value, rest @ ..] => (format!("{first}={value}"), rest),
            _ => (first.trim_matches(['{', '}']).trim().to_owned(), rest),
        };
        options = rest;
        let (name, value) = main_cf::split_setting(&text).ok()?;
        let seconds = || typed::time(value, b's').map(|s| Duration::from_secs(s.unsigned_abs()));
        match name {
            "default_action" => endpoint.default_action = value.trim_matches(['{', '}']).trim().into(),
            "timeout" => endpoint.timeout = seconds()?,
            "retry_delay" => endpoint.retry_delay = seconds()?,
            "try_limit" => endpoint.try_limit = value.parse().ok()?,
            "policy_context" => endpoint.context = value.into(),
            _ => {}
        }
    }
    Some(endpoint)
}

/// The lines of a request, in the order of the real ones.
fn request(endpoint: &Endpoint, asked: &Asked<'_>) -> String {
    let s = asked.session;
    let c = &s.client;
    let text = |t: &Option<Rc<str>>| t.as_deref().unwrap_or_default().to_owned();
    let login = s.login.as_ref();
    let tls = s.tls.as_ref();
    let server = c.server.map(|a| (a.ip().to_string(), a.port().to_string())).unwrap_or_default();
    let id = match s.queue_id() {
        "NOQUEUE" => "",
        id => id,
    };
    let size = s.transaction.as_ref().map_or(0, |t| t.size);
    let mut out = String::with_capacity(700);
    for (name, value) in [
        ("request", "smtpd_access_policy".to_owned()),
        ("protocol_state", s.last.to_owned()),
        ("protocol_name", s.protocol().to_owned()),
        ("client_address", c.shown_address.to_string()),
        ("client_name", c.name.to_string()),
        ("client_port", c.port.to_string()),
        ("reverse_client_name", c.reverse_name.to_string()),
        ("server_address", server.0),
        ("server_port", server.1),
        ("helo_name", asked.helo.to_string()),
        ("sender", text(&asked.sender)),
        ("recipient", text(&asked.recipient)),
        (
            "recipient_count",
            if matches!(s.last, "DATA" | "BDAT" | "END-OF-MESSAGE") { s.rcpt_count } else { 0 }.to_string(),
        ),
        ("queue_id", id.to_owned()),
        ("instance", s.instance()),
        ("size", size.to_string()),
        ("etrn_domain", text(&asked.etrn)),
        ("stress", String::new()),
        ("sasl_method", login.map_or(String::new(), |l| l.method.to_string())),
        ("sasl_username", login.map_or(String::new(), |l| l.user.to_string())),
        ("sasl_sender", String::new()),
        ("ccert_subject", String::new()),
        ("ccert_issuer", String::new()),
        ("ccert_fingerprint", String::new()),
        ("ccert_pubkey_fingerprint", String::new()),
        ("encryption_protocol", tls.map_or(String::new(), |t| t.protocol.to_string())),
        ("encryption_cipher", tls.map_or(String::new(), |t| t.cipher.to_string())),
        ("encryption_keysize", tls.map_or("0", |_| "256").to_owned()),
        ("policy_context", endpoint.context.to_string()),
    ] {
        out.push_str(name);
        out.push('=');
        out.push_str(&value);
        out.push('\n');
    }
    out.push('\n');
    out
}
