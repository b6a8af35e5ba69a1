//! Waiting for time to pass, with or without something else.

use super::World;
use super::agenda::Weight;
use super::clock::{Duration, Time};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// An entry of the agenda that is taken back when it is no longer wanted.
struct Timer<'w> {
    world: &'w World,
    deadline: Time,
    weight: Weight,
    entry: Option<u64>,
}

impl Timer<'_> {
    fn new(world: &World, pause: Duration, weight: Weight) -> Timer<'_> {
        Timer { world, deadline: world.now() + pause, weight, entry: None }
    }

    /// Is it time? Has the running task woken then, if not.
    fn due(&mut self) -> bool {
        if self.world.now() >= self.deadline {
            self.entry = None;
            return true;
        }
        if self.entry.is_none() {
            self.entry = self.world.current_task().map(|t| self.world.wake_at(self.deadline, self.weight, t));
        }
        false
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        // An entry that has come due is gone; only one that lies ahead can be taken back.
        if let Some(entry) = self.entry.take()
            && self.world.now() < self.deadline
        {
            self.world.cancel(self.deadline, entry);
        }
    }
}

/// Waits for `pause`; `weight` says whether the world counts as at rest meanwhile.
pub async fn sleep(world: &World, pause: Duration, weight: Weight) {
    let mut timer = Timer::new(world, pause, weight);
    poll_fn(|_| if timer.due() { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Waits for `work`, at most for `limit`; `None` when time ran out.
pub async fn timeout<F: Future>(world: &World, limit: Duration, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut timer = Timer::new(world, limit, Weight::Idle);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if timer.due() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Which of two came first.
#[derive(Debug)]
pub enum Either<A, B> {
    /// The first.
    Left(A),
    /// The second.
    Right(B),
}

/// Waits for whichever of two comes first, the left one where both are there; the other is dropped.
pub async fn race<A: Future, B: Future>(a: A, b: B) -> Either<A::Output, B::Output> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| {
        if let Poll::Ready(value) = a.as_mut().poll(cx) {
            return Poll::Ready(Either::Left(value));
        }
        b.as_mut().poll(cx).map(Either::Right)
    })
    .await
}
