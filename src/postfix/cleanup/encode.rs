//! The queue file that a message becomes (records: [`record`]).

use super::{Addressed, Cleanup, Message};
use crate::postfix::ipc::{ClientInfo, RewriteContext, Submission};
use crate::postfix::queue::{self, Recipient};
use crate::postfix::record::{self, Type};
use std::borrow::Cow;

impl Cleanup<'_> {
    /// A text with a blank for each carriage return that ends no line (`cleanup_replace_stray_cr_lf`).
    fn without_stray<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        match self.settings.replace_stray && memchr::memchr(b'\r', text).is_some() {
            true => text.iter().map(|b| if *b == b'\r' { b' ' } else { *b }).collect(),
            false => Cow::Borrowed(text),
        }
    }

    /// The whole queue file.
    pub(super) fn encode(
        &self,
        id: &str,
        s: &Submission,
        sender: &str,
        recipients: &Addressed,
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
        if let Some(filter) = &s.filter {
            record::put(&mut file, Type::Filter, filter.as_bytes());
        }
        self.attributes(s, &mut file);
        if let Some(name) = &s.full_name {
            record::put(&mut file, Type::FullName, name.as_bytes());
        }
        record::put(&mut file, Type::From, sender.as_bytes());
        put_recipients(&mut file, recipients.of_sender());
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
        put_recipients(&mut file, recipients.of_envelope());
        record::put(&mut file, Type::Message, b"");
        let data = file.len();
        put_lines(&mut file, &self.without_stray(&message.headers));
        put_lines(&mut file, &self.without_stray(&message.body));
        let size = file.len() - data;
        record::put(&mut file, Type::Extra, b"");
        // What was decided while the message was read overrides what was said before.
        if let Some(filter) = &s.actions.filter {
            record::put(&mut file, Type::Filter, filter.as_bytes());
        }
        if let Some(address) = &s.actions.redirect {
            record::put(&mut file, Type::Redirect, address.as_bytes());
        }
        if s.eight_bit {
            attr(&mut file, "encoding", "8bit");
        }
        put_recipients(&mut file, recipients.of_content());
        record::put(&mut file, Type::End, b"");
        // How qmgr is to read the file: a message with an encoding has attributes behind it.
        let options = if s.eight_bit { 12 } else { 0 };
        let utf8 = usize::from(s.smtputf8);
        let sizes = [size, data, recipients.all.len(), options, size, utf8];
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
        if let Some(flags) = s.trace.text() {
            attr(file, "trace_flags", flags);
        }
    }
}

/// Writes the records of recipients.
fn put_recipients(file: &mut Vec<u8>, recipients: &[Recipient]) {
    for r in recipients {
        if r.dsn_notify != 0 {
            record::put_attribute(file, "notify_flags", &r.dsn_notify.to_string());
        }
        if !r.dsn_orcpt.is_empty() {
            record::put_attribute(file, "dsn_orig_rcpt", &r.dsn_orcpt);
        }
        record::put(file, Type::OriginalRecipient, r.original.as_bytes());
        record::put(file, Type::Recipient, r.address.as_bytes());
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
