//! The way into the queue for smtpd that runs with a user's rights: through postdrop(1).

use super::session::Transaction;
use crate::postfix::postdrop;
use crate::postfix::queue;
use crate::postfix::record::{self, Type};
use crate::world::exec::{Child, Start};
use crate::world::open::Open;
use crate::world::process::{Process, STDIN, STDOUT};
use std::rc::Rc;

/// No first answer is longer, in octets.
const LONGEST: usize = 200;

/// A postdrop that waits for a message.
pub struct Postdrop {
    input: Rc<Open>,
    child: Child,
}

impl Postdrop {
    /// Starts one; gives the id of the file that it has made. `None` if that came to nothing.
    pub async fn start(p: &Process) -> Option<(Rc<str>, Postdrop)> {
        let (reader, input) = p.pipe();
        let (answer, output) = p.pipe();
        let mut fds = p.fds();
        fds.insert(STDIN, reader);
        fds.insert(STDOUT, output);
        let mut start = Start::new(["/usr/sbin/postdrop", "-r"]);
        start.fds = Some(fds);
        let child = p.spawn("/usr/sbin/postdrop", start).ok()?;
        let told = answer.read(LONGEST).await.ok()?;
        let id =
            std::str::from_utf8(&told).ok()?.strip_prefix(postdrop::ANSWER)?.trim_end_matches('\0').into();
        Some((id, Postdrop { input, child }))
    }

    /// Gives it the message; its exit status.
    pub async fn submit(self, file: Vec<u8>) -> i32 {
        let _ = self.input.write(file).await;
        self.input.end();
        drop(self.input);
        self.child.wait().await
    }

    /// Lets it see more than it may take, and no end.
    pub async fn overrun(self, limit: usize) {
        let mut file = Vec::with_capacity(limit + 10);
        record::put(&mut file, Type::Part, &vec![0; limit]);
        self.submit(file).await;
    }

    /// Lets it know that no message comes.
    pub async fn cancel(self) {
        self.submit(Vec::new()).await;
    }
}

/// The records of a message, as postdrop takes them. `ENVID=` is not among them, as the real one leaves
/// it out.
pub fn encode(t: &Transaction, prepend: &[u8], content: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(content.len() + prepend.len() + 400);
    record::put(&mut file, Type::Time, queue::time_record(t.began).as_bytes());
    let attr = |file: &mut Vec<u8>, text: String| record::put(file, Type::Attr, text.as_bytes());
    attr(&mut file, "rewrite_context=local".into());
    if let Some(full) = t.ret_full {
        attr(&mut file, format!("ret_flags={}", if full { 1 } else { 2 }));
    }
    if t.eight_bit {
        attr(&mut file, "encoding=8bit".into());
    }
    record::put(&mut file, Type::From, t.sender.as_bytes());
    for recipient in &t.recipients {
        if recipient.dsn_notify != 0 {
            attr(&mut file, format!("notify_flags={}", recipient.dsn_notify));
        }
        if !recipient.dsn_orcpt.is_empty() {
            attr(&mut file, format!("dsn_orig_rcpt={}", recipient.dsn_orcpt));
        }
        record::put(&mut file, Type::Recipient, recipient.address.as_bytes());
    }
    record::put(&mut file, Type::Message, b"");
    for line in prepend.split_inclusive(|b| *b == b'\n').chain(content.split_inclusive(|b| *b == b'\n')) {
        record::put(&mut file, Type::Line, line.strip_suffix(b"\n").unwrap_or(line));
    }
    record::put(&mut file, Type::Extra, b"");
    record::put(&mut file, Type::End, b"");
    file
}
