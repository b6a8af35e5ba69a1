//! The message itself: DATA and BDAT, and its way to cleanup.

use super::postdrop;
use super::session::{Chunks, Gone, Next, Session, Transaction, Way};
use super::sync::BareNewline;
use super::transcript::Class;
use crate::postfix::ipc::{CleanupStatus, GivenUp, Submission, TraceFlags};
use crate::proto::smtp::command::{Words, printable};
use crate::proto::smtp::dot::Decoder;
use crate::proto::{address, message};
use std::fmt::Write;

/// What a client is told before its message.
const GO_AHEAD: &str = "354 End data with <CR><LF>.<CR><LF>";

/// The message as it came.
enum Content {
    Whole(Vec<u8>),
    /// Larger than it may be; so many octets had been taken by then.
    TooBig(usize),
}

impl Session<'_> {
    /// Why a message cannot begin: no MAIL, or no good RCPT.
    fn not_ready(&self) -> Option<&'static str> {
        match (self.rcpt_count, &self.transaction) {
            (0, None) => Some("503 5.5.1 Error: need RCPT command"),
            (0, Some(_)) => Some("554 5.5.1 Error: no valid recipients"),
            _ => None,
        }
    }

    /// RFC 5321, section 4.1.1.4
    pub async fn data(&mut self, words: &Words<'_>) -> Next {
        if self.transaction.as_ref().is_some_and(|t| !matches!(t.chunks, Chunks::None)) {
            return self.fault("503 5.5.1 Error: DATA after BDAT");
        }
        if let Some(why) = self.not_ready() {
            return self.fault(why);
        }
        if words.len() != 1 {
            return self.fault("501 5.5.4 Syntax: DATA");
        }
        if let Err(reject) = self.checks.data(self).await {
            return self.refuse(&reject);
        }
        self.reply(GO_AHEAD);
        let mut content = Vec::with_capacity(2048);
        match self.read_message(&mut content).await {
            Ok(too_big) => {
                self.received.set(None);
                self.hand_in(too_big.map_or(Content::Whole(content), Content::TooBig)).await
            }
            Err(gone) => {
                content.truncate(memchr::memrchr(b'\n', &content).map_or(0, |at| at + 1));
                if let Some(t) = &mut self.transaction {
                    t.chunks = Chunks::BrokenOff(content);
                }
                Next::Gone(gone)
            }
        }
    }

    /// Reads up to the lone dot; gives how much was taken of a message that is larger than it may be.
    async fn read_message(&mut self, content: &mut Vec<u8>) -> Result<Option<usize>, Gone> {
        let limit = self.settings.message_size_limit as usize;
        let strict = self.bare_newline() != BareNewline::Taken;
        let mut decoder = if strict { Decoder::strict() } else { Decoder::new() };
        let mut size = self.transaction.as_ref().map_or(0, |t| t.taken);
        let mut too_big = None;
        self.received.set(Some(size));
        let mut input = self.octets().await?;
        loop {
            let before = content.len();
            let done = decoder.decode(&mut input, content);
            // A line counts with the CR LF at its end (RFC 1870, section 3).
            let part = &content[before..];
            size += part.len() + memchr::memchr_iter(b'\n', part).count();
            self.received.set(Some(size));
            if limit > 0 && size > limit {
                // Read on to the end, but keep nothing: the client must hear the answer.
                if too_big.is_none() {
                    let id = self.queue_id().to_owned();
                    self.daemon.msg.log_warn(format!("{id}: queue file size limit exceeded"));
                    too_big = Some(fitting(content, limit));
                }
                content.clear();
            }
            if done {
                self.bare.set(decoder.has_bare());
                self.put_back(input);
                if let Some(t) = &mut self.transaction {
                    t.taken = size;
                }
                return Ok(too_big);
            }
            input = if input.is_empty() { self.octets().await? } else { self.octets_beyond(input).await? };
        }
    }

    /// RFC 3030, section 2
    pub async fn bdat(&mut self, words: &Words<'_>) -> Next {
        if self.discard.has("CHUNKING") {
            return self.fault("521 5.5.1 Error: command not implemented");
        }
        let digits = |w: &&str| w.bytes().all(|b| b.is_ascii_digit());
        let size = words.get(1).filter(digits).and_then(|w| w.parse::<u32>().ok()).map(|n| n as usize);
        let last = words.get(2).is_some_and(|w| w.eq_ignore_ascii_case("LAST"));
        let good = words.len() == 2 || (words.len() == 3 && last);
        let Some(size) = size.filter(|_| good) else {
            let line = words.rest(0).unwrap_or_default();
            self.daemon.msg.log_warn(format!(
                "{}: malformed BDAT command syntax from {}: {}",
                self.queue_id(),
                self.shown,
                printable(line, 100)
            ));
            return self.fault("521 5.5.4 Syntax: BDAT count [LAST]");
        };
        if size == 0 && !last {
            self.daemon.msg.log_warn(format!("{}: null BDAT request from {}", self.queue_id(), self.shown));
            return self.skip_chunk(size, last, "551 5.7.1 Null BDAT request").await;
        }
        let state = self.transaction.as_ref().map(|t| &t.chunks);
        if matches!(state, Some(Chunks::Failed)) {
            let reply = format!("551 5.0.0 Discarded {size} bytes after earlier error");
            return self.skip_chunk(size, last, &reply).await;
        }
        if !matches!(state, Some(Chunks::Some(_))) {
            if let Some(why) = self.not_ready() {
                return self.skip_chunk(size, last, why).await;
            }
            if let Err(reject) = self.checks.data(self).await {
                return self.skip_chunk(size, last, &reject.line()).await;
            }
        }
        self.chunk(size, last).await
    }

    async fn chunk(&mut self, size: usize, last: bool) -> Next {
        let limit = self.settings.message_size_limit as usize;
        let before = match self.transaction.as_ref().map(|t| &t.chunks) {
            Some(Chunks::Some(chunks)) => chunks.len(),
            _ => 0,
        };
        if limit > 0 && before.saturating_add(size) > limit {
            let text =
                format!("{}: BDAT request from {} exceeds message size limit", self.queue_id(), self.shown);
            self.daemon.msg.log_warn(text);
            return self.skip_chunk(size, last, "552 5.3.4 Chunk exceeds message size limit").await;
        }
        self.received.set(Some(before));
        let chunk = match self.read_chunk(size, before, true).await {
            Ok(chunk) => chunk,
            Err(gone) => return Next::Gone(gone),
        };
        self.received.set(None);
        let Some(t) = &mut self.transaction else { return Next::Fault };
        let mut chunks = match std::mem::take(&mut t.chunks) {
            Chunks::Some(chunks) => chunks,
            _ => Vec::new(),
        };
        chunks.extend_from_slice(&chunk);
        if last {
            let bare = |at: usize| at == 0 || chunks[at - 1] != b'\r';
            self.bare.set(memchr::memchr_iter(b'\n', &chunks).any(bare));
            t.chunked = Some(chunks.len());
        }
        if !last {
            t.chunks = Chunks::Some(chunks);
            return self.done(&format!("250 2.0.0 Ok: {size} bytes"));
        }
        self.hand_in(Content::Whole(message::to_lf(&chunks))).await
    }

    /// Refuses a chunk: it follows whatever the answer is, and so may more of them.
    async fn skip_chunk(&mut self, size: usize, last: bool, reply: &str) -> Next {
        if let Err(gone) = self.read_chunk(size, 0, false).await {
            return Next::Gone(gone);
        }
        self.reply(reply);
        if last {
            self.reset_mail();
        } else if let Some(t) = &mut self.transaction {
            t.chunks = Chunks::Failed;
        }
        Next::Fault
    }

    async fn read_chunk(&self, size: usize, before: usize, keep: bool) -> Result<Vec<u8>, Gone> {
        let mut chunk = Vec::new();
        let mut left = size;
        while left > 0 {
            let mut input = self.octets().await?;
            let n = left.min(input.len());
            let part = input.split_to(n);
            if keep {
                chunk.extend_from_slice(&part);
            }
            left -= n;
            self.received.set(Some(before + size - left));
            if !input.is_empty() {
                self.put_back(input);
            }
        }
        Ok(chunk)
    }

    /// Gives the message to cleanup and tells the client what became of it.
    async fn hand_in(&mut self, content: Content) -> Next {
        let next = self.take(content).await;
        self.tell_errors().await;
        next
    }

    async fn take(&mut self, content: Content) -> Next {
        self.last = "END-OF-MESSAGE";
        let content = match content {
            Content::Whole(content) => content,
            Content::TooBig(octets) => {
                match self.transaction.as_mut().and_then(|t| t.queue.take()) {
                    Some((_, Way::Cleanup(stream))) => {
                        let _ = stream.send(|_| "the message is too big".to_owned(), GivenUp { octets });
                    }
                    Some((_, Way::Postdrop(postdrop))) => {
                        postdrop.overrun(self.settings.message_size_limit as usize).await;
                    }
                    None => {}
                }
                let next = self.fault_of(Class::Bounce, "552 5.3.4 Error: message file too big");
                self.reset();
                return next;
            }
        };
        if self.bare.take() && self.bare_newline() == BareNewline::Rejected {
            let text = self.bare_newline_refused();
            let next = self.fault_of(Class::Protocol, &text);
            self.reset();
            return next;
        }
        if let Err(reject) = self.checks.end_of_data(self).await {
            let next = self.refuse(&reject);
            self.abandon(content, false).await;
            // Only the message is gone: sender and recipients stand, as the real one leaves them.
            if let Some(t) = &mut self.transaction {
                (t.queue, t.chunks) = (None, Chunks::None);
            }
            return next;
        }
        if let Err(reject) = self.open_cleanup().await {
            let next = self.refuse(&reject);
            self.reset();
            return next;
        }
        let next = self.submit(content).await;
        self.reset();
        next
    }

    /// Lets cleanup see a message that is refused all the same: it has come to cleanup line by line in
    /// the real one, and its inspection stands in the log.
    pub async fn abandon(&mut self, content: Vec<u8>, broken_off: bool) {
        let Some(t) = &self.transaction else { return };
        let Some((id, Way::Cleanup(stream))) = &t.queue else { return };
        let submission = Submission { given_up: true, broken_off, ..self.submission(t, id, content) };
        if stream.send(|_| format!("{id} is given up"), submission).is_ok() {
            let _ = stream.receive::<CleanupStatus>().await;
        }
    }

    async fn submit(&mut self, content: Vec<u8>) -> Next {
        let Some(mut t) = self.transaction.take() else { return Next::Fault };
        let Some((id, way)) = t.queue.take() else { return Next::Fault };
        let stream = match way {
            Way::Cleanup(stream) => stream,
            Way::Postdrop(postdrop) => {
                let received = self.received_header(&t, &id);
                let status = postdrop.submit(postdrop::encode(&t, &received, &as_message(content))).await;
                return match status {
                    0 => self.queued(&t, &id),
                    crate::postfix::postdrop::TOO_LARGE => {
                        self.fault_of(Class::Bounce, "552 5.3.4 Error: message file too big")
                    }
                    _ => self.fault_of(Class::Software, "451 4.3.0 Error: queue file write error"),
                };
            }
        };
        let submission = self.submission(&t, &id, content);
        let what = |s: &Submission| format!("{id} from {}, {} bytes", s.sender, s.content.len());
        let sent = stream.send(what, submission).is_ok();
        let status = if sent { stream.receive::<CleanupStatus>().await } else { None };
        match status {
            Some(CleanupStatus::Ok) => self.queued(&t, &id),
            Some(CleanupStatus::Rejected { code, dsn, text }) => {
                let class = match code {
                    552 | 554 => Class::Bounce,
                    452 => Class::Resource,
                    550 => Class::Policy,
                    _ => Class::Software,
                };
                self.fault_of(class, &format!("{code} {dsn} Error: {text}"))
            }
            Some(CleanupStatus::Refused { code, dsn, text }) => {
                self.fault_of(Class::Policy, &format!("{code} {dsn} {text}"))
            }
            None => self.fault_of(Class::Software, "451 4.3.0 Error: queue file write error"),
        }
    }

    /// The message is in the queue: what was wrong before is forgiven.
    fn queued(&mut self, t: &Transaction, id: &str) -> Next {
        (self.errors, self.junk) = (0, 0);
        self.transcript.forgive();
        match t.chunked {
            Some(octets) => self.done(&format!("250 2.0.0 Ok: {octets} bytes queued as {id}")),
            None => self.done(&format!("250 2.0.0 Ok: queued as {id}")),
        }
    }

    fn submission(&self, t: &Transaction, id: &str, content: Vec<u8>) -> Submission {
        let actions = self.actions.borrow().clone();
        let mut prepend = Vec::new();
        for header in &actions.prepend {
            prepend.extend_from_slice(header.as_bytes());
            prepend.push(b'\n');
        }
        prepend.extend_from_slice(&self.received_header(t, id));
        let mut client = self.forwarded.clone().unwrap_or_else(|| self.client.clone());
        if self.forwarded.is_none() {
            client.helo = self.helo.clone();
            client.protocol = self.protocol().into();
        }
        client.login = self.login.as_ref().map(|l| (l.method.clone(), l.user.clone()));
        let mut submission = Submission {
            arrival: t.began,
            context: self.context,
            client: Some(client),
            sender: t.sender.clone(),
            dsn_envid: t.envid.clone(),
            dsn_ret_full: t.ret_full,
            eight_bit: t.eight_bit,
            smtputf8: t.smtputf8,
            recipients: t.recipients.clone(),
            prepend,
            content: as_message(content).into(),
            trace: TraceFlags::None,
            actions,
            ..Submission::default()
        };
        self.settings.overrides.mark(&mut submission);
        submission
    }

    /// The trace header (RFC 5321, section 4.4).
    fn received_header(&self, t: &Transaction, id: &str) -> Vec<u8> {
        let s = self.settings;
        let (tag, address) = match self.client.address {
            Some(std::net::IpAddr::V6(_)) => ("IPv6:", &*self.client.shown_address),
            Some(std::net::IpAddr::V4(_)) => ("", &*self.client.shown_address),
            None => ("", "unknown"),
        };
        let helo = if self.helo.is_empty() { &self.client.name } else { &self.helo };
        let mut out = String::with_capacity(200);
        let _ = writeln!(out, "Received: from {helo} ({} [{tag}{address}])", self.client.name);
        if let Some(tls) = self.tls.as_ref().filter(|_| s.tls.received_header) {
            let _ = write!(out, "{}", tls.received());
        }
        if let Some(login) = self.login.as_ref().filter(|_| s.sasl_authenticated_header) {
            let _ = writeln!(out, "\t(Authenticated sender: {})", login.user);
        }
        // RFC 3848, RFC 6531 (section 4.3)
        let secured = match (self.tls.is_some(), self.login.is_some()) {
            (true, true) => "SA",
            (true, false) => "S",
            (false, true) => "A",
            (false, false) => "",
        };
        let with = match (self.esmtp, t.smtputf8) {
            (true, true) => "UTF8SMTP",
            (true, false) => "ESMTP",
            (false, _) => "SMTP",
        };
        let secured = if self.esmtp { secured } else { "" };
        let _ = write!(out, "\tby {} ({}) with {with}{secured} id {id}", s.myhostname, s.mail_name);
        let date = message::date_with_zone(self.daemon.p.now().unix());
        let _ = match (self.rcpt_count, &self.recipient) {
            (1, Some(one)) => write!(out, "\n\tfor <{}>; {date}\n", address::quote(one)),
            _ => write!(out, ";\n\t{date}\n"),
        };
        out.into_bytes()
    }
}

/// How many octets the lines at a message's start come to that fit into a limit.
fn fitting(content: &[u8], limit: usize) -> usize {
    let mut size = 0;
    for line in content.split_inclusive(|b| *b == b'\n') {
        match size + line.len() + 1 {
            more if more > limit => break,
            more => size = more,
        }
    }
    size
}

/// What smtpd makes of the start of a message: the separator of a mailbox becomes a header, and
/// a message that begins with a blank has no headers.
fn as_message(content: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    let mut out = Vec::new();
    while let Some(end) = memchr::memchr(b'\n', &content[at..]) {
        let line = &content[at..=at + end];
        let unquoted = line.iter().position(|b| *b != b'>').unwrap_or(0);
        if !line[unquoted..].starts_with(b"From ") {
            break;
        }
        out.extend_from_slice(b"X-Mailbox-Line: ");
        out.extend_from_slice(line);
        at += end + 1;
    }
    if matches!(content.get(at), Some(b' ' | b'\t')) {
        out.push(b'\n');
    }
    if out.is_empty() {
        return content;
    }
    out.extend_from_slice(&content[at..]);
    out
}
