//! Asking trivial-rewrite (`rewrite_clnt(3)`, `resolve_clnt(3)`): one connection, kept open, and
//! the last answers, since a message's addresses are asked for again and again.

use super::ipc::{ResolveRequest, Resolved, RewriteContext, RewriteRequest};
use super::queue::SPOOL;
use crate::world::clock::Duration;
use crate::world::process::Process;
use crate::world::stream::Stream;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::hash::Hash;
use std::rc::Rc;

/// How many answers of each kind are kept.
const KEPT: usize = 64;

/// A program's way to trivial-rewrite.
#[derive(Default)]
pub struct Rewriter {
    stream: RefCell<Option<Stream>>,
    /// The complete form of an address in a context.
    rewritten: RefCell<Kept<Incomplete, Rc<str>>>,
    /// Where mail from a sender to an address goes.
    resolved: RefCell<Kept<Way, Resolved>>,
}

/// An address in a context.
type Incomplete = (RewriteContext, Rc<str>);

/// A sender, an address, and whether it is about a probe.
type Way = (Rc<str>, Rc<str>, bool);

/// The last answers, by what was asked.
struct Kept<Q, A> {
    answers: FxHashMap<Q, A>,
    /// The questions, the oldest first.
    asked: VecDeque<Q>,
}

impl<Q, A> Default for Kept<Q, A> {
    fn default() -> Self {
        Kept { answers: FxHashMap::default(), asked: VecDeque::new() }
    }
}

impl<Q: Hash + Eq + Clone, A: Clone> Kept<Q, A> {
    fn get(&self, question: &Q) -> Option<A> {
        self.answers.get(question).cloned()
    }

    fn keep(&mut self, question: Q, answer: A) {
        if self.asked.len() >= KEPT
            && let Some(oldest) = self.asked.pop_front()
        {
            self.answers.remove(&oldest);
        }
        if self.answers.insert(question.clone(), answer).is_none() {
            self.asked.push_back(question);
        }
    }
}

impl Rewriter {
    /// The complete form of an address in internal form.
    pub async fn rewrite(&self, p: &Process, context: RewriteContext, address: &Rc<str>) -> Rc<str> {
        if address.is_empty() {
            return address.clone();
        }
        let question = (context, address.clone());
        if let Some(known) = self.rewritten.borrow().get(&question) {
            return known;
        }
        let request = RewriteRequest { context, address: address.clone() };
        let answer: Rc<str> = self.ask(p, || format!("rewrite {address}"), request).await;
        self.rewritten.borrow_mut().keep(question, answer.clone());
        answer
    }

    /// Where mail from `sender` to `address` goes.
    pub async fn resolve(&self, p: &Process, sender: &Rc<str>, address: &Rc<str>) -> Resolved {
        self.resolve_for(p, sender, address, false).await
    }

    /// The same; a probe may go another way than mail.
    pub async fn resolve_for(
        &self,
        p: &Process,
        sender: &Rc<str>,
        address: &Rc<str>,
        probe: bool,
    ) -> Resolved {
        let question = (sender.clone(), address.clone(), probe);
        if let Some(known) = self.resolved.borrow().get(&question) {
            return known;
        }
        let request = ResolveRequest { sender: sender.clone(), address: address.clone(), probe };
        let answer: Resolved = self.ask(p, || format!("resolve {address}"), request).await;
        if !answer.failed {
            self.resolved.borrow_mut().keep(question, answer.clone());
        }
        answer
    }

    /// Asks until there is an answer: trivial-rewrite may be just being replaced.
    async fn ask<Q: Clone + 'static, A: 'static>(
        &self,
        p: &Process,
        what: impl Fn() -> String,
        request: Q,
    ) -> A {
        let path = format!("{SPOOL}/private/rewrite");
        loop {
            let open = self.stream.borrow_mut().take();
            let stream = match open {
                Some(stream) => Ok(stream),
                None => p.connect_unix(&path).await,
            };
            if let Ok(stream) = stream
                && stream.send(|_| what(), request.clone()).is_ok()
                && let Some(answer) = stream.receive::<A>().await
            {
                self.stream.borrow_mut().replace(stream);
                return answer;
            }
            p.syslog(
                &format!("postfix/{}", p.name()),
                "warning: problem talking to service rewrite: Connection reset by peer",
            );
            p.idle(Duration::from_secs(1)).await;
        }
    }
}
