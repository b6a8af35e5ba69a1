//! The message itself: DATA and BDAT, and its way to cleanup.

use super::counts::Verb;
use super::session::{Gone, Next, Session, Transaction};
use crate::postfix::ipc::{CleanupStatus, Submission, TraceFlags};
use crate::proto::smtp::command::Words;
use crate::proto::smtp::dot::Decoder;
use crate::proto::{address, message};
use std::fmt::Write;

/// What a client is told before its message.
const GO_AHEAD: &str = "354 End data with <CR><LF>.<CR><LF>";

/// Why a message cannot begin.
enum NotNow {
    Mail,
    Recipients,
}

impl Session<'_> {
    fn ready(&self) -> Result<(), NotNow> {
        match &self.transaction {
            None => Err(NotNow::Mail),
            Some(t) if t.recipients.is_empty() => Err(NotNow::Recipients),
            Some(_) => Ok(()),
        }
    }

    fn not_now(&mut self, verb: Verb, why: NotNow) -> Next {
        match why {
            NotNow::Mail => self.fault(verb, "503 5.5.1 Error: need RCPT command"),
            NotNow::Recipients => self.fault(verb, "554 5.5.1 Error: no valid recipients"),
        }
    }

    /// RFC 5321, section 4.1.1.4
    pub async fn data(&mut self, words: &Words<'_>) -> Next {
        self.last = "DATA";
        if let Err(why) = self.ready() {
            return self.not_now(Verb::Data, why);
        }
        if self.transaction.as_ref().is_some_and(|t| t.chunks.is_some()) {
            return self.fault(Verb::Data, "503 5.5.1 Error: DATA after BDAT");
        }
        if words.len() != 1 {
            return self.fault(Verb::Data, "501 5.5.4 Syntax: DATA");
        }
        if let Some(t) = &self.transaction
            && let Err(reject) = self.checks.data(self, t).await
        {
            return self.refuse(Verb::Data, "DATA", None, &reject);
        }
        self.reply(GO_AHEAD);
        let content = match self.read_message().await {
            Ok(content) => content,
            Err(Gone::Lost) => return Next::Lost,
            Err(Gone::Silent) => {
                let text = format!("421 4.4.2 {} Error: timeout exceeded", self.settings.myhostname);
                self.reply(&text);
                self.log(&format!("timeout after DATA from {}", self.shown));
                return Next::Close;
            }
        };
        self.hand_in(Verb::Data, content).await
    }

    /// Reads up to the lone dot; `None` where the message is larger than may be.
    async fn read_message(&mut self) -> Result<Option<Vec<u8>>, Gone> {
        let limit = self.settings.message_size_limit as usize;
        let mut decoder = Decoder::new();
        let mut content = Vec::with_capacity(2048);
        let mut too_big = false;
        loop {
            let mut input = self.octets().await?;
            let done = decoder.decode(&mut input, &mut content);
            if limit > 0 && content.len() > limit {
                // Read on to the end, but keep nothing: the client must hear the answer.
                too_big = true;
                content.clear();
            }
            if done {
                self.put_back(input);
                return Ok((!too_big).then_some(content));
            }
        }
    }

    /// RFC 3030, section 2
    pub async fn bdat(&mut self, words: &Words<'_>) -> Next {
        self.last = "BDAT";
        let size = words.get(1).and_then(|w| w.parse::<usize>().ok());
        let last = words.get(2).is_some_and(|w| w.eq_ignore_ascii_case("LAST"));
        let good = words.len() == 2 || (words.len() == 3 && last);
        let Some(size) = size.filter(|_| good) else {
            return self.fault(Verb::Bdat, "501 5.5.4 Syntax: BDAT count [LAST]");
        };
        let limit = self.settings.message_size_limit as usize;
        let refused = self.ready().err();
        let before = self.transaction.as_ref().and_then(|t| t.chunks.as_ref()).map_or(0, Vec::len);
        let too_big = limit > 0 && before.saturating_add(size) > limit;
        // The chunk follows whatever the answer is.
        let chunk = match self.read_chunk(size, refused.is_none() && !too_big).await {
            Ok(chunk) => chunk,
            Err(_) => return Next::Lost,
        };
        if let Some(why) = refused {
            return self.not_now(Verb::Bdat, why);
        }
        if too_big {
            self.transaction = None;
            return self.fault(Verb::Bdat, "552 5.3.4 Error: message file too big");
        }
        let Some(t) = &mut self.transaction else { return Next::Command };
        t.chunks.get_or_insert_default().extend_from_slice(&chunk);
        if !last {
            let reply = format!("250 2.0.0 Ok: {size} bytes");
            return self.success(Verb::Bdat, &reply);
        }
        let content = t.chunks.take().map(|c| message::to_lf(&c));
        self.hand_in(Verb::Bdat, content).await
    }

    async fn read_chunk(&self, size: usize, keep: bool) -> Result<Vec<u8>, Gone> {
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
            if !input.is_empty() {
                self.put_back(input);
            }
        }
        Ok(chunk)
    }

    /// Gives the message to cleanup and tells the client what became of it.
    async fn hand_in(&mut self, verb: Verb, content: Option<Vec<u8>>) -> Next {
        let Some(mut t) = self.transaction.take() else { return Next::Command };
        let Some(content) = content else {
            return self.fault(verb, "552 5.3.4 Error: message file too big");
        };
        if let Err(reject) = self.checks.end_of_data(self, &t).await {
            return self.refuse(verb, "END-OF-MESSAGE", None, &reject);
        }
        let Some((id, stream)) = t.queue.take() else { return Next::Command };
        let submission = self.submission(t, &id, content);
        let what = |s: &Submission| format!("{id} from {}, {} bytes", s.sender, s.content.len());
        let sent = stream.send(what, submission).is_ok();
        let status = if sent { stream.receive::<CleanupStatus>().await } else { None };
        self.last = "END-OF-MESSAGE";
        match status {
            Some(CleanupStatus::Ok) => {
                let reply = format!("250 2.0.0 Ok: queued as {id}");
                self.success(verb, &reply)
            }
            Some(CleanupStatus::Rejected { code, dsn, text }) => {
                let reply = format!("{code} {dsn} Error: {text}");
                self.fault(verb, &reply)
            }
            None => self.fault(verb, "451 4.3.0 Error: queue file write error"),
        }
    }

    fn submission(&self, t: Transaction, id: &str, content: Vec<u8>) -> Submission {
        let prepend = self.received(&t, id);
        let mut client = self.client.clone();
        client.helo = self.helo.clone();
        client.protocol = self.protocol().into();
        Submission {
            arrival: t.began,
            context: self.context,
            full_name: None,
            client: Some(client),
            sender: t.sender,
            dsn_envid: t.envid,
            dsn_ret_full: t.ret_full,
            eight_bit: t.eight_bit,
            smtputf8: t.smtputf8,
            recipients: t.recipients,
            prepend,
            content: content.into(),
            trace: TraceFlags::None,
            internal: false,
        }
    }

    /// The trace header (RFC 5321, section 4.4).
    fn received(&self, t: &Transaction, id: &str) -> Vec<u8> {
        let s = self.settings;
        let (tag, address) = match self.client.address {
            Some(std::net::IpAddr::V6(_)) => ("IPv6:", &*self.client.shown_address),
            Some(std::net::IpAddr::V4(_)) => ("", &*self.client.shown_address),
            None => ("", "unknown"),
        };
        let helo = if self.helo.is_empty() { &self.client.name } else { &self.helo };
        let with = match (self.esmtp, t.smtputf8) {
            (true, true) => "UTF8SMTP",
            (true, false) => "ESMTP",
            (false, _) => "SMTP",
        };
        let mut out = String::with_capacity(200);
        let _ = write!(
            out,
            "Received: from {helo} ({} [{tag}{address}])\n\tby {} ({}) with {with} id {id}",
            self.client.name, s.myhostname, s.mail_name
        );
        let date = message::date_with_zone(self.daemon.p.now().unix());
        let _ = match t.recipients.as_slice() {
            [one] => write!(out, "\n\tfor <{}>; {date}\n", address::quote(&one.original)),
            _ => write!(out, ";\n\t{date}\n"),
        };
        out.into_bytes()
    }
}
