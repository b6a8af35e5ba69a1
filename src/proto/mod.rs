//! (map)
pub mod dns;
