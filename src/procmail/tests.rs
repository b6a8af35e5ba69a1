//! procmail as a whole, on a small host: rcfiles and messages in, folders and logs out. The logs
//! were written by the real program.

use super::programs;
use crate::trace::Keep;
use crate::world::World;
use crate::world::base;
use crate::world::clock::Time;
use crate::world::exec::Start;
use crate::world::host::Host;
use crate::world::process::{Process, Program, Programs, STDERR, STDIN};
use std::cell::RefCell;
use std::rc::Rc;

const MESSAGE: &str = "From carl@example.org  Mon Jan  4 14:45:00 2021\nFrom: Carl <carl@example.org>\n\
    To: alice@example.com\nSubject: Holiday plans\nMessage-ID: <h1@example.org>\n\nSee you there.\nFrom here\n";

struct Lab {
    world: World,
    host: Host,
}

/// Reads everything, prints it in capitals.
async fn capitals(p: Process) -> i32 {
    let text = p.fd(STDIN).unwrap().read_to_end(1 << 20).await.unwrap();
    p.print(text.to_ascii_uppercase()).await;
    0
}

/// Does its input hold its last argument?
async fn find(p: Process) -> i32 {
    let text = p.fd(STDIN).unwrap().read_to_end(1 << 20).await.unwrap();
    let wanted = p.args().last().cloned().unwrap_or_default();
    i32::from(!String::from_utf8_lossy(&text).contains(&*wanted))
}

impl Lab {
    fn new() -> Lab {
        let now = Time::DEFAULT;
        let more: [(&'static str, Program); 3] = [
            ("upper", |p| Box::pin(capitals(p))),
            ("grep", |p| Box::pin(find(p))),
            ("false", |p| Box::pin(async move { i32::from(p.pid() > 0) })),
        ];
        let world = World::new(now, 1, Keep::Nothing, Programs::new(programs().into_iter().chain(more)));
        let mut fs = base::system(now);
        super::install(&mut fs, now).unwrap();
        for (path, name) in [
            ("/usr/bin/upper", "upper"),
            ("/usr/bin/grep", "grep"),
            ("/usr/bin/false", "false"),
            ("/bin/bash", "false"),
        ] {
            base::install_program(&mut fs, path, name, 0o755, 0, now).unwrap();
        }
        base::personalise(&mut fs, "mail.example.com", now).unwrap();
        base::add_user(&mut fs, "alice", 1000, None, [7; 12], now).unwrap();
        let host = world.add_host("mail.example.com", vec!["192.0.2.10".parse().unwrap()], fs).unwrap();
        Lab { world, host }
    }

    fn write(&self, path: &str, text: &str) {
        let (path, text) = (path.to_owned(), text.to_owned());
        let cred = self.host.login("alice").unwrap();
        self.host.start("test", cred, Default::default(), "/home/alice", async move |p| {
            p.write_file(&path, text.into_bytes(), 0o644).unwrap();
            0
        });
        self.world.settle();
    }

    fn read(&self, path: &str) -> String {
        let root = self.host.login("root").unwrap();
        let fs = self.host.fs();
        let home = fs.resolve(&root, fs.root(), "/home/alice", true).unwrap();
        fs.read_path(&root, home, path)
            .map_or_else(|e| format!("{path}: {e}"), |b| String::from_utf8(b.to_vec()).unwrap())
    }

    fn list(&self, path: &str) -> Vec<String> {
        let root = self.host.login("root").unwrap();
        let fs = self.host.fs();
        let ino = fs.resolve(&root, fs.root(), path, true).unwrap();
        fs.readdir(ino).unwrap().map(|(name, _)| name.to_owned()).collect()
    }

    /// Runs procmail as alice in her home; gives what it wrote to standard error, and its status.
    fn procmail(&self, args: &[&str], message: &str) -> (String, i32) {
        self.write("/home/alice/.input", message);
        let argv: Vec<String> = ["procmail"].iter().chain(args).map(|a| (*a).to_owned()).collect();
        let said = Rc::new(RefCell::new((String::new(), -1)));
        let out = said.clone();
        let cred = self.host.login("alice").unwrap();
        self.host.start("test", cred, Default::default(), "/home/alice", async move |p| {
            let input = p.open(".input", crate::world::fs::OpenFlags::READ, 0).unwrap();
            let (reader, writer) = p.pipe();
            let fds = [(STDIN, input), (STDERR, writer)].into_iter().collect();
            let child = p.spawn("/usr/bin/procmail", Start { fds: Some(fds), ..Start::new(argv) }).unwrap();
            let text = reader.read_to_end(1 << 20).await.unwrap();
            *out.borrow_mut() = (String::from_utf8(text.to_vec()).unwrap(), child.wait().await);
            0
        });
        self.world.settle();
        assert!(self.world.failure().is_none(), "{:?}", self.world.failure());
        let said = said.borrow();
        said.clone()
    }

    /// Runs an rcfile of alice's on the message.
    fn rc(&self, rc: &str) -> (String, i32) {
        self.write("/home/alice/rc", rc);
        self.procmail(&["-m", "rc"], MESSAGE)
    }
}

#[test]
fn the_notebooks_recipe() {
    let lab = Lab::new();
    lab.write(
        "/home/alice/.procmailrc",
        "SHELL=/bin/bash\nMAILDIR=$HOME/Maildir/\nDEFAULT=$MAILDIR\nLOGFILE=$MAILDIR/procmail.log\n\n\
         :0\n* ^Subject:.*SPAM.*\n/dev/null\n",
    );
    let cred = lab.host.login("alice").unwrap();
    lab.host.start("mkdir", cred, Default::default(), "/home/alice", async |p| {
        p.mkdir("Maildir", 0o755).unwrap();
        0
    });
    lab.world.settle();
    assert_eq!(lab.procmail(&[], MESSAGE), (String::new(), 0));
    assert_eq!(lab.procmail(&[], &MESSAGE.replace("Holiday", "[spam] Holiday")).1, 0);
    let names = lab.list("/home/alice/Maildir/new");
    assert_eq!(names.len(), 1);
    let name = &names[0];
    assert!(name.ends_with("_1.mail.example.com"), "{name}");
    assert_eq!(lab.read(&format!("Maildir/new/{name}")), MESSAGE.split_once('\n').unwrap().1);
    let log = lab.read("Maildir/procmail.log");
    let tabs = "\t".repeat(if name.len() + 35 >= 64 { 1 } else { 2 });
    assert_eq!(
        log,
        format!(
            "From carl@example.org  Mon Jan  4 14:45:00 2021\n Subject: Holiday plans\n  Folder: \
             /home/alice/Maildir/new/{name}{tabs}    {}\n\
             From carl@example.org  Mon Jan  4 14:45:00 2021\n Subject: [spam] Holiday plans\n  Folder: \
             /dev/null\t\t\t\t\t\t\t    {}\n",
            MESSAGE.len() - 48,
            MESSAGE.len() + 7
        )
    );
}

#[test]
fn conditions_as_the_real_log_tells_them() {
    let lab = Lab::new();
    lab.write("/home/alice/rc", include_str!("testdata/conditions.rc"));
    let (log, status) = lab.procmail(&["-m", "rc"], include_str!("testdata/conditions.msg"));
    let log: String =
        log.lines().filter(|l| !l.starts_with("procmail: [")).map(|l| format!("{l}\n")).collect();
    similar_asserts(&log, include_str!("testdata/conditions.log"));
    assert_eq!(status, 0);
}

fn similar_asserts(got: &str, want: &str) {
    let diff = similar::TextDiff::from_lines(want, got);
    assert!(got == want, "{}", diff.unified_diff().header("real", "here"));
}

#[test]
fn an_mbox_is_locked_and_quoted() {
    let lab = Lab::new();
    let (log, status) = lab.rc("VERBOSE=on\n:0:\nbox\n");
    assert_eq!(status, 0);
    let lines: Vec<&str> = log.lines().filter(|l| !l.contains("procmail: [")).collect();
    assert_eq!(
        lines[..5],
        [
            "procmail: Locking \"box.lock\"",
            "procmail: Assigning \"LASTFOLDER=box\"",
            "procmail: Opening \"box\"",
            "procmail: Acquiring kernel-lock",
            "procmail: Unlocking \"box.lock\"",
        ]
    );
    assert_eq!(lab.read("box"), MESSAGE.replace("\nFrom here\n", "\n>From here\n\n"));
    assert_eq!(lab.world.now().since(Time::DEFAULT).as_secs(), 1, "a new mbox takes a second");
}

#[test]
fn flags_choose_what_goes_where() {
    let lab = Lab::new();
    let (_, status) = lab
        .rc("DEFAULT=inbox\n:0 ch\nall/.\n:0 fbw\n* ^Subject\n| upper\n:0 A c\nlists/\n:0 E\nnever\n\
         :0 D\n* ^SUBJECT\nnever\n:0 B\n* SEE YOU\nseen\n");
    assert_eq!(status, 0);
    assert!(lab.read("all/1").ends_with("<h1@example.org>\n\n"));
    assert!(lab.read("seen").contains("\nSEE YOU THERE.\n"));
    assert_eq!(lab.list("/home/alice/lists/new").len(), 1);
    assert!(lab.read("never").contains("No such file"));
}

#[test]
fn blocks_includes_and_failures() {
    let lab = Lab::new();
    lab.write("/home/alice/more.rc", "B=${A:-none}$NOTHING\n");
    let (log, status) = lab.rc(
        "A='a b'\nINCLUDERC=more.rc\nINCLUDERC=missing.rc\n3=4\n:0\n* ^Subject\n{\n  :0 w\n  | grep -q Easter\n  \
         :0 fw\n  | false\n  LOG=\"B is $B\n\"\n}\nEXITCODE=99\n:0 cQ\nflag\n:0\nno/such/folder\n:0\n* ^Subject\n",
    );
    assert_eq!(
        log,
        "procmail: Couldn't read \"missing.rc\"\nprocmail: Skipped \"3=4\"\nprocmail: Program failure (1) of \"grep\"\n\
         procmail: Program failure (1) of \"false\"\nprocmail: Rescue of unfiltered data succeeded\nB is a b\n\
         procmail: Skipped \"Q\"\nprocmail: Error while writing to \"no/such/folder\"\nprocmail: Incomplete recipe\n"
    );
    assert_eq!(status, 99);
    assert!(lab.read("/var/mail/alice").starts_with("From carl@example.org  Mon Jan  4"));
}

#[test]
fn a_copy_of_procmail_goes_on_by_itself() {
    let lab = Lab::new();
    let (_, status) = lab.rc("DEFAULT=inbox\n:0 c\n{\n  WHO=copy\n}\nWHO=${WHO:-first}\n:0\n$WHO\n");
    assert_eq!(status, 0);
    assert!(lab.read("copy").starts_with("From carl") && lab.read("first").starts_with("From carl"));
}

#[test]
fn rcfiles_that_others_can_write_are_not_read() {
    let lab = Lab::new();
    assert_eq!(
        lab.procmail(&["-m", "none.rc"], MESSAGE),
        ("procmail: Couldn't read \"none.rc\"\n".to_owned(), 73)
    );
    let (said, status) = lab.procmail(&["DEFAULT=inbox", "none.rc"], MESSAGE);
    assert_eq!((said.as_str(), status), ("procmail: Couldn't read \"/home/alice/none.rc\"\n", 0));
    assert!(lab.read("inbox").starts_with("From carl"));
}
