//! The interactive lab: from nothing to the prompt, a step back in a session of ten thousand
//! events, and one step of a frozen world.

use criterion::{Criterion, criterion_group, criterion_main};
use maillab::repl::act::Act;
use maillab::repl::session::Session;

fn open() -> Session {
    match Session::open(None, true, false) {
        Ok(session) => session,
        Err(text) => panic!("{text}"),
    }
}

/// A session in which ten thousand things have happened.
fn long() -> Session {
    let mut session = open();
    while session.lab().world().trace().len() < 10_000 {
        session.line("echo x | mail -s x alice@example.com");
    }
    session
}

fn repl(c: &mut Criterion) {
    let mut group = c.benchmark_group("repl");
    group.sample_size(20);
    group.bench_function("start_to_prompt", |b| b.iter(open));
    group.bench_function("undo_in_10000_events", |b| {
        let mut session = long();
        b.iter(|| {
            session.undo(1).expect("there is something to undo");
            session.line("true");
        });
    });
    group.bench_function("step", |b| {
        let mut session = long();
        session.act(Act::Freeze);
        b.iter(|| {
            if session.lab().world().is_at_rest() {
                session.line("echo x | mail -s x alice@example.com");
            }
            session.act(Act::Step(1));
        });
    });
    group.finish();
}

criterion_group!(benches, repl);
criterion_main!(benches);
