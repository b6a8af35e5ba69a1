//! The pictures and explanations of the scenarios in `scenarios/`.

use maillab::scenario::load;
use maillab::scenario::run::{Options, Outcome, run};
use maillab::trace::{Kind, Trace};
use maillab::view::flow::{flow, mermaid};
use maillab::view::html::html;
use maillab::view::queue::queue;
use maillab::view::why::{Subject, why};
use std::fs;

/// Runs the first `steps` steps of a scenario, with room for shells that run in one another.
fn with(name: &str, steps: usize, look: impl FnOnce(&Outcome) + Send + 'static) {
    let path = format!("scenarios/{name}.yaml");
    let work = move || {
        let text = fs::read_to_string(&path).expect("the scenario is there");
        let mut scenario = load::load(&text).unwrap_or_else(|e| panic!("{path}: {}", e.message));
        scenario.steps.truncate(steps);
        let outcome = run(&scenario, Options::default()).unwrap_or_else(|e| panic!("{path}: {e}"));
        look(&outcome);
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(work);
    thread.expect("a thread starts").join().expect("the scenario is looked at");
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ snapshot_path => "view", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
}

/// The ids of the letters that came into a queue, in order.
fn letters(trace: &Trace) -> Vec<String> {
    let entered = trace.events().filter_map(|(_, e)| match &e.kind {
        Kind::Queue { id, hop: ["", "incoming"] } => Some(id.to_string()),
        _ => None,
    });
    entered.collect()
}

#[test]
fn why_a_stranger_may_not_relay() {
    with("relay-denial", 2, |o| {
        let text = why(&o.world.trace(), &Subject::Log("454 4.7.1".into())).expect("it was said");
        for part in ["smtpd_relay_restrictions", "permit_mynetworks", "main.cf:4", "no", "198.51.100.66"] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
        assert!(text.contains("mynetworks contains 198.51.100.66"), "{text}");
        assert!(text.contains("relay_domains contains example.org"), "{text}");
        snapshot("why-relay-denial", &text);
        snapshot("queue-nothing", &queue(&o.world));
    });
}

#[test]
fn why_a_letter_is_where_it_is() {
    for (scenario, steps, recipient) in [
        ("procmail-spam-drop", usize::MAX, "bob@mail.example.com"),
        ("aliases", usize::MAX, "team"),
        ("unknown-user", usize::MAX, "karol@example.org"),
        ("queue-and-retry", usize::MAX, "carol@example.org"),
    ] {
        with(scenario, steps, move |o| {
            let trace = o.world.trace();
            let text = why(&trace, &Subject::Address(recipient.into())).expect("there is a letter");
            snapshot(&format!("why-{scenario}"), &text);
            let picture = flow(&trace, None, 80).expect("there is a letter");
            snapshot(&format!("flow-{scenario}"), &picture);
            snapshot(&format!("mermaid-{scenario}"), &mermaid(&trace, None));
        });
    }
}

#[test]
fn what_waits_is_seen() {
    with("queue-and-retry", 2, |o| {
        snapshot("queue-deferred", &queue(&o.world));
        let trace = o.world.trace();
        snapshot("flow-deferred", &flow(&trace, None, 80).expect("there is a letter"));
    });
}

#[test]
fn a_subject_is_read_from_what_was_typed() {
    with("relay-denial", usize::MAX, |o| {
        let trace = o.world.trace();
        let id = letters(&trace).first().cloned().expect("there is a letter");
        assert_eq!(Subject::parse(&trace, ""), Subject::LastReply { before: None });
        assert_eq!(Subject::parse(&trace, &id), Subject::QueueId(id.clone()));
        assert_eq!(
            Subject::parse(&trace, "<carol@example.org>"),
            Subject::Address("carol@example.org".into())
        );
        assert_eq!(Subject::parse(&trace, "/var/mail/carol"), Subject::File("/var/mail/carol".into()));
        assert_eq!(Subject::parse(&trace, "NOQUEUE: reject"), Subject::Log("NOQUEUE: reject".into()));
        let file = why(&trace, &Subject::parse(&trace, "/var/mail/carol")).expect("it was written");
        snapshot("why-file", &file);
        for text in ["FFFFFFFFFF", "nobody@nowhere.example", "/no/such/file", "no such words"] {
            let said = why(&trace, &Subject::parse(&trace, text)).expect_err("there is no such thing");
            assert!(said.contains("What can be asked about"), "{said}");
        }
    });
}

#[test]
fn a_page_holds_every_event_and_no_markup_from_outside() {
    with("relay-denial", 2, |o| {
        let trace = o.world.trace();
        let page = html(&trace, "<script>alert('x')</script>");
        assert_eq!(page.matches("<tr class=").count(), trace.len() as usize);
        assert_eq!(page.matches("<script>").count(), 1, "only the page's own");
        assert!(page.contains("RCPT TO:&lt;carol@example.org&gt;"), "addresses are text");
    });
}

/// Whatever is asked of any scenario at any point is answered, within the width.
#[test]
fn every_width_is_kept_and_nothing_fails() {
    let files = fs::read_dir("scenarios").expect("the folder is there").flatten().map(|e| e.path());
    let mut names: Vec<String> = files
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .filter_map(|p| Some(p.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    for name in names {
        with(&name, usize::MAX, |o| {
            let trace = o.world.trace();
            let narrow = |text: &str, width: usize| {
                for line in text.lines() {
                    assert!(line.chars().count() <= width, "wider than {width}: {line}");
                }
            };
            let asked = |subject: Subject| {
                if let Ok(text) = why(&trace, &subject) {
                    narrow(&text, 80);
                }
            };
            for id in letters(&trace) {
                for width in [20, 33, 60, 80, 100, 200] {
                    narrow(&flow(&trace, Some(&id), width).expect("the letter is there"), width);
                }
                assert!(mermaid(&trace, Some(&id)).starts_with("sequenceDiagram\n"));
                asked(Subject::QueueId(id));
            }
            let every = (trace.len() as usize / 60).max(1);
            for (id, e) in trace.events().step_by(every) {
                asked(Subject::LastReply { before: Some(id) });
                match &e.kind {
                    Kind::Log { line } => asked(Subject::Log(line.to_string())),
                    Kind::File { path, .. } => asked(Subject::File(path.to_string())),
                    Kind::Renamed { to, .. } => asked(Subject::File(to.to_string())),
                    _ => {}
                }
            }
        });
    }
}
