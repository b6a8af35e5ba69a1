//! The shell: bash and sh on a host, and the small commands.
//!
//! - [`start`]: the command line of bash(1) and sh(1)
//! - [`interactive`]: a shell at a terminal
//! - [`parse`]: from text to the tree that the parser library makes; [`syntax`]: misplaced words
//! - [`state`]: variables ([`variable`]), functions, [`options`], [`job`]s; [`dialect`]: bash or dash
//! - [`run`]: lists, pipelines, compound commands; [`trap`]: what runs when something happens
//! - [`simple`]: simple commands: functions, builtins, programs
//! - [`word`]: expansion of words: [`braces`], [`parameter`]s ([`transform`]), [`ansi_c`] quotes,
//!   [`mod@split`]ting and file names ([`pattern`])
//! - [`arith`]: `$((…))`; [`condition`]: `[[ … ]]` and `test`
//! - [`redirect`]: `<`, `>` and their kin
//! - [`builtin`]: commands of the shell itself; [`quote`], [`show`]: how they show texts and functions
//! - [`commands`]: the small commands, one file each

pub mod ansi_c;
pub mod arith;
pub mod braces;
pub mod builtin;
pub mod commands;
pub mod condition;
pub mod dialect;
pub mod interactive;
pub mod job;
pub mod options;
pub mod parameter;
pub mod parse;
pub mod pattern;
pub mod quote;
pub mod redirect;
pub mod run;
pub mod show;
pub mod simple;
pub mod split;
pub mod start;
pub mod state;
pub mod syntax;
pub mod transform;
pub mod trap;
pub mod variable;
pub mod word;

use crate::world::base;
use crate::world::clock::Time;
use crate::world::errno::Sys;
use crate::world::fs::Fs;
use crate::world::process::Program;
use crate::world::users::Cred;

/// The programs of this folder.
pub fn programs() -> Vec<(&'static str, Program)> {
    let bash: Program = |p| Box::pin(start::main(p, dialect::Dialect::Bash));
    let dash: Program = |p| Box::pin(start::main(p, dialect::Dialect::Dash));
    let mut all = commands::programs();
    all.extend([("bash", bash), ("sh", dash)]);
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
