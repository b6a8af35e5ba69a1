//! maillab: the Internet's mail system in one process.

pub mod mua;
pub mod postfix;
pub mod procmail;
pub mod proto;
//pub mod scenario;
pub mod shell;
pub mod trace;
pub mod view;
pub mod world;
