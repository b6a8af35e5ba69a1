//! mail(1) as a whole, on a small host whose sendmail keeps what it is given. What is expected was
//! printed by the real program.

use super::programs;
use crate::trace::Keep;
use crate::world::World;
use crate::world::base;
use crate::world::clock::Time;
use crate::world::exec::Start;
use crate::world::host::Host;
use crate::world::process::{Environment, Process, Program, Programs, STDERR, STDIN, STDOUT};
use std::cell::RefCell;
use std::rc::Rc;

const MBOX: &str = "\
From carl@example.org  Mon Jan  4 14:45:00 2021
From: Carl <carl@example.org>
To: alice@example.com
Subject: Holiday plans
Date: Mon, 4 Jan 2021 14:44:00 +0000
Message-ID: <h1@example.org>

See you there.

From dave@example.org  Mon Jan  4 15:45:00 2021
From: dave@example.org
To: alice@example.com
Cc: bob@example.com
Subject: Second one with a very long subject line that surely exceeds eighty columns
Date: Mon, 4 Jan 2021 15:44:00 +0000
Message-ID: <h2@example.org>
Status: RO

line 1
line 2

From eve@example.org  Tue Jan  5 15:45:00 2021
From: Eve <eve@example.org>
To: alice@example.com
Subject: Third
Date: Tue, 5 Jan 2021 15:44:00 +0000
Message-ID: <h3@example.org>
Status: O

third

";

const SUMMARY: &str = ">N  1 Carl               2021-01-04          9/206   Holiday plans             
 O  2 dave@example.org   2021-01-04         12/291   Second one with a very lon
 U  3 Eve                2021-01-05         10/196   Third                     
";

struct Lab {
    world: World,
    host: Host,
}

/// Keeps its arguments and its input in /tmp/sent; fails when a recipient is `fail`.
async fn sendmail(p: Process) -> i32 {
    let text = p.fd(STDIN).unwrap().read_to_end(1 << 20).await.unwrap();
    let content = [format!("{}\n", p.argv().join(" ")).as_bytes(), &text].concat();
    p.write_file("/tmp/sent", content, 0o644).unwrap();
    i32::from(p.args().iter().any(|a| &**a == "fail"))
}

impl Lab {
    fn new() -> Lab {
        // Long behind the letters, which are shown by their day alone then.
        let now = Time::from_unix(1_795_521_600);
        let more: [(&'static str, Program); 1] = [("sendmail", |p| Box::pin(sendmail(p)))];
        let world = World::new(now, 1, Keep::Nothing, Programs::new(programs().into_iter().chain(more)));
        let mut fs = base::system(now);
        super::install(&mut fs, now).unwrap();
        base::install_program(&mut fs, "/usr/sbin/sendmail", "sendmail", 0o755, 0, now).unwrap();
        base::personalise(&mut fs, "mx.example.com", now).unwrap();
        base::add_user(&mut fs, "alice", 1000, None, [7; 12], now).unwrap();
        let host = world.add_host("mx.example.com", vec!["192.0.2.10".parse().unwrap()], fs).unwrap();
        Lab { world, host }
    }

    fn read(&self, path: &str) -> String {
        let root = self.host.login("root").unwrap();
        let fs = self.host.fs();
        let home = fs.resolve(&root, fs.root(), "/home/alice", true).unwrap();
        fs.read_path(&root, home, path)
            .map_or_else(|e| format!("{path}: {e}"), |b| String::from_utf8(b.to_vec()).unwrap())
    }

    /// Runs mail as alice; gives what it printed on either stream, and its status.
    fn mail(&self, args: &[&str], input: &str) -> (String, i32) {
        self.mail_in("C", args, input)
    }

    fn mail_in(&self, locale: &str, args: &[&str], input: &str) -> (String, i32) {
        let argv: Vec<String> = ["mail"].iter().chain(args).map(|a| (*a).to_owned()).collect();
        let said = Rc::new(RefCell::new((String::new(), -1)));
        let (out, input) = (said.clone(), input.to_owned());
        let cred = self.host.login("alice").unwrap();
        let env: Environment = [("HOME", "/home/alice"), ("LC_ALL", locale)]
            .into_iter()
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        self.host.start("test", cred, env, "/home/alice", async move |p| {
            let (feed, typed) = p.pipe();
            let (reader, writer) = p.pipe();
            let fds = [(STDIN, feed), (STDOUT, writer.clone()), (STDERR, writer)].into_iter().collect();
            let child = p.spawn("/usr/bin/mail", Start { fds: Some(fds), ..Start::new(argv) }).unwrap();
            let _ = typed.write(input.into_bytes()).await;
            typed.end();
            let text = reader.read_to_end(1 << 20).await.unwrap();
            *out.borrow_mut() = (String::from_utf8(text.to_vec()).unwrap(), child.wait().await);
            0
        });
        self.world.settle();
        assert!(self.world.failure().is_none(), "{:?}", self.world.failure());
        let said = said.borrow();
        said.clone()
    }

    fn sent(&self, args: &[&str], input: &str) -> String {
        assert_eq!(self.mail(args, input), (String::new(), 0));
        self.read("/tmp/sent")
    }

    fn with_mbox() -> Lab {
        let lab = Lab::new();
        let cred = lab.host.login("alice").unwrap();
        lab.host.start("test", cred, Default::default(), "/home/alice", async |p| {
            p.write_file("mb", MBOX.as_bytes(), 0o644).unwrap();
            0
        });
        lab.world.settle();
        lab
    }
}

const DATE: &str = "Date: Tue, 24 Nov 2026 12:00:00 +0000\n";
const AGENT: &str = "User-Agent: s-nail v14.9.24\n";

#[test]
fn a_letter_from_a_pipe() {
    let lab = Lab::new();
    assert_eq!(
        lab.sent(&["-s", "boo", "wand@localhost"], "sample\n"),
        format!("sendmail -i -- wand@localhost\n{DATE}To: wand@localhost\nSubject: boo\n{AGENT}\nsample\n")
    );
    assert_eq!(
        lab.sent(&["-s", "Again", "bob"], "From the mail command.\n"),
        format!(
            "sendmail -i -- bob\n{DATE}To: bob\nSubject: Again\n{AGENT}MIME-Version: 1.0\nContent-Type: text/plain; \
             charset=us-ascii\nContent-Transfer-Encoding: quoted-printable\n\n=46rom the mail command.\n"
        )
    );
}

#[test]
fn copies_senders_and_fields() {
    let lab = Lab::new();
    let args = [
        "-c",
        "cc1",
        "-c",
        "C C <c@d>",
        "-b",
        "bcc1",
        "-r",
        "Me Too <me@example.org>",
        "-C",
        "X-Foo: bar",
        "-s",
        "s",
        "bob",
        "BOB",
    ];
    let sent = lab.sent(&args, "x\n");
    let (head, tail) = sent.split_once("Message-ID: <20261124120000.").unwrap();
    assert_eq!(
        head,
        format!(
            "sendmail -i -F Me Too -f me@example.org -- bob cc1 c@d bcc1\n{DATE}From: Me Too <me@example.org>\nTo: bob\n\
             Cc: cc1, C C <c@d>\nSubject: s\n"
        )
    );
    assert_eq!(tail[5..], format!("%me@example.org>\n{AGENT}X-Foo: bar\n\nx\n"));
}

#[test]
fn headers_from_the_message() {
    let lab = Lab::new();
    assert_eq!(
        lab.sent(&["-t"], "To: a@b.c, d\nCc: e\nBcc: f\nSubject: in message\nX-H: v\n\nbody\n"),
        format!(
            "sendmail -i -- a@b.c d e f\n{DATE}To: a@b.c, d\nCc: e\nSubject: in message\n{AGENT}X-H: v\n\nbody\n"
        )
    );
}

#[test]
fn what_goes_wrong() {
    let lab = Lab::new();
    let dead = |n, size| format!("/home/alice/dead.letter {n}/{size}\ns-nail: ... message not sent\n");
    assert_eq!(
        lab.mail(&["-s", "s", "bob smith"], "x\n"),
        (
            format!(
                "s-nail: 'bob smith' contains invalid byte ' '\ns-nail: No recipients specified\n{}",
                dead(3, 39)
            ),
            4
        )
    );
    assert_eq!(lab.read("dead.letter"), "From alice Tue Nov 24 12:00:00 2026\nx\n\n");
    assert_eq!(lab.mail(&["-s", "s", "fail"], "x\n"), (dead(8, 126), 4));
    assert_eq!(
        lab.mail(&["-s", "s", "bad@@x", "ok"], "x\n"),
        ("s-nail: bad@@x contains invalid '@' sequence\n/home/alice/dead.letter 8/124\n".to_owned(), 4)
    );
    assert_eq!(lab.mail(&["bob"], ""), ("s-nail: No message, no subject; hope that's ok\n".to_owned(), 0));
    assert_eq!(lab.mail(&["-E", "-s", "s", "bob"], ""), (String::new(), 0));
    let (said, status) = lab.mail(&["-s", "s"], "x\n");
    assert_eq!(
        (said.lines().next(), status),
        (Some("s-nail: Send options without primary recipient specified."), 64)
    );
    let no_charset =
        "s-nail: Cannot find a usable character set to encode message: No such entry, file or directory\n";
    assert_eq!(lab.mail(&["-s", "x", "bob"], "é\n"), (format!("{no_charset}{}", dead(3, 40)), 4));
}

#[test]
fn other_languages() {
    let lab = Lab::new();
    assert_eq!(lab.mail_in("C.UTF-8", &["-s", "café au lait", "bob"], "héllo\n"), (String::new(), 0));
    assert_eq!(
        lab.read("/tmp/sent"),
        format!(
            "sendmail -i -- bob\n{DATE}To: bob\nSubject: =?utf-8?B?Y2Fmw6k=?= au lait\n{AGENT}MIME-Version: 1.0\n\
             Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nh=C3=A9llo\n"
        )
    );
}

#[test]
fn a_mailbox_is_read() {
    let lab = Lab::with_mbox();
    let top = "s-nail version v14.9.24.  Type `?' for help\n/home/alice/mb: 3 messages 1 new 2 unread\n";
    assert_eq!(lab.mail(&["-H", "-f", "mb"], ""), (SUMMARY.to_owned(), 0));
    let first = "[-- Message  1 -- 9 lines, 206 bytes --]:\nFrom: Carl <carl@example.org>\nTo: alice@example.com\n\
        Subject: Holiday plans\nDate: Mon, 4 Jan 2021 14:44:00 +0000\nMessage-ID: <h1@example.org>\n\nSee you there.\n\n";
    assert_eq!(
        lab.mail(&["-f", "mb"], "p 1\nfoo\np 9\nx\n"),
        (
            format!("{top}{SUMMARY}{first}s-nail: foo: unknown command\ns-nail: 9: Invalid message number\n"),
            0
        )
    );
    assert_eq!(
        lab.mail(&["-f", "mb"], "s 1 saved\nw 2 written\nx\n"),
        (format!("{top}{SUMMARY}saved [New file] 206 bytes\nfile://written [New file] 14 bytes\n"), 0)
    );
    assert_eq!(lab.read("written"), "line 1\nline 2\n");
    assert!(MBOX.starts_with(&lab.read("saved")));
    let rest = SUMMARY.split_once('\n').unwrap().1.replacen(" O", ">O", 1);
    assert_eq!(
        lab.mail(&["-f", "mb"], "d 1\nh\nq\n"),
        (format!("{top}{SUMMARY}{rest}/home/alice/mb updated.\n"), 0)
    );
    assert_eq!(lab.read("mb"), MBOX.split_at(206).1);
    assert_eq!(
        lab.mail(&["-N", "-f", "mb"], "d *\nq\n"),
        ("s-nail version v14.9.24.  Type `?' for help\n/home/alice/mb truncated\n".to_owned(), 0)
    );
}

#[test]
fn a_missing_mailbox() {
    let lab = Lab::new();
    assert_eq!(
        lab.mail(&[], ""),
        (
            "s-nail: /var/mail/alice: No such entry, file or directory\ns-nail version v14.9.24.  Type `?' for help\n\
             (Currently no active mailbox)\nNo more mail.\n"
                .to_owned(),
            0
        )
    );
    assert_eq!(lab.mail(&["-e"], ""), (String::new(), 1));
    assert_eq!(lab.mail(&["-H"], ""), (String::new(), 1));
}
