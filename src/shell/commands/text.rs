//! Reading files and standard input, in blocks or by lines.

use crate::world::errno::Sys;
use crate::world::fs::OpenFlags;
use crate::world::open::Open;
use crate::world::process::{Process, STDIN};
use bytes::{Bytes, BytesMut};
use std::rc::Rc;

/// How much is read at once, in octets.
const BLOCK: usize = 65536;
/// The longest input that a command takes as a whole, in octets.
pub const LIMIT: usize = 256 << 20;

/// An open file that is read.
pub struct Input {
    open: Rc<Open>,
    held: BytesMut,
    /// Up to where `held` has been searched for an end of line.
    searched: usize,
    ended: bool,
}

impl Input {
    /// Opens a file to read; `-` is standard input.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(p: &Process, name: &str) -> Sys<Input> {
        let open = if name == "-" { p.fd(STDIN)? } else { p.open(name, OpenFlags::READ, 0)? };
        Ok(Input { open, held: BytesMut::new(), searched: 0, ended: false })
    }

    /// The open file itself.
    pub fn file(&self) -> &Rc<Open> {
        &self.open
    }

    /// The next octets, as they come; none at the end.
    ///
    /// # Errors
    /// Those of read(2).
    pub async fn block(&mut self) -> Sys<Bytes> {
        if !self.held.is_empty() {
            self.searched = 0;
            return Ok(self.held.split().freeze());
        }
        self.open.read(BLOCK).await
    }

    /// The next line with its newline, which the last one may lack; `None` at the end.
    ///
    /// # Errors
    /// Those of read(2).
    pub async fn line(&mut self) -> Sys<Option<Bytes>> {
        self.until(b'\n').await
    }

    /// As [`line`](Input::line), with another octet at the end of a line.
    ///
    /// # Errors
    /// Those of read(2).
    pub async fn until(&mut self, end: u8) -> Sys<Option<Bytes>> {
        loop {
            if let Some(at) = memchr::memchr(end, &self.held[self.searched..]) {
                let line = self.held.split_to(self.searched + at + 1).freeze();
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.held.len();
            if self.ended {
                self.searched = 0;
                return Ok((!self.held.is_empty()).then(|| self.held.split().freeze()));
            }
            let block = self.open.read(BLOCK).await?;
            self.ended = block.is_empty();
            self.held.extend_from_slice(&block);
        }
    }

    /// All of the rest.
    ///
    /// # Errors
    /// Those of read(2); `EFBIG` beyond [`LIMIT`].
    pub async fn rest(mut self) -> Sys<Bytes> {
        if self.held.is_empty() {
            return self.open.read_to_end(LIMIT).await;
        }
        let more = self.open.read_to_end(LIMIT).await?;
        self.held.extend_from_slice(&more);
        Ok(self.held.freeze())
    }

    /// Leaves the file where the reading really stopped, as a program does that can seek.
    pub fn leave(self) {
        if !self.held.is_empty() && self.open.offset().is_ok() {
            self.open.unread(self.held.freeze());
        }
    }
}

/// The whole of a file; `-` is standard input.
///
/// # Errors
/// Those of open(2) and read(2).
pub async fn whole(p: &Process, name: &str) -> Sys<Bytes> {
    Input::open(p, name)?.rest().await
}

/// A line without its newline.
pub fn chomp(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// The lines of a text, without their newlines.
pub fn lines(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    text.split_inclusive(|b| *b == b'\n').map(chomp)
}
