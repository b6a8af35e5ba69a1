//! Asking trivial-rewrite (`rewrite_clnt(3)`, `resolve_clnt(3)`): one connection, kept open, and
//! the last answers, since a message's addresses are asked for again and again.

use super::ipc::{ResolveRequest, Resolved, RewriteContext, RewriteRequest};
use super::queue::SPOOL;
use crate::world::clock::Duration;
use crate::world::process::Process;
use crate::world::stream::Stream;
use std::cell::RefCell;
use std::rc::Rc;

/// How many answers of each kind are kept.
const KEPT: usize = 64;

/// A program's way to trivial-rewrite.
#[derive(Default)]
pub struct Rewriter {
    stream: RefCell<Option<Stream>>,
    rewritten: RefCell<Vec<Rewritten>>,
    resolved: RefCell<Vec<Known>>,
}

/// An address and its complete form in a context.
type Rewritten = (RewriteContext, Rc<str>, Rc<str>);

/// A sender, an address, whether it is about a probe, and where mail from one to the other goes.
type Known = (Rc<str>, Rc<str>, bool, Resolved);

impl Rewriter {
    /// The complete form of an address in internal form.
    pub async fn rewrite(&self, p: &Process, context: RewriteContext, address: &Rc<str>) -> Rc<str> {
        if address.is_empty() {
            return address.clone();
        }
        let known = self
            .rewritten
            .borrow()
            .iter()
            .find(|(c, a, _)| *c == context && a == address)
            .map(|k| k.2.clone());
        if let Some(known) = known {
            return known;
        }
        let request = RewriteRequest { context, address: address.clone() };
        let answer: Rc<str> = self.ask(p, || format!("rewrite {address}"), request).await;
        keep(&self.rewritten, (context, address.clone(), answer.clone()));
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
        let known = self
            .resolved
            .borrow()
            .iter()
            .find(|(s, a, of_probe, _)| s == sender && a == address && *of_probe == probe)
            .map(|k| k.3.clone());
        if let Some(known) = known {
            return known;
        }
        let request = ResolveRequest { sender: sender.clone(), address: address.clone(), probe };
        let answer: Resolved = self.ask(p, || format!("resolve {address}"), request).await;
        if !answer.failed {
            keep(&self.resolved, (sender.clone(), address.clone(), probe, answer.clone()));
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

fn keep<T>(list: &RefCell<Vec<T>>, entry: T) {
    let mut list = list.borrow_mut();
    if list.len() >= KEPT {
        list.remove(0);
    }
    list.push(entry);
}
