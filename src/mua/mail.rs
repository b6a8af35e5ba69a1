//! mail(1): the command line of s-nail 14.9.24, and which mode it asks for.
//!
//! With recipients (or `-t`, or `-.`) a letter is read from standard input and sent. Without,
//! a mailbox is opened and commands are read (the [`reader`]).
//!
//! Exit status: 0; 1 when there is no mail to read; 4 when a letter was not sent, or not to all;
//! 64 for a usage error; 68 for arguments that the settings do not allow.
//!
//! # Simplifications
//! Accounts (`-A`), `-d`, `-R`, `-T`, `-m`, `-M`, `-X` and `-Y` are not obeyed but for what their
//! argument would be. Without a terminal there is no asking back and, unless `-~` is given, no
//! tilde escape. Of the tilde escapes those that change the header and end the text are obeyed.

use super::compose::{Letter, USER_AGENT};
use super::names::{BadName, Name};
use super::reader;
use super::send::{SEND_ERROR, complain, send};
use super::settings::Settings;
use super::{template, writing};
use crate::world::process::{Process, STDIN};
use std::rc::Rc;

/// A wrong command line (sysexits.h, EX_USAGE).
const USAGE: i32 = 64;
/// Arguments that settings do not allow (EX_NOHOST is what the program uses).
const NOT_ALLOWED: i32 = 68;
/// No letter read from standard input is longer.
const LONGEST_LETTER: usize = 1 << 28;

const MODES: [&str; 3] = [
    "\
Send-only mode: send mail \"to-addr\"(ess) receiver(s):
  s-nail [-DdEFinv~#] [-: spec] [-A account] [:-C \"field: body\":]
         [:-a attachment:] [:-b bcc-addr:] [:-c cc-addr:]
         [-M type | -m file | -q file | -t] [-r from-addr] [:-S var[=value]:]
         [-s subject] [-T \"arget: addr\"] [:-X/Y cmd:] [-.] :to-addr:
",
    "\
\"Receive\" mode, starting on [-u user], primary *inbox* or [$MAIL]:
  s-nail [-DdEeHiNnRv~#] [-: spec] [-A account] [:-C \"field: body\":]
         [-L spec] [-r from-addr] [:-S var[=value]:] [-u user] [:-X/Y cmd:]
",
    "\
\"Receive\" mode, starting on -f (secondary $MBOX or [file]):
  s-nail [-DdEeHiNnRv~#] [-: spec] [-A account] [:-C \"field: body\":] -f
         [-L spec] [-r from-addr] [:-S var[=value]:] [:-X/Y cmd:] [file]
",
];

const NOTES: &str = "\
. -d sandbox, -:/ no .rc files, -. end options and force send-mode
. -a attachment[=input-charset[#output-charset]]
. -b, -c, -r, -T, to-addr: ex@am.ple or '(Lovely) Ex <am@p.le>'
. -M, -m, -q, -t: special input (-t: template message on stdin)
. -e only mail check, -H header summary; both: message specification via -L
. -S (un)sets variable, -X/-Y execute commands pre/post startup, -#: batch mode
. Features via \"$ s-nail -Xversion -Xx\"; there is --long-help
. Bugs/Contact via \"$ s-nail -Sexpandaddr=shquote '\\$contact-mail'\"
";

/// The options that take an argument.
const WITH_ARGUMENT: &str = ":AabCcLMmqrSsTuXY";
/// The options that take none.
const WITHOUT_ARGUMENT: &str = "BDdEeFfHhiNnRtVv~#.";

/// What the command line says.
#[derive(Default)]
struct Options {
    settings: Vec<String>,
    attachments: Vec<String>,
    copies: Vec<String>,
    blind_copies: Vec<String>,
    fields: Vec<(String, String)>,
    from: Option<Name>,
    subject: Option<String>,
    quoted_file: Option<String>,
    user: Option<String>,
    account: Option<String>,
    rest: Vec<Rc<str>>,
    on: String,
    no_system_rc: bool,
    no_user_rc: bool,
}

/// What ends the program before it has begun.
enum Refusal {
    Usage(Option<String>),
    Help,
    Version,
}

impl Options {
    fn has(&self, option: char) -> bool {
        self.on.contains(option)
    }

    /// Reads the options, which end at the first argument that is none.
    fn parse(args: &[Rc<str>]) -> Result<Options, Refusal> {
        let mut options = Options::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if &**arg == "--" {
                options.rest.extend(args.cloned());
                break;
            }
            let Some(mut letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
                options.rest.push(arg.clone());
                options.rest.extend(args.cloned());
                break;
            };
            while let Some(c) = letters.chars().next() {
                letters = &letters[c.len_utf8()..];
                if WITH_ARGUMENT.contains(c) {
                    let value = match letters {
                        "" => args.next().map(|a| a.to_string()),
                        attached => Some(attached.to_owned()),
                    };
                    let value = value
                        .ok_or_else(|| Refusal::Usage(Some(format!("option requires argument: {c}"))))?;
                    options.take(c, value)?;
                    break;
                }
                match c {
                    'h' => return Err(Refusal::Help),
                    'V' => return Err(Refusal::Version),
                    c if WITHOUT_ARGUMENT.contains(c) => options.on.push(c),
                    c => return Err(Refusal::Usage(Some(format!("invalid option: {c}")))),
                }
            }
            if options.has('.') {
                options.rest.extend(args.cloned());
                break;
            }
        }
        Ok(options)
    }

    fn take(&mut self, option: char, value: String) -> Result<(), Refusal> {
        match option {
            ':' => {
                self.no_system_rc = !value.contains('s');
                self.no_user_rc = !value.contains('u');
            }
            'A' => self.account = Some(value),
            'a' => self.attachments.push(value),
            'b' => self.blind_copies.push(value),
            'C' => match value.split_once(':') {
                Some((name, body)) => self.fields.push((name.trim().to_owned(), body.trim().to_owned())),
                None => return Err(Refusal::Usage(Some(format!("Invalid custom header: {value}")))),
            },
            'c' => self.copies.push(value),
            'q' => self.quoted_file = Some(value),
            'r' => {
                let name = Name::parse(&value);
                self.from = Some(
                    name.map_err(|_| Refusal::Usage(Some("Invalid address argument with -r".to_owned())))?,
                );
            }
            'S' => self.settings.push(value),
            's' => self.subject = Some(value),
            'u' => self.user = Some(value),
            _ => {}
        }
        Ok(())
    }
}

/// mail(1), mailx(1), s-nail(1).
pub async fn main(p: Process) -> i32 {
    let options = match Options::parse(&p.args()) {
        Ok(options) => options,
        Err(Refusal::Version) => {
            p.print(format!("{USER_AGENT}, 2022-03-26 (built for Linux)\n")).await;
            return 0;
        }
        Err(Refusal::Help) => {
            p.print(format!(
                "s-nail ({USER_AGENT}): send and receive Internet mail\n\n{}\n{NOTES}",
                MODES.join("\n")
            ))
            .await;
            return 0;
        }
        Err(Refusal::Usage(why)) => return usage(&p, why).await,
    };
    let mut settings = Settings::load(&p, !options.has('n') && !options.no_system_rc, !options.no_user_rc);
    options.settings.iter().for_each(|s| settings.assign(s));
    if options.has('v') {
        settings.assign("verbose");
        complain(&p, "Warning -- v15-compat=yes will be default in v14.10.0!").await;
        complain(&p, "P(seudo)R(andom)N(umber)G(enerator): arc4random").await;
    }
    if let Some(account) = &options.account {
        complain(&p, &format!("account: account does not exist: {account}")).await;
        return NOT_ALLOWED;
    }
    let reading = ["f", "H", "e"].iter().any(|o| options.on.contains(o)) || options.user.is_some();
    if options.has('t') || options.has('.') || (!reading && !options.rest.is_empty()) {
        return send_mode(&p, options, settings).await;
    }
    let sending = options.subject.is_some() || !options.copies.is_empty() || !options.attachments.is_empty();
    if sending || !options.blind_copies.is_empty() {
        return usage(&p, Some("Send options without primary recipient specified.".to_owned())).await;
    }
    receive_mode(&p, &options, settings).await
}

async fn usage(p: &Process, why: Option<String>) -> i32 {
    if let Some(why) = why {
        complain(p, &why).await;
    }
    p.eprint(format!("s-nail ({USER_AGENT}): send and receive Internet mail\n{}{NOTES}", MODES.concat()))
        .await;
    USAGE
}

async fn receive_mode(p: &Process, options: &Options, settings: Settings) -> i32 {
    let named = match (&options.user, options.rest.first()) {
        (Some(user), _) => Some(format!("%{user}")),
        (None, Some(file)) if options.has('f') => Some(file.to_string()),
        (None, None) if options.has('f') => Some("&".to_owned()),
        _ => None,
    };
    let how = reader::How {
        check_only: options.has('e'),
        summary_only: options.has('H'),
        no_summary: options.has('N'),
        folder: named,
    };
    reader::run(p, settings, how).await
}

async fn send_mode(p: &Process, options: Options, mut settings: Settings) -> i32 {
    let mut letter = Letter { custom: options.fields, ..Letter::default() };
    let mut refused = false;
    let mut targets = options.rest.iter();
    let named: Vec<String> = targets.by_ref().take_while(|a| &***a != "--").map(|a| a.to_string()).collect();
    if targets.next().is_some() && !settings.on("expandargv") {
        complain(p, "*expandargv* doesn't allow MTA arguments; consider using *mta-arguments*").await;
        return NOT_ALLOWED;
    }
    if let Some(subject) = options.subject {
        if subject.contains(['\n', '\r']) {
            complain(p, "-s: normalizing away invalid ASCII NL / CR bytes").await;
        }
        letter.subject = Some(subject.replace(['\n', '\r'], " "));
    }
    for path in &options.attachments {
        match p.read_file(path) {
            Ok(content) => {
                let name = path.rsplit('/').next().unwrap_or(path).to_owned();
                letter.attachments.push((name, content.to_vec()));
            }
            Err(_) => {
                complain(p, &format!("Failed to access attachment {path}: No such entry, file or directory"))
                    .await;
                return 1;
            }
        }
    }
    set_from(p, &mut letter, options.from, &mut settings).await;
    let lists = [
        (&named, &mut letter.to),
        (&options.copies, &mut letter.cc),
        (&options.blind_copies, &mut letter.bcc),
    ];
    for (texts, list) in lists {
        for text in texts {
            match Name::parse(text) {
                Ok(name) => list.push(name),
                Err(BadName::Empty) => {}
                Err(bad) => {
                    complain(p, &bad.to_string()).await;
                    refused = true;
                }
            }
        }
    }
    if writing::at_terminal(p) && !options.on.contains('t') {
        if let Some(path) = &options.quoted_file
            && let Ok(text) = p.read_file(path)
        {
            letter.body.extend_from_slice(&text);
        }
        if !writing::write(p, &settings, &mut letter).await {
            complain(p, "Failed to prepare composed message").await;
            return SEND_ERROR;
        }
        return send(p, &settings, &mut letter, refused).await;
    }
    let input = match p.fd(STDIN) {
        Ok(open) => open.read_to_end(LONGEST_LETTER).await.unwrap_or_default(),
        Err(_) => Default::default(),
    };
    if options.on.contains('t') {
        for complaint in template::read(&mut letter, &input).0 {
            complain(p, &complaint).await;
        }
    } else {
        if let Some(path) = &options.quoted_file
            && let Ok(text) = p.read_file(path)
        {
            letter.body.extend_from_slice(&text);
        }
        if options.on.contains('~') {
            escapes(&mut letter, &input)
        } else {
            letter.body.extend_from_slice(&input)
        }
    }
    if letter.body.is_empty() && (options.on.contains('E') || settings.on("skipemptybody")) {
        return 0;
    }
    send(p, &settings, &mut letter, refused).await
}

/// Who the letter is from: `-r`, the variable `from`, or the user at the host of the variable
/// `hostname`. Without these the mail system says it.
async fn set_from(p: &Process, letter: &mut Letter, option: Option<Name>, settings: &mut Settings) {
    if let Some(from) = option {
        letter.from.push(from);
        settings.assign("r-option");
        return;
    }
    if let Some(from) = settings.get("from").map(str::to_owned) {
        match Name::parse(&from) {
            Ok(name) if name.address.contains('@') => letter.from.push(name),
            _ => {
                complain(p, &format!("*from* / *sender*: invalid  address(es): {from}")).await;
                complain(p, "Assignment of variable aborted: from").await;
            }
        }
    }
    if letter.from.is_empty()
        && let Some(host) = settings.get("hostname").filter(|h| !h.is_empty())
    {
        letter.from.extend(Name::parse(&format!("{}@{host}", super::settings::login_name(p))).ok());
    }
}

/// The text with its tilde escapes obeyed.
fn escapes(letter: &mut Letter, input: &[u8]) {
    for line in input.split_inclusive(|c| *c == b'\n') {
        let Some(escape) = line.strip_prefix(b"~") else {
            letter.body.extend_from_slice(line);
            continue;
        };
        let rest = String::from_utf8_lossy(escape.get(1..).unwrap_or_default());
        let rest = rest.trim();
        match escape.first() {
            Some(b'~') => letter.body.extend_from_slice(escape),
            Some(b's') => letter.subject = Some(rest.to_owned()),
            Some(b't') => letter.to.extend(Name::parse_list(rest).0),
            Some(b'c') => letter.cc.extend(Name::parse_list(rest).0),
            Some(b'b') => letter.bcc.extend(Name::parse_list(rest).0),
            Some(b'.' | b'x') => break,
            _ => letter.body.extend_from_slice(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Options {
        let args: Vec<Rc<str>> = args.iter().map(|a| Rc::from(*a)).collect();
        Options::parse(&args).unwrap_or_else(|_| panic!("{args:?} is refused"))
    }

    #[test]
    fn options_end_at_the_first_recipient() {
        let o = parse(&["-s", "boo", "-cdave", "carol", "-b", "x"]);
        assert_eq!((o.subject.as_deref(), o.copies.len(), o.rest.len()), (Some("boo"), 1, 3));
        let o = parse(&["-Ens", "subject", "--", "-x"]);
        assert!(o.has('E') && o.has('n'));
        assert_eq!(&*o.rest[0], "-x");
    }

    #[test]
    fn tilde_escapes_change_the_header() {
        let mut letter = Letter::default();
        escapes(&mut letter, b"~s new subject\n~c carol\n~~tilde\ntext\n~.\nnot this\n");
        assert_eq!(letter.subject.as_deref(), Some("new subject"));
        assert_eq!(letter.body, b"~tilde\ntext\n");
        assert_eq!(letter.cc.len(), 1);
    }
}
