//! pipe(8): delivers to commands that master.cf names.
//!
//! ```text
//! filter unix - n n - - pipe flags=Rq user=filter argv=/usr/local/bin/filter -f ${sender} -- ${recipient}
//! ```
//!
//! The command's words may hold `$sender`, `$recipient`, `$user` and their kin; a word with something
//! of the recipient in it is repeated for each. [`attributes`] reads what stands in master.cf.
//!
//! # Simplifications
//! `chroot=` is read and has no effect, as no daemon of the lab is put into a chroot.
//!
//! Diagnostics: one line a recipient, with the service's name as the relay.

mod attributes;

use super::deliver::{Delivery, Dsn, Progress};
use super::mail_copy::{Copy, push_quoted};
use super::pipe_command::{self, End};
use super::queue::Recipient;
use super::server::Daemon;
use super::sysexits;
use crate::proto::{address, message};
use crate::world::exec::Start;
use crate::world::process::Process;
use attributes::Attributes;
use std::rc::Rc;

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let mut attributes = None;
    while let Some(stream) = daemon.accept().await {
        // What is wrong in master.cf is found out when there is something to deliver.
        let attributes = match &attributes {
            Some(attributes) => attributes,
            None => match Attributes::read(&daemon) {
                Ok(read) => attributes.insert(read),
                Err(text) => {
                    daemon.msg.log(&format!("fatal: {text}"));
                    return 1;
                }
            },
        };
        let Some(delivery) = Delivery::receive(&daemon, &stream).await else { continue };
        Agent { daemon: &daemon, attributes, delivery: &delivery }.deliver().await;
        delivery.finish(&stream, None);
    }
    0
}

struct Agent<'a> {
    daemon: &'a Daemon,
    attributes: &'a Attributes,
    delivery: &'a Delivery<'a>,
}

impl Agent<'_> {
    fn service(&self) -> &str {
        self.daemon.service.name()
    }

    /// The sender, or what stands for the null sender.
    fn sender(&self) -> &str {
        let sender = &self.delivery.request.sender;
        if sender.is_empty() { &self.attributes.null_sender } else { sender }
    }

    async fn deliver(&self) {
        let content = self.delivery.content();
        let mut left: Vec<&Recipient> = self.delivery.request.recipients.iter().collect();
        let outcome = match self.objection(&content) {
            Some(dsn) => Err(dsn),
            None if self.delivery.request.trace.is_rehearsal() => {
                Ok(format!("delivers to command: {}", self.attributes.command[0]))
            }
            None => {
                self.stop_loops(&content, &mut left).await;
                if left.is_empty() {
                    return;
                }
                self.run(&content, &left).await
            }
        };
        let action = if self.attributes.has('X') { "delivered" } else { "relayed" };
        for rcpt in left {
            let (service, progress) = (self.service(), Progress::default());
            match &outcome {
                Ok(text) => {
                    let dsn = Dsn::new("2.0.0", text.as_str());
                    self.delivery.sent_as(action, rcpt, service, progress, &dsn).await;
                }
                Err(dsn) => {
                    self.delivery.failed(rcpt, service, progress, dsn).await;
                }
            }
        }
        if let Some(flag) = self.wants_one() {
            let what = format!("{}_destination_recipient_limit = 1", self.service());
            self.daemon.msg.log_warn(format!("pipe flag `{flag}' requires {what}"));
        }
    }

    /// A flag that wants one recipient at a time, where there are more.
    fn wants_one(&self) -> Option<char> {
        let is_one = self.delivery.request.recipients.len() <= 1;
        ['D', 'O'].into_iter().find(|flag| !is_one && self.attributes.has(*flag))
    }

    /// What speaks against delivering the message at all.
    fn objection(&self, content: &[u8]) -> Option<Dsn> {
        if self.wants_one().is_some() {
            return Some(misconfigured());
        }
        let limit = self.attributes.size_limit;
        (limit > 0 && content.len() as u64 > limit).then(|| Dsn::new("5.2.3", "message too large"))
    }

    /// Those to whom the message has been delivered before get it back.
    async fn stop_loops(&self, content: &[u8], left: &mut Vec<&Recipient>) {
        if !self.attributes.has('D') {
            return;
        }
        let been = |rcpt: &Recipient| {
            message::headers(content)
                .any(|h| h.is("Delivered-To") && h.value().eq_ignore_ascii_case(rcpt.address.as_bytes()))
        };
        for rcpt in std::mem::take(left) {
            if been(rcpt) {
                let dsn = Dsn::new("5.4.6", format!("mail forwarding loop for {}", rcpt.address));
                self.delivery.failed(rcpt, self.service(), Progress::default(), &dsn).await;
            } else {
                left.push(rcpt);
            }
        }
    }

    /// Runs the command; gives the text for the log.
    async fn run(&self, content: &[u8], recipients: &[&Recipient]) -> Result<String, Dsn> {
        let argv = self.arguments(recipients)?;
        let attributes = self.attributes;
        let command = attributes.command[0].clone();
        let start = Start {
            cred: Some(attributes.cred.clone()),
            env: Some(pipe_command::environment(self.daemon, &self.daemon.config.list("export_environment"))),
            directory: Some(attributes.directory.to_string()),
            argv,
            ..Start::default()
        };
        let message = self.message(content, recipients);
        let p = &self.daemon.p;
        let end = pipe_command::run(self.daemon, &command, start, message, attributes.limit, |start| {
            let program = start.argv.first().cloned().unwrap_or_default();
            let found = match program.contains('/') {
                true => Ok(program.to_string()),
                false => p.find_program(&program),
            };
            let spawned = found.and_then(|path| p.spawn(&path, start));
            spawned.map_err(|e| format!("fatal: pipe_command: execvp {program}: {e}"))
        });
        let End { status, output } = end.await;
        let failure = match status {
            Some(status) => sysexits::failure(status, &command, &output),
            None => Some(sysexits::out_of_time(&command, &output)),
        };
        match failure {
            Some(dsn) if dsn.status.starts_with('2') => Err(Dsn { status: "5.0.0".into(), ..dsn }),
            Some(dsn) => Err(dsn),
            None => {
                let said = output.trim_end();
                let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
                Ok(format!("delivered via {} service{said}", self.service()))
            }
        }
    }

    /// The message as the command reads it.
    fn message(&self, content: &[u8], recipients: &[&Recipient]) -> Vec<u8> {
        let attributes = self.attributes;
        let first = recipients[0];
        let copy = Copy {
            separator: attributes.has('F').then(|| self.daemon.p.now()),
            sender: self.sender(),
            return_path: attributes.has('R'),
            original: if attributes.has('O') { self.delivery.shown_original(first) } else { "" },
            delivered: attributes.has('D').then_some(&*first.address),
        };
        let mut out = copy.top_lines(content.len());
        if attributes.has('>') {
            push_quoted(&mut out, content);
        } else {
            out.extend_from_slice(content);
        }
        if attributes.has('B') {
            out.push(b'\n');
        }
        let dots = attributes.has('.');
        if !dots && &*attributes.end_of_line == b"\n" {
            return out;
        }
        let mut wire = Vec::with_capacity(out.len() + out.len() / 16);
        for line in out.split_inclusive(|b| *b == b'\n') {
            if dots && line.starts_with(b".") {
                wire.push(b'.');
            }
            match line.strip_suffix(b"\n") {
                Some(line) => {
                    wire.extend_from_slice(line);
                    wire.extend_from_slice(&attributes.end_of_line);
                }
                None => wire.extend_from_slice(line),
            }
        }
        wire
    }

    /// The command's words with everything filled in.
    fn arguments(&self, recipients: &[&Recipient]) -> Result<Vec<Rc<str>>, Dsn> {
        let mut argv: Vec<Rc<str>> = Vec::new();
        for word in &self.attributes.command {
            let first = self.fill(word, recipients[0])?;
            argv.push(first.text.into());
            if first.of_recipient {
                for rcpt in &recipients[1..] {
                    argv.push(self.fill(word, rcpt)?.text.into());
                }
            }
        }
        Ok(argv)
    }

    fn fill(&self, word: &str, rcpt: &Recipient) -> Result<Filled, Dsn> {
        let mut filled = Filled { text: String::new(), of_recipient: false };
        let mut rest = word;
        while let Some(at) = rest.find('$') {
            filled.text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let name;
            (name, rest) = match rest.chars().next() {
                Some('$') => {
                    filled.text.push('$');
                    rest = &rest[1..];
                    continue;
                }
                Some(open @ ('{' | '(')) => {
                    let close = if open == '{' { '}' } else { ')' };
                    let Some(end) = rest.find(close) else {
                        self.daemon.msg.log_warn(format!("truncated macro reference: \"{word}\""));
                        return Err(misconfigured());
                    };
                    (&rest[1..end], &rest[end + 1..])
                }
                _ => {
                    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()))
                }
            };
            let Some((value, of_recipient)) = self.value(name, rcpt) else {
                let service = self.service();
                let text =
                    format!("file /etc/postfix/master.cf: service {service}: unknown macro name: \"{name}\"");
                self.daemon.msg.log_warn(text);
                return Err(misconfigured());
            };
            filled.text.push_str(&value);
            filled.of_recipient |= of_recipient;
        }
        filled.text.push_str(rest);
        Ok(filled)
    }

    /// The value of a name, and whether it is each recipient's own.
    fn value(&self, name: &str, rcpt: &Recipient) -> Option<(String, bool)> {
        let request = &self.delivery.request;
        let of_message = |value: String| Some((value, false));
        let client = |attribute: &str| of_message(request.client_attribute(attribute).unwrap_or_default());
        let quoted = |address: &str| match self.attributes.has('q') {
            true => address::quote(address).into_owned(),
            false => address.to_owned(),
        };
        let address = self.folded(&rcpt.address);
        let (local, domain) = address.rsplit_once('@').unwrap_or((&address, ""));
        match name {
            "sender" if request.sender.is_empty() => of_message(self.sender().to_owned()),
            "sender" => of_message(quoted(&request.sender)),
            "nexthop" => of_message(self.folded_domain(&request.nexthop)),
            "queue_id" => of_message(request.id.to_string()),
            "size" => of_message(request.size.to_string()),
            "client_address" | "client_port" => client(name),
            "client_hostname" => client("client_name"),
            "client_helo" => client("helo_name"),
            "client_protocol" => client("protocol_name"),
            "sasl_method" | "sasl_sender" | "sasl_username" => client(name),
            "envelope_id" => of_message(request.dsn_envid.to_string()),
            "recipient" => Some((quoted(&address), true)),
            "original_recipient" => Some((quoted(&self.folded(&rcpt.original)), true)),
            "mailbox" => Some((local.to_owned(), true)),
            "domain" => Some((domain.to_owned(), true)),
            "user" | "extension" => {
                let (user, extension) = address::split_extension(local, &self.attributes.delimiter);
                let value = if name == "user" { user } else { extension.unwrap_or_default() };
                Some((value.to_owned(), true))
            }
            _ => None,
        }
    }

    /// An address with the parts in lower case that the flags `h` and `u` name.
    fn folded(&self, address: &str) -> String {
        let (local, domain) = match address.rfind('@') {
            Some(at) => address.split_at(at),
            None => (address, ""),
        };
        let local = if self.attributes.has('u') { local.to_lowercase() } else { local.to_owned() };
        local + &self.folded_domain(domain)
    }

    fn folded_domain(&self, domain: &str) -> String {
        if self.attributes.has('h') { domain.to_lowercase() } else { domain.to_owned() }
    }
}

struct Filled {
    text: String,
    of_recipient: bool,
}

fn misconfigured() -> Dsn {
    Dsn::new("4.3.5", "mail system configuration error")
}
