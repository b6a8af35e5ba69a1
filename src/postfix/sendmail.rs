//! sendmail(1): the interface by which programs of this host hand in mail.
//!
//! Reads a message from standard input and passes it to `postdrop`; with `-bp` lists the queue,
//! with `-bi` (or called as `newaliases`) rebuilds the alias database, with `-q` flushes the queue.
//!
//! # Simplifications
//! `-bs` (SMTP on standard input) is refused. `-v` asks for a report; a second one, which makes the real
//! one tell all it does, asks for no more.

use super::ipc::TraceFlags;
use super::msg::Msg;
use super::queue::notify;
use super::record::{self, Type};
use super::{config_of, queue};
use crate::proto::{address, message};
use crate::world::errno::Errno;
use crate::world::exec::Start;
use crate::world::process::{Process, STDIN, STDOUT};
use std::rc::Rc;

/// Exit statuses of sysexits.h that sendmail uses.
mod exit {
    /// A temporary failure.
    pub const TEMPFAIL: i32 = 75;
    /// A service is not available.
    pub const UNAVAILABLE: i32 = 69;
}

/// What sendmail is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    #[default]
    Enqueue,
    Verify,
    Mailq,
    Newaliases,
    Flush,
    Smtp,
    Nothing,
}

#[derive(Default)]
struct Options {
    mode: Mode,
    sender: Option<String>,
    full_name: Option<String>,
    /// A line with a dot does not end the message (`-i`).
    ignore_dot: bool,
    extract: bool,
    verbose: usize,
    notify: u8,
    ret: Option<bool>,
    envid: Option<String>,
    eight_bit: bool,
    flush_site: Option<String>,
    flush_id: Option<String>,
    recipients: Vec<String>,
    /// What is said of options that are passed over.
    warnings: Vec<String>,
}

/// The command.
pub async fn main(p: Process) -> i32 {
    let called: Rc<str> =
        p.argv().first().map_or_else(|| "sendmail".into(), |a| a.rsplit('/').next().unwrap_or(a).into());
    let msg = Msg::command(&p, "sendmail");
    let mut options = match parse(&p.args()) {
        Ok(options) => options,
        Err(Refusal::Misuse(text)) => {
            // The options are read twice, first for those that concern the log.
            p.eprint(format!("sendmail: {text}\n").repeat(2)).await;
            return fail(&msg, "usage: sendmail [options]".to_owned()).await;
        }
        Err(Refusal::Fatal(text)) => return fail(&msg, text).await,
    };
    for text in std::mem::take(&mut options.warnings) {
        msg.warn(text).await;
    }
    match &*called {
        "mailq" => options.mode = Mode::Mailq,
        "newaliases" => options.mode = Mode::Newaliases,
        _ => {}
    }
    let config = match config_of(&p, &[]) {
        Ok(config) => config,
        Err(e) => return fail(&Msg::command(&p, &called), e.to_string()).await,
    };
    if let Err(e) = config.check_global() {
        let msg = Msg::command(&p, &called).with_ident("postfix/sendmail");
        return fail(&msg, e.to_string()).await;
    }
    let run = |path: &'static str, args: Vec<String>| run(p.clone(), path, args);
    match options.mode {
        Mode::Mailq => run("/usr/sbin/postqueue", vec!["-p".into()]).await,
        Mode::Newaliases => run("/usr/sbin/postalias", alias_databases(&config)).await,
        Mode::Flush if !options.recipients.is_empty() => {
            fail(&msg, "flush queue mode requires no recipient".to_owned()).await
        }
        Mode::Flush => match (options.flush_id, options.flush_site) {
            (Some(id), _) => run("/usr/sbin/postqueue", vec!["-i".into(), id]).await,
            (_, Some(site)) => run("/usr/sbin/postqueue", vec!["-s".into(), site]).await,
            _ => run("/usr/sbin/postqueue", vec!["-f".into()]).await,
        },
        Mode::Nothing => 0,
        Mode::Smtp => fail(&msg, "-bs: SMTP on standard input is not available in the lab".to_owned()).await,
        Mode::Enqueue | Mode::Verify => enqueue(&p, &msg, options).await,
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

/// Options with an argument of their own.
const WITH_VALUE: &str = "ABCFLNORVXfhopr";

/// Options without one.
const FLAGS: &str = "GIUceimntvx";

/// Why the options cannot be followed.
enum Refusal {
    /// They are none.
    Misuse(String),
    /// They ask for what there is not.
    Fatal(String),
}

fn parse(args: &[Rc<str>]) -> Result<Options, Refusal> {
    let mut o = Options::default();
    let mut args = args.iter().map(|a| &**a);
    while let Some(arg) = args.next() {
        if arg == "--" {
            o.recipients.extend(args.by_ref().map(str::to_owned));
            break;
        }
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            o.recipients.push(arg.to_owned());
            o.recipients.extend(args.by_ref().map(str::to_owned));
            break;
        };
        let mut at = 0;
        while let Some(letter) = letters[at..].chars().next() {
            at += letter.len_utf8();
            let rest = &letters[at..];
            match letter {
                'b' => {
                    let value = if rest.is_empty() { args.next() } else { Some(rest) };
                    o.mode = mode(value.ok_or_else(|| missing('b'))?).map_err(Refusal::Fatal)?;
                    break;
                }
                'q' => {
                    queue_option(rest, &mut o).map_err(Refusal::Fatal)?;
                    break;
                }
                'o' if matches!(rest.chars().next(), Some('i')) => {
                    o.ignore_dot = true;
                    break;
                }
                'o' if !rest.is_empty() => break,
                c if WITH_VALUE.contains(c) => {
                    let value = if rest.is_empty() { args.next() } else { Some(rest) };
                    let value = value.ok_or_else(|| missing(c))?;
                    value_option(c, value, &mut o).map_err(Refusal::Fatal)?;
                    break;
                }
                'n' => return Err(Refusal::Fatal("-n option not supported".to_owned())),
                c if FLAGS.contains(c) => flag(c, &mut o),
                c => return Err(Refusal::Misuse(format!("invalid option -- '{c}'"))),
            }
        }
    }
    Ok(o)
}

fn missing(letter: char) -> Refusal {
    Refusal::Misuse(format!("option requires an argument -- '{letter}'"))
}

fn mode(word: &str) -> Result<Mode, String> {
    let letter = word.chars().next().map(String::from).unwrap_or_default();
    Ok(match letter.as_str() {
        "m" | "a" => Mode::Enqueue,
        "v" => Mode::Verify,
        "p" => Mode::Mailq,
        "i" => Mode::Newaliases,
        "s" => Mode::Smtp,
        // The status database of another sendmail: there is none, and nobody minds.
        "h" | "H" => Mode::Nothing,
        // Listening is master's work.
        "d" | "l" => Mode::Nothing,
        other => return Err(format!("unsupported: -b{other}")),
    })
}

fn queue_option(rest: &str, o: &mut Options) -> Result<(), String> {
    o.mode = Mode::Flush;
    match rest.split_at_checked(1) {
        None => {}
        Some(("R", site)) => o.flush_site = Some(site.to_owned()),
        Some(("I", id)) => o.flush_id = Some(id.to_owned()),
        // `-qTIME` starts a queue runner elsewhere; master does that here.
        Some((first, _)) if first.starts_with(|c: char| c.is_ascii_digit()) => o.mode = Mode::Nothing,
        Some((first, _)) => return Err(format!("-q{first} is not implemented")),
    }
    Ok(())
}

fn value_option(letter: char, value: &str, o: &mut Options) -> Result<(), String> {
    match letter {
        'f' | 'r' => o.sender = Some(value.to_owned()),
        'F' => o.full_name = Some(value.to_owned()),
        'B' => {
            o.eight_bit = match value.to_ascii_uppercase().as_str() {
                "8BITMIME" => true,
                "7BIT" => false,
                _ => return Err("-B option needs 8BITMIME or 7BIT".to_owned()),
            }
        }
        'N' => match notify_flags(value) {
            Ok(flags) => o.notify = flags,
            Err(word) => {
                let unknown =
                    word.map(|w| format!("unknown DSN NOTIFY command value \"{w}\" in \"{value}\""));
                o.warnings.extend(unknown);
                o.warnings.push("bad -N option value -- ignored".to_owned());
            }
        },
        'R' => match value.to_ascii_lowercase().as_str() {
            "full" => o.ret = Some(true),
            "hdrs" => o.ret = Some(false),
            _ => o.warnings.push("bad -R option value -- ignored".to_owned()),
        },
        'V' => o.envid = Some(value.to_owned()),
        _ => {}
    }
    Ok(())
}

/// The flags of `NOTIFY=` (RFC 3461, section 4.1); an error is the word that is none of them, or nothing
/// where the words are good and make no sense.
fn notify_flags(text: &str) -> Result<u8, Option<&str>> {
    let mut flags = 0;
    for word in text.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
        flags |= match word.to_ascii_lowercase().as_str() {
            "never" => notify::NEVER,
            "success" => notify::SUCCESS,
            "failure" => notify::FAILURE,
            "delay" => notify::DELAY,
            _ => return Err(Some(word)),
        };
    }
    let never_and_more = flags & notify::NEVER != 0 && flags != notify::NEVER;
    if flags == 0 || never_and_more { Err(None) } else { Ok(flags) }
}

fn flag(letter: char, o: &mut Options) {
    match letter {
        'i' => o.ignore_dot = true,
        't' => o.extract = true,
        'v' => o.verbose += 1,
        'I' => o.mode = Mode::Newaliases,
        _ => {}
    }
}

/// Reads the message and passes it to postdrop.
async fn enqueue(p: &Process, msg: &Msg, options: Options) -> i32 {
    let (login, passwd_name) = whoami(p);
    let who = format!("{login}({})", p.real_uid());
    if options.extract && options.mode == Mode::Verify {
        return fail(msg, "-t option cannot be used with -bv".to_owned()).await;
    }
    if options.recipients.is_empty() && !options.extract {
        let text = "Recipient addresses must be specified on the command line or via the -t option";
        return fail(msg, format!("{who}: {text}")).await;
    }
    let content = if options.mode == Mode::Verify {
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
        Some(s) => {
            let all = address::parse_list(s);
            if all.len() > 1 {
                msg.warn(format!("-f option specified malformed sender: {s}")).await;
            }
            all.into_iter().next().unwrap_or_default()
        }
        None => login.clone(),
    };
    if options.mode == Mode::Verify {
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
            if options.mode == Mode::Verify || options.verbose > 0 {
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
    let trace = match (o.mode, o.verbose) {
        (Mode::Verify, _) => TraceFlags::VerifyOnly,
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
