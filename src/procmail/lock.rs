//! Lock files: a file whose being there says that somebody writes to another.

use super::recipe::Procmail;
use crate::world::clock::Duration;
use crate::world::errno::Errno;

/// How often a lock file that cannot be made is tried.
const TRIES: u32 = 8;
/// Seconds between two tries (`LOCKSLEEP`).
const SLEEP: u64 = 8;
/// A lock file of this age in seconds is forgotten (`LOCKTIMEOUT`).
const TIMEOUT: u64 = 1024;

impl Procmail {
    /// Makes a lock file, waiting while there is one; false when it cannot be made.
    pub async fn lock(&mut self, path: &str) -> bool {
        let pause = Duration::from_secs(self.number("LOCKSLEEP", SLEEP));
        let timeout = self.number("LOCKTIMEOUT", TIMEOUT);
        let mut failures = 0;
        loop {
            self.tell(|| format!("Locking \"{path}\"")).await;
            // The real program makes a file of another name first and links it.
            let serial = self.next_serial();
            let made = self.as_mailbox_owner(|p| {
                let umask = p.set_umask(0o333);
                let made = p.create_file(path, "0", 0o777);
                p.set_umask(umask);
                made
            });
            match made {
                Ok(()) => return true,
                Err(Errno::EEXIST) => {
                    let age = self.p.stat(path, false).map_or(0, |s| self.p.now().since(s.mtime).as_secs());
                    if timeout > 0 && age >= timeout {
                        self.say_of("Forcing lock on", path).await;
                        let _ = self.as_mailbox_owner(|p| p.unlink(path));
                        continue;
                    }
                }
                Err(_) => {
                    failures += 1;
                    self.tell(|| format!("Error while writing to \"{}\"", self.lock_name(path, serial)))
                        .await;
                    if failures == TRIES {
                        self.say_of("Lock failure on", path).await;
                        return false;
                    }
                }
            }
            self.p.sleep(pause).await;
        }
    }

    /// Takes a lock file away.
    pub async fn unlock(&mut self, path: &str) {
        self.tell(|| format!("Unlocking \"{path}\"")).await;
        if self.as_mailbox_owner(|p| p.unlink(path)).is_err() {
            self.say_of("Couldn't unlock", path).await;
        }
    }

    /// `LOCKFILE`: held until it is set again, or to the end.
    pub async fn global_lock(&mut self, path: &str) {
        if let Some(old) = self.global_lock.take() {
            self.unlock(&old).await;
        }
        if !path.is_empty() && self.lock(path).await {
            self.global_lock = Some(path.to_owned());
        }
    }

    fn lock_name(&self, path: &str, serial: u32) -> String {
        let directory = path.rfind('/').map_or("", |n| &path[..=n]);
        format!("{directory}_{serial:03}.{}.{}", self.p.pid(), self.var("HOST"))
    }
}
