//! A message and its recipients over a session that stands (RFC 5321, section 3.3): MAIL, RCPT and DATA, one
//! after the other or all at once (RFC 2920), and what the server answers to each.

use super::{Failure, Session, Step};
use crate::postfix::deliver::Dsn;
use crate::postfix::queue::{Recipient, notify};
use crate::postfix::smtp::downgrade;
use crate::postfix::smtp::settings::Protocol;
use crate::proto::address;
use crate::proto::smtp::reply::Reply;
use crate::proto::smtp::{dot, xtext_encode};
use std::fmt::Write;

impl Session<'_> {
    /// The message, to all who are left; who is answered for good is taken off.
    ///
    /// # Errors
    /// Why those that are still left have to try elsewhere or later.
    pub async fn transfer(&mut self, left: &mut Vec<Recipient>) -> Result<(), Failure> {
        let timeouts =
            (self.settings.mail_timeout, self.settings.rcpt_timeout, self.settings.data_init_timeout);
        let size = self.delivery.request.size;
        if let Some(limit) = self.features.size.filter(|limit| *limit > 0 && size > *limit) {
            let text =
                format!("message size {size} exceeds size limit {limit} of server {}", self.host.named());
            let dsn = Dsn::new("5.3.4", text);
            for rcpt in left.drain(..) {
                self.delivery.failed(&rcpt, &self.relay(), self.progress(), &dsn).await;
            }
            return Ok(());
        }
        let sender = self.client.outside(&self.delivery.request.sender).await.map_err(Failure::message)?;
        let mail = self.mail_command(&sender);
        let mut commands = Vec::with_capacity(left.len());
        for rcpt in left.iter() {
            let address = self.client.outside(&rcpt.address).await.map_err(Failure::message)?;
            commands.push(self.rcpt_command(rcpt, &address));
        }
        let rehearsal = self.delivery.request.trace.is_rehearsal();
        if self.features.pipelining {
            let all = mail + &commands.concat() + if rehearsal { "" } else { "DATA\r\n" };
            self.send(all, Step::Mail).await?;
        } else {
            self.send(mail, Step::Mail).await?;
        }
        let reply = self.receive(Step::Mail, timeouts.0).await?;
        if reply.code / 100 != 2 {
            if self.features.pipelining {
                for _ in 0..left.len() + usize::from(!rehearsal) {
                    self.receive(Step::Rcpt, timeouts.1).await?;
                }
            }
            self.give_up().await;
            return self.all_failed(left, &reply, Step::Mail).await;
        }
        let mut accepted = Vec::new();
        let mut later = Vec::new();
        let mut failure = None;
        for (rcpt, command) in std::mem::take(left).into_iter().zip(commands) {
            if !self.features.pipelining {
                self.send(command, Step::Rcpt).await.inspect_err(|_| left.push(rcpt.clone()))?;
            }
            match self.receive(Step::Rcpt, timeouts.1).await {
                Ok(reply) if reply.code / 100 == 2 && rehearsal => self.delivered(rcpt, &reply).await,
                Ok(reply) if reply.code / 100 == 2 => accepted.push(rcpt),
                Ok(reply) => {
                    let dsn = self.said(&reply, Step::Rcpt);
                    failure = self.refused(rcpt, dsn, &mut later).await.or(failure);
                }
                Err(failure) => {
                    // Those that have no answer yet try elsewhere.
                    left.push(rcpt);
                    left.append(&mut accepted);
                    left.append(&mut later);
                    return Err(failure);
                }
            }
        }
        let result = self.message(&mut accepted).await;
        left.append(&mut accepted);
        left.append(&mut later);
        result?;
        failure.map_or(Ok(()), Err)
    }

    /// DATA, the message, and its end.
    async fn message(&mut self, accepted: &mut Vec<Recipient>) -> Result<(), Failure> {
        if accepted.is_empty() {
            if self.features.pipelining && !self.delivery.request.trace.is_rehearsal() {
                // DATA is under way already; its answer is of no interest (RFC 2920, section 3.1).
                let reply = self.receive(Step::Data, self.settings.data_init_timeout).await?;
                if reply.code / 100 == 3 {
                    self.send(".\r\n".to_owned(), Step::Body).await?;
                    let _ = self.receive(Step::End, self.settings.data_done_timeout).await;
                }
            }
            self.give_up().await;
            return Ok(());
        }
        if !self.features.pipelining {
            self.send("DATA\r\n".to_owned(), Step::Data).await?;
        }
        let reply = self.receive(Step::Data, self.settings.data_init_timeout).await?;
        if reply.code / 100 != 3 {
            self.give_up().await;
            return self.all_failed(accepted, &reply, Step::Data).await;
        }
        let mut content = self.client.content_outside().await.map_err(Failure::message)?;
        if self.settings.converts && !self.features.eight_bit {
            content = downgrade::to_seven_bits(&content);
        }
        let mut wire = dot::encode(&content, self.settings.line_length_limit);
        if self.features.pipelining && !self.keeps {
            wire.extend_from_slice(b"QUIT\r\n");
        }
        let sent = self.daemon.p.timeout(self.settings.data_xfer_timeout, self.stream.write(wire)).await;
        self.outcome(sent.map(|r| r.map_err(|_| ())), Step::Body)?;
        if self.settings.protocol == Protocol::Lmtp {
            return self.lmtp_answers(accepted).await;
        }
        let reply = self.receive(Step::End, self.settings.data_done_timeout).await?;
        self.part().await;
        if reply.code / 100 != 2 {
            return self.all_failed(accepted, &reply, Step::End).await;
        }
        for rcpt in accepted.drain(..) {
            self.delivered(rcpt, &reply).await;
        }
        Ok(())
    }

    /// A recipient is refused: another host may take him later, where there is one; else it is told.
    async fn refused(&mut self, rcpt: Recipient, dsn: Dsn, later: &mut Vec<Recipient>) -> Option<Failure> {
        if dsn.is_transient() && !self.is_final {
            self.elsewhere(&dsn);
            later.push(rcpt);
            return Some(self.failure(dsn, false));
        }
        self.delivery.failed(&rcpt, &self.relay(), self.progress(), &dsn).await;
        None
    }

    /// An answer for each recipient (RFC 2033, section 4.2).
    async fn lmtp_answers(&mut self, accepted: &mut Vec<Recipient>) -> Result<(), Failure> {
        let mut later = Vec::new();
        let mut failure = None;
        while !accepted.is_empty() {
            let reply = match self.receive(Step::End, self.settings.data_done_timeout).await {
                Ok(reply) => reply,
                Err(lost) => {
                    accepted.append(&mut later);
                    return Err(lost);
                }
            };
            let rcpt = accepted.remove(0);
            if reply.code / 100 == 2 {
                self.delivered(rcpt, &reply).await;
                continue;
            }
            let dsn = self.said(&reply, Step::End);
            failure = self.refused(rcpt, dsn, &mut later).await.or(failure);
        }
        self.part().await;
        accepted.append(&mut later);
        failure.map_or(Ok(()), Err)
    }

    /// The server has taken the message for a recipient.
    async fn delivered(&self, mut rcpt: Recipient, reply: &Reply) {
        let status = reply.dsn().map_or_else(|| "2.0.0".to_owned(), |d| d.to_string());
        let text = reply.joined();
        let dsn = self.remote(&status, text.clone(), text);
        // A server that knows DSN tells of success itself.
        if self.features.dsn {
            rcpt.dsn_notify &= !notify::SUCCESS;
        }
        let action = if self.settings.assume_final && !self.features.dsn { "delivered" } else { "relayed" };
        self.delivery.sent_as(action, &rcpt, &self.relay(), self.progress(), &dsn).await;
    }

    fn mail_command(&self, sender: &str) -> String {
        let r = &self.delivery.request;
        let mut line = format!("MAIL FROM:<{}>", address::quote(sender));
        if self.features.size.is_some() {
            let _ = write!(line, " SIZE={}", r.size);
        }
        if self.features.eight_bit && self.delivery.is_eight_bit() {
            line.push_str(" BODY=8BITMIME");
        }
        if self.features.dsn {
            if !r.dsn_envid.is_empty() {
                let _ = write!(line, " ENVID={}", r.dsn_envid);
            }
            if let Some(full) = r.dsn_ret_full {
                let _ = write!(line, " RET={}", if full { "FULL" } else { "HDRS" });
            }
        }
        if self.settings.sasl.dummy_auth && self.features.mechanisms.is_some() {
            line.push_str(" AUTH=<>");
        }
        line + "\r\n"
    }

    fn rcpt_command(&self, rcpt: &Recipient, address: &str) -> String {
        let mut line = format!("RCPT TO:<{}>", address::quote(address));
        if self.features.dsn {
            if let Some((kind, text)) = rcpt.dsn_orcpt.split_once(';') {
                let _ = write!(line, " ORCPT={kind};{}", xtext_encode(text));
            }
            if rcpt.dsn_notify != 0 {
                let _ = write!(line, " NOTIFY={}", notify_words(rcpt.dsn_notify));
            }
        }
        line + "\r\n"
    }

    /// The server refused all that is left.
    async fn all_failed(&self, left: &mut Vec<Recipient>, reply: &Reply, step: Step) -> Result<(), Failure> {
        let dsn = self.said(reply, step);
        if dsn.is_transient() && !self.is_final {
            self.elsewhere(&dsn);
            return Err(self.failure(dsn, false));
        }
        for rcpt in left.drain(..) {
            self.delivery.failed(&rcpt, &self.relay(), self.progress(), &dsn).await;
        }
        Ok(())
    }

    /// Leaves a transaction that came to nothing.
    async fn give_up(&mut self) {
        if self.stream.write("RSET\r\n").await.is_ok()
            && self.receive(Step::Mail, self.settings.rset_timeout).await.is_ok()
            && !self.keeps
        {
            self.leave().await;
        }
    }

    /// After a message: QUIT may have gone with it.
    async fn part(&mut self) {
        if self.keeps {
            return;
        }
        if self.features.pipelining {
            self.farewell().await;
        } else {
            self.leave().await;
        }
    }
}

fn notify_words(flags: u8) -> String {
    let all = [
        (notify::NEVER, "NEVER"),
        (notify::SUCCESS, "SUCCESS"),
        (notify::FAILURE, "FAILURE"),
        (notify::DELAY, "DELAY"),
    ];
    all.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, word)| *word).collect::<Vec<_>>().join(",")
}
