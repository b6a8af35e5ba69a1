//! The SMTP server: why it decides as it does, and that nothing a client says breaks it.

use maillab::scenario::boot;
use maillab::scenario::load;
use maillab::scenario::run::{Options, run};
use maillab::trace::{Keep, Kind};
use maillab::world::World;
use maillab::world::clock::Duration;
use maillab::world::users::Cred;
use proptest::prelude::*;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

/// Runs a dialogue with a server of this main.cf; gives smtpd's decisions, one a line: the setting and
/// where it was made, the rule, what was compared, the outcome.
fn decisions(main_cf: &str, dns: &str, dialogue: &str) -> Vec<String> {
    let indent = |text: &str, by: &str| text.lines().map(|l| format!("{by}{l}\n")).collect::<String>();
    let scenario = format!(
        "title: decisions\ndns: |\n{}hosts:\n  mx.example.com:\n    address: 192.0.2.25\n    users: [alice]\n    \
         files:\n      /etc/postfix/main.cf: |\n{}  client.example.net:\n    address: 198.51.100.66\n    \
         services: []\nsteps:\n  - host: client.example.net\n    telnet: mx.example.com 25\n    chat: |\n{}",
        indent(dns, "  "),
        indent(main_cf, "        "),
        indent(dialogue, "      C: "),
    );
    let scenario = load::load(&scenario).unwrap_or_else(|e| panic!("{}", e.message));
    let outcome = run(&scenario, Options::default()).unwrap_or_else(|e| panic!("{e}"));
    let trace = outcome.world.trace();
    let of_smtpd = |p| trace.process(p).is_some_and(|name| &*name.program == "smtpd");
    trace
        .events()
        .filter(|(_, e)| of_smtpd(e.process))
        .filter_map(|(_, e)| match &e.kind {
            Kind::Decision(d) => {
                Some(format!("{} ({}) {}: {} -> {}", d.setting, d.place, d.rule, d.compared, d.outcome))
            }
            _ => None,
        })
        .collect()
}

const MAIN_CF: &str = "compatibility_level = 3.6\nmyhostname = mx.example.com\nmydestination = example.com\n";

#[test]
fn relay_denial() {
    let main_cf =
        format!("{MAIN_CF}smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n");
    let said = decisions(&main_cf, "", "HELO c\nMAIL FROM:<a@b.example>\nRCPT TO:<x@elsewhere.example>");
    assert_eq!(
        said,
        [
            "smtpd_relay_restrictions (main.cf:4) permit_mynetworks: 198.51.100.66 is not in 127.0.0.1/32 \
             192.0.2.25/32 [::1]/128 (mynetworks, default) -> no",
            "smtpd_relay_restrictions (main.cf:4) reject_unauth_destination: elsewhere.example is in none of \
             mydestination, relay_domains (), virtual domains -> 554 5.7.1 <x@elsewhere.example>: Relay access denied",
        ]
    );
}

#[test]
fn access_table_hit() {
    let main_cf = format!(
        "{MAIN_CF}smtpd_sender_restrictions =\n  check_sender_access inline:{{ {{ b.example = REJECT no }} }}\n"
    );
    let said = decisions(&main_cf, "", "HELO c\nMAIL FROM:<a@mail.b.example>\nRCPT TO:<alice@example.com>");
    assert_eq!(
        said,
        [
            "smtpd_sender_restrictions (main.cf:4) check_sender_access inline:{ { b.example = REJECT no } }: b.example \
          in inline:{ { b.example = REJECT no } }: REJECT no -> 554 5.7.1 <a@mail.b.example>: Sender address \
          rejected: no"
        ]
    );
}

#[test]
fn block_list_hit() {
    let main_cf = format!(
        "{MAIN_CF}smtpd_recipient_restrictions = reject_unauth_destination, reject_rbl_client bl.example\n"
    );
    let dns = "66.100.51.198.bl.example. A 127.0.0.2\n66.100.51.198.bl.example. TXT \"spam\"\n";
    let said = decisions(&main_cf, dns, "HELO c\nMAIL FROM:<a@b.example>\nRCPT TO:<alice@example.com>");
    assert_eq!(
        said[said.len() - 2..],
        [
            "smtpd_recipient_restrictions (main.cf:4) reject_unauth_destination: example.com is a domain of ours -> no",
            "smtpd_recipient_restrictions (main.cf:4) reject_rbl_client bl.example: 66.100.51.198.bl.example is \
             127.0.0.2 -> 554 5.7.1 Service unavailable; Client host [198.51.100.66] blocked using bl.example; spam",
        ]
    );
}

#[test]
fn unknown_user() {
    let said = decisions(MAIN_CF, "", "HELO c\nMAIL FROM:<a@b.example>\nRCPT TO:<nosuch@example.com>");
    assert_eq!(
        said,
        [
            "smtpd_relay_restrictions (default) permit_mynetworks: 198.51.100.66 is not in 127.0.0.1/32 \
             192.0.2.25/32 [::1]/128 (mynetworks, default) -> no",
            "smtpd_relay_restrictions (default) permit_sasl_authenticated: the client has not logged in -> no",
            "smtpd_relay_restrictions (default) defer_unauth_destination: example.com is a domain of ours -> no",
            "local_recipient_maps (default) does it exist?: nosuch@example.com in local_recipient_maps \
             (proxy:unix:passwd.byname hash:/etc/aliases, nis:mail.aliases) -> unknown",
        ]
    );
}

const HOST: &str = "title: any words\nhosts:\n  mx.example.com:\n    address: 192.0.2.25\n    users: [alice]\n    files:\n      \
                    /etc/postfix/main.cf: |\n        compatibility_level = 3.6\n        myhostname = mx.example.com\n        \
                    mydestination = example.com\n        home_mailbox = Maildir/\n        message_size_limit = 20000\n        \
                    smtpd_error_sleep_time = 0\n  client.example.net:\n    address: 198.51.100.7\n    services: []\n\
                    steps: []\n";

/// Says something, then nothing more; gives what the server said up to its close.
fn say(world: &World, pieces: Vec<Vec<u8>>) -> Vec<u8> {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let said = heard.clone();
    let host = world.host("client.example.net").expect("the host is there");
    let child = host.start("client", Cred::root(), Default::default(), "/", async move |p| {
        let to: SocketAddr = "192.0.2.25:25".parse().expect("an address");
        let stream = p.connect(to, None).await.expect("the server listens");
        for piece in pieces {
            if !piece.is_empty() && stream.write(piece).await.is_err() {
                break;
            }
        }
        stream.end();
        while let Ok(bytes) = stream.read().await {
            if bytes.is_empty() {
                break;
            }
            said.borrow_mut().extend_from_slice(&bytes);
        }
        0
    });
    world.run_while(world.now() + Duration::from_secs(3600), || child.status().is_some());
    world.settle();
    assert_eq!(world.failure(), None);
    assert_eq!(child.status(), Some(0), "the server closes");
    heard.take()
}

/// What a server with one more line in main.cf answers to octets that come all at once: its last
/// reply but the good-bye, and how many letters there are then.
fn answered(setting: &str, wire: &str) -> (String, usize) {
    let source = HOST.replace("        smtpd_error", &format!("        {setting}\n        smtpd_error"));
    let scenario = load::load(&source).unwrap_or_else(|e| panic!("{}", e.message));
    let world = boot::boot(&scenario, Keep::All, None).expect("the hosts boot");
    let said = String::from_utf8(say(&world, vec![wire.as_bytes().to_vec()])).expect("replies are text");
    let last = said.lines().rfind(|l| !l.starts_with("221 ")).unwrap_or_default().to_owned();
    let letters = letters(&world);
    world.shut_down();
    (last, letters)
}

#[test]
fn bare_newlines_are_taken_normalized_or_refused() {
    let start = "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.com>\r\nDATA\r\n";
    let wire = format!("{start}Subject: a\r\n\r\none\n.\r\nmore\r\n.\r\nQUIT\r\n");
    let refused = "550 5.5.2 mx.example.com Error: bare <LF> received";
    let (said, letters) = answered("smtpd_forbid_bare_newline = no", &wire);
    assert_eq!((said.as_str(), letters), ("500 5.5.2 Error: command not recognized", 1));
    let (said, letters) = answered("smtpd_forbid_bare_newline = yes", &wire);
    assert!(said.starts_with("250 2.0.0 Ok: queued as "), "{said}");
    assert_eq!(letters, 1);
    let reject = "smtpd_forbid_bare_newline = reject";
    assert_eq!(answered(reject, &wire), (refused.to_owned(), 0));
    assert_eq!(answered(reject, "EHLO x\nQUIT\r\n"), (refused.to_owned(), 0));
    let trusted = format!("{reject}\n        mynetworks = 198.51.100.0/24");
    assert_eq!(answered(&trusted, "NOOP\nQUIT\n").0, "250 2.0.0 Ok");
}

#[test]
fn commands_before_their_turn_end_the_session_where_that_is_forbidden() {
    let forbid = "smtpd_forbid_unauth_pipelining = yes";
    let refused = "554 5.5.0 Error: SMTP protocol synchronization";
    assert_eq!(answered(forbid, "HELO x\r\nNOOP\r\nQUIT\r\n").0, refused);
    assert_eq!(answered(forbid, "HELO x\r\n").0, "250 mx.example.com");
    assert_eq!(answered("smtpd_client_port_logging = yes", "HELO x\r\nNOOP\r\nQUIT\r\n").0, "250 2.0.0 Ok");
}

/// How many letters alice has.
fn letters(world: &World) -> usize {
    let host = world.host("mx.example.com").expect("the host is there");
    let fs = host.fs();
    fs.resolve(&Cred::root(), fs.root(), "/home/alice/Maildir/new", true)
        .ok()
        .and_then(|ino| fs.readdir(ino).ok().map(|all| all.count()))
        .unwrap_or(0)
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "HELO c",
        "EHLO c",
        "EHLO",
        "MAIL FROM:<a@b.example>",
        "MAIL FROM:<>",
        "MAIL FROM:<a@b> SIZE=99999",
        "MAIL FROM:<a@b.example> BODY=8BITMIME RET=HDRS ENVID=x",
        "RCPT TO:<alice@example.com>",
        "RCPT TO:<nosuch@example.com>",
        "RCPT TO:<x@y.example>",
        "RCPT TO:<alice@example.com> NOTIFY=NEVER",
        "DATA",
        ".",
        "..",
        "Subject: hello",
        "",
        "text",
        "From here",
        "RSET",
        "NOOP",
        "VRFY alice",
        "ETRN example.com",
        "BDAT 5",
        "BDAT 5 LAST",
        "BDAT 0 LAST",
        "BDAT 0",
        "BDAT x",
        "AUTH PLAIN",
        "STARTTLS",
        "XCLIENT ADDR=1.2.3.4",
        "XFORWARD NAME=x",
        "QUIT",
        "abcde",
    ]);
    prop_oneof![
        12 => known.prop_map(|l| format!("{l}\r\n").into_bytes()),
        2 => prop::collection::vec(any::<u8>(), 0..40),
        1 => "\\PC{0,60}".prop_map(|l| format!("{l}\n").into_bytes()),
        1 => Just(vec![b'x'; 3000]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever is said is answered or ends the session, and what was answered 250 is in the mailbox.
    #[test]
    fn any_dialogue_is_answered_and_no_message_is_lost(
        first in prop::bool::weighted(0.7),
        pieces in prop::collection::vec(line(), 0..40),
    ) {
        let scenario = load::load(HOST).expect("the scenario is good");
        let world = boot::boot(&scenario, Keep::Nothing, None).expect("the hosts can be");
        let mut all: Vec<Vec<u8>> = Vec::new();
        if first {
            all.push(b"EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.com>\r\n".to_vec());
        }
        all.extend(pieces);
        let heard = String::from_utf8_lossy(&say(&world, all)).into_owned();
        let taken = heard.matches("Ok: queued as").count();
        let (delivered, good) = (letters(&world), heard.starts_with("220 "));
        world.shut_down();
        prop_assert!(good, "{heard}");
        for reply in heard.lines() {
            let code = reply.get(..3).is_some_and(|c| c.bytes().all(|b| b.is_ascii_digit()));
            prop_assert!(code, "no reply: {reply:?}");
        }
        prop_assert!(delivered >= taken, "{taken} were taken, {delivered} delivered");
    }
}
