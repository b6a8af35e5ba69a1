//! sendmail(1): the interface by which programs of this host hand in mail.
//!
//! Reads a message from standard input and passes it to `postdrop`; with `-bp` lists the queue,
//! with `-bi` (or called as `newaliases`) rebuilds the alias database, with `-q` flushes the queue.
//!
//! # Simplifications
//! `-q5m` starts no queue runner: master does that.

mod options;

use super::ipc::TraceFlags;
use super::msg::Msg;
use super::record::{self, Type};
use super::{configuration_of_host, queue};
use crate::proto::{address, message};
use crate::world::errno::Errno;
use crate::world::exec::Start;
use crate::world::process::{Process, STDIN, STDOUT};
use options::{Mode, Options};
use std::rc::Rc;

/// Exit statuses of sysexits.h that sendmail uses.
mod exit {
    /// A temporary failure.
    pub const TEMPFAIL: i32 = 75;
    /// A service is not available.
    pub const UNAVAILABLE: i32 = 69;
}

/// The command.
pub async fn main(p: Process) -> i32 {
    let called: Rc<str> =
        p.argv().first().map_or_else(|| "sendmail".into(), |a| a.rsplit('/').next().unwrap_or(a).into());
    let msg = Msg::command(&p, &called).with_ident("postfix/sendmail");
    let options = match options::read(&p, &msg, &called).await {
        Ok(options) => options,
        Err(text) => return fail(&msg, text).await,
    };
    let Ok(config) = configuration_of_host(&p, &msg, options.directory.as_deref()).await else {
        return exit::TEMPFAIL;
    };
    if matches!(options.mode, Mode::Smtp | Mode::Enqueue)
        && let Err(why) = super::authorized::check(&p, &config, "authorized_submit_users", "submit mail")
    {
        return fail(&msg, why).await;
    }
    let run = |path: &'static str, args: Vec<String>| run(p.clone(), path, args);
    match options.mode {
        Mode::Mailq => run("/usr/sbin/postqueue", vec!["-p".into()]).await,
        Mode::Newaliases => run("/usr/sbin/postalias", alias_databases(&config)).await,
        Mode::Flush => match (options.flush_id, options.flush_site) {
            (Some(id), _) => run("/usr/sbin/postqueue", vec!["-i".into(), id]).await,
            (_, Some(site)) => run("/usr/sbin/postqueue", vec!["-s".into(), site]).await,
            _ => run("/usr/sbin/postqueue", vec!["-f".into()]).await,
        },
        Mode::Daemon => {
            // The real one tells nobody whether it came to something.
            run("/usr/sbin/postfix", vec!["start".into()]).await;
            0
        }
        Mode::Nothing => 0,
        Mode::Smtp => run("/usr/lib/postfix/sbin/smtpd", vec!["-S".into()]).await,
        Mode::Enqueue => enqueue(&p, &msg, options).await,
    }
}

fn alias_databases(config: &super::config::Config) -> Vec<String> {
    let mut args: Vec<String> = config.list("alias_database").iter().map(|d| d.to_string()).collect();
    args.insert(0, "--".into());
    args
}

async fn fail(msg: &Msg, text: String) -> i32 {
    msg.fatal(text).await;
    exit::TEMPFAIL
}

async fn run(p: Process, path: &str, args: Vec<String>) -> i32 {
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    let argv: Vec<Rc<str>> = std::iter::once(name).chain(args).map(Into::into).collect();
    match p.exec(path, &argv).await {
        Ok(status) => status,
        Err(e) => fail(&Msg::command(&p, "sendmail"), format!("execve {path}: {e}")).await,
    }
}

/// Reads the message and passes it to postdrop.
async fn enqueue(p: &Process, msg: &Msg, options: Options) -> i32 {
    let (login, passwd_name) = whoami(p);
    let mut who = format!("{login}({})", p.real_uid());
    if options.recipients.is_empty() && !options.extract {
        let text = "Recipient addresses must be specified on the command line or via the -t option";
        return fail(msg, format!("{who}: {text}")).await;
    }
    let content = if options.verify {
        bytes::Bytes::new()
    } else {
        match p.fd(STDIN) {
            Ok(open) => match open.read_to_end(super::STDIN_LIMIT).await {
                Ok(content) => content,
                Err(e) => return fail(msg, format!("{who}: read from standard input: {e}")).await,
            },
            Err(_) => bytes::Bytes::new(),
        }
    };
    let mut content = lines(&content, options.ignore_dot);
    let mut recipients = Vec::new();
    for r in &options.recipients {
        recipients.extend(address::parse_list(r));
    }
    if options.extract {
        recipients.extend(from_headers(&content));
        if recipients.is_empty() {
            return fail(msg, format!("{who}: No recipient addresses found in message header")).await;
        }
    }
    let sender = match &options.sender {
        Some(s) if address::parse_list(s).len() > 1 || s.contains(' ') => {
            msg.warn(format!("-f option specified malformed sender: {s}")).await;
            address::parse_list(s).into_iter().next().unwrap_or_default()
        }
        Some(s) => address::parse_list(s).into_iter().next().unwrap_or_default(),
        None => login.clone(),
    };
    if options.sender.is_some() {
        who = format!("{sender}({})", p.real_uid());
    }
    if options.verify {
        // Nobody gets it; what would become of it is told.
        let to: Vec<_> = recipients.iter().map(|r| address::quote(r)).collect();
        content =
            format!("From: {}\nSubject: probe\nTo: {}\n\n", address::quote(&sender), to.join(", ")).into();
    }
    let name =
        options.full_name.clone().or_else(|| p.var("NAME").map(|n| n.to_string())).unwrap_or(passwd_name);
    let file = encode(p, &options, &sender, &name, &recipients, &content);
    let status = postdrop(p, file).await;
    match status {
        Ok(0) => {
            if options.verify || options.verbose > 0 {
                p.print(format!("Mail Delivery Status Report will be mailed to <{sender}>.\n")).await;
            }
            0
        }
        Ok(super::postdrop::TOO_LARGE) => {
            msg.warn("mail_stream_cleanup: close error").await;
            fail(msg, format!("{who}: message file too big")).await
        }
        Ok(_) => {
            // postdrop has said why.
            fail(msg, format!("{who}: unable to execute /usr/sbin/postdrop -r: Success")).await
        }
        Err(e) => {
            msg.fatal(format!("{who}: unable to execute /usr/sbin/postdrop -r: {e}")).await;
            exit::UNAVAILABLE
        }
    }
}

/// The name of the user and the full name in the password file.
fn whoami(p: &Process) -> (String, String) {
    let fs = p.host().fs();
    let mut users = p.host().users();
    match users.getpwuid(&fs, p.real_uid()) {
        Some(u) => {
            let gecos = u.gecos.split(',').next().unwrap_or_default();
            let capital = || {
                let mut c = u.name.chars();
                c.next().map(|f| f.to_uppercase().collect::<String>() + c.as_str()).unwrap_or_default()
            };
            (u.name.to_string(), gecos.replace('&', &capital()))
        }
        None => ("unknown".to_owned(), String::new()),
    }
}

/// The message's lines: CR LF becomes LF, and a single dot ends it where `ignore_dot` is not given.
fn lines(content: &[u8], ignore_dot: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 1);
    let mut first = true;
    for line in content.split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !ignore_dot && line == b"." {
            break;
        }
        // A mailbox's separator line is no part of the message.
        let separator = first && (line.starts_with(b"From ") || line.starts_with(b">From "));
        first = false;
        if !separator {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    }
    out
}

/// Recipients named in the headers; those of `Resent-` headers alone where there are any.
fn from_headers(content: &[u8]) -> Vec<String> {
    let (mut plain, mut resent) = (Vec::new(), Vec::new());
    for header in message::headers(content) {
        let list = match header.name().to_ascii_lowercase().as_slice() {
            b"to" | b"cc" | b"bcc" => &mut plain,
            b"resent-to" | b"resent-cc" | b"resent-bcc" => &mut resent,
            _ => continue,
        };
        list.extend(address::parse_list(&String::from_utf8_lossy(header.value())));
    }
    if resent.is_empty() { plain } else { resent }
}

/// The records that postdrop gets.
fn encode(
    p: &Process,
    o: &Options,
    sender: &str,
    name: &str,
    recipients: &[String],
    content: &[u8],
) -> Vec<u8> {
    let mut file = Vec::with_capacity(content.len() + 400);
    record::put(&mut file, Type::Time, queue::time_record(p.now()).as_bytes());
    let attr = |file: &mut Vec<u8>, text: String| record::put(file, Type::Attr, text.as_bytes());
    attr(&mut file, "rewrite_context=local".into());
    let trace = match (o.verify, o.verbose) {
        (true, _) => TraceFlags::VerifyOnly,
        (_, 1..) => TraceFlags::Record,
        _ => TraceFlags::None,
    };
    if let Some(flags) = trace.text() {
        attr(&mut file, format!("trace_flags={flags}"));
    }
    if let Some(envid) = &o.envid {
        attr(&mut file, format!("envelope_id={envid}"));
    }
    if let Some(full) = o.ret {
        attr(&mut file, format!("ret_flags={}", if full { 1 } else { 2 }));
    }
    if o.eight_bit {
        attr(&mut file, "encoding=8bit".into());
    }
    record::put(&mut file, Type::FullName, name.as_bytes());
    record::put(&mut file, Type::From, sender.as_bytes());
    let put_recipients = |file: &mut Vec<u8>| {
        for r in recipients {
            if o.notify != 0 {
                record::put(file, Type::Attr, format!("notify_flags={}", o.notify).as_bytes());
            }
            record::put(file, Type::Recipient, r.as_bytes());
        }
    };
    if !o.extract {
        put_recipients(&mut file);
    }
    record::put(&mut file, Type::Message, b"");
    for line in content.split_inclusive(|b| *b == b'\n') {
        record::put(&mut file, Type::Line, line.strip_suffix(b"\n").unwrap_or(line));
    }
    record::put(&mut file, Type::Extra, b"");
    if o.extract {
        // They were found in the message, and stand behind it.
        put_recipients(&mut file);
    }
    record::put(&mut file, Type::End, b"");
    file
}

/// Runs postdrop, which may write to the maildrop directory where users may not.
async fn postdrop(p: &Process, file: Vec<u8>) -> Result<i32, Errno> {
    let (reader, writer) = p.pipe();
    let (answer, from_postdrop) = p.pipe();
    let mut fds = p.fds();
    fds.insert(STDIN, reader);
    fds.insert(STDOUT, from_postdrop);
    let mut start = Start::new(["/usr/sbin/postdrop", "-r"]);
    start.fds = Some(fds);
    let child = p.spawn("/usr/sbin/postdrop", start)?;
    p.hand_over("/usr/sbin/postdrop", || format!("a letter, {} bytes", file.len()));
    let _ = writer.write(file).await;
    writer.end();
    drop(writer);
    let status = child.wait().await;
    drop(answer);
    Ok(status)
}
