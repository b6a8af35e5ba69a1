//! cleanup(8): takes a message in, completes it, and writes it into the incoming queue.
//!
//! Every message comes this way, from [`smtpd`](super::smtpd), [`pickup`](super::pickup),
//! [`local`](super::local) (forwarded) or [`bounce`](super::bounce). cleanup makes the queue file
//! and tells its id, then waits for the message ([`Submission`]); it adds what headers are
//! missing, completes the addresses of a local message's headers, maps addresses in envelope and
//! headers ([`mapping`]), removes duplicate recipients, expands `virtual_alias_maps`, writes the file in one go and wakes qmgr.
//!
//! Standards: RFC 5322 (section 3.6, the fields that a message must have), RFC 3461.
//!
//! # Simplifications
//! No content inspection (`header_checks` and its kin), no blind copies (`always_bcc` and its kin),
//! no Milters: these settings are said to have no effect.

mod headers;
mod mapping;
mod recipients;

use super::address_map::MapTrouble;
use super::ipc::{CleanupStatus, ClientInfo, RewriteContext, Submission, TraceFlags};
use super::master::{self, Trigger};
use super::own_domains::OwnDomains;
use super::queue::{self, Queue, Recipient, SPOOL};
use super::record::{self, Type};
use super::rewrite::Rewriter;
use super::server::Daemon;
use crate::world::errno::Sys;
use crate::world::process::Process;
use crate::world::stream::Stream;
use mapping::{Class, Mapping};
use recipients::Expansion;
use std::rc::Rc;

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let cleanup = match Cleanup::new(&daemon) {
        Ok(cleanup) => cleanup,
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    while let Some(stream) = daemon.accept().await {
        cleanup.serve(&stream).await;
    }
    0
}

struct Cleanup<'d> {
    daemon: &'d Daemon,
    rewriter: Rewriter,
    expansion: Expansion,
    mapping: Mapping,
    settings: Settings,
}

/// What a message needs of the configuration, read once.
struct Settings {
    myhostname: Rc<str>,
    message_size_limit: u64,
    always_add_missing: bool,
    undisclosed: Rc<str>,
    drop: Vec<Rc<str>>,
    enable_original_recipient: bool,
    hopcount_limit: usize,
    delay_warning: std::time::Duration,
}

/// A message on its way through.
struct Message {
    headers: Vec<u8>,
    body: bytes::Bytes,
}

impl<'d> Cleanup<'d> {
    fn new(daemon: &'d Daemon) -> Result<Cleanup<'d>, String> {
        let settings = Settings {
            myhostname: daemon.string("myhostname"),
            message_size_limit: daemon.int("message_size_limit").max(0) as u64,
            always_add_missing: daemon.yes("always_add_missing_headers"),
            undisclosed: daemon.string("undisclosed_recipients_header"),
            drop: daemon
                .config
                .list("message_drop_headers")
                .iter()
                .map(|h| h.to_ascii_lowercase().into())
                .collect(),
            enable_original_recipient: daemon.yes("enable_original_recipient"),
            hopcount_limit: daemon.int("hopcount_limit").max(0) as usize,
            delay_warning: daemon.seconds("delay_warning_time"),
        };
        let own = Rc::new(OwnDomains::new(daemon)?);
        let (expansion, mapping) = (Expansion::new(daemon, own.clone()), Mapping::new(daemon, own));
        Ok(Cleanup { daemon, rewriter: Rewriter::default(), expansion, mapping, settings })
    }

    /// One message, from one client.
    async fn serve(&self, stream: &Stream) {
        let p = &self.daemon.p;
        let id = match queue::enter(p, Queue::Incoming, 0o600) {
            Ok(id) => id,
            Err(e) => {
                self.daemon.msg.log(&format!("warning: mail_queue_enter: create file incoming: {e}"));
                return;
            }
        };
        if stream.send(|_| format!("queue id {id}"), id.clone()).is_err() {
            let _ = p.unlink(&Queue::Incoming.path(&id));
            return;
        }
        p.queue_event(&id, &["", "incoming"]);
        let Some(submission) = stream.receive::<Submission>().await else {
            // The client gave the message up before its end.
            let _ = p.unlink(&Queue::Incoming.path(&id));
            p.queue_event(&id, &["incoming", ""]);
            return;
        };
        let status = self.accept(&id, submission).await;
        if status != CleanupStatus::Ok {
            let _ = p.unlink(&Queue::Incoming.path(&id));
            p.queue_event(&id, &["incoming", ""]);
        }
        let told = |s: &CleanupStatus| match s {
            CleanupStatus::Ok => format!("{id} is in the queue"),
            CleanupStatus::Rejected { .. } => format!("{id} is refused"),
        };
        let _ = stream.send(told, status);
    }

    async fn accept(&self, id: &Rc<str>, submission: Submission) -> CleanupStatus {
        let p = &self.daemon.p;
        let sender = self.rewriter.rewrite(p, submission.context, &submission.sender).await;
        let sender = match self.map(id, &submission, sender, Class::EnvelopeSender).await {
            Ok(sender) => sender,
            Err(status) => return status,
        };
        let recipients = match self.recipients(id, &submission).await {
            Ok(recipients) => recipients,
            Err(status) => return status,
        };
        let message = match self.complete(id, &submission, &sender).await {
            Ok(message) => message,
            Err(status) => return status,
        };
        if recipients.is_empty() {
            return rejected(550, "5.1.1", "no recipients specified");
        }
        let size_limit = self.settings.message_size_limit;
        if size_limit > 0 && (message.headers.len() + message.body.len()) as u64 > size_limit {
            self.daemon.msg.log(&format!("warning: {id}: queue file size limit exceeded"));
            return rejected(552, "5.3.4", "message file too big");
        }
        let file = self.encode(id, &submission, &sender, &recipients, &message);
        match self.store(id, file) {
            Ok(()) => {
                let path = format!("{SPOOL}/public/qmgr");
                // Nobody there: qmgr finds the message when it comes up.
                let _ = master::trigger(p, &path, Trigger("I")).await;
                CleanupStatus::Ok
            }
            Err(e) => {
                self.daemon.msg.log(&format!("warning: {id}: write queue file: {e}"));
                rejected(452, "4.3.1", "queue file write error")
            }
        }
    }

    /// Writes the file; its mode says that it is complete.
    fn store(&self, id: &str, file: Vec<u8>) -> Sys<()> {
        let path = Queue::Incoming.path(id);
        self.daemon.p.write_file(&path, file, 0o600)?;
        self.daemon.p.chmod(&path, 0o700)
    }

    /// The recipients to deliver to: completed, expanded, without duplicates.
    async fn recipients(&self, id: &str, submission: &Submission) -> Result<Vec<Recipient>, CleanupStatus> {
        let p = &self.daemon.p;
        let mut all: Vec<Recipient> = Vec::with_capacity(submission.recipients.len());
        for rcpt in &submission.recipients {
            let address = self.rewriter.rewrite(p, submission.context, &rcpt.address).await;
            let original =
                if rcpt.original.is_empty() { rcpt.address.clone() } else { rcpt.original.clone() };
            let dsn_orcpt = match &*rcpt.dsn_orcpt {
                "" => format!("rfc822;{}", crate::proto::smtp::xtext_encode(&address)).into(),
                _ => rcpt.dsn_orcpt.clone(),
            };
            let address = self.map(id, submission, address, Class::EnvelopeRecipient).await?;
            let into = match submission.internal {
                true => vec![address],
                false => match self.expansion.expand(self.daemon, &self.rewriter, address).await {
                    Ok(into) => into,
                    Err(trouble) => {
                        return Err(self.unmapped(id, &trouble, "4.6.0", "Alias expansion error"));
                    }
                },
            };
            for address in into {
                let (original, dsn_orcpt) = (original.clone(), dsn_orcpt.clone());
                let next = Recipient { address, original, dsn_orcpt, ..rcpt.clone() };
                if !all.iter().any(|r| self.same(r, &next)) {
                    all.push(next);
                }
            }
        }
        Ok(all)
    }

    /// What an address of this class is replaced by.
    async fn map(
        &self,
        id: &str,
        submission: &Submission,
        address: Rc<str>,
        class: Class,
    ) -> Result<Rc<str>, CleanupStatus> {
        if submission.internal {
            return Ok(address);
        }
        let mapped = self.mapping.apply(self.daemon, &self.rewriter, address, class).await;
        mapped.map_err(|trouble| self.unmapped(id, &trouble, "4.3.0", "queue file write error"))
    }

    fn unmapped(&self, id: &str, trouble: &MapTrouble, dsn: &str, text: &str) -> CleanupStatus {
        self.daemon.msg.log_warn(format!("{id}: {} -- message not accepted, try again later", trouble.0));
        rejected(451, dsn, text)
    }

    /// Would the second one be a duplicate?
    fn same(&self, a: &Recipient, b: &Recipient) -> bool {
        a.address.eq_ignore_ascii_case(&b.address)
            && (&a.dsn_orcpt, a.dsn_notify) == (&b.dsn_orcpt, b.dsn_notify)
            && (!self.settings.enable_original_recipient || a.original.eq_ignore_ascii_case(&b.original))
    }

    /// The whole queue file.
    fn encode(
        &self,
        id: &str,
        s: &Submission,
        sender: &str,
        recipients: &[Recipient],
        message: &Message,
    ) -> Vec<u8> {
        let mut file = Vec::with_capacity(message.headers.len() + message.body.len() + 700);
        record::put(&mut file, Type::Size, &[b' '; SIZE_LEN]);
        record::put(&mut file, Type::Time, queue::time_record(s.arrival).as_bytes());
        let attr = record::put_attribute;
        attr(&mut file, "create_time", &self.daemon.p.now().unix().to_string());
        if s.client.is_some() {
            attr(&mut file, "log_ident", id);
        }
        self.attributes(s, &mut file);
        if let Some(name) = &s.full_name {
            record::put(&mut file, Type::FullName, name.as_bytes());
        }
        record::put(&mut file, Type::From, sender.as_bytes());
        if s.eight_bit {
            attr(&mut file, "encoding", "8bit");
        }
        if let Some(client) = &s.client {
            client_attributes(client, &mut file);
        }
        if !self.settings.delay_warning.is_zero() && !sender.is_empty() {
            let at = s.arrival + self.settings.delay_warning;
            record::put(&mut file, Type::Warn, format!("{:15}", at.unix()).as_bytes());
        }
        for r in recipients {
            if r.dsn_notify != 0 {
                attr(&mut file, "notify_flags", &r.dsn_notify.to_string());
            }
            if !r.dsn_orcpt.is_empty() {
                attr(&mut file, "dsn_orig_rcpt", &r.dsn_orcpt);
            }
            record::put(&mut file, Type::OriginalRecipient, r.original.as_bytes());
            record::put(&mut file, Type::Recipient, r.address.as_bytes());
        }
        record::put(&mut file, Type::Message, b"");
        let data = file.len();
        put_lines(&mut file, &message.headers);
        put_lines(&mut file, &message.body);
        let size = file.len() - data;
        record::put(&mut file, Type::Extra, b"");
        if s.eight_bit {
            attr(&mut file, "encoding", "8bit");
        }
        record::put(&mut file, Type::End, b"");
        // How qmgr is to read the file: a message with an encoding has attributes behind it.
        let options = if s.eight_bit { 12 } else { 0 };
        let utf8 = usize::from(s.smtputf8);
        let sizes = [size, data, recipients.len(), options, size, utf8];
        for (field, n) in file[2..2 + SIZE_LEN].chunks_mut(16).zip(sizes) {
            put_number(&mut field[..15], n);
        }
        file
    }

    fn attributes(&self, s: &Submission, file: &mut Vec<u8>) {
        let attr = record::put_attribute;
        let context = if s.context == RewriteContext::Local { "local" } else { "remote" };
        attr(file, "rewrite_context", context);
        if let Some(envid) = &s.dsn_envid {
            attr(file, "envelope_id", envid);
        }
        if let Some(full) = s.dsn_ret_full {
            attr(file, "ret_flags", if full { "1" } else { "2" });
        }
        match s.trace {
            TraceFlags::None => {}
            TraceFlags::Record => attr(file, "trace_flags", "1024"),
            TraceFlags::VerifyOnly => attr(file, "trace_flags", "256"),
        }
    }

    /// Adds what the message must have and completes the addresses in its headers.
    async fn complete(
        &self,
        id: &Rc<str>,
        s: &Submission,
        sender: &Rc<str>,
    ) -> Result<Message, CleanupStatus> {
        let mut pass = headers::Pass::new(id, s, &self.settings.drop);
        let body = pass.read(&s.content);
        if pass.received > self.settings.hopcount_limit {
            return Err(rejected(554, "5.4.0", "too many hops"));
        }
        let completes = s.context == RewriteContext::Local || self.settings.always_add_missing;
        if s.context == RewriteContext::Local {
            let mapping = (!s.internal).then_some(&self.mapping);
            pass.rewrite_addresses(self.daemon, &self.rewriter, mapping)
                .await
                .map_err(|trouble| self.unmapped(id, &trouble, "4.3.0", "queue file write error"))?;
        }
        if completes {
            pass.add_missing(&self.settings, sender, self.daemon.p.now());
        }
        self.daemon.msg.log(&format!("{id}: {}message-id={}", pass.resent_prefix(), pass.message_id()));
        Ok(Message { headers: pass.finish(), body })
    }
}

/// The length of the size record.
const SIZE_LEN: usize = 6 * 15 + 5;

/// Writes a number into a field of blanks, at its right end.
fn put_number(field: &mut [u8], mut n: usize) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
}

/// Splits a text into lines and writes a record for each; long ones in parts.
fn put_lines(file: &mut Vec<u8>, text: &[u8]) {
    /// `line_length_limit`
    const LIMIT: usize = 2048;
    let mut at = 0;
    for end in memchr::memchr_iter(b'\n', text)
        .chain((!text.is_empty() && !text.ends_with(b"\n")).then_some(text.len()))
    {
        let mut line = &text[at..end];
        while line.len() > LIMIT {
            record::put(file, Type::Part, &line[..LIMIT]);
            line = &line[LIMIT..];
        }
        record::put(file, Type::Line, line);
        at = end + 1;
    }
}

fn client_attributes(client: &ClientInfo, file: &mut Vec<u8>) {
    let (address, port) = (&client.shown_address, client.port.to_string());
    let server = client.server.map(|a| a.ip().to_string()).unwrap_or_default();
    let server_port = client.server.map(|a| a.port().to_string()).unwrap_or_default();
    let family = if client.address.is_some_and(|a| a.is_ipv6()) { "10" } else { "2" };
    for (name, value) in [
        ("log_client_name", &*client.name),
        ("log_client_address", address),
        ("log_client_port", &port),
        ("log_message_origin", &format!("{}[{address}]", client.name)),
        ("log_helo_name", &client.helo),
        ("log_protocol_name", &client.protocol),
        ("client_name", &client.name),
        ("reverse_client_name", &client.reverse_name),
        ("client_address", address),
        ("client_port", &port),
        ("server_address", &server),
        ("server_port", &server_port),
        ("helo_name", &client.helo),
        ("protocol_name", &client.protocol),
        ("client_address_type", family),
    ] {
        record::put_attribute(file, name, value);
    }
}

fn rejected(code: u16, dsn: &str, text: &str) -> CleanupStatus {
    CleanupStatus::Rejected { code, dsn: dsn.into(), text: text.into() }
}
