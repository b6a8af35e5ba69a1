//! What a session goes over: a connection, or standard input and output (`sendmail -bs`).

use crate::world::errno::{Errno, Sys};
use crate::world::process::{Process, STDIN, STDOUT};
use crate::world::stream::Stream;
use bytes::Bytes;

/// Octets that are read from standard input at a time.
const CHUNK: usize = 4096;

/// Where a client's words come from and answers go to.
pub enum Wire {
    /// A connection.
    Socket(Stream),
    /// The standard input and output of this process.
    Standard(Process),
}

impl Wire {
    /// The next octets; none at the end.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn read(&self) -> Sys<Bytes> {
        match self {
            Wire::Socket(stream) => stream.read().await,
            Wire::Standard(p) => p.fd(STDIN)?.read(CHUNK).await,
        }
    }

    /// Sends octets.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn write(&self, bytes: Bytes) -> Sys<()> {
        match self {
            Wire::Socket(stream) => stream.write(bytes).await,
            Wire::Standard(p) => p.fd(STDOUT)?.write(bytes).await.map(drop),
        }
    }

    /// Is there something to read without waiting?
    pub fn readable(&self) -> bool {
        match self {
            Wire::Socket(stream) => stream.readable(),
            Wire::Standard(_) => false,
        }
    }

    /// Nothing more will be sent.
    pub fn end(&self) {
        if let Wire::Socket(stream) = self {
            stream.end();
        }
    }

    /// The connection.
    ///
    /// # Errors
    /// There is none.
    pub fn socket(&self) -> Sys<&Stream> {
        match self {
            Wire::Socket(stream) => Ok(stream),
            Wire::Standard(_) => Err(Errno::EINVAL),
        }
    }
}
