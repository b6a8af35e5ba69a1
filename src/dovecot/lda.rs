//! dovecot-lda(1): saves one message, which it reads on standard input, for one user: himself, or
//! the one of `-d`.
//!
//! Its exit statuses are those of sysexits.h: 0 saved, 64 usage, 67 no such user, 75 later perhaps,
//! 77 not allowed, unless the reason is only for the log.
//!
//! # Simplifications
//! Every mailbox but the INBOX is missing: `-m` saves into the INBOX, as the real one does after it
//! has failed, unless `-e` was given.

use super::CONF;
use super::conf;
use super::deliver;
use super::lmtp::session_id;
use super::log::log;
use super::user::{self, NoUser, User};
use crate::world::process::{Process, STDIN};
use std::rc::Rc;

const USAGE: &str = "Usage: dovecot-lda [-c <config file>] [-d <username>] [-p <path>]
                   [-m <mailbox>] [-e] [-k] [-f <envelope sender>]
                   [-a <original envelope recipient>]
                   [-r <final envelope recipient>] \n";

/// Exit statuses of sysexits.h.
mod exit {
    pub const USAGE: i32 = 64;
    pub const NOUSER: i32 = 67;
    pub const TEMPFAIL: i32 = 75;
}

/// The most of a message that is read.
const MESSAGE: usize = 64 << 20;

#[derive(Default)]
struct Options {
    user: Option<Rc<str>>,
    sender: Option<Rc<str>>,
    path: Option<Rc<str>>,
    mailbox: Option<Rc<str>>,
    tell: bool,
    conf: Option<Rc<str>>,
}

/// The command.
pub async fn main(p: Process) -> i32 {
    let own = {
        let host = p.host();
        let (fs, mut users) = (host.fs(), host.users());
        users.getpwuid(&fs, p.real_uid())
    };
    let own_name = own.as_ref().map_or_else(|| p.real_uid().to_string(), |u| u.name.clone());
    let options = match parse(&p.args(), &own_name) {
        Ok(options) => options,
        Err(text) => {
            p.eprint(text).await;
            p.eprint(USAGE).await;
            return exit::USAGE;
        }
    };
    let conf = match conf::read(&p, options.conf.as_deref().unwrap_or(CONF)) {
        Ok(conf) => conf,
        Err(text) => {
            p.eprint(format!("lda({own_name}): Fatal: {text}\n")).await;
            return exit::TEMPFAIL;
        }
    };
    let is_root = p.cred().uid == 0;
    let name = options.user.clone().unwrap_or_else(|| own_name.as_str().into());
    if !is_root {
        // Whoever is not root may not tell the statistics process of it, where there is one.
        if p.exists(&format!("{}/master.pid", super::RUN)) {
            let text = "Error: net_connect_unix(/run/dovecot/stats-writer) failed: Permission denied";
            p.eprint(format!("lda({name}): {text}\n")).await;
        }
    } else if options.user.is_none() {
        p.eprint("lda(root): Fatal: destination user parameter (-d user) not given\n").await;
        return exit::USAGE;
    }
    let user = match (is_root || *name != *own_name, own) {
        (false, Some(own)) => User {
            name: own.name.clone(),
            uid: own.uid,
            gid: own.gid,
            home: own.home.clone(),
            extra: Vec::new(),
        },
        _ => match user::look_up(&p, &conf, &name) {
            Ok(user) if is_root || user.uid == p.real_uid() => user,
            Err(NoUser::Unknown) => return exit::NOUSER,
            Ok(_) => {
                let who = format!("lda({name})<{}><>", p.pid());
                log(&p, &who, &format!("Error: auth-master: userdb lookup({name}): Auth USER lookup failed"));
                return exit::TEMPFAIL;
            }
            Err(NoUser::Unusable(text)) => {
                log(&p, &format!("lda({name})<{}><>", p.pid()), &format!("Error: {text}"));
                return exit::TEMPFAIL;
            }
        },
    };
    let content = match content(&p, &options).await {
        Ok(content) => without_separator(crate::proto::message::to_lf(&content)),
        Err(e) => {
            p.eprint(format!("lda({name}): Fatal: {e}\n")).await;
            return exit::TEMPFAIL;
        }
    };
    save(&p, &conf, &user, &options, &content).await
}

/// A message without the `From ` line of an mbox, which local(8) puts on top of it.
fn without_separator(mut content: Vec<u8>) -> Vec<u8> {
    if content.starts_with(b"From ") {
        let end = memchr::memchr(b'\n', &content).map_or(content.len(), |at| at + 1);
        content.drain(..end);
    }
    content
}

async fn content(p: &Process, options: &Options) -> Result<bytes::Bytes, String> {
    match &options.path {
        Some(path) => p.read_file(path).map_err(|e| format!("open({path}) failed: {e}")),
        None => match p.fd(STDIN) {
            Ok(open) => open.read_to_end(MESSAGE).await.map_err(|e| format!("read(stdin) failed: {e}")),
            Err(e) => Err(format!("read(stdin) failed: {e}")),
        },
    }
}

async fn save(p: &Process, conf: &conf::Block, user: &User, options: &Options, content: &[u8]) -> i32 {
    let who = format!("lda({})<{}><{}>", user.name, p.pid(), session_id(p));
    let message_id = deliver::message_id(content);
    if let Some(mailbox) = options.mailbox.as_deref().filter(|m| !m.eq_ignore_ascii_case("INBOX")) {
        let why = format!("Mailbox doesn't exist: {mailbox}");
        log(p, &who, &format!("msgid={message_id}: save failed to open mailbox {mailbox}: {why}"));
    }
    // Root's program becomes the user for good; a user's has no other rights than his.
    let is_root = p.cred().uid == 0;
    let group = conf.setting("mail_privileged_group");
    p.set_cred(user.cred(p, group.filter(|_| is_root)));
    let sender =
        options.sender.clone().unwrap_or_else(|| format!("{}@{}", user.name, p.host().name()).into());
    match deliver::save(p, conf, user, &sender, content).await {
        Ok(()) => {
            log(p, &who, &format!("msgid={message_id}: saved mail to INBOX"));
            0
        }
        Err(mut why) => {
            let begins = deliver::lacks_mbox(p, conf, user);
            if begins && !is_root && group.is_some() {
                log(p, &who, "Error: setegid(privileged) failed: Operation not permitted");
            }
            log(p, &who, &format!("Error: {why}"));
            if begins {
                why = format!("Mailbox INBOX: Failed to autocreate mailbox: {why}");
                log(p, &who, &format!("Error: {why}"));
            }
            log(p, &who, &format!("msgid={message_id}: save failed to open mailbox INBOX: {why}"));
            if options.tell {
                let now = p.now().strftime("%Y-%m-%d %H:%M:%S");
                let text = "Internal error occurred. Refer to server log for more information.";
                p.eprint(format!("{text} [{now}]\n")).await;
            }
            exit::TEMPFAIL
        }
    }
}

fn parse(args: &[Rc<str>], own: &str) -> Result<Options, String> {
    let mut o = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            return Err(format!("lda({own}): Fatal: Unknown argument: {arg}\n"));
        };
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            if letter == 'e' || letter == 'k' {
                o.tell |= letter == 'e';
                continue;
            }
            if !"acdfmopr".contains(letter) {
                return Err(format!("/usr/lib/dovecot/dovecot-lda: invalid option -- '{letter}'\n"));
            }
            let value: Option<Rc<str>> =
                if rest.is_empty() { args.next().cloned() } else { Some(rest.into()) };
            let Some(value) = value else {
                return Err(format!(
                    "/usr/lib/dovecot/dovecot-lda: option requires an argument -- '{letter}'\n"
                ));
            };
            match letter {
                'c' => o.conf = Some(value),
                'd' => o.user = Some(value),
                'f' => o.sender = Some(value),
                'm' => o.mailbox = Some(value),
                'p' => o.path = Some(value),
                _ => {}
            }
            break;
        }
    }
    Ok(o)
}
