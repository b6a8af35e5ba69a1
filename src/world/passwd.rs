//! stub until merged
use super::fs::Fs;
use std::rc::Rc;
pub struct Passwd { pub name: Rc<str>, pub uid: u32, pub gid: u32, pub gecos: Rc<str>, pub home: Rc<str>, pub shell: Rc<str> }
pub struct Group { pub gid: u32 }
#[derive(Default)]
pub struct UserDb;
impl UserDb {
    pub fn getpwnam(&mut self, _: &Fs, _: &str) -> Option<Rc<Passwd>> { None }
    pub fn getpwuid(&mut self, _: &Fs, _: u32) -> Option<Rc<Passwd>> { None }
    pub fn getgrnam(&mut self, _: &Fs, _: &str) -> Option<Rc<Group>> { None }
    pub fn groups_of(&mut self, _: &Fs, _: &str) -> Vec<u32> { vec![] }
}
