//! The small commands of a host: one file each, or one for a small family. They print what GNU's
//! (and Debian 12's) print in the C locale, or say that an option is not available in the lab.
//!
//! - [`COMMANDS`]: which there are, where they are installed, with which mode
//! - [`tool`], [`options`], [`text`], [`names`]: what they share
//! - [`regex`], [`glob`], [`conversion`]: patterns and formats

pub mod awk;
pub mod cat;
pub mod chmod;
pub mod conversion;
pub mod cp;
pub mod cut;
pub mod date;
pub mod diff;
pub mod dig;
pub mod disk;
pub mod dump;
pub mod editor;
pub mod expr;
pub mod file;
pub mod filters;
pub mod find;
pub mod glob;
pub mod grep;
pub mod head;
pub mod identity;
pub mod logger;
pub mod ls;
pub mod mkdir;
pub mod mkfifo;
pub mod mv;
pub mod names;
pub mod openssl;
pub mod options;
pub mod paths;
pub mod printf;
pub mod ps;
pub mod regex;
pub mod rm;
pub mod sed;
pub mod service;
pub mod sort;
pub mod ss;
pub mod stat;
pub mod su;
pub mod tail;
pub mod telnet;
pub mod test;
pub mod text;
pub mod tool;
pub mod touch;
pub mod tr;
pub mod trivial;
pub mod uniq;
pub mod wc;
pub mod xargs;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use crate::world::base;
use crate::world::clock::Time;
use crate::world::errno::Sys;
use crate::world::fs::Fs;
use crate::world::process::Program;

/// A command and where it is installed.
pub struct Command {
    /// The file; its last part is the program's name.
    pub path: &'static str,
    /// The mode of the file, set-id bits included.
    pub mode: u16,
    /// What it does.
    pub program: Program,
}

const fn command(path: &'static str, program: Program) -> Command {
    Command { path, mode: 0o755, program }
}

const fn set_uid(path: &'static str, program: Program) -> Command {
    Command { path, mode: 0o4755, program }
}

/// All of them. `/bin` and `/sbin` are links to `/usr/bin` and `/usr/sbin`.
pub const COMMANDS: &[Command] = &[
    command("/usr/bin/[", |p| Box::pin(test::main(p))),
    command("/usr/bin/apt", |p| Box::pin(service::packages(p))),
    command("/usr/bin/apt-get", |p| Box::pin(service::packages(p))),
    command("/usr/bin/awk", |p| Box::pin(awk::main(p))),
    command("/usr/bin/base64", |p| Box::pin(dump::base64(p))),
    command("/usr/bin/basename", |p| Box::pin(trivial::basename(p))),
    command("/usr/bin/cat", |p| Box::pin(cat::main(p))),
    command("/usr/bin/chgrp", |p| Box::pin(chmod::chgrp(p))),
    command("/usr/bin/chmod", |p| Box::pin(chmod::chmod(p))),
    command("/usr/bin/chown", |p| Box::pin(chmod::chown(p))),
    command("/usr/bin/cmp", |p| Box::pin(diff::cmp(p))),
    command("/usr/bin/comm", |p| Box::pin(filters::comm(p))),
    command("/usr/bin/cp", |p| Box::pin(cp::main(p))),
    command("/usr/bin/cut", |p| Box::pin(cut::main(p))),
    command("/usr/bin/date", |p| Box::pin(date::main(p))),
    command("/usr/bin/df", |p| Box::pin(disk::df(p))),
    command("/usr/bin/diff", |p| Box::pin(diff::diff(p))),
    command("/usr/bin/dig", |p| Box::pin(dig::dig(p))),
    command("/usr/bin/dirname", |p| Box::pin(trivial::dirname(p))),
    command("/usr/bin/du", |p| Box::pin(disk::du(p))),
    command("/usr/bin/echo", |p| Box::pin(printf::echo(p))),
    command("/usr/bin/edit", |p| Box::pin(editor::main(p))),
    command("/usr/bin/egrep", |p| Box::pin(grep::main(p))),
    command("/usr/bin/env", |p| Box::pin(trivial::env(p))),
    command("/usr/bin/expand", |p| Box::pin(filters::expand(p))),
    command("/usr/bin/expr", |p| Box::pin(expr::main(p))),
    command("/usr/bin/false", |p| Box::pin(trivial::no_indeed(p))),
    command("/usr/bin/fgrep", |p| Box::pin(grep::main(p))),
    command("/usr/bin/file", |p| Box::pin(file::main(p))),
    command("/usr/bin/find", |p| Box::pin(find::main(p))),
    command("/usr/bin/fold", |p| Box::pin(filters::fold(p))),
    command("/usr/bin/getent", |p| Box::pin(identity::getent(p))),
    command("/usr/bin/grep", |p| Box::pin(grep::main(p))),
    command("/usr/bin/groups", |p| Box::pin(identity::groups(p))),
    command("/usr/bin/hd", |p| Box::pin(dump::hexdump(p))),
    command("/usr/bin/head", |p| Box::pin(head::main(p))),
    command("/usr/bin/hexdump", |p| Box::pin(dump::hexdump(p))),
    command("/usr/bin/host", |p| Box::pin(dig::host(p))),
    command("/usr/bin/hostname", |p| Box::pin(identity::hostname(p))),
    command("/usr/bin/id", |p| Box::pin(identity::id(p))),
    command("/usr/bin/install", |p| Box::pin(cp::install(p))),
    command("/usr/bin/kill", |p| Box::pin(ps::kill(p))),
    command("/usr/bin/killall", |p| Box::pin(ps::killall(p))),
    command("/usr/bin/ln", |p| Box::pin(mv::ln(p))),
    command("/usr/bin/logger", |p| Box::pin(logger::main(p))),
    command("/usr/bin/logname", |p| Box::pin(identity::logname(p))),
    command("/usr/bin/ls", |p| Box::pin(ls::main(p))),
    command("/usr/bin/mawk", |p| Box::pin(awk::main(p))),
    command("/usr/bin/mkdir", |p| Box::pin(mkdir::mkdir(p))),
    command("/usr/bin/mkfifo", |p| Box::pin(mkfifo::mkfifo(p))),
    command("/usr/bin/mktemp", |p| Box::pin(paths::mktemp(p))),
    command("/usr/bin/mv", |p| Box::pin(mv::mv(p))),
    command("/usr/bin/nano", |p| Box::pin(editor::main(p))),
    command("/usr/bin/nc", |p| Box::pin(telnet::nc(p))),
    command("/usr/bin/netstat", |p| Box::pin(ss::netstat(p))),
    command("/usr/bin/nl", |p| Box::pin(filters::nl(p))),
    command("/usr/bin/od", |p| Box::pin(dump::od(p))),
    command("/usr/bin/openssl", |p| Box::pin(openssl::main(p))),
    command("/usr/bin/paste", |p| Box::pin(filters::paste(p))),
    command("/usr/bin/pgrep", |p| Box::pin(ps::pgrep(p))),
    command("/usr/bin/pkill", |p| Box::pin(ps::pgrep(p))),
    command("/usr/bin/printenv", |p| Box::pin(trivial::printenv(p))),
    command("/usr/bin/printf", |p| Box::pin(printf::printf(p))),
    command("/usr/bin/ps", |p| Box::pin(ps::ps(p))),
    command("/usr/bin/pwd", |p| Box::pin(trivial::pwd(p))),
    command("/usr/bin/readlink", |p| Box::pin(paths::readlink(p))),
    command("/usr/bin/realpath", |p| Box::pin(paths::realpath(p))),
    command("/usr/bin/rev", |p| Box::pin(filters::rev(p))),
    command("/usr/bin/rm", |p| Box::pin(rm::main(p))),
    command("/usr/bin/rmdir", |p| Box::pin(mkdir::rmdir(p))),
    command("/usr/bin/sed", |p| Box::pin(sed::main(p))),
    command("/usr/bin/seq", |p| Box::pin(trivial::seq(p))),
    command("/usr/bin/sleep", |p| Box::pin(trivial::sleep(p))),
    command("/usr/bin/sort", |p| Box::pin(sort::main(p))),
    command("/usr/bin/ss", |p| Box::pin(ss::ss(p))),
    command("/usr/bin/stat", |p| Box::pin(stat::main(p))),
    set_uid("/usr/bin/su", |p| Box::pin(su::su(p))),
    set_uid("/usr/bin/sudo", |p| Box::pin(su::sudo(p))),
    command("/usr/bin/sync", |p| Box::pin(trivial::sync(p))),
    command("/usr/bin/systemctl", |p| Box::pin(service::systemctl(p))),
    command("/usr/bin/tac", |p| Box::pin(filters::tac(p))),
    command("/usr/bin/tail", |p| Box::pin(tail::main(p))),
    command("/usr/bin/tee", |p| Box::pin(filters::tee(p))),
    command("/usr/bin/telnet", |p| Box::pin(telnet::telnet(p))),
    command("/usr/bin/test", |p| Box::pin(test::main(p))),
    command("/usr/bin/touch", |p| Box::pin(touch::main(p))),
    command("/usr/bin/tr", |p| Box::pin(tr::main(p))),
    command("/usr/bin/true", |p| Box::pin(trivial::yes_indeed(p))),
    command("/usr/bin/tty", |p| Box::pin(trivial::tty(p))),
    command("/usr/bin/uname", |p| Box::pin(identity::uname(p))),
    command("/usr/bin/uniq", |p| Box::pin(uniq::main(p))),
    command("/usr/bin/unlink", |p| Box::pin(rm::unlink(p))),
    command("/usr/bin/users", |p| Box::pin(identity::who(p))),
    command("/usr/bin/vi", |p| Box::pin(editor::main(p))),
    command("/usr/bin/vim", |p| Box::pin(editor::main(p))),
    command("/usr/bin/wc", |p| Box::pin(wc::main(p))),
    command("/usr/bin/which", |p| Box::pin(paths::which(p))),
    command("/usr/bin/who", |p| Box::pin(identity::who(p))),
    command("/usr/bin/whoami", |p| Box::pin(identity::whoami(p))),
    command("/usr/bin/xargs", |p| Box::pin(xargs::main(p))),
    command("/usr/bin/xxd", |p| Box::pin(dump::xxd(p))),
    command("/usr/bin/yes", |p| Box::pin(trivial::yes(p))),
    command("/usr/bin/yum", |p| Box::pin(service::packages(p))),
    command("/usr/sbin/nologin", |p| Box::pin(su::nologin(p))),
    command("/usr/sbin/service", |p| Box::pin(service::service(p))),
];

/// The programs, by their names.
pub fn programs() -> Vec<(&'static str, Program)> {
    COMMANDS.iter().map(|c| (names::base(c.path), c.program)).collect()
}

/// Puts the program files on a disk.
///
/// # Errors
/// Those of open(2) and write(2), where the disk lacks the directories or room.
pub fn install(fs: &mut Fs, now: Time) -> Sys<()> {
    for c in COMMANDS {
        base::install_program(fs, c.path, names::base(c.path), c.mode, 0, now)?;
    }
    Ok(())
}
