//! The commands, one function each; dispatch is the match in [`Session::command`].

use super::check::Reject;
use super::counts::Verb;
use super::postdrop::Postdrop;
use super::session::{Chunks, Next, Session, Transaction, Way};
use super::transcript::Class;
use super::wire::Wire;
use crate::postfix::anvil::Act;
use crate::postfix::flush;
use crate::postfix::queue::{Recipient, SPOOL};
use crate::proto::address;
use crate::proto::smtp::command::{self, Argument, Words};
use std::rc::Rc;

impl Session<'_> {
    /// One command line.
    pub async fn command(&mut self, line: &[u8]) -> Next {
        if self.settings.smtputf8 && std::str::from_utf8(line).is_err() {
            return self.fault("500 5.5.2 Error: bad UTF-8 syntax");
        }
        let filtered;
        let mut text = String::from_utf8_lossy(line);
        if !self.settings.command_filter.is_empty()
            && let Ok(Some(found)) = self.settings.command_filter.find(&text)
        {
            filtered = found.value;
            text = filtered.as_ref().into();
        }
        let words = Words::split(&text);
        if words.is_empty() {
            return self.fault("500 5.5.2 Error: bad syntax");
        }
        if self.settings.noop_commands.matches(words.verb()) {
            self.reply("250 2.0.0 Ok");
            self.junk();
            return Next::Done;
        }
        let verb = Verb::named(words.verb());
        self.counts.used(verb);
        if verb == Verb::Unknown {
            self.last = "UNKNOWN";
            if self.is_no_smtp(&words, &text) {
                return Next::Dismissed;
            }
        }
        if self.denied.is_some() && verb != Verb::Quit {
            let text = format!("503 5.7.0 Error: access denied for {}", self.shown);
            return self.fault(&text);
        }
        if verb == Verb::Unknown {
            return self.fault("500 5.5.2 Error: command not recognized");
        }
        if self.settings.tls.enforce && self.tls.is_none() && !verb.before_tls() {
            return self.fault("530 5.7.0 Must issue a STARTTLS command first");
        }
        self.last = verb.text();
        if let Some(next) = self.too_early(verb) {
            self.count(verb, next);
            return next;
        }
        let next = self.act(verb, &words).await;
        self.count(verb, next);
        next
    }

    async fn act(&mut self, verb: Verb, words: &Words<'_>) -> Next {
        match verb {
            Verb::Helo => self.helo(words, false).await,
            Verb::Ehlo => self.helo(words, true).await,
            Verb::Xclient => self.xclient(words).await,
            Verb::Xforward => self.xforward(words),
            Verb::Starttls => self.starttls(words).await,
            Verb::Auth => self.auth(words).await,
            Verb::Mail => self.mail(words).await,
            Verb::Rcpt => self.rcpt(words).await,
            Verb::Data => self.data(words).await,
            Verb::Bdat => self.bdat(words).await,
            Verb::Rset => self.rset(words).await,
            Verb::Noop => self.done("250 2.0.0 Ok"),
            Verb::Vrfy => self.vrfy(words).await,
            Verb::Etrn => self.etrn(words).await,
            Verb::Quit => {
                self.reply("221 2.0.0 Bye");
                Next::Quit
            }
            Verb::Unknown => Next::Fault,
        }
    }

    /// A line that no mail client says: the session ends.
    fn is_no_smtp(&self, words: &Words<'_>, line: &str) -> bool {
        let is_header = words.verb().strip_suffix(':').is_some_and(command::is_header_name)
            || line.split_once(':').is_some_and(|(name, _)| command::is_header_name(name));
        if !is_header && !self.settings.forbidden_commands.matches(words.verb()) {
            return false;
        }
        self.daemon.msg.log_warn(format!(
            "non-SMTP command from {}: {}",
            self.shown,
            command::printable(line, 100)
        ));
        self.reply("221 2.7.0 Error: I can break rules, too. Goodbye.");
        true
    }

    /// RFC 5321, section 4.1.1.1
    async fn helo(&mut self, words: &Words<'_>, esmtp: bool) -> Next {
        let Some(name) = words.rest(1) else {
            let syntax = if esmtp { "501 Syntax: EHLO hostname" } else { "501 Syntax: HELO hostname" };
            return self.fault(syntax);
        };
        let given: Rc<str> = command::printable(name, usize::MAX).into();
        if let Err(reject) = self.checks.helo(self, &given).await {
            return self.refuse(&reject);
        }
        // It will stand in headers, where these mean something.
        let bad = |c: char| " <>()\\\";@".contains(c);
        let name: Rc<str> = given.chars().map(|c| if bad(c) { '?' } else { c }).collect::<String>().into();
        self.reset();
        self.tell_errors().await;
        self.helo = name;
        // What was once spoken is not unlearned by a HELO.
        self.esmtp |= esmtp;
        if !esmtp {
            let reply = format!("250 {}", self.settings.myhostname);
            return self.done(&reply);
        }
        if let Some(told) = self.discard.told() {
            self.log(&told);
        }
        let lines = self.keywords();
        let last = lines.len() - 1;
        for (n, line) in lines.iter().enumerate() {
            let between = if n < last { '-' } else { ' ' };
            self.reply(&format!("250{between}{line}"));
        }
        Next::Done
    }

    /// What EHLO tells of this server's abilities.
    fn keywords(&self) -> Vec<String> {
        let s = self.settings;
        let mut all = vec![("", s.myhostname.to_string())];
        let mut offer = |keyword: &'static str, text: &str| all.push((keyword, text.to_owned()));
        offer("PIPELINING", "PIPELINING");
        match s.message_size_limit {
            0 => offer("SIZE", "SIZE"),
            limit => offer("SIZE", &format!("SIZE {limit}")),
        }
        if !s.disable_vrfy {
            offer("VRFY", "VRFY");
        }
        offer("ETRN", "ETRN");
        if s.tls.offered && self.tls.is_none() {
            offer("STARTTLS", "STARTTLS");
        }
        if let Some(mechanisms) = self.offered_mechanisms() {
            offer("AUTH", &format!("AUTH {mechanisms}"));
            if s.sasl_broken_clients {
                offer("AUTH", &format!("AUTH={mechanisms}"));
            }
        }
        if self.is_in(&s.xclient_hosts) {
            offer("XCLIENT", "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT");
        }
        if self.is_in(&s.xforward_hosts) {
            offer("XFORWARD", "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT");
        }
        offer("ENHANCEDSTATUSCODES", "ENHANCEDSTATUSCODES");
        offer("8BITMIME", "8BITMIME");
        offer("DSN", "DSN");
        if s.smtputf8 {
            offer("SMTPUTF8", "SMTPUTF8");
        }
        offer("CHUNKING", "CHUNKING");
        all.retain(|(keyword, _)| keyword.is_empty() || !self.discard.has(keyword));
        all.into_iter().map(|(_, text)| text).collect()
    }

    /// RFC 5321, section 4.1.1.2
    async fn mail(&mut self, words: &Words<'_>) -> Next {
        if self.helo.is_empty() && self.settings.helo_required {
            return self.fault("503 5.5.1 Error: send HELO/EHLO first");
        }
        if let Some(t) = &self.transaction {
            return match t.chunks {
                Chunks::None => self.fault("503 5.5.1 Error: nested MAIL command"),
                _ => self.fault("503 5.5.1 Error: MAIL after BDAT"),
            };
        }
        let limit = self.settings.client_limits.message_rate;
        if self.exceeds(Act::Mail, limit, "Message delivery request rate").await {
            return self.fault_of(
                Class::Policy,
                &format!("450 4.7.1 Error: too much mail from {}", self.client.shown_address),
            );
        }
        let argument = match words.address_argument("FROM:") {
            Argument::Missing => return self.fault("501 5.5.4 Syntax: MAIL FROM:<address>"),
            Argument::Broken => return self.fault("501 5.1.7 Bad sender address syntax"),
            Argument::Text(text) => text,
        };
        let Some(sender) = self.extract("MAIL", argument, true, self.settings.strict_envelopes) else {
            return self.fault("501 5.1.7 Bad sender address syntax");
        };
        let sender: Rc<str> = sender.into();
        let mut transaction = Transaction {
            sender: sender.clone(),
            began: self.daemon.p.now(),
            size: self.announced_size,
            envid: None,
            ret_full: None,
            eight_bit: false,
            smtputf8: false,
            recipients: Vec::new(),
            queue: None,
            taken: 0,
            chunked: None,
            chunks: Chunks::None,
        };
        for option in words.options() {
            let taken = self.mail_option(option, &mut transaction);
            self.announced_size = transaction.size;
            if let Err(reply) = taken {
                return self.fault(&reply);
            }
        }
        if let Err(reject) = self.checks.mail(self, &sender).await {
            return self.refuse(&reject);
        }
        let limit = self.settings.message_size_limit;
        if limit > 0 && transaction.size > limit {
            let reject = Reject::new(552, "5.3.4", "Message size exceeds fixed limit");
            return self.refuse_logged(reject, Some(sender));
        }
        self.next_instance();
        self.transaction = Some(transaction);
        self.done("250 2.1.0 Ok")
    }

    fn mail_option(&self, option: &str, t: &mut Transaction) -> Result<(), String> {
        let (name, value) = option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
        match (name.to_ascii_uppercase().as_str(), value) {
            ("BODY", Some(v)) if v.eq_ignore_ascii_case("8BITMIME") => t.eight_bit = true,
            ("BODY", Some(v)) if v.eq_ignore_ascii_case("7BIT") => t.eight_bit = false,
            ("SIZE", Some(v)) => {
                if v.is_empty() || !v.bytes().all(|b| b.is_ascii_digit()) {
                    return Err("501 5.5.4 Bad message size syntax".to_owned());
                }
                let size = v.parse::<i64>().ok();
                let size = size.ok_or("552 5.3.4 Message size exceeds file system imposed limit")?;
                t.size = size.unsigned_abs();
            }
            ("SMTPUTF8", None) if self.settings.smtputf8 && !self.discard.has("SMTPUTF8") => {
                t.smtputf8 = true
            }
            ("AUTH", Some(v)) if self.settings.sasl_enabled => self.auth_option(v)?,
            ("RET" | "ENVID", Some(_)) if self.discard.has("DSN") => {
                return Err("501 5.7.1 DSN support is disabled".to_owned());
            }
            ("RET", Some(v)) => {
                let full = match &*v.to_ascii_uppercase() {
                    "FULL" => true,
                    "HDRS" => false,
                    _ => return Err("501 5.5.4 Bad RET parameter syntax".to_owned()),
                };
                if t.ret_full.replace(full).is_some() {
                    return Err("501 5.5.4 Bad RET parameter syntax".to_owned());
                }
            }
            ("ENVID", Some(v)) => {
                let text = crate::proto::smtp::xtext_decode(v);
                let good = text.filter(|x| !x.is_empty() && x.bytes().all(|b| (32..127).contains(&b)));
                match good {
                    Some(text) if t.envid.is_none() => t.envid = Some(text.into()),
                    _ => return Err("501 5.5.4 Bad ENVID parameter syntax".to_owned()),
                }
            }
            _ => return Err(format!("555 5.5.4 Unsupported option: {option}")),
        }
        Ok(())
    }

    /// RFC 5321, section 4.1.1.3
    async fn rcpt(&mut self, words: &Words<'_>) -> Next {
        match &self.transaction {
            None => return self.fault("503 5.5.1 Error: need MAIL command"),
            Some(Transaction { chunks: Chunks::None, .. }) => {}
            Some(_) => return self.fault("503 5.5.1 Error: RCPT after BDAT"),
        }
        let limit = self.settings.client_limits.recipient_rate;
        if self.exceeds(Act::Recipient, limit, "Recipient address rate").await {
            let text = format!("450 4.7.1 Error: too many recipients from {}", self.client.shown_address);
            return self.fault_of(Class::Policy, &text);
        }
        let argument = match words.address_argument("TO:") {
            Argument::Missing => return self.fault("501 5.5.4 Syntax: RCPT TO:<address>"),
            Argument::Broken => return self.fault("501 5.1.3 Bad recipient address syntax"),
            Argument::Text(text) => text,
        };
        let Some(original) = self.extract("RCPT", argument, false, self.settings.strict_envelopes) else {
            return self.fault("501 5.1.3 Bad recipient address syntax");
        };
        let (mut notify, mut orcpt) = (0, Rc::<str>::from(""));
        for option in words.options() {
            let (name, value) = option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
            match (name.to_ascii_uppercase().as_str(), value) {
                ("NOTIFY" | "ORCPT", Some(_)) if self.discard.has("DSN") => {
                    return self.fault("501 5.7.1 DSN support is disabled");
                }
                ("NOTIFY", Some(v)) => match self.notify(v) {
                    Some(flags) if notify == 0 => notify = flags,
                    _ => return self.fault("501 5.5.4 Error: Bad NOTIFY parameter syntax"),
                },
                ("ORCPT", Some(v)) => match command::orcpt(v) {
                    Some(text) if orcpt.is_empty() => orcpt = text.into(),
                    _ => return self.fault("501 5.5.4 Error: Bad ORCPT parameter syntax"),
                },
                _ => return self.fault(&format!("555 5.5.4 Unsupported option: {option}")),
            }
        }
        let original: Rc<str> = original.into();
        if self.rcpt_count >= self.settings.recipient_limit {
            self.reply("452 4.5.3 Error: too many recipients");
            // Some more are not held against the client: it may not have seen the first answer.
            self.rcpt_overshoot += 1;
            let tolerated = self.rcpt_overshoot <= self.settings.recipient_overshoot;
            return if tolerated { Next::Done } else { Next::Fault };
        }
        self.accept(original, orcpt, notify).await
    }

    /// `NOTIFY=` as flags; a word that is none is told to the log.
    fn notify(&self, value: &str) -> Option<u8> {
        let flags = command::notify(value);
        let unknown =
            |w: &&str| !["NEVER", "SUCCESS", "FAILURE", "DELAY"].iter().any(|k| w.eq_ignore_ascii_case(k));
        if flags.is_none()
            && let Some(word) = value.split(',').find(unknown)
        {
            self.daemon.msg.log_warn(format!("unknown DSN NOTIFY command value \"{word}\" in \"{value}\""));
        }
        flags
    }

    /// Asks whether mail may go to a recipient, and takes it.
    async fn accept(&mut self, original: Rc<str>, dsn_orcpt: Rc<str>, dsn_notify: u8) -> Next {
        if let Err(reject) = self.checks.rcpt(self, &original).await {
            return self.refuse(&reject);
        }
        match self.open_cleanup().await {
            Ok(Some(id)) => self.log_client(&id),
            Ok(None) => {}
            Err(reject) => return self.refuse(&reject),
        }
        if self.recipient.is_none() {
            self.recipient = Some(original.clone());
        }
        self.rcpt_count += 1;
        if let Some(t) = &mut self.transaction {
            let address = original.clone();
            t.recipients.push(Recipient { offset: 0, original, address, dsn_orcpt, dsn_notify });
        }
        self.done("250 2.1.5 Ok")
    }

    /// Says in the log whose message this is.
    fn log_client(&self, id: &str) {
        let mut text = format!("{id}: client={}", self.shown);
        if let Some(login) = &self.login {
            text.push_str(&format!(", sasl_method={}, sasl_username={}", login.method, login.user));
        }
        if let Some(id) = &self.forwarded_id {
            text.push_str(&format!(", orig_queue_id={id}"));
        }
        if let Some(origin) = &self.forwarded {
            text.push_str(&format!(", orig_client={}[{}]", origin.name, origin.shown_address));
        }
        self.log(&text);
    }

    /// Calls cleanup for the first accepted recipient; gives the id where it is new.
    pub async fn open_cleanup(&mut self) -> Result<Option<Rc<str>>, Reject> {
        let Some(t) = &mut self.transaction else { return Ok(None) };
        if t.queue.is_some() {
            return Ok(None);
        }
        let failed = || Reject::new(451, "4.3.0", "Error: queue file write error");
        if matches!(self.wire, Wire::Standard(_)) {
            let (id, postdrop) = Postdrop::start(&self.daemon.p).await.ok_or_else(failed)?;
            t.queue = Some((id.clone(), Way::Postdrop(postdrop)));
            return Ok(Some(id));
        }
        let service = self.daemon.string("cleanup_service_name");
        let stream =
            self.daemon.p.connect_unix(&format!("{SPOOL}/public/{service}")).await.map_err(|_| failed())?;
        let id = stream.receive::<Rc<str>>().await.ok_or_else(failed)?;
        t.queue = Some((id.clone(), Way::Cleanup(stream)));
        Ok(Some(id))
    }

    /// The address in an argument, in internal form.
    fn extract(&self, command: &str, argument: &str, empty_is_good: bool, strict: bool) -> Option<String> {
        let naked = strict && !(argument.starts_with('<') && argument.ends_with('>'));
        match address::extract(argument) {
            Some(address)
                if !naked
                    && (!address.is_empty() || empty_is_good)
                    && (!strict || address::is_strict(argument)) =>
            {
                Some(address)
            }
            _ => {
                self.daemon.msg.log_warn(format!(
                    "Illegal address syntax from {} in {command} command: {}",
                    self.shown,
                    command::printable(argument, 100)
                ));
                None
            }
        }
    }

    async fn rset(&mut self, words: &Words<'_>) -> Next {
        if words.len() != 1 {
            return self.fault("501 5.5.4 Syntax: RSET");
        }
        self.reset();
        self.tell_errors().await;
        self.done("250 2.0.0 Ok")
    }

    /// RFC 5321, section 4.1.1.6
    async fn vrfy(&mut self, words: &Words<'_>) -> Next {
        if self.settings.disable_vrfy {
            return self.fault("502 5.5.1 VRFY command is disabled");
        }
        let Some(argument) = words.rest(1) else {
            let utf8 = self.settings.smtputf8 && !self.discard.has("SMTPUTF8");
            return self.fault(if utf8 {
                "501 5.5.4 Syntax: VRFY address [SMTPUTF8]"
            } else {
                "501 5.5.4 Syntax: VRFY address"
            });
        };
        let utf8 = self.settings.smtputf8 && words.len() > 2;
        let argument = match argument.rsplit_once([' ', '\t']) {
            Some((address, last)) if utf8 && last.eq_ignore_ascii_case("SMTPUTF8") => address.trim_end(),
            _ => argument,
        };
        let Some(original) = self.extract("VRFY", argument, false, false) else {
            return self.fault("501 5.1.3 Bad recipient address syntax");
        };
        match self.checks.rcpt(self, &original.into()).await {
            Ok(()) => self.done(&format!("252 2.0.0 {argument}")),
            Err(reject) => self.refuse(&reject),
        }
    }

    /// RFC 1985
    async fn etrn(&mut self, words: &Words<'_>) -> Next {
        if self.helo.is_empty() && self.settings.helo_required {
            return self.fault("503 Error: send HELO/EHLO first");
        }
        if self.transaction.as_ref().is_some_and(|t| t.queue.is_some()) {
            return self.fault("503 Error: MAIL transaction in progress");
        }
        let Some(domain) = words.get(1).filter(|_| words.len() == 2) else {
            return self.fault("500 Syntax: ETRN domain");
        };
        let domain: Rc<str> = domain.strip_prefix(['@', '#']).unwrap_or(domain).into();
        if !address::is_valid_domain(&domain) {
            return self.fault("501 Error: invalid parameter syntax");
        }
        if self.is_alone() {
            self.daemon.msg.log_warn("do not use ETRN in \"sendmail -bs\" mode");
            return self.fault("458 Unable to queue messages");
        }
        if let Err(reject) = self.checks.etrn(self, &domain).await {
            return self.refuse(&reject);
        }
        match flush::ask(&self.daemon.p, flush::Request::Site(domain.clone())).await {
            Some(flush::Answer::Ok) => self.done("250 Queuing started"),
            Some(flush::Answer::Denied) => {
                self.daemon.msg.log_warn(format!("reject: ETRN {domain}... from {}", self.shown));
                self.fault(&format!("459 <{domain}>: service unavailable"))
            }
            None => self.fault("458 Unable to queue messages"),
        }
    }
}
