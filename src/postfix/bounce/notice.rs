//! The notification itself: a `multipart/report` of a text for people, a report for programs
//! and the message, or its headers.

use super::template::{Class, Template, Templates};
use super::{Entry, Report, ReportKind};
use crate::postfix::queue::QueueFile;
use crate::postfix::server::Daemon;
use crate::proto::{address, message};
use crate::world::clock::Time;
use std::fmt::Write;

/// Which of the built-in notifications.
#[derive(Clone, Copy, Debug)]
pub struct Notice {
    kind: ReportKind,
    to_postmaster: bool,
    /// It returns a bounce.
    double: bool,
}

impl Notice {
    /// For the sender of the message.
    pub fn sender(kind: ReportKind) -> Notice {
        Notice { kind, to_postmaster: false, double: false }
    }

    /// For the postmaster; `double` where the message is a bounce itself.
    pub fn postmaster(kind: ReportKind, double: bool) -> Notice {
        Notice { kind, to_postmaster: true, double }
    }

    /// Is it for the postmaster?
    pub fn is_for_postmaster(self) -> bool {
        self.to_postmaster
    }

    /// The whole message, lines ended by LF.
    pub fn render(
        self,
        daemon: &Daemon,
        report: &Report,
        entries: &[Entry],
        file: &QueueFile,
        to: &str,
        templates: &Templates,
    ) -> Result<String, String> {
        let now = daemon.p.now();
        let myhostname = daemon.string("myhostname");
        let boundary = format!("{}.{}/{myhostname}", report.id, now.unix());
        let mut out = String::with_capacity(2048 + file.file.len());
        for objection in templates.objections(self.class()) {
            daemon.msg.log_warn(objection);
        }
        let template = templates.of(self.class());
        let content = file.content();
        out.push_str(&self.headers(daemon, &boundary, to, now, template, &content));
        let part = |out: &mut String, description: &str, kind: &str, eight_bit: bool| {
            let _ = write!(out, "--{boundary}\nContent-Description: {description}\nContent-Type: {kind}\n");
            if eight_bit {
                out.push_str("Content-Transfer-Encoding: 8bit\n");
            }
            out.push('\n');
        };
        // Addresses may be of any script where the rest of the text is not.
        let charset = if template.charset == "us-ascii" { "utf-8" } else { &template.charset };
        part(&mut out, "Notification", &format!("text/plain; charset={charset}"), true);
        if !self.to_postmaster {
            let (text, warnings) = template.text(self.class(), &daemon.config);
            for warning in warnings {
                daemon.msg.log_warn(warning);
            }
            out.push_str(&text?);
        }
        for entry in entries {
            out.push('\n');
            self.for_people(entry, &mut out);
        }
        out.push('\n');
        part(&mut out, "Delivery report", "message/delivery-status", false);
        self.for_programs(daemon, report, entries, file, &mut out);
        out.push('\n');
        if self.whole_message(report, content.len(), daemon) {
            part(&mut out, self.description(true), "message/rfc822", true);
            returned(daemon, &file.sender, &content, &mut out);
        } else {
            part(&mut out, self.description(false), "text/rfc822-headers", true);
            returned(daemon, &file.sender, &content[..headers_len(&content)], &mut out);
        }
        let _ = write!(out, "\n--{boundary}--\n");
        Ok(out)
    }

    fn class(self) -> Class {
        match self.kind {
            ReportKind::Failure => Class::Failure,
            ReportKind::Delay => Class::Delay,
            ReportKind::Success => Class::Success,
            ReportKind::Trace => Class::Verify,
        }
    }

    fn headers(
        self,
        daemon: &Daemon,
        boundary: &str,
        to: &str,
        now: Time,
        template: &Template,
        content: &[u8],
    ) -> String {
        let origin = daemon.string("myorigin");
        let to = if to.contains('@') { to.to_owned() } else { format!("{to}@{origin}") };
        // The built-in sender is written in full; another is completed by cleanup.
        let from = match &*template.from {
            BUILT_IN_FROM if &*daemon.string("header_from_format") == "obsolete" => {
                format!("MAILER-DAEMON@{origin} (Mail Delivery System)")
            }
            from => from.replace("<MAILER-DAEMON>", &format!("<MAILER-DAEMON@{origin}>")),
        };
        // Readers show the notification beside the message that it is about.
        let thread = match daemon.yes("enable_threaded_bounces").then(|| message_id(content)).flatten() {
            Some(id) => format!("References: {id}\nIn-Reply-To: {id}\n"),
            None => String::new(),
        };
        let subject = match &template.postmaster_subject {
            Some(subject) if self.to_postmaster => subject,
            _ => &template.subject,
        };
        let auto = if self.to_postmaster { "auto-generated" } else { "auto-replied" };
        format!(
            "Date: {}\nFrom: {from}\nSubject: {subject}\nTo: {}\n{thread}\
             Auto-Submitted: {auto}\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"{boundary}\"\n\
             Content-Transfer-Encoding: 8bit\n\nThis is a MIME-encapsulated message.\n\n",
            message::date_with_zone(now.unix()),
            address::quote(&to),
        )
    }

    fn for_people(self, entry: &Entry, out: &mut String) {
        let mut text = format!("<{}>", address::quote(&entry.recipient));
        if !entry.original.is_empty() && entry.original != entry.recipient {
            let _ = write!(text, " (expanded from <{}>)", address::quote(&entry.original));
        }
        let _ = write!(text, ": {}", entry.dsn.reason);
        fold(&text, out);
    }

    fn for_programs(
        self,
        daemon: &Daemon,
        report: &Report,
        entries: &[Entry],
        file: &QueueFile,
        out: &mut String,
    ) {
        let _ = writeln!(out, "Reporting-MTA: dns; {}", daemon.string("myhostname"));
        if !report.dsn_envid.is_empty() {
            let _ = writeln!(out, "Original-Envelope-Id: {}", report.dsn_envid);
        }
        let _ = writeln!(out, "X-{}-Queue-ID: {}", daemon.string("mail_name"), report.id);
        let sender = sender_of(daemon, &file.sender);
        let _ = writeln!(out, "X-{}-Sender: rfc822; {sender}", daemon.string("mail_name"));
        let _ = writeln!(out, "Arrival-Date: {}", message::date_with_zone(file.arrival.unix()));
        for e in entries {
            let _ = write!(out, "\nFinal-Recipient: rfc822; {}\n", address::quote(&e.recipient));
            if !e.dsn_orcpt.is_empty() {
                let _ = writeln!(out, "Original-Recipient: {}", e.dsn_orcpt);
            }
            let action = if self.kind == ReportKind::Failure { "failed" } else { &e.action };
            let _ = write!(out, "Action: {action}\nStatus: {}\n", e.dsn.status);
            if !e.dsn.mta_name.is_empty() {
                let _ = writeln!(out, "Remote-MTA: {}; {}", e.dsn.mta_type, e.dsn.mta_name);
            }
            let (kind, text) = match &*e.dsn.diagnostic_text {
                "" => (format!("X-{}", daemon.string("mail_name")), &e.dsn.reason),
                _ => (e.dsn.diagnostic_type.to_string(), &e.dsn.diagnostic_text),
            };
            fold(&format!("Diagnostic-Code: {kind}; {text}"), out);
            if self.kind == ReportKind::Delay {
                let until = file.arrival + daemon.seconds("maximal_queue_lifetime");
                let _ = writeln!(out, "Will-Retry-Until: {}", message::date_with_zone(until.unix()));
            }
        }
    }

    /// Is the whole message returned, or its headers only?
    fn whole_message(self, report: &Report, len: usize, daemon: &Daemon) -> bool {
        let limit = daemon.int("bounce_size_limit").max(0) as usize;
        let fits = limit == 0 || len <= limit;
        self.kind == ReportKind::Failure
            && (!self.to_postmaster || self.double)
            && report.dsn_ret_full != Some(false)
            && fits
    }

    fn description(self, whole: bool) -> &'static str {
        match (self.kind, whole) {
            (ReportKind::Failure, true) => "Undelivered Message",
            (ReportKind::Failure | ReportKind::Delay, false) => "Undelivered Message Headers",
            (_, true) => "Message",
            (_, false) => "Message Headers",
        }
    }
}

/// The built-in sender of notifications.
const BUILT_IN_FROM: &str = "Mail Delivery System <MAILER-DAEMON>";

/// The `Message-Id:` of a message.
fn message_id(content: &[u8]) -> Option<String> {
    let header = message::headers(content).find(|h| h.is("Message-Id"))?;
    Some(String::from_utf8_lossy(header.value()).trim().to_owned()).filter(|id| !id.is_empty())
}

/// The message, with its sender on top.
fn returned(daemon: &Daemon, sender: &str, content: &[u8], out: &mut String) {
    let _ = writeln!(out, "Return-Path: <{}>", sender_of(daemon, sender));
    out.push_str(&String::from_utf8_lossy(content));
}

/// The sender as it is written; the null sender has a name, too.
fn sender_of(daemon: &Daemon, sender: &str) -> String {
    match sender {
        "" => format!("MAILER-DAEMON@{}", daemon.string("myorigin")),
        sender => address::quote(sender).into_owned(),
    }
}

/// Where the headers end.
fn headers_len(content: &[u8]) -> usize {
    memchr::memmem::find(content, b"\n\n").map_or(content.len(), |at| at + 1)
}

/// Lines of at most 78 characters, broken at blanks; those that follow are indented.
fn fold(text: &str, out: &mut String) {
    const WIDTH: usize = 79;
    const INDENT: &str = "    ";
    let mut width = 0;
    for (n, word) in text.trim_end().split(' ').enumerate() {
        if n > 0 {
            if width + 1 + word.len() > WIDTH {
                out.push('\n');
                out.push_str(INDENT);
                width = INDENT.len();
            } else {
                out.push(' ');
                width += 1;
            }
        }
        out.push_str(word);
        width += word.len();
    }
    out.push('\n');
}
