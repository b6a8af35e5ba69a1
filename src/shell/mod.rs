//! The shell: bash and sh on a host, and the small commands.
//!
//! - [`parse`]: from text to the tree that the parser library makes
//! - [`state`]: variables, functions, options
//! - [`run`]: lists, pipelines, compound commands
//! - [`simple`]: simple commands: functions, builtins, programs
//! - [`word`]: expansion of words; [`parameter`]: of `${…}`; [`pattern`]: of file names
//! - [`arith`]: `$((…))`; [`condition`]: `[[ … ]]` and `test`
//! - [`redirect`]: `<`, `>` and their kin
//! - [`builtin`]: commands of the shell itself
//! - [`commands`]: the small commands, one file each

pub mod arith;
pub mod builtin;
pub mod commands;
pub mod condition;
pub mod parameter;
pub mod parse;
pub mod pattern;
pub mod redirect;
pub mod run;
pub mod simple;
pub mod state;
pub mod word;

use crate::world::base;
use crate::world::clock::Time;
use crate::world::errno::Sys;
use crate::world::fs::Fs;
use crate::world::process::{Process, Program};
use crate::world::users::Cred;

/// The programs of this folder.
pub fn programs() -> Vec<(&'static str, Program)> {
    let shell: Program = |p| Box::pin(main(p));
    let mut all = commands::programs();
    all.extend([("bash", shell), ("sh", shell)]);
    all
}

/// Puts the shell and the small commands on a host's disk.
///
/// # Errors
/// Those of writing files.
pub fn install(fs: &mut Fs, now: Time) -> Sys<()> {
    commands::install(fs, now)?;
    base::install_program(fs, "/usr/bin/bash", "bash", 0o755, 0, now)?;
    base::install_program(fs, "/usr/bin/dash", "sh", 0o755, 0, now)?;
    let root = fs.root();
    fs.symlink(&Cred::root(), "dash", root, "/usr/bin/sh", now).map(drop)
}

/// bash(1) and sh(1): `-c TEXT [NAME ARG…]`, `FILE ARG…`, or a script on standard input.
pub async fn main(p: Process) -> i32 {
    let mut shell = state::Shell::new(p);
    shell.start().await
}
