//! Credentials of a process. Who exists on a host stands in its `/etc/passwd` and `/etc/group`.

use std::rc::Rc;

/// A numeric user id.
pub type Uid = u32;
/// A numeric group id.
pub type Gid = u32;

/// With whose rights a process acts (credentials(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cred {
    /// The effective user id; 0 is root and may do everything.
    pub uid: Uid,
    /// The effective group id.
    pub gid: Gid,
    /// The supplementary groups.
    pub groups: Rc<[Gid]>,
}

impl Cred {
    /// The superuser.
    pub fn root() -> Cred {
        Cred { uid: 0, gid: 0, groups: Rc::from([]) }
    }

    /// Is the process in `gid`, by its own group or a supplementary one?
    pub fn in_group(&self, gid: Gid) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }
}
