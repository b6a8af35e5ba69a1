//! No mail is lost: random small networks, settings, faults and letters from a seed; afterwards an
//! oracle over the trace and the queues finds every accepted recipient delivered, returned to
//! somebody, on hold, in a queue, or discarded by a named rule.
//!
//! `MAILLAB_SEEDS=2000 cargo test --release --test no_mail_lost` tries more seeds than the usual few;
//! a seed that fails is printed, and `MAILLAB_SEED=N` runs it alone.

#[path = "no_mail_lost/dice.rs"]
mod dice;
#[path = "no_mail_lost/ledger.rs"]
mod ledger;
#[path = "no_mail_lost/network.rs"]
mod network;

use std::sync::atomic::{AtomicU64, Ordering};

/// How many seeds are tried where nobody asks for more.
const SEEDS: u64 = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs a seed; the loss, if there is one.
fn lost(seed: u64) -> Result<(), String> {
    let (world, letters) = network::run(seed)?;
    let result = ledger::Ledger::read(&world).check(&letters);
    if result.is_err() && number("MAILLAB_SEED").is_some() {
        print!("{}", ledger::log(&world));
    }
    world.shut_down();
    result
}

#[test]
fn every_accepted_recipient_is_accounted_for() {
    let (first, count) = match number("MAILLAB_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number("MAILLAB_SEEDS").unwrap_or(SEEDS)),
    };
    let next = AtomicU64::new(first);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut losses: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut losses = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + count {
                    return losses;
                }
                // Programs of the lab call deep, and a thread's own stack is small.
                let run = std::thread::Builder::new().stack_size(64 << 20).spawn(move || lost(seed));
                match run.expect("a thread starts").join() {
                    Ok(Ok(())) => {}
                    Ok(Err(text)) => losses.push(format!("seed {seed}: {text}")),
                    Err(_) => losses.push(format!("seed {seed}: the lab itself failed")),
                }
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|t| t.join().expect("a worker ends")).collect()
    });
    losses.sort();
    assert!(losses.is_empty(), "{} of {count} seeds lost mail:\n{}", losses.len(), losses.join("\n"));
}
