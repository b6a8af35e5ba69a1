//! How fast mail flows: client → smtpd → cleanup → qmgr → local → Maildir, every byte and decision
//! in the trace.
//!
//! `cargo bench --bench mail_flow` prints messages a second; before it measures, it says what a
//! message costs in memory, and carries 100,000 messages over 1,000 hosts.

mod counting;

use criterion::{Criterion, Throughput};
use maillab::scenario::model::{File, Host, Scenario, Service, User};
use maillab::trace::Keep;
use maillab::world::World;
use maillab::world::users::Cred;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const MAIN_CF: &str = "compatibility_level = 3.6\nmyhostname = mx.example.com\nmydestination = example.com\n\
                       home_mailbox = Maildir/\nalias_maps = hash:/etc/aliases\nalias_database = hash:/etc/aliases\n";

/// A message of a thousand octets, as it goes over the wire.
fn message() -> String {
    let mut text =
        String::from("From: a@client.example.net\r\nTo: bob@example.com\r\nSubject: bench\r\n\r\n");
    while text.len() < 1000 {
        text.push_str("The quick brown fox jumps over the lazy dog, again and again and again.\r\n");
    }
    text + ".\r\n"
}

fn server(name: &str, address: Ipv4Addr, services: Vec<Service>) -> (String, Host) {
    let main_cf = MAIN_CF.replace("mx.example.com", name);
    let file = File { text: main_cf, ..File::default() };
    let host = Host {
        addresses: vec![IpAddr::V4(address)],
        users: [("bob".to_owned(), User::default())].into(),
        services,
        files: [("/etc/postfix/main.cf".to_owned(), file)].into(),
    };
    (name.to_owned(), host)
}

fn boot(hosts: Vec<(String, Host)>, keep: Keep) -> World {
    let scenario = Scenario {
        title: "bench".into(),
        summary: String::new(),
        clock: maillab::world::clock::Time::DEFAULT,
        seed: 1,
        zone: Default::default(),
        hosts: hosts.into_iter().collect(),
        steps: Vec::new(),
    };
    maillab::scenario::boot::boot(&scenario, keep, None).expect("the bench's hosts can be laid out")
}

/// Hands in `count` messages in one session from one host to another, and lets them be delivered.
fn send(world: &World, from: &str, to: Ipv4Addr, count: usize) {
    let host = world.host(from).expect("the host is there");
    let child = host.start("client", Cred::root(), Default::default(), "/", async move |p| {
        let stream = p.connect(SocketAddr::new(IpAddr::V4(to), 25), None).await.expect("the server listens");
        let said = async |what: &str| {
            let mut got = stream.read().await.expect("the server answers").to_vec();
            while !got.ends_with(b"\r\n") {
                got.extend_from_slice(&stream.read().await.expect("the server answers"));
            }
            assert!(got.starts_with(what.as_bytes()), "{}", String::from_utf8_lossy(&got));
        };
        said("220").await;
        stream.write("EHLO client.example.net\r\n").await.expect("it is written");
        said("250").await;
        let body = bytes::Bytes::from(message());
        for _ in 0..count {
            let envelope = "MAIL FROM:<a@client.example.net>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n";
            stream.write(envelope).await.expect("it is written");
            said("250").await;
            stream.write(body.clone()).await.expect("it is written");
            said("250").await;
        }
        stream.write("QUIT\r\n").await.expect("it is written");
        said("221").await;
        0
    });
    let limit = world.now() + std::time::Duration::from_secs(86400);
    world.run_while(limit, || child.status().is_some());
    world.settle();
    assert_eq!((child.status(), world.failure()), (Some(0), None));
}

/// What was delivered is counted and read away, and the log is rotated, as time does.
fn tidy(world: &World, name: &str) -> usize {
    let host = world.host(name).expect("the host is there");
    let names: Vec<String> = {
        let fs = host.fs();
        let new = fs.resolve(&Cred::root(), fs.root(), "/home/bob/Maildir/new", true);
        new.map_or_else(
            |_| Vec::new(),
            |ino| fs.readdir(ino).map(|all| all.map(|(n, _)| n.to_owned()).collect()).unwrap_or_default(),
        )
    };
    let now = world.now();
    let mut fs = host.fs_mut();
    let root = fs.root();
    for n in &names {
        let _ = fs.unlink(&Cred::root(), root, &format!("/home/bob/Maildir/new/{n}"), now);
    }
    if let Ok(ino) = fs.resolve(&Cred::root(), root, "/var/log/maillog", true) {
        let _ = fs.truncate(ino, 0, now);
    }
    names.len()
}

fn one_server(keep: Keep) -> World {
    let mx = server("mx.example.com", Ipv4Addr::new(192, 0, 2, 25), vec![Service::Postfix]);
    let client = server("client.example.net", Ipv4Addr::new(198, 51, 100, 7), Vec::new());
    let world = boot(vec![mx, client], keep);
    // The daemons start, caches fill.
    send(&world, "client.example.net", Ipv4Addr::new(192, 0, 2, 25), 10);
    tidy(&world, "mx.example.com");
    world
}

fn memory(keep: Keep) -> f64 {
    const ROUNDS: usize = 20;
    const EACH: usize = 500;
    let world = one_server(keep);
    let round = || {
        send(&world, "client.example.net", Ipv4Addr::new(192, 0, 2, 25), EACH);
        assert_eq!(tidy(&world, "mx.example.com"), EACH);
    };
    round();
    let before = counting::in_use();
    for _ in 0..ROUNDS {
        round();
    }
    let grown = counting::in_use() as f64 - before as f64;
    world.shut_down();
    grown / (ROUNDS * EACH) as f64
}

/// 1,000 hosts, and 100 messages to each.
fn wide(hosts: usize, each: usize) {
    let address = |n: usize| Ipv4Addr::new(10, (n >> 8) as u8, n as u8, 25);
    let mut all: Vec<_> = (0..hosts)
        .map(|n| server(&format!("mx{n}.example.net"), address(n), vec![Service::Postfix]))
        .collect();
    all.push(server("client.example.net", Ipv4Addr::new(198, 51, 100, 7), Vec::new()));
    let world = boot(all, Keep::Nothing);
    for n in 0..hosts {
        send(&world, "client.example.net", address(n), each);
        assert_eq!(tidy(&world, &format!("mx{n}.example.net")), each);
    }
    world.shut_down();
}

fn bench(c: &mut Criterion) {
    const BATCH: usize = 200;
    let mut group = c.benchmark_group("mail_flow");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, keep) in [("traced", Keep::All), ("untraced", Keep::Nothing)] {
        let mut world = one_server(keep);
        let mut sent = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                send(black_box(&world), "client.example.net", Ipv4Addr::new(192, 0, 2, 25), BATCH);
                tidy(&world, "mx.example.com");
                sent += BATCH;
                // A trace of millions of events measures the machine's memory, not the program.
                if sent > 40_000 {
                    world.shut_down();
                    world = one_server(keep);
                    sent = 0;
                }
            });
        });
        world.shut_down();
    }
    group.finish();
}

fn main() {
    let run_all = !std::env::args().any(|a| a == "--test" || a == "--list");
    if run_all {
        println!("memory a message, trace kept:    {:>8.0} bytes", memory(Keep::All));
        println!("memory a message, trace dropped: {:>8.0} bytes", memory(Keep::Nothing));
        let (n, each) = (1000, 100);
        let time = |each| {
            #[expect(
                clippy::disallowed_types,
                clippy::disallowed_methods,
                reason = "a benchmark measures time"
            )]
            let start = std::time::Instant::now();
            wide(n, each);
            start.elapsed()
        };
        let (half, whole) = (time(each / 2), time(each));
        println!("{n} hosts: {} messages in {half:.2?}, {} in {whole:.2?}", n * each / 2, n * each);
    }
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
}
