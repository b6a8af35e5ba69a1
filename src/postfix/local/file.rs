//! Delivery to a file named in an alias or `.forward`: an mbox, a Maildir, or `/dev/null`.

use super::{Target, Work};
use crate::postfix::deliver::Dsn;
use crate::world::errno::Errno;
use crate::world::fs::{Kind, OpenFlags};

impl<'a> Work<'a> {
    /// Appends the message to a file.
    pub(super) async fn file(&self, target: &Target, path: &str) {
        if path.ends_with('/') {
            return self.maildir(target, path).await;
        }
        let p = &self.daemon().p;
        let what = format!("file: {path}");
        let refuse = |text: &str| Dsn::new("5.2.0", format!("cannot append message to file {path}: {text}"));
        match p.stat(path, true) {
            Ok(stat) if matches!(stat.kind, Kind::CharDevice(_)) => {
                return self.sent(target, format!("delivered to {what}")).await;
            }
            Ok(stat) if stat.kind != Kind::File => {
                return self.failed(target, refuse("file is not a regular file")).await;
            }
            Ok(stat) if stat.mode & 0o111 != 0 => {
                return self.failed(target, refuse("file is executable")).await;
            }
            _ => {}
        }
        let cred = self.rights(target);
        let lock = format!("{path}.lock");
        let locked = self.as_user(cred.clone(), |p| p.create_file(&lock, bytes::Bytes::new(), 0o600));
        if let Err(e) = locked {
            self.daemon().msg.log_warn(format!("unable to create lock file {lock}: {e}"));
        }
        let is_new = p.stat(path, true).is_err();
        let flags = OpenFlags { read: true, ..OpenFlags::APPEND };
        let opened = self.as_user(cred.clone(), |p| p.open(path, flags, 0o600));
        match opened {
            Err(e) if is_new && e != Errno::ENOSPC => {
                self.failed(target, refuse(&format!("cannot create file exclusively: {e}"))).await;
            }
            opened => {
                let prefix = format!("cannot append message to file {path}");
                self.append(target, path, opened, Some(&prefix), &what).await;
            }
        }
        if locked.is_ok() {
            let _ = self.as_user(cred, |p| p.unlink(&lock));
        }
    }
}
