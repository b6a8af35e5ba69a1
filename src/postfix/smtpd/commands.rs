//! The commands, one function each; dispatch is the match in [`Session::command`].

use super::check::Reject;
use super::counts::Verb;
use super::session::{Next, Session, Transaction};
use crate::postfix::flush;
use crate::postfix::queue::{Recipient, SPOOL};
use crate::proto::address;
use crate::proto::smtp::command::{self, Argument, Words};
use std::rc::Rc;

impl Session<'_> {
    /// One command line.
    pub async fn command(&mut self, line: &[u8]) -> Next {
        let text = String::from_utf8_lossy(line);
        let words = Words::split(&text);
        let verb = words.verb().to_ascii_uppercase();
        self.last = "UNKNOWN";
        match verb.as_str() {
            "HELO" => self.helo(&words, false),
            "EHLO" => self.helo(&words, true),
            "MAIL" => self.mail(&words).await,
            "RCPT" => self.rcpt(&words).await,
            "DATA" => self.data(&words).await,
            "BDAT" => self.bdat(&words).await,
            "RSET" => self.rset(&words),
            "NOOP" => {
                self.last = "NOOP";
                self.success(Verb::Noop, "250 2.0.0 Ok")
            }
            "VRFY" => self.vrfy(&words).await,
            "ETRN" => self.etrn(&words).await,
            "QUIT" => {
                self.last = "QUIT";
                self.success(Verb::Quit, "221 2.0.0 Bye");
                Next::Close
            }
            "" => {
                self.reply("500 5.5.2 Error: bad syntax");
                self.errors += 1;
                Next::Command
            }
            _ => self.unknown(&verb, &text),
        }
    }

    fn unknown(&mut self, verb: &str, line: &str) -> Next {
        let is_header = line.split_once(':').is_some_and(|(name, _)| command::is_header_name(name));
        if is_header || self.settings.forbidden_commands.iter().any(|c| c == verb) {
            self.log(&format!(
                "warning: non-SMTP command from {}: {}",
                self.shown,
                command::printable(line, 100)
            ));
            self.counts.add(Verb::Unknown, false);
            self.reply("221 2.7.0 Error: I can break rules, too. Goodbye.");
            return Next::Close;
        }
        self.fault(Verb::Unknown, "500 5.5.2 Error: command not recognized")
    }

    fn helo(&mut self, words: &Words<'_>, esmtp: bool) -> Next {
        let verb = if esmtp { Verb::Ehlo } else { Verb::Helo };
        self.last = if esmtp { "EHLO" } else { "HELO" };
        let Some(name) = words.get(1) else {
            let syntax = if esmtp { "501 Syntax: EHLO hostname" } else { "501 Syntax: HELO hostname" };
            return self.fault(verb, syntax);
        };
        self.transaction = None;
        self.helo = command::printable(name, 255).into();
        self.esmtp = esmtp;
        if !esmtp {
            let reply = format!("250 {}", self.settings.myhostname);
            return self.success(verb, &reply);
        }
        let mut lines = vec![self.settings.myhostname.to_string()];
        let size = format!("SIZE {}", self.settings.message_size_limit);
        let vrfy = if self.settings.disable_vrfy { "" } else { "VRFY" };
        let all = [
            "PIPELINING",
            &size,
            vrfy,
            "ETRN",
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
            "DSN",
            "SMTPUTF8",
            "CHUNKING",
        ];
        lines.extend(all.into_iter().filter(|k| !k.is_empty()).filter(|k| self.offers(k)).map(str::to_owned));
        let last = lines.len() - 1;
        for (n, line) in lines.iter().enumerate() {
            let between = if n < last { '-' } else { ' ' };
            self.reply(&format!("250{between}{line}"));
        }
        self.counts.add(verb, true);
        Next::Command
    }

    fn offers(&self, keyword: &str) -> bool {
        let name = keyword.split(' ').next().unwrap_or(keyword);
        !self.settings.discard_keywords.iter().any(|k| k == name)
    }

    /// RFC 5321, section 4.1.1.2
    async fn mail(&mut self, words: &Words<'_>) -> Next {
        self.last = "MAIL";
        if self.helo.is_empty() && self.settings.helo_required {
            return self.fault(Verb::Mail, "503 5.5.1 Error: send HELO/EHLO first");
        }
        if self.transaction.is_some() {
            return self.fault(Verb::Mail, "503 5.5.1 Error: nested MAIL command");
        }
        let argument = match words.address_argument("FROM:") {
            Argument::Missing => return self.fault(Verb::Mail, "501 5.5.4 Syntax: MAIL FROM:<address>"),
            Argument::Broken => return self.fault(Verb::Mail, "501 5.1.7 Bad sender address syntax"),
            Argument::Text(text) => text,
        };
        let Some(sender) = self.extract("MAIL", argument, true) else {
            return self.fault(Verb::Mail, "501 5.1.7 Bad sender address syntax");
        };
        let mut transaction = Transaction {
            sender: self.rewriter.rewrite(&self.daemon.p, self.context, &sender.into()).await,
            began: self.daemon.p.now(),
            envid: None,
            ret_full: None,
            eight_bit: false,
            smtputf8: false,
            recipients: Vec::new(),
            queue: None,
            chunks: None,
        };
        for option in words.options() {
            if let Err(reply) = self.mail_option(option, &mut transaction) {
                return self.fault(Verb::Mail, &reply);
            }
        }
        self.transaction = Some(transaction);
        self.success(Verb::Mail, "250 2.1.0 Ok")
    }

    fn mail_option(&self, option: &str, t: &mut Transaction) -> Result<(), String> {
        let (name, value) = option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
        match (name.to_ascii_uppercase().as_str(), value) {
            ("BODY", Some(v)) if v.eq_ignore_ascii_case("8BITMIME") => t.eight_bit = true,
            ("BODY", Some(v)) if v.eq_ignore_ascii_case("7BIT") => {}
            ("BODY", Some(_)) => return Err(format!("501 5.5.4 Unsupported BODY option: {option}")),
            ("SIZE", Some(v)) => {
                let size: u64 = v.parse().map_err(|_| "501 5.5.4 Bad message size syntax".to_owned())?;
                let limit = self.settings.message_size_limit;
                if limit > 0 && size > limit {
                    return Err("552 5.3.4 Message size exceeds fixed limit".to_owned());
                }
            }
            ("SMTPUTF8", None) => t.smtputf8 = true,
            ("RET", Some(v)) if t.ret_full.is_none() && v.eq_ignore_ascii_case("FULL") => {
                t.ret_full = Some(true)
            }
            ("RET", Some(v)) if t.ret_full.is_none() && v.eq_ignore_ascii_case("HDRS") => {
                t.ret_full = Some(false)
            }
            ("RET", Some(_)) => return Err("501 5.5.4 Bad RET parameter syntax".to_owned()),
            ("ENVID", Some(v)) if t.envid.is_none() && command::is_xtext(v) => t.envid = Some(v.into()),
            ("ENVID", Some(_)) => return Err("501 5.5.4 Bad ENVID parameter syntax".to_owned()),
            _ => return Err(format!("555 5.5.4 Unsupported option: {option}")),
        }
        Ok(())
    }

    /// RFC 5321, section 4.1.1.3
    async fn rcpt(&mut self, words: &Words<'_>) -> Next {
        self.last = "RCPT";
        if self.transaction.is_none() {
            return self.fault(Verb::Rcpt, "503 5.5.1 Error: need MAIL command");
        }
        let argument = match words.address_argument("TO:") {
            Argument::Missing => return self.fault(Verb::Rcpt, "501 5.5.4 Syntax: RCPT TO:<address>"),
            Argument::Broken => return self.fault(Verb::Rcpt, "501 5.1.3 Bad recipient address syntax"),
            Argument::Text(text) => text,
        };
        let Some(original) = self.extract("RCPT", argument, false) else {
            return self.fault(Verb::Rcpt, "501 5.1.3 Bad recipient address syntax");
        };
        let (mut notify, mut orcpt) = (0, Rc::<str>::from(""));
        for option in words.options() {
            match option.split_once('=').map(|(n, v)| (n.to_ascii_uppercase(), v)) {
                Some((name, v)) if name == "NOTIFY" && notify == 0 => match command::notify(v) {
                    Some(flags) => notify = flags,
                    None => return self.fault(Verb::Rcpt, "501 5.5.4 Bad NOTIFY parameter syntax"),
                },
                Some((name, v)) if name == "ORCPT" && orcpt.is_empty() => match command::orcpt(v) {
                    Some(text) => orcpt = text.into(),
                    None => return self.fault(Verb::Rcpt, "501 5.5.4 Bad ORCPT parameter syntax"),
                },
                _ => {
                    let reply = format!("555 5.5.4 Unsupported option: {option}");
                    return self.fault(Verb::Rcpt, &reply);
                }
            }
        }
        let original: Rc<str> = original.into();
        let address = self.rewriter.rewrite(&self.daemon.p, self.context, &original).await;
        let recipient = Recipient { offset: 0, original, address, dsn_orcpt: orcpt, dsn_notify: notify };
        self.accept(recipient).await
    }

    /// Asks whether mail may go to a recipient, and takes it.
    async fn accept(&mut self, recipient: Recipient) -> Next {
        let Some(t) = &self.transaction else { return Next::Command };
        if t.recipients.len() >= self.settings.recipient_limit {
            return self.fault(Verb::Rcpt, "452 4.5.3 Error: too many recipients");
        }
        if let Err(reject) = self.checks.rcpt(self, t, &recipient.original, &recipient.address).await {
            let to = address::quote(&recipient.original);
            return self.refuse(Verb::Rcpt, "RCPT", Some(&to), &reject);
        }
        let id = match self.queue_id().await {
            Ok(id) => id,
            Err(reject) => return self.refuse(Verb::Rcpt, "RCPT", Some(&recipient.original), &reject),
        };
        if let Some(id) = id {
            self.log(&format!("{id}: client={}", self.shown));
        }
        if let Some(t) = &mut self.transaction {
            t.recipients.push(recipient);
        }
        self.success(Verb::Rcpt, "250 2.1.5 Ok")
    }

    /// Calls cleanup for the first accepted recipient; gives the id where it is new.
    async fn queue_id(&mut self) -> Result<Option<Rc<str>>, Reject> {
        let Some(t) = &mut self.transaction else { return Ok(None) };
        if t.queue.is_some() {
            return Ok(None);
        }
        let failed = || Reject::new(451, "4.3.0", "Error: queue file write error");
        let stream =
            self.daemon.p.connect_unix(&format!("{SPOOL}/public/cleanup")).await.map_err(|_| failed())?;
        let id = stream.receive::<Rc<str>>().await.ok_or_else(failed)?;
        t.queue = Some((id.clone(), stream));
        Ok(Some(id))
    }

    /// The address in an argument, in internal form.
    fn extract(&self, command: &str, argument: &str, empty_is_good: bool) -> Option<String> {
        match address::extract(argument) {
            Some(address) if !address.is_empty() || empty_is_good => Some(address),
            _ => {
                self.log(&format!(
                    "warning: Illegal address syntax from {} in {command} command: {}",
                    self.shown,
                    command::printable(argument, 100)
                ));
                None
            }
        }
    }

    fn rset(&mut self, words: &Words<'_>) -> Next {
        self.last = "RSET";
        if words.len() != 1 {
            return self.fault(Verb::Rset, "501 5.5.4 Syntax: RSET");
        }
        self.transaction = None;
        self.success(Verb::Rset, "250 2.0.0 Ok")
    }

    /// RFC 5321, section 4.1.1.6
    async fn vrfy(&mut self, words: &Words<'_>) -> Next {
        self.last = "VRFY";
        if self.settings.disable_vrfy {
            return self.fault(Verb::Vrfy, "502 5.5.1 VRFY command is disabled");
        }
        let Some(argument) = words.rest(1) else {
            return self.fault(Verb::Vrfy, "501 5.5.4 Syntax: VRFY address [SMTPUTF8]");
        };
        let Some(original) = self.extract("VRFY", argument, false) else {
            return self.fault(Verb::Vrfy, "501 5.1.3 Bad recipient address syntax");
        };
        let original: Rc<str> = original.into();
        let address = self.rewriter.rewrite(&self.daemon.p, self.context, &original).await;
        match self.checks.vrfy(self, &original, &address).await {
            Ok(()) => {
                let reply = format!("252 2.0.0 {argument}");
                self.success(Verb::Vrfy, &reply)
            }
            Err(reject) => {
                let transaction = self.transaction.take();
                let next = self.refuse(Verb::Vrfy, "VRFY", Some(&original), &reject);
                self.transaction = transaction;
                next
            }
        }
    }

    /// RFC 1985
    async fn etrn(&mut self, words: &Words<'_>) -> Next {
        self.last = "ETRN";
        let Some(domain) = words.get(1).filter(|_| words.len() == 2) else {
            return self.fault(Verb::Etrn, "500 Syntax: ETRN domain");
        };
        if let Err(reject) = self.checks.etrn(self).await {
            return self.refuse(Verb::Etrn, "ETRN", None, &reject);
        }
        let domain = domain.trim_start_matches(['@', '#']);
        if !address::is_valid_domain(domain) {
            return self.fault(Verb::Etrn, "501 Error: invalid parameter syntax");
        }
        match flush::ask(&self.daemon.p, flush::Request::Site(domain.into())).await {
            Some(flush::Answer::Ok) => self.success(Verb::Etrn, "250 Queuing started"),
            Some(flush::Answer::Denied) => {
                self.log(&format!("warning: reject: ETRN {domain}... from {}", self.shown));
                let reply = format!("459 <{domain}>: service unavailable");
                self.fault(Verb::Etrn, &reply)
            }
            None => self.fault(Verb::Etrn, "458 Unable to queue messages"),
        }
    }
}
