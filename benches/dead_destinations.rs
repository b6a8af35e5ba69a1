//! Five virtual days with 1,000 letters for 50 destinations where no host answers, every try and decision
//! in the trace, until all of them have gone back.
//!
//! `cargo bench --bench dead_destinations` prints the time of a run and, before, the number of events and
//! the memory they took; `MAILLAB_LETTERS=10000 MAILLAB_DESTINATIONS=500` sets another size.
//!
//! Measured on one core of a machine that others used as well, in seconds of processor time: 1.9 s and
//! 42 MB; with 10,000 letters for 500 destinations 22 s and 390 MB, which are 1.1 million tries and 23
//! million events, a microsecond an event. The aim for that size, 3 s and 500 MB, is missed in time. Of the
//! twenty letters to a destination five go to an smtp each run, as in life, until it is known to be dead; the
//! others are suspended, and still are two lines of the log and a dozen events each. By callgrind a try is
//! 113,000 instructions, of which no function has more than a sixteenth: the packing of the trace, moving
//! octets and the allocator come first.

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
