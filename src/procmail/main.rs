//! procmail(1): the command line, and what a run begins and ends with.
//!
//! It reads a message from standard input, obeys `/etc/procmailrc` and `$HOME/.procmailrc`, or
//! the rcfiles named, and puts what no recipe delivered into `$DEFAULT`.
//!
//! Exit status: 0; 64 for a usage error; 67 for a recipient who does not exist; 73 when the
//! message could not be delivered, 75 then with `-t`; or what `EXITCODE` says.
//!
//! # Simplifications
//! LMTP (`-z`) is not spoken. `COMSAT`, `LINEBUF`, `TIMEOUT`, `SUSPEND` and `NORESRETRY` have no effect.
//! Unlike the real program the log shows a subject also where it stands at the very start of a message.

use super::message::Message;
use super::recipe::Procmail;
use super::variables::AT_START;
use crate::world::fs::OpenFlags;
use crate::world::passwd::Passwd;
use crate::world::process::{Environment, Process, STDERR, STDIN, STDOUT};
use crate::world::users::Cred;
use std::rc::Rc;

/// sysexits.h
const USAGE: i32 = 64;
const NO_USER: i32 = 67;
const CANNOT_CREATE: i32 = 73;
const TRY_AGAIN: i32 = 75;
/// No message is longer.
const LONGEST_MESSAGE: usize = 1 << 28;

const USAGE_TEXT: &str = "\
Usage: procmail [-vptoY] [-f fromwhom] [parameter=value | rcfile] ...
   Or: procmail [-toY] [-f fromwhom] [-a argument] ... -d recipient ...
   Or: procmail [-ptY] [-f fromwhom] -m [parameter=value] ... rcfile [arg] ...
   Or: procmail [-toY] [-a argument] ... -z
";

const HELP_TEXT: &str = "\
\t-v\t\tdisplay the version number and exit
\t-p\t\tpreserve (most of) the environment upon startup
\t-t\t\tfail softly if mail is undeliverable
\t-f fromwhom\t(re)generate the leading 'From ' line
\t-o\t\toverride the leading 'From ' line if necessary
\t-Y\t\tBerkeley format mailbox, disregard Content-Length:
\t-a argument\twill set $1, $2, etc
\t-d recipient\texplicit delivery mode
\t-z\t\tact as an LMTP server
\t-m\t\tact as a general purpose mail filter
Recipe flag quick reference:
\tH  egrep header (default)\tB  egrep body
\tD  distinguish case
\tA  also execute this recipe if the common condition matched
\ta  same as 'A', but only if the previous recipe was successful
\tE  else execute this recipe, if the preceding condition didn't match
\te  on error execute this recipe, if the previous recipe failed
\th  deliver header (default)\tb  deliver body (default)
\tf  filter\t\t\ti  ignore write errors
\tc  carbon copy or clone message
\tw  wait for a program\t\tr  raw mode, mail as is
\tW  same as 'w', but suppress 'Program failure' messages
";

const VERSION_TEXT: &str = "\
procmail v3.23pre 2001/09/13
    Copyright (c) 1990-2001, Stephen R. van den Berg\t<srb@cuci.nl>
    Copyright (c) 1997-2001, Philip A. Guenther\t\t<guenther@sendmail.com>

Submit questions/answers to the procmail-related mailinglist by sending to:
\t<procmail-users@procmail.org>

And of course, subscription and information requests for this list to:
\t<procmail-users-request@procmail.org>

Locking strategies:\tdotlocking, fcntl()
Default rcfile:\t\t$HOME/.procmailrc
\tIt may be writable by your primary group
";

#[derive(Default)]
struct Options {
    arguments: Vec<String>,
    recipients: Vec<String>,
    from: Option<String>,
    unknown: Option<String>,
    assignments: Vec<(String, String)>,
    rcfiles: Vec<String>,
    filter: bool,
    preserve: bool,
    soft: bool,
    version: bool,
    help: bool,
}

/// procmail(1).
pub async fn main(p: Process) -> i32 {
    let options = parse(&p.args());
    let Some(user) = invoker(&p) else {
        p.eprint("procmail: No such user\n").await;
        return NO_USER;
    };
    if options.version {
        p.eprint(format!("{VERSION_TEXT}Your system mailbox:\t{}\n", system_mailbox(&user.name))).await;
        return 0;
    }
    if options.help {
        p.eprint(format!("{USAGE_TEXT}{HELP_TEXT}")).await;
        return USAGE;
    }
    if let Some(unknown) = &options.unknown {
        p.eprint(format!(
            "procmail: Unrecognised options: \"{unknown}\"\n{USAGE_TEXT}Processing continued\n"
        ))
        .await;
    }
    if options.filter && options.rcfiles.is_empty() {
        p.eprint(USAGE_TEXT).await;
        return USAGE;
    }
    let content = match p.fd(STDIN) {
        Ok(open) => open.read_to_end(LONGEST_MESSAGE).await.unwrap_or_default(),
        Err(_) => Default::default(),
    };
    let mut message = Message::new(content.to_vec());
    let privileged = p.real_uid() == 0;
    regenerate_from(&p, &mut message, &options, &user, privileged);
    // What programs of recipes print is lost.
    p.set_fd(STDOUT, p.open("/dev/null", OpenFlags::CREATE, 0o666).ok());
    if options.recipients.is_empty() {
        return deliver_for(p, message, &options, &user).await;
    }
    let mut worst = 0;
    for name in &options.recipients {
        let Some(recipient) = p.host().users().getpwnam(&p.host().fs(), name) else {
            p.eprint(format!("procmail: Unknown user \"{name}\"\n")).await;
            worst = NO_USER;
            continue;
        };
        if !privileged && recipient.uid != p.real_uid() {
            p.eprint("procmail: Insufficient privileges\n").await;
            return 77;
        }
        let (message, options) = (message.clone(), options.clone_for_one());
        let child = p.fork(async move |p| deliver_for(p, message, &options, &recipient).await);
        let status = child.wait().await;
        worst = if worst == 0 { status } else { worst };
    }
    worst
}

impl Options {
    fn clone_for_one(&self) -> Options {
        Options {
            arguments: self.arguments.clone(),
            assignments: self.assignments.clone(),
            soft: self.soft,
            preserve: self.preserve,
            ..Options::default()
        }
    }
}

fn parse(args: &[Rc<str>]) -> Options {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let Some(mut letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            match arg.split_once('=') {
                Some((name, value)) if options.rcfiles.is_empty() || !options.filter => {
                    options.assignments.push((name.to_owned(), value.to_owned()));
                }
                _ if options.filter && !options.rcfiles.is_empty() => options.arguments.push(arg.to_string()),
                _ => options.rcfiles.push(arg.to_string()),
            }
            continue;
        };
        while let Some(c) = letters.chars().next() {
            letters = &letters[c.len_utf8()..];
            let mut value = || match letters {
                "" => args.next().map(|a| a.to_string()).unwrap_or_default(),
                attached => attached.to_owned(),
            };
            match c {
                'a' | 'f' | 'r' => {
                    let value = value();
                    if c == 'a' {
                        options.arguments.push(value)
                    } else {
                        options.from = Some(value)
                    }
                    break;
                }
                'd' => {
                    options.recipients.push(value());
                    options.recipients.extend(args.by_ref().map(|a| a.to_string()));
                    break;
                }
                'm' => options.filter = true,
                'p' => options.preserve = true,
                't' => options.soft = true,
                'v' => options.version = true,
                'h' | '?' => options.help = true,
                'o' | 'Y' | 'z' | '-' => {}
                c => options.unknown.get_or_insert_default().push(c),
            }
        }
    }
    options
}

fn invoker(p: &Process) -> Option<Rc<Passwd>> {
    p.host().users().getpwuid(&p.host().fs(), p.real_uid())
}

fn system_mailbox(user: &str) -> String {
    format!("/var/mail/{user}")
}

/// Makes a new `From ` line where `-f` asks for it, or a delivery for somebody lacks one.
fn regenerate_from(p: &Process, message: &mut Message, options: &Options, user: &Passwd, privileged: bool) {
    let date = p.now().strftime("%a %b %e %H:%M:%S %Y");
    let sender = match options.from.as_deref() {
        Some("-") => {
            let old = message.from_line().map(|l| String::from_utf8_lossy(l).into_owned());
            old.and_then(|l| l.split_whitespace().nth(1).map(str::to_owned))
                .unwrap_or_else(|| user.name.clone())
        }
        Some(from) if privileged || from == user.name => from.to_owned(),
        Some(from) if message.from_line().is_none() => from.to_owned(),
        None if message.from_line().is_none() && !options.recipients.is_empty() => user.name.clone(),
        _ => return,
    };
    message.drop_from_line();
    message.put_on_top(format!("From {sender}  {date}\n").as_bytes());
}

/// Delivers a message for a user.
async fn deliver_for(p: Process, message: Message, options: &Options, user: &Passwd) -> i32 {
    let mail_group = become_user(&p, user);
    set_environment(&p, options, user);
    p.set_umask(0o77);
    let mut run = Procmail::new(p, message);
    run.mail_group = mail_group;
    run.arguments.clone_from(&options.arguments);
    if !options.filter {
        let _ = run.p.chdir(&user.home);
    }
    for (name, value) in &options.assignments {
        run.assign(name, Some(value)).await;
    }
    if let Some(status) = read_rcfiles(&mut run, options, user).await {
        return status;
    }
    run.soft = options.soft;
    run.finish().await
}

/// Gives up what the set-id bits gave, but for the group that may write beside mailboxes.
fn become_user(p: &Process, user: &Passwd) -> Option<u32> {
    let host = p.host();
    let group = p.cred().gid;
    let groups = host.users().groups_of(&host.fs(), &user.name, user.gid);
    p.set_cred(Cred { uid: user.uid, gid: user.gid, groups });
    p.set_real_uid(user.uid);
    (group != user.gid).then_some(group)
}

fn set_environment(p: &Process, options: &Options, user: &Passwd) {
    if !options.preserve {
        let zone = p.var("TZ");
        p.set_env(Environment::new());
        p.set_var("TZ", zone.as_deref());
    }
    let mailbox = system_mailbox(&user.name);
    let shell = if user.shell.is_empty() { "/bin/sh" } else { user.shell.as_str() };
    let own = [
        ("LOGNAME", user.name.as_str()),
        ("HOME", user.home.as_str()),
        ("SHELL", shell),
        ("HOST", p.host().name()),
        ("DEFAULT", mailbox.as_str()),
    ];
    for (name, value) in own.into_iter().chain(AT_START.iter().copied()) {
        p.set_var(name, Some(value));
    }
    if !options.preserve {
        p.set_var("MAILDIR", Some(&user.home));
        let path = format!("{}/bin:/usr/local/bin:/usr/bin:/bin", user.home);
        p.set_var("PATH", Some(&path));
    }
}

/// Puts the rcfiles in front of the run; gives the exit status where it ends here.
async fn read_rcfiles(run: &mut Procmail, options: &Options, user: &Passwd) -> Option<i32> {
    if options.filter {
        let name = options.rcfiles.first()?;
        if !read_rcfile(run, name, user, true).await {
            return Some(CANNOT_CREATE);
        }
        return None;
    }
    if options.rcfiles.is_empty() {
        // The last file entered is obeyed first.
        let own = format!("{}/.procmailrc", user.home);
        if run.p.exists(&own) {
            read_rcfile(run, &own, user, true).await;
        }
        if let Ok(text) = run.p.read_text("/etc/procmailrc") {
            run.enter_file("/etc/procmailrc", &text);
        }
        return None;
    }
    for name in options.rcfiles.iter().rev() {
        let plain = name.starts_with('/') || name.starts_with("./");
        let path = if plain { name.clone() } else { format!("{}/{name}", user.home) };
        read_rcfile(run, &path, user, true).await;
    }
    None
}

/// Reads an rcfile that nobody else can have written.
async fn read_rcfile(run: &mut Procmail, path: &str, user: &Passwd, careful: bool) -> bool {
    if careful && suspicious(&run.p, path, user) {
        run.say_of("Suspicious rcfile", path).await;
        run.say_of("Couldn't read", path).await;
        return false;
    }
    let Ok(file) = run.p.open(path, OpenFlags::READ, 0) else {
        run.say_of("Couldn't read", path).await;
        return false;
    };
    let text = file.read_to_end(LONGEST_MESSAGE).await.unwrap_or_default();
    run.enter_file(path, &String::from_utf8_lossy(&text));
    true
}

fn suspicious(p: &Process, path: &str, user: &Passwd) -> bool {
    let Ok(stat) = p.stat(path, true) else { return false };
    let owner = stat.uid == user.uid || stat.uid == 0;
    let group = stat.mode & 0o020 != 0 && stat.gid != user.gid;
    stat.is_file() && (!owner || group || stat.mode & 0o002 != 0)
}

impl Procmail {
    /// `DROPPRIVS`.
    pub fn drop_privileges(&mut self) {
        self.mail_group = None;
    }

    /// The system mailbox: `ORGMAIL`, whatever it says now.
    pub fn original_mailbox(&self) -> String {
        match self.p.var("ORGMAIL") {
            Some(path) => path.to_string(),
            None => system_mailbox(&self.var("LOGNAME")),
        }
    }

    /// Goes through everything, delivers what is left over, and gives the exit status.
    pub async fn finish(mut self) -> i32 {
        let soft = self.soft;
        self.go().await;
        let mut status = 0;
        if !self.delivered && !self.deliver_by_default().await {
            status = if soft { TRY_AGAIN } else { CANNOT_CREATE };
            let fate = if soft { "**Requeued**" } else { "**Bounced**" };
            self.last_folder = fate.to_owned();
            self.last_size = 0;
        }
        self.write_abstract(true).await;
        if let Some(lock) = self.global_lock.take() {
            self.unlock(&lock).await;
        }
        status = self.trap(status).await;
        self.p.set_fd(STDERR, None);
        status
    }

    /// Runs `TRAP`; gives the exit status in the end.
    async fn trap(&mut self, status: i32) -> i32 {
        let own = self.p.var("EXITCODE");
        let chosen = own.as_ref().and_then(|c| c.trim().parse().ok()).unwrap_or(status);
        let trap = self.var("TRAP");
        if trap.is_empty() {
            return chosen;
        }
        self.p.set_var("EXITCODE", Some(&chosen.to_string()));
        let command = self.command(&trap).await;
        let message = bytes::Bytes::copy_from_slice(self.message.bytes());
        let ran = self.run(&command, message, false).await;
        self.speak_of_failure(&ran, false).await;
        // An empty `EXITCODE` leaves the last word to the trap.
        match (own.as_deref(), ran.status) {
            (Some(""), Some(status)) => status,
            _ => chosen,
        }
    }
}
