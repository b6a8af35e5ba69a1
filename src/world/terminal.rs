//! A terminal: a person at the keyboard of a host, as the programs see him (termios(3), canonical
//! mode). Lines come in from outside the world, what is printed is seen from outside.
//!
//! # Simplifications
//! There is no raw mode and no window size: lines are edited before they enter the world, 80
//! columns wide. A program that edits a text hands it out ([`Terminal::edit`]) and waits for it.

use super::World;
use super::agenda::TaskId;
use super::exec::{Child, Signal};
use super::host::Host;
use super::open::Open;
use crate::trace::ProcId;
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// A text that a program wants to have edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The name of the file it comes from.
    pub name: Rc<str>,
    /// What it is now.
    pub text: Bytes,
}

/// The terminal's state, shared by who sits at it and the programs that have it open.
#[derive(Default)]
pub struct Terminal {
    /// Lines with their ends, and the remainder of one; an empty one is an end of input (Ctrl-D).
    lines: RefCell<VecDeque<Bytes>>,
    reader: Cell<Option<TaskId>>,
    seen: Rc<RefCell<Vec<u8>>>,
    draft: RefCell<Option<Draft>>,
    edited: RefCell<Option<Option<Bytes>>>,
    silent: Cell<bool>,
    quiet: Cell<bool>,
}

/// Tells that a program waits for a line as long as it lives.
struct Reading<'a>(&'a Terminal);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.reader.set(None);
    }
}

impl Terminal {
    /// A terminal of a host, and the open file by which programs have it.
    pub fn new(host: &Host) -> (Rc<Terminal>, Rc<Open>) {
        let terminal = Rc::new(Terminal::default());
        (terminal.clone(), Open::terminal(host, terminal))
    }

    /// What was printed and not yet taken.
    pub fn take_output(&self) -> Vec<u8> {
        std::mem::take(&mut *self.seen.borrow_mut())
    }

    pub(super) fn seen(&self) -> &Rc<RefCell<Vec<u8>>> {
        &self.seen
    }

    /// Does a program wait for a line that has not been typed?
    pub fn wants_line(&self) -> bool {
        self.reader.get().is_some() && self.lines.borrow().is_empty()
    }

    /// The process that waits for a line.
    pub fn reader(&self, world: &World) -> Option<ProcId> {
        world.process_of(self.reader.get()?)
    }

    /// Have all lines that were typed been read?
    pub fn all_read(&self) -> bool {
        self.lines.borrow().is_empty()
    }

    /// A line is typed; it gets its line end.
    pub fn type_line(&self, world: &World, line: &str) {
        self.put(world, Bytes::from(format!("{line}\n")));
    }

    /// The end of input is typed (Ctrl-D at the beginning of a line).
    pub fn type_end(&self, world: &World) {
        self.put(world, Bytes::new());
    }

    /// Lines that nobody has read are gone, as by Ctrl-C.
    pub fn flush(&self) {
        self.lines.borrow_mut().clear();
    }

    /// Is what is typed kept from being seen, as a password is?
    pub fn is_silent(&self) -> bool {
        self.silent.get()
    }

    /// Keeps what is typed from being seen, or no longer.
    pub fn set_silent(&self, silent: bool) {
        self.silent.set(silent);
    }

    /// Does nobody look at it? Then shells print no prompts.
    pub fn is_quiet(&self) -> bool {
        self.quiet.get()
    }

    /// Nobody looks at it: the lines come from a file or a pipe.
    pub fn set_quiet(&self, quiet: bool) {
        self.quiet.set(quiet);
    }

    fn put(&self, world: &World, bytes: Bytes) {
        self.lines.borrow_mut().push_back(bytes);
        self.wake(world);
    }

    fn wake(&self, world: &World) {
        if let Some(task) = self.reader.take() {
            world.wake(task);
        }
    }

    /// Gives octets back to be read again.
    pub(super) fn unread(&self, bytes: Bytes) {
        self.lines.borrow_mut().push_front(bytes);
    }

    /// A line, or the part of one that fits into `max` octets; nothing at an end of input.
    pub(super) async fn read(&self, world: &World, max: usize) -> Bytes {
        let _reading = Reading(self);
        let line = poll_fn(|_| match self.lines.borrow_mut().pop_front() {
            Some(line) => Poll::Ready(line),
            None => {
                self.reader.set(world.current_task());
                Poll::Pending
            }
        });
        let mut line = line.await;
        if line.len() > max {
            self.unread(line.split_off(max));
        }
        line
    }

    /// The text that a program has handed out to be edited.
    pub fn draft(&self) -> Option<Draft> {
        self.draft.borrow().clone()
    }

    /// Gives an edited text back; `None` when it is to stay as it was.
    pub fn finish_edit(&self, world: &World, text: Option<Bytes>) {
        if self.draft.borrow_mut().take().is_some() {
            self.edited.replace(Some(text));
            self.wake(world);
        }
    }

    /// Hands a text out to be edited, and waits for it; `None` when it is to stay as it was.
    pub async fn edit(&self, world: &World, draft: Draft) -> Option<Bytes> {
        self.draft.replace(Some(draft));
        let _reading = Reading(self);
        poll_fn(|_| match self.edited.take() {
            Some(text) => Poll::Ready(text),
            None => {
                self.reader.set(world.current_task());
                Poll::Pending
            }
        })
        .await
    }
}

impl Host {
    /// Ctrl-C at the terminal whose first process is `login`: every program that it started in the
    /// foreground gets SIGINT, and so does it itself.
    pub fn interrupt(&self, login: &Child) {
        let first = login.process().pid();
        for process in self.processes() {
            if process.is_background() || !self.descends(process.pid(), first) {
                continue;
            }
            process.deliver(Signal::Int);
        }
    }

    /// Was a process started by another, or by one that it started?
    pub fn descends(&self, pid: u32, ancestor: u32) -> bool {
        let mut at = pid;
        // A chain of parents is no longer than there are processes.
        for _ in 0..=self.processes().len() {
            if at == ancestor {
                return true;
            }
            match self.process(at) {
                Some(process) => at = process.parent(),
                None => return false,
            }
        }
        false
    }
}
