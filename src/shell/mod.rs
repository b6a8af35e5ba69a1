//! (map)

pub mod commands;
