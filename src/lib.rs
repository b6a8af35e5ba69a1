//! maillab: the Internet's mail system in one process.
//!
//! A discrete-event simulation of hosts with mail programs on them. An arrow points at what is used:
//!
//! ```text
//!              main (the command line)
//!                   book
//!                  lesson
//!                   repl
//!                 scenario ───────► view
//!   postfix  dovecot  procmail  mua  shell    the programs; they meet over sockets, files, commands
//!       └───────┴───┬────┴───────┴─────┘
//!          proto  world ──► trace
//! ```
//!
//! - [`proto`]: pure protocol: octets in, values out
//! - [`world`]: the simulated machines; it knows no mail
//! - [`trace`]: the one account of what happened
//! - [`postfix`], [`dovecot`], [`procmail`], [`mua`], [`shell`]: the programs
//! - [`scenario`]: a small Internet in a file, and what happens on it
//! - [`repl`]: the interactive lab
//! - [`lesson`]: lessons in it, with tasks that are checked
//! - [`book`]: the course as a book, made by running it
//! - [`view`]: what a person sees

pub mod book;
pub mod dovecot;
pub mod lesson;
pub mod mua;
pub mod postfix;
pub mod procmail;
pub mod proto;
pub mod repl;
pub mod scenario;
pub mod shell;
pub mod trace;
pub mod view;
pub mod world;
