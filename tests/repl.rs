//! The interactive lab through a real terminal: what a learner types and sees.

use rexpect::session::{PtySession, spawn_command};
use std::path::PathBuf;
use std::process::Command;

/// How long an answer may take before the test gives up, in milliseconds.
const PATIENCE: u64 = 10_000;

/// A session at a terminal.
struct Lab {
    pty: PtySession,
    files: tempfile::TempDir,
}

impl Lab {
    fn open(arguments: &[&str]) -> Lab {
        Lab::with(tempfile::tempdir().expect("a directory for the test"), arguments)
    }

    /// Another session of the same person.
    fn again(self, arguments: &[&str]) -> Lab {
        Lab::with(self.files, arguments)
    }

    fn with(files: tempfile::TempDir, arguments: &[&str]) -> Lab {
        let mut command = Command::new(env!("CARGO_BIN_EXE_maillab"));
        command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
        command.env("XDG_STATE_HOME", files.path()).env("NO_COLOR", "1").env("TERM", "xterm");
        command.env("EDITOR", files.path().join("editor"));
        let pty = spawn_command(command, Some(PATIENCE)).expect("maillab starts");
        Lab { pty, files }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Waits for a text.
    fn sees(&mut self, text: &str) -> String {
        match self.pty.exp_string(text) {
            Ok(before) => before,
            Err(e) => panic!("waiting for {text:?}: {e}"),
        }
    }

    fn types(&mut self, line: &str) {
        self.pty.send_line(line).expect("a line can be typed");
        // The line is drawn again with each key; what comes behind its end is the answer.
        self.sees("\r\n");
    }

    /// Types a text that is not a whole line, or keys of its own among it.
    fn begins(&mut self, text: &str) {
        self.pty.send(text).expect("a text can be typed");
        self.pty.flush().expect("a text can be typed");
    }

    /// Types a line; gives what comes before the next prompt that contains `prompt`.
    fn answer(&mut self, line: &str, prompt: &str) -> String {
        self.types(line);
        plain(&self.sees(prompt))
    }
}

/// A text without the marks by which a terminal moves and paints.
fn plain(text: &str) -> String {
    let marks = regex::Regex::new("\x1b\\[[0-9;?]*[A-Za-z]").expect("the pattern is good");
    marks.replace_all(text, "").replace('\r', "")
}

const WAND: &str = "wand@lpic2-study-1:~$ ";

#[test]
fn the_first_letter_is_sent_by_telnet() {
    let mut lab = Lab::open(&[]);
    let greeting = lab.sees(WAND);
    for text in ["stranger.example.net", "trusted by nobody", "telnet mx.example.com 25", ":help"] {
        assert!(greeting.contains(text), "{greeting}");
    }
    lab.types("telnet mx.example.com 25");
    lab.sees("220 mx.example.com ESMTP Postfix\r\n");
    for (line, reply) in [
        ("EHLO lpic2-study-1", "250 CHUNKING\r\n"),
        ("MAIL FROM:<wand@example.net>", "250 2.1.0 Ok\r\n"),
        ("RCPT TO:<alice@example.com>", "250 2.1.5 Ok\r\n"),
        ("DATA", "354 End data with <CR><LF>.<CR><LF>\r\n"),
    ] {
        lab.types(line);
        lab.sees(reply);
    }
    lab.types("Subject: by hand");
    lab.types("");
    lab.types("hello");
    lab.types(".");
    lab.sees("250 2.0.0 Ok: queued as ");
    lab.types("QUIT");
    lab.sees("Connection closed by foreign host.\r\n");
    lab.sees(WAND);
    lab.types(":go mx.example.com");
    lab.sees("alice@mx:~$ ");
    assert!(lab.answer("cat /var/mail/alice", "alice@mx:~$ ").contains("Subject: by hand"));
}

#[test]
fn a_letter_is_stepped_from_the_maildrop_to_the_mailbox() {
    let mut lab = Lab::open(&[]);
    lab.sees(WAND);
    lab.types(":freeze");
    lab.sees("Time stands at ");
    let frozen = ") $ ";
    lab.sees(frozen);
    lab.answer("echo two | mail -s second wand@localhost", frozen);
    let queue = |name: &str| format!("sudo find /var/spool/postfix/{name} -type f");
    let mut seen = Vec::new();
    for _ in 0..40 {
        for name in ["maildrop", "incoming", "active"] {
            if lab.answer(&queue(name), frozen).contains(&format!("/var/spool/postfix/{name}/"))
                && !seen.contains(&name)
            {
                seen.push(name);
            }
        }
        if lab.answer("cat /var/mail/wand", frozen).contains("Subject: second") {
            break;
        }
        lab.answer(":next", frozen);
    }
    assert_eq!(seen, ["maildrop", "incoming", "active"]);
    lab.answer(":next 5", frozen);
    assert!(!lab.answer(&queue("active"), frozen).contains("/active/"), "the letter is gone from the queue");
}

/// A stranger tries to relay; the reply stands on the screen.
fn relay_denied(lab: &mut Lab) {
    lab.sees(WAND);
    lab.types(":go stranger.example.net");
    lab.sees("root@stranger:~# ");
    lab.types("telnet lpic2-study-1 25");
    lab.sees("ESMTP Postfix\r\n");
    lab.types("EHLO stranger.example.net");
    lab.sees("250 CHUNKING\r\n");
    lab.types("MAIL FROM:<a@example.net>");
    lab.sees("250 2.1.0 Ok\r\n");
    lab.types("RCPT TO:<x@example.org>");
    lab.sees("454 4.7.1 <x@example.org>: Relay access denied\r\n");
    lab.types("QUIT");
    lab.sees("root@stranger:~# ");
}

#[test]
fn why_names_what_denied_the_relay() {
    let mut lab = Lab::open(&[]);
    relay_denied(&mut lab);
    let why = lab.answer(":why", "root@stranger:~# ");
    for text in [
        "454 4.7.1",
        "smtpd_relay_restrictions",
        "permit_mynetworks",
        "main.cf:4",
        "defer_unauth_destination",
    ] {
        assert!(why.contains(text), "{text} is missing in:\n{why}");
    }
}

#[test]
fn what_if_turns_the_denial_round() {
    let mut lab = Lab::open(&[]);
    relay_denied(&mut lab);
    let differs = lab.answer(":what-if lpic2-study-1: relay_domains = example.org", "root@stranger:~# ");
    assert!(differs.contains("- 454 4.7.1 <x@example.org>: Relay access denied"), "{differs}");
    assert!(differs.contains("+ 250 2.1.5 Ok"), "{differs}");
    assert!(lab.answer(":keep", "root@stranger:~# ").contains("Kept."));
    assert!(lab.answer("true; :diff", "root@stranger:~# ").contains("command not found"));
    assert!(lab.answer(":diff", "root@stranger:~# ").contains("+ 250 2.1.5 Ok"));
}

#[test]
fn undo_brings_deleted_mail_back() {
    let mut lab = Lab::open(&[]);
    lab.sees(WAND);
    lab.answer(":fault refuse: mx.example.com 25", WAND);
    lab.answer("echo x | mail -s stays alice@example.com", WAND);
    assert!(lab.answer("mailq", WAND).contains("alice@example.com"));
    lab.answer("sudo postsuper -d ALL", WAND);
    assert!(lab.answer("mailq", WAND).contains("Mail queue is empty"));
    assert!(lab.answer(":undo 2", WAND).contains("before `sudo postsuper -d ALL`"));
    assert!(lab.answer("mailq", WAND).contains("alice@example.com"));
}

#[test]
fn a_saved_session_runs() {
    let mut lab = Lab::open(&[]);
    lab.sees(WAND);
    lab.answer("date | mail -s hello alice@example.com", WAND);
    lab.types("telnet mx.example.com 25");
    lab.sees("ESMTP Postfix\r\n");
    lab.types("HELO lpic2-study-1");
    lab.sees("250 mx.example.com\r\n");
    lab.types("QUIT");
    lab.sees(WAND);
    lab.answer(":wait 5m", WAND);
    lab.answer(":go mx.example.com", "alice@mx:~$ ");
    lab.answer("ls -lF", "alice@mx:~$ ");
    lab.answer("cat /var/mail/alice", "alice@mx:~$ ");
    let path = lab.path("saved.yaml");
    let said = lab.answer(&format!(":save {}", path.display()), "alice@mx:~$ ");
    assert!(said.contains("and it passes"), "{said}\n{}", std::fs::read_to_string(&path).unwrap_or_default());
    let ran =
        Command::new(env!("CARGO_BIN_EXE_maillab")).arg("run").arg(&path).output().expect("maillab runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn mistyped_commands_and_interrupts_are_harmless() {
    let mut lab = Lab::open(&[]);
    lab.sees(WAND);
    assert!(lab.answer(":frezee", WAND).contains("Did you mean `:freeze`?"));
    assert!(lab.answer(":help", WAND).lines().count() <= 24);
    lab.types("sudo tail -f /var/log/maillog");
    lab.sees("postfix/master");
    lab.pty.send_control('c').expect("Ctrl-C can be typed");
    lab.sees(WAND);
    lab.types("telnet mx.example.com 25");
    lab.sees("ESMTP Postfix\r\n");
    lab.pty.send_control(']').expect("Ctrl-] can be typed");
    lab.sees("telnet> ");
    lab.types("quit");
    lab.sees("Connection closed.\r\n");
    lab.sees(WAND);
    lab.pty.send_control('d').expect("Ctrl-D can be typed");
    lab.sees("exit");
    lab.pty.exp_eof().expect("the lab is left");
}

#[test]
fn what_is_begun_is_completed() {
    let mut lab = Lab::open(&[]);
    lab.sees(WAND);
    lab.begins("tel\tmx.example.c\t25\r");
    lab.sees("220 mx.example.com ESMTP Postfix\r\n");
    // What comes next stands behind the cursor, and Tab takes it.
    lab.sees("EHLO ");
    lab.begins("eh\tme\r");
    lab.sees("250 CHUNKING\r\n");
    lab.begins("mail f\twand@example.net>\r");
    lab.sees("250 2.1.0 Ok\r\n");
    lab.sees("RCPT TO:<");
    lab.types("QUIT");
    lab.sees(WAND);
    lab.begins("cat /etc/postf\tma\t\t");
    lab.sees("/etc/postfix/master.cf");
    lab.pty.send_control('u').expect("Ctrl-U can be typed");
    lab.begins("postconf -d relayh\t\r");
    lab.sees("relayhost =");
    lab.begins(":what-if lap\trelay_dom");
    lab.sees(":what-if laptop.example.com: ");
    lab.begins("\t\t");
    lab.sees("relay_domains_reject_code");
    lab.pty.send_control('u').expect("Ctrl-U can be typed");
    lab.begins(":go ");
    lab.sees("HOST [USER]");
    lab.begins("str\t\r");
    lab.sees("root@stranger:~# ");
}

#[test]
fn names_stand_in_columns_and_a_loop_takes_several_lines() {
    let mut lab = Lab::open(&[]);
    lab.sees(WAND);
    let listed = lab.answer("ls /etc/postfix", WAND);
    assert!(listed.lines().any(|l| l.contains("main.cf") && l.contains("master.cf")), "{listed}");
    assert!(lab.answer("ls /etc/postfix | cat", WAND).lines().any(|l| l == "main.cf"));
    lab.types("for word in one two; do");
    lab.sees("> ");
    lab.types("echo $word");
    lab.sees("> ");
    assert!(lab.answer("done", WAND).contains("one\ntwo"));
}

#[test]
fn a_dialogue_in_tls_is_opened_by_openssl() {
    let mut lab = Lab::open(&["repl", "scenarios/starttls.yaml"]);
    lab.sees("alice@mx:~$ ");
    lab.types("openssl s_client -connect mx.example.com:25 -starttls smtp -quiet -crlf");
    lab.sees("250 CHUNKING\r\n");
    lab.types("EHLO client.example.net");
    lab.sees("AUTH PLAIN");
    lab.types("QUIT");
    lab.sees("221 2.0.0 Bye");
    lab.sees("alice@mx:~$ ");
}

#[test]
fn steps_take_no_time_in_which_nothing_happens() {
    let mut lab = Lab::open(&[]);
    lab.sees(WAND);
    lab.types(":step");
    lab.sees("Nothing more happens by itself");
    lab.sees(") $ ");
    assert!(lab.answer(":time", ") $ ").contains("14:45:00 UTC, and it stands"));
}

/// The study notebook, as it is typed: mbox, Maildir, aliases, .forward, procmail.
#[test]
fn the_notebook_is_typed_by_hand() {
    let mut lab = Lab::open(&[]);
    lab.sees(WAND);
    assert!(lab.answer("which postfix postconf", WAND).contains("/usr/sbin/postfix"));
    assert!(lab.answer("ps auxw | grep postfix", WAND).contains("qmgr"));
    assert!(lab.answer("systemctl status postfix", WAND).contains("active"));
    lab.answer("sudo apt-get install -y mailutils", WAND);
    // A letter to oneself, written in mail(1), into an mbox.
    lab.types("mail wand@localhost");
    lab.sees("Subject: ");
    lab.types("boo");
    lab.sees("To: wand@localhost\r\n\r\n");
    lab.types("sample");
    lab.types(".");
    lab.sees(WAND);
    assert!(lab.answer("file /var/mail/wand", WAND).contains("text"));
    lab.types("mail");
    lab.sees("? ");
    lab.types("1");
    lab.sees("sample");
    lab.sees("? ");
    lab.types("q");
    lab.sees(WAND);
    // Into a Maildir, by a setting that an editor makes.
    std::fs::write(lab.path("editor"), "#!/bin/sh\necho 'home_mailbox = Maildir/' >> \"$1\"\n")
        .expect("a script");
    let mut mode = std::fs::metadata(lab.path("editor")).expect("it is there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    std::fs::set_permissions(lab.path("editor"), mode).expect("it can be run");
    lab.answer("sudo vi /etc/postfix/main.cf", WAND);
    assert!(lab.answer("postconf -n home_mailbox", WAND).contains("home_mailbox = Maildir/"));
    lab.answer("sudo systemctl reload postfix", WAND);
    lab.answer("echo two | mail -s 'to the directory' wand", WAND);
    assert!(lab.answer("ls -lF Maildir", WAND).contains("new/"));
    assert!(lab.answer("cat Maildir/new/*", WAND).contains("Subject: to the directory"));
    // Aliases count when newaliases has been run, by somebody who may.
    std::fs::write(lab.path("editor"), "#!/bin/sh\necho 'www: wand' >> \"$1\"\n").expect("a script");
    lab.answer("sudo vi /etc/aliases", WAND);
    lab.answer("sudo newaliases", WAND);
    lab.answer("echo three | mail -s 'to www' www@localhost", WAND);
    assert!(lab.answer("cat Maildir/new/*", WAND).contains("Subject: to www"));
    // .forward, then procmail in its place.
    lab.answer("echo /home/wand/forwarded > .forward", WAND);
    lab.answer("echo four | mail -s 'forwarded' wand", WAND);
    assert!(lab.answer("cat forwarded", WAND).contains("Subject: forwarded"));
    lab.answer("echo '|/usr/bin/procmail' > .forward", WAND);
    for line in ["cat > .procmailrc <<'END'", ":0", "* ^Subject:.*spam", "junk"] {
        lab.types(line);
    }
    lab.answer("END", WAND);
    lab.answer("echo five | mail -s 'buy spam now' wand", WAND);
    assert!(lab.answer("cat junk", WAND).contains("Subject: buy spam now"));
}

/// A lesson: a hint, a check in vain, a task solved, and all of it there again the next time.
#[test]
fn a_lesson_goes_on_where_it_was_left() {
    let mut lab = Lab::open(&["learn", "smtp-by-hand"]);
    let opening = plain(&lab.sees(WAND));
    for text in ["SMTP, spoken by hand", "task 1 of 4", "Greet a server", ":hint  :check"] {
        assert!(opening.contains(text), "{text} is missing in:\n{opening}");
    }
    assert!(opening.lines().count() <= 24, "{opening}");
    assert!(lab.answer(":hint", WAND).contains("2 more hints"));
    let said = lab.answer(":check", WAND);
    assert!(said.contains(" Not yet: Nobody has called mx.example.com"), "{said}");
    assert!(lab.answer(":explain", WAND).contains("not solved yet"));
    for (greeting, last) in
        [("HELO lpic2-study-1", "250 mx.example.com\r\n"), ("EHLO lpic2-study-1", "CHUNKING\r\n")]
    {
        lab.types("telnet mx.example.com 25");
        lab.sees("ESMTP Postfix\r\n");
        lab.types(greeting);
        lab.sees(last);
        let said = lab.answer("QUIT", WAND);
        assert_eq!(said.contains(" task 1: The first digit"), greeting.starts_with("EHLO"), "{said}");
        if greeting.starts_with("HELO") {
            assert!(lab.answer(":check", WAND).contains("has not been greeted with EHLO"));
        }
    }
    assert!(lab.answer(":explain", WAND).contains("The first digit of a reply"));
    lab.pty.send_control('d').expect("Ctrl-D can be typed");
    lab.pty.exp_eof().expect("the lab is left");
    let mut lab = lab.again(&["learn", "2"]);
    let opening = plain(&lab.sees(WAND));
    assert!(opening.contains("1 of 4 tasks are solved"), "{opening}");
    assert!(opening.contains("task 2 of 4"), "{opening}");
    assert!(lab.answer("sudo tail -1 /var/log/maillog", WAND).contains("lpic2-study-1"));
    assert!(lab.answer(":go mx.example.com root", "root@mx:~# ").is_empty());
    assert!(lab.answer("grep -c ehlo=1 /var/log/maillog", "root@mx:~# ").contains('1'));
    assert!(lab.answer(":lesson", "root@mx:~# ").contains("solved"));
}
