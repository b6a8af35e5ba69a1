//! How fast the SMTP server talks: command lines a second, with every byte and decision in the trace.
//!
//! `cargo bench --bench smtpd_dialogue`

use criterion::{Criterion, Throughput};
use maillab::scenario::{boot, load};
use maillab::trace::Keep;
use maillab::world::World;
use maillab::world::clock::Duration;
use maillab::world::users::Cred;
use std::hint::black_box;
use std::net::SocketAddr;

const SCENARIO: &str = "title: bench\nhosts:\n  mx.example.com:\n    address: 192.0.2.25\n    users: [alice]\n    files:\n      \
                        /etc/postfix/main.cf: |\n        compatibility_level = 3.6\n        myhostname = mx.example.com\n        \
                        mydestination = example.com\n        smtpd_junk_command_limit = 100000000\n  \
                        client.example.net:\n    address: 198.51.100.7\n    services: []\nsteps: []\n";

/// The commands of one round: a message that is not sent after all.
const ROUND: &str = "MAIL FROM:<joe@example.net> SIZE=1000 BODY=8BITMIME\r\nRCPT TO:<nosuch@elsewhere.example>\r\n\
                     NOOP\r\nRSET\r\n";
const LINES: usize = 4;

fn world(keep: Keep) -> World {
    let scenario = load::load(SCENARIO).expect("the scenario is good");
    let world = boot::boot(&scenario, keep, None).expect("the hosts can be laid out");
    talk(&world, 1);
    world
}

/// One session of so many rounds, pipelined.
fn talk(world: &World, rounds: usize) {
    let host = world.host("client.example.net").expect("the host is there");
    let text = bytes::Bytes::from(ROUND.repeat(rounds.min(50)));
    let child = host.start("client", Cred::root(), Default::default(), "/", async move |p| {
        let to: SocketAddr = "192.0.2.25:25".parse().expect("an address");
        let stream = p.connect(to, None).await.expect("the server listens");
        stream.read().await.expect("a greeting");
        stream.write("EHLO client.example.net\r\n").await.expect("it is written");
        stream.read().await.expect("an answer");
        stream.write(text).await.expect("it is written");
        stream.write("QUIT\r\n").await.expect("it is written");
        while stream.read().await.is_ok_and(|b| !b.is_empty()) {}
        0
    });
    world.run_while(world.now() + Duration::from_secs(3600), || child.status().is_some());
    world.settle();
    assert_eq!((child.status(), world.failure()), (Some(0), None));
}

fn bench(c: &mut Criterion) {
    const ROUNDS: usize = 15;
    const SESSIONS: usize = 20;
    let mut group = c.benchmark_group("smtpd_dialogue");
    group.throughput(Throughput::Elements((ROUNDS * LINES * SESSIONS) as u64));
    for (name, keep) in [("traced", Keep::All), ("untraced", Keep::Nothing)] {
        let mut bed = world(keep);
        let mut sessions = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                for _ in 0..SESSIONS {
                    talk(black_box(&bed), ROUNDS);
                }
                sessions += SESSIONS;
                // A trace of millions of events measures the machine's memory, not the program.
                if sessions > 2000 {
                    bed.shut_down();
                    bed = world(keep);
                    sessions = 0;
                }
            });
        });
        bed.shut_down();
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
}
