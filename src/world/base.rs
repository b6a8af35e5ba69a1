//! stub until merged
pub fn program_name(_: &[u8]) -> Option<&str> { None }
