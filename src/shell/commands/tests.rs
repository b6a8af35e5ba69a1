//! Commands beside what the real ones print.

use super::testing::Lab;

const ABC: &str = "a\nb\nc\n";

#[test]
fn cat_copies_and_dresses() {
    let lab = Lab::with(&[("f3", ABC)]);
    assert_eq!(lab.out("cat f3 - f3", "x\n"), "a\nb\nc\nx\na\nb\nc\n");
    assert_eq!(lab.out("cat -A", "a\tb\u{1}\nx"), "a^Ib^A$\nx");
    assert_eq!(lab.out("cat -n f3", ""), "     1\ta\n     2\tb\n     3\tc\n");
    assert_eq!(lab.out("cat -sb", "a\n\n\n\nb\n"), "     1\ta\n\n     2\tb\n");
    assert_eq!(lab.err("cat nosuch .", ""), ("cat: nosuch: No such file or directory\ncat: .: Is a directory\n".into(), 1));
    assert_eq!(
        lab.err("cat -x", ""),
        ("cat: invalid option -- 'x'\nTry 'cat --help' for more information.\n".into(), 1)
    );
}

#[test]
fn head_and_tail() {
    let lab = Lab::with(&[("f3", ABC)]);
    assert_eq!(lab.out("head -n2 f3 f3", ""), "==> f3 <==\na\nb\n\n==> f3 <==\na\nb\n");
    assert_eq!(lab.out("head -1", ABC), "a\n");
    assert_eq!(lab.out("head -n -1 f3", ""), "a\nb\n");
    assert_eq!(lab.out("head -c 3 f3", ""), "a\nb");
    assert_eq!(lab.out("tail -n +2 f3", ""), "b\nc\n");
    assert_eq!(lab.out("tail -1 f3", ""), "c\n");
    assert_eq!(lab.out("tail -c 3 f3", ""), "\nc\n");
    assert_eq!(lab.out("tail -n 0 f3", ""), "");
    let (text, status) = lab.err("head -n x f3", "");
    assert_eq!((&*text, status), ("head: invalid number of lines: 'x'\n", 1));
    let (text, _) = lab.err("head -5x f3", "");
    assert_eq!(text, "head: invalid trailing option -- x\nTry 'head --help' for more information.\n");
    assert_eq!(lab.err("tail nosuch", "").0, "tail: cannot open 'nosuch' for reading: No such file or directory\n");
    assert_eq!(lab.err("head .", "").0, "head: error reading '.': Is a directory\n");
}

#[test]
fn wc_counts() {
    let lab = Lab::with(&[("f3", ABC), ("gx", "a+b\na\\b\n")]);
    assert_eq!(lab.out("wc f3 gx", ""), " 3  3  6 f3\n 2  2  8 gx\n 5  5 14 total\n");
    assert_eq!(lab.out("wc -l", ABC), "3\n");
    assert_eq!(lab.out("wc -lw", ABC), "      3       3\n");
    let said = lab.run(&["wc", "-l", "f3", "nosuch"], "");
    assert_eq!((&*said.out, &*said.err), ("3 f3\n3 total\n", "wc: nosuch: No such file or directory\n"));
    let said = lab.run(&["wc", "."], "");
    assert_eq!((&*said.out, &*said.err), ("      0       0       0 .\n", "wc: .: Is a directory\n"));
}

#[test]
fn ls_lists() {
    let lab = Lab::with(&[("f3", ABC), (".hidden", "")]);
    lab.out("mkdir -p dd/sub", "");
    lab.out("ln -s dd ldd", "");
    assert_eq!(lab.out("ls", ""), "dd\nf3\nldd\n");
    assert_eq!(lab.out("ls -a", ""), ".\n..\n.hidden\ndd\nf3\nldd\n");
    assert_eq!(lab.out("ls -1F f3 dd ldd", ""), "f3\nldd@\n\ndd:\nsub/\n");
    assert_eq!(lab.out("ls -R dd", ""), "dd:\nsub\n\ndd/sub:\n");
    assert_eq!(lab.out("ls -l f3", ""), "-rw-r--r-- 1 alice alice 6 Jan  4 14:45 f3\n");
    assert_eq!(lab.out("ls -ld dd ldd", ""), "drwxr-xr-x 3 alice alice 60 Jan  4 14:45 dd\nlrwxrwxrwx 1 alice alice  2 Jan  4 14:45 ldd -> dd\n");
    assert_eq!(lab.out("ls -A dd/sub", ""), "");
    assert_eq!(lab.out("ls -l", ""), "total 4\ndrwxr-xr-x 3 alice alice 60 Jan  4 14:45 dd\n-rw-r--r-- 1 alice alice  6 Jan  4 14:45 f3\nlrwxrwxrwx 1 alice alice  2 Jan  4 14:45 ldd -> dd\n");
    assert_eq!(lab.out("ls -l /dev/null", ""), "crw-rw-rw- 1 root root 1, 3 Jan  4 14:45 /dev/null\n");
    lab.out("touch -d 2020-01-04 f3", "");
    assert_eq!(lab.out("ls -l f3", ""), "-rw-r--r-- 1 alice alice 6 Jan  4  2020 f3\n");
    assert_eq!(lab.out("ls -ld --time-style=full-iso f3", ""), "-rw-r--r-- 1 alice alice 6 2020-01-04 00:00:00.000000000 +0000 f3\n");
    let said = lab.run(&["ls", "nosuch", "f3", "dd"], "");
    assert_eq!(said.out, "f3\n\ndd:\nsub\n");
    assert_eq!((&*said.err, said.status), ("ls: cannot access 'nosuch': No such file or directory\n", 2));
    assert_eq!(lab.err("ls --foo", "").1, 2);
    let (text, _) = lab.err("ls -q", "");
    assert_eq!(text, "maillab: ls: option -q is not available in the lab\n");
    let (text, status) = lab.err("ls /root", "");
    assert_eq!((&*text, status), ("ls: cannot open directory '/root': Permission denied\n", 2));
}

#[test]
fn files_come_and_go() {
    let lab = Lab::with(&[("f3", ABC), ("gx", "x\n")]);
    lab.out("mkdir dd", "");
    for (line, text) in [
        ("mkdir dd", "mkdir: cannot create directory 'dd': File exists\n"),
        ("mkdir nosuch/x", "mkdir: cannot create directory 'nosuch/x': No such file or directory\n"),
        ("rm dd", "rm: cannot remove 'dd': Is a directory\n"),
        ("rm nosuch", "rm: cannot remove 'nosuch': No such file or directory\n"),
        ("rm -rf .", "rm: refusing to remove '.' or '..' directory: skipping '.'\n"),
        ("rmdir f3", "rmdir: failed to remove 'f3': Not a directory\n"),
        ("mv nosuch x", "mv: cannot stat 'nosuch': No such file or directory\n"),
        ("cp nosuch x", "cp: cannot stat 'nosuch': No such file or directory\n"),
        ("cp dd ee", "cp: -r not specified; omitting directory 'dd'\n"),
        ("cp f3", "cp: missing destination file operand after 'f3'\nTry 'cp --help' for more information.\n"),
        ("cp f3 f3", "cp: 'f3' and 'f3' are the same file\n"),
        ("cp f3 nosuch/", "cp: cannot create regular file 'nosuch/': Not a directory\n"),
        ("mv dd dd/sub", "mv: cannot move 'dd' to a subdirectory of itself, 'dd/sub'\n"),
        ("ln f3", "ln: failed to create hard link './f3': File exists\n"),
        ("ln dd ll", "ln: dd: hard link not allowed for directory\n"),
        ("touch nosuch/x", "touch: cannot touch 'nosuch/x': No such file or directory\n"),
        ("chmod u+q f3", "chmod: invalid mode: 'u+q'\nTry 'chmod --help' for more information.\n"),
        ("chmod 644", "chmod: missing operand after '644'\nTry 'chmod --help' for more information.\n"),
        ("chown nobodyx f3", "chown: invalid user: 'nobodyx'\n"),
        ("chown :nog f3", "chown: invalid group: ':nog'\n"),
        ("chown root f3", "chown: changing ownership of 'f3': Operation not permitted\n"),
        ("rm -rf /root", "rm: cannot remove '/root': Permission denied\n"),
    ] {
        assert_eq!(lab.err(line, ""), (text.to_owned(), 1), "{line}");
    }
    lab.out("cp -r dd copy", "");
    lab.out("cp -p f3 gx dd", "");
    assert_eq!(lab.out("ls -R dd copy", ""), "copy:\n\ndd:\nf3\ngx\n");
    lab.out("mv dd/f3 copy/moved", "");
    lab.out("ln gx hard", "");
    lab.out("chmod u=rwx,go= gx", "");
    assert_eq!(lab.out("stat -c %a:%h:%n hard", ""), "700:2:hard\n");
    lab.out("rm -rf dd copy nosuch", "");
    assert_eq!(lab.out("ls", ""), "f3\ngx\nhard\n");
    assert_eq!(lab.read("hard"), "x\n");
}

#[test]
fn grep_finds() {
    let lab = Lab::with(&[("f3", ABC), ("log", "one smtpd\ntwo local\nthree smtpd\nfour\nfive\n")]);
    assert_eq!(lab.out("grep smtpd log", ""), "one smtpd\nthree smtpd\n");
    assert_eq!(lab.out("grep -c smtpd log f3 -s", "").as_str(), "log:2\nf3:0\n");
    assert_eq!(lab.out("grep -vn smtpd log", ""), "2:two local\n4:four\n5:five\n");
    assert_eq!(lab.out("grep -o '[a-z]*p' log", ""), "smtp\nsmtp\n");
    assert_eq!(lab.out("grep -A1 -n one log", ""), "1:one smtpd\n2-two local\n");
    assert_eq!(lab.out("grep -C1 -e one -e five log", ""), "one smtpd\ntwo local\n--\nfour\nfive\n");
    assert_eq!(lab.out("grep -l smtpd f3 log", ""), "log\n");
    assert_eq!(lab.out("grep -w local log", ""), "two local\n");
    assert_eq!(lab.out("grep 'local\\|four' log", ""), "two local\nfour\n");
    assert_eq!(lab.out("grep -xE 'f(our|ive)' log", ""), "four\nfive\n");
    assert_eq!(lab.out("grep -m1 smtpd log", ""), "one smtpd\n");
    assert_eq!(lab.out("grep -rh four .", ""), "four\n");
    assert_eq!(lab.out("grep -r four", ""), "log:four\n");
    assert_eq!(lab.out("grep -F -e . -e five log", ""), "five\n");
    assert_eq!(lab.out("grep a", "a\0\n"), "grep: (standard input): binary file matches\n");
    assert_eq!(lab.run(&["grep", "-q", "one", "log"], "").status, 0);
    assert_eq!(lab.err("grep none log", ""), (String::new(), 1));
    assert_eq!(lab.err("grep x nosuch", ""), ("grep: nosuch: No such file or directory\n".into(), 2));
    assert_eq!(lab.err("grep x .", ""), ("grep: .: Is a directory\n".into(), 2));
    assert_eq!(lab.err("grep '[' log", ""), ("grep: Unmatched [, [^, [:, [., or [=\n".into(), 2));
}

#[test]
fn sort_sorts() {
    let lab = Lab::new();
    assert_eq!(lab.out("sort", "b\na\nB\n"), "B\na\nb\n");
    assert_eq!(lab.out("sort -n", "10\n9\n-1\n"), "-1\n9\n10\n");
    assert_eq!(lab.out("sort -s -k2,2", "1 b\n2 a\n3 b\n"), "2 a\n1 b\n3 b\n");
    assert_eq!(lab.out("sort -t: -k2nr", "a:1\nb:3\nc:2\n"), "b:3\nc:2\na:1\n");
    assert_eq!(lab.out("sort -u", "b\na\nb\n"), "a\nb\n");
    assert_eq!(lab.out("sort -f", "b\nA\nB\na\n"), "A\na\nB\nb\n");
    assert_eq!(lab.err("sort .", ""), ("sort: read failed: .: Is a directory\n".into(), 2));
    assert_eq!(lab.err("sort -c", "b\na\n"), ("sort: -:2: disorder: a\n".into(), 1));
}

#[test]
fn the_smallest() {
    let lab = Lab::new();
    assert_eq!(lab.out("echo -n a b", ""), "a b");
    assert_eq!(lab.out("echo -e 'a\\tb\\c d'", ""), "a\tb");
    assert_eq!(lab.out("printf '%s|%5d|%-3s|%b' a 5 c 'x\\ty'", ""), "a|    5|c  |x\ty");
    assert_eq!(lab.out("printf '%s ' a b c", ""), "a b c ");
    let said = lab.run(&["printf", "%d\n", "3x"], "");
    assert_eq!((&*said.out, &*said.err), ("3\n", "printf: '3x': value not completely converted\n"));
    assert_eq!(lab.out("seq 3", ""), "1\n2\n3\n");
    assert_eq!(lab.out("seq 1 .5 2", ""), "1.0\n1.5\n2.0\n");
    assert_eq!(lab.out("seq -w 8 10", ""), "08\n09\n10\n");
    assert_eq!(lab.out("basename a/b/", ""), "b\n");
    assert_eq!(lab.out("dirname a/b c /", ""), "a\n.\n/\n");
    assert_eq!(lab.out("pwd", ""), "/home/alice\n");
    assert_eq!(lab.out("date", ""), "Mon Jan  4 14:45:00 UTC 2021\n");
    assert_eq!(lab.out("date -R -d @0", ""), "Thu, 01 Jan 1970 00:00:00 +0000\n");
    assert_eq!(lab.out("env -i A=1 printenv A", ""), "1\n");
    assert_eq!(lab.err("env nosuch", ""), ("env: 'nosuch': No such file or directory\n".into(), 127));
    assert_eq!(lab.err("sleep 1y", "").0, "sleep: invalid time interval '1y'\nTry 'sleep --help' for more information.\n");
    assert_eq!(lab.out("ls --help", ""), "Usage: ls [OPTION]... [FILE]...\n");
}
