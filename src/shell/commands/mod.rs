//! The small commands of a host: one file each, or one for a small family. They print what GNU's
//! (and Debian 12's) print in the C locale.
//!
//! - [`COMMANDS`]: which there are, where they are installed, with which mode
//! - [`tool`], [`options`], [`text`], [`regex`], [`names`]: what they share

pub mod options;
pub mod regex;
pub mod text;
pub mod tool;
