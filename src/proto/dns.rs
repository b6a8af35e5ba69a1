//! stub until merged
#[derive(Default)]
pub struct Zone;
pub fn describe(_: &[u8]) -> String { String::new() }
