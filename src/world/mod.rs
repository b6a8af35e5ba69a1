//! The simulated machines: clock and agenda, tasks, network, files, users, processes, syslog.
//! It knows no mail.

pub mod base;
pub mod clock;
pub mod errno;
pub mod fs;
pub mod passwd;
pub mod users;
