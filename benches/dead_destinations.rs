//! Five virtual days with 1,000 letters for 50 destinations that nobody answers for, every try and
//! decision in the trace, until all of them have gone back.
//!
//! `cargo bench --bench dead_destinations` prints the time of a run and, before, the memory it took.
//!
//! Measured on one core of a machine that others used as well, in seconds of processor time: 2.5 s and
//! 60 MB; with 10,000 letters for 500 destinations 30 s and 570 MB (before the trace and the log were
//! packed, and qmgr took one message after the other: 53 s and 4.2 GB). The aim for that size, 3 s and
//! 500 MB, is missed by far in time and by little in memory. It is 1.06 million tries, as in life; 46 of
//! a hundred go as far as smtp, since the letters came within more time than a queue run is wide and so
//! come back in several runs, each of which finds a destination alive that has rested. A try is 26
//! events and, by callgrind with 400 letters, some 210,000 instructions: a fifth for malloc and free, an
//! eighth for formatting, a ninth each for the trace with its packing, for walking paths and for
//! trivial-rewrite, a tenth for DNS, a twelfth for what each new smtp reads of its configuration.

mod counting;

use criterion::Criterion;
use maillab::proto::dns::Zone;
use maillab::scenario::boot::{boot, environment};
use maillab::scenario::model::{File, Host, Scenario, Service, User};
use maillab::trace::Keep;
use maillab::world::World;
use maillab::world::clock::{Duration, Time};
use maillab::world::process::STDIN;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

const DAYS: u64 = 5;

/// How much is sent: `MAILLAB_LETTERS=10000 MAILLAB_DESTINATIONS=500` for the full size.
fn letters() -> usize {
    number("MAILLAB_LETTERS", 1_000)
}

fn destinations() -> usize {
    number("MAILLAB_DESTINATIONS", 50)
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |v| v.parse().expect("a number"))
}

const MAIN_CF: &str = "compatibility_level = 3.6\nmyhostname = mail.example.com\nmydestination = $myhostname\n\
    default_process_limit = 200\nalias_maps = hash:/etc/aliases\nalias_database = hash:/etc/aliases\n";

/// A server with a full queue: no host is there where the letters are to go.
fn world() -> World {
    let mut zone = String::from("dead.example.net. A 198.51.100.25\n");
    for n in 0..destinations() {
        zone.push_str(&format!("dead{n}.example. MX 10 dead.example.net.\n"));
    }
    let host = Host {
        addresses: vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 25))],
        users: [("alice".to_owned(), User::default())].into(),
        services: vec![Service::Postfix],
        files: [("/etc/postfix/main.cf".to_owned(), File { text: MAIN_CF.to_owned(), ..File::default() })]
            .into(),
    };
    let scenario = Scenario {
        title: "dead destinations".into(),
        summary: String::new(),
        clock: Time::DEFAULT,
        seed: 1,
        zone: Zone::parse(&zone).expect("the zone is well written"),
        hosts: [("mail.example.com".to_owned(), host)].into_iter().collect(),
        steps: Vec::new(),
    };
    boot(&scenario, Keep::All, None).expect("the hosts can be laid out")
}

/// A burst, as of a mailing list: many senders at once.
fn send(world: &World) {
    const SENDERS: usize = 100;
    let host = world.host("mail.example.com").expect("the host is there");
    let cred = host.login("alice").expect("the user is there");
    let sender = |first: usize| {
        host.start("mail", cred.clone(), environment("alice", "/"), "/", async move |p| {
            for n in (first..letters()).step_by(SENDERS) {
                let (reader, writer) = p.pipe();
                p.set_fd(STDIN, Some(reader));
                let _ = writer.write(format!("Subject: {n}\n\nhello\n")).await;
                writer.end();
                let to = format!("user{n}@dead{}.example", n % destinations());
                let argv: [Rc<str>; 2] = ["sendmail".into(), to.into()];
                assert_eq!(p.exec("/usr/sbin/sendmail", &argv).await, Ok(0));
            }
            0
        })
    };
    let senders: Vec<_> = (0..SENDERS).map(sender).collect();
    let limit = world.now() + Duration::from_secs(86_400);
    world.run_while(limit, || senders.iter().all(|s| s.status().is_some()));
    assert!(senders.iter().all(|s| s.status() == Some(0)) && world.failure().is_none());
}

/// Gives the number of events.
fn five_days() -> u32 {
    let world = world();
    send(&world);
    world.run_until(world.now() + Duration::from_secs(DAYS * 86_400 + 7200));
    assert!(world.failure().is_none());
    let events = world.trace().len();
    world.shut_down();
    events
}

fn main() {
    let run_all = !std::env::args().any(|a| a == "--test" || a == "--list");
    if run_all {
        let before = counting::in_use();
        counting::forget_most();
        let events = five_days();
        let most = (counting::most() - before) as f64 / 1e6;
        println!("{events} events, memory at most: {most:.0} MB");
    }
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    criterion.bench_function("five days, 1,000 letters, 50 dead destinations", |b| b.iter(five_days));
    criterion.final_summary();
}
