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
    assert_eq!(
        lab.err("cat nosuch .", ""),
        ("cat: nosuch: No such file or directory\ncat: .: Is a directory\n".into(), 1)
    );
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
    assert_eq!(lab.err("tail -1 f3 f3", ""), ("tail: option used in invalid context -- 1\n".into(), 1));
    let (text, status) = lab.err("head -n x f3", "");
    assert_eq!((&*text, status), ("head: invalid number of lines: 'x'\n", 1));
    let (text, _) = lab.err("head -5x f3", "");
    assert_eq!(text, "head: invalid trailing option -- x\nTry 'head --help' for more information.\n");
    assert_eq!(
        lab.err("tail nosuch", "").0,
        "tail: cannot open 'nosuch' for reading: No such file or directory\n"
    );
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
    assert_eq!(
        lab.out("ls -ld dd ldd", ""),
        "drwxr-xr-x 3 alice alice 60 Jan  4 14:45 dd\nlrwxrwxrwx 1 alice alice  2 Jan  4 14:45 ldd -> dd\n"
    );
    assert_eq!(lab.out("ls -A dd/sub", ""), "");
    assert_eq!(
        lab.out("ls -l", ""),
        "total 4\ndrwxr-xr-x 3 alice alice 60 Jan  4 14:45 dd\n-rw-r--r-- 1 alice alice  6 Jan  4 14:45 f3\nlrwxrwxrwx 1 alice alice  2 Jan  4 14:45 ldd -> dd\n"
    );
    assert_eq!(lab.out("ls -l /dev/null", ""), "crw-rw-rw- 1 root root 1, 3 Jan  4 14:45 /dev/null\n");
    lab.out("touch -d 2020-01-04 f3", "");
    assert_eq!(lab.out("ls -l f3", ""), "-rw-r--r-- 1 alice alice 6 Jan  4  2020 f3\n");
    assert_eq!(
        lab.out("ls -ld --time-style=full-iso f3", ""),
        "-rw-r--r-- 1 alice alice 6 2020-01-04 00:00:00.000000000 +0000 f3\n"
    );
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
    assert_eq!(
        lab.err("sleep 1y", "").0,
        "sleep: invalid time interval '1y'\nTry 'sleep --help' for more information.\n"
    );
    assert_eq!(lab.out("ls --help", ""), "Usage: ls [OPTION]... [FILE]...\n");
}

#[test]
fn sed_edits() {
    let lab = Lab::with(&[("f3", ABC)]);
    for (script, text) in [
        ("p;p", "a\na\na\nb\nb\nb\nc\nc\nc\n"),
        ("3,1p", "a\nb\nc\nc\n"),
        ("q;x", "a\n"),
        ("sxaxbx", "b\nb\nc\n"),
        ("aq", "a\nq\nb\nq\nc\nq\n"),
        ("0,/a/p", "a\na\nb\nc\n"),
        ("$!N;P;D", "a\nb\nc\n"),
        ("n;d", "a\nc\n"),
        ("s/b/[&]\\n\\t/", "a\n[b]\n\t\nc\n"),
        ("s/./\\U&/", "A\nB\nC\n"),
        ("s/b/x/w /dev/stdout", "a\nx\nx\nc\n"),
        ("=", "1\na\n2\nb\n3\nc\n"),
        ("l", "a$\na\nb$\nb\nc$\nc\n"),
        ("i foo", "foo\na\nfoo\nb\nfoo\nc\n"),
        ("$a\\  bar", "a\nb\nc\n  bar\n"),
        ("2c\\\nbaz", "a\nbaz\nc\n"),
        ("/B/Id", "a\nc\n"),
        ("1~2d", "b\n"),
        ("2,+1d", "a\n"),
        ("1,~2d", "c\n"),
        ("s/x*/-/g", "-a-\n-b-\n-c-\n"),
        ("s/b*/-/2", "a-\nb\nc-\n"),
        ("z", "\n\n\n"),
        ("/a/,/b/{s/^/>/;b};d", ">a\n>b\n"),
        (":a;N;$!ba;s/\\n/,/g", "a,b,c\n"),
        ("1!G;h;$!d", "c\nb\na\n"),
        ("y/abc/xyz/", "x\ny\nz\n"),
    ] {
        let said = lab.run(&["sed", script, "f3"], "");
        assert_eq!((&*said.out, &*said.err, said.status), (text, "", 0), "{script}");
    }
    assert_eq!(lab.run(&["sed", "2q5", "f3"], "").status, 5);
    assert_eq!(lab.out("sed -n /b/,$p f3", ""), "b\nc\n");
    assert_eq!(lab.out("sed -E 's/(a|b)+/<\\1>/'", "aab"), "<b>");
    lab.out("sed -i.bak s/b/B/ f3", "");
    assert_eq!((lab.read("f3"), lab.read("f3.bak")), ("a\nB\nc\n".into(), ABC.into()));
    assert_eq!(
        lab.err("sed p nosuch", ""),
        ("sed: can't read nosuch: No such file or directory\n".into(), 2)
    );
}

#[test]
fn filters_of_lines() {
    let lab = Lab::with(&[("f3", ABC)]);
    assert_eq!(lab.out("uniq -c", "a\na\nb\n"), "      2 a\n      1 b\n");
    assert_eq!(lab.out("uniq -d", "a\na\nb\n"), "a\n");
    assert_eq!(lab.out("cut -d: -f1,3-", "a:b:c:d\nx\n"), "a:c:d\nx\n");
    assert_eq!(lab.out("cut -c2-3", "abcd\n"), "bc\n");
    assert_eq!(lab.out("tr a-z A-Z", "abc\n"), "ABC\n");
    assert_eq!(lab.out("tr -d '\\r\\n'", "a\r\nb\n"), "ab");
    assert_eq!(lab.out("tr -s ' '", "a   b\n"), "a b\n");
    assert_eq!(lab.out("tr -cd '[:digit:]'", "a1b2\n"), "12");
    assert_eq!(lab.out("tac f3", ""), "c\nb\na\n");
    assert_eq!(lab.out("rev", "abc\n"), "cba\n");
    assert_eq!(lab.out("nl", "a\n\nb\n"), "     1\ta\n       \n     2\tb\n");
    assert_eq!(lab.out("fold -w 2", "abcde\n"), "ab\ncd\ne\n");
    assert_eq!(lab.out("paste -sd, f3", ""), "a,b,c\n");
    assert_eq!(lab.out("paste f3 -", "1\n"), "a\t1\nb\t\nc\t\n");
    assert_eq!(lab.out("comm f3 -", "b\nd\n"), "a\n\t\tb\nc\n\td\n");
    let text = "comm: file 2 is not in sorted order\ncomm: input is not in sorted order\n";
    assert_eq!(lab.err("comm f3 -", "c\na\n"), (text.into(), 1));
    assert_eq!(lab.out("tee copy", "x\n"), "x\n");
    assert_eq!(lab.read("copy"), "x\n");
    assert_eq!(
        lab.err("cut -f0", "").0,
        "cut: fields are numbered from 1\nTry 'cut --help' for more information.\n"
    );
    assert_eq!(
        lab.err("tr a", "").0,
        "tr: missing operand after 'a'\nTwo strings must be given when translating.\nTry 'tr --help' for more information.\n"
    );
}

#[test]
fn find_and_xargs() {
    let lab = Lab::with(&[("f3", ABC), ("empty", "")]);
    lab.out("mkdir -p d/e", "");
    lab.write("d/e/x.c", "1");
    assert_eq!(lab.out("find", ""), ".\n./d\n./d/e\n./d/e/x.c\n./empty\n./f3\n");
    assert_eq!(lab.out("find . -type f -name '*.c' -o -empty", ""), "./d/e/x.c\n./empty\n");
    assert_eq!(lab.out("find d -depth -print", ""), "d/e/x.c\nd/e\nd\n");
    assert_eq!(lab.out("find . -maxdepth 1 ! -type d -exec echo [{}] ;", ""), "[./empty]\n[./f3]\n");
    assert_eq!(lab.out("find . -type f -exec echo {} +", ""), "./d/e/x.c ./empty ./f3\n");
    assert_eq!(lab.out("find . -path './d/*' -prune -o -type f -print", ""), "./empty\n./f3\n");
    for (line, text) in [
        ("find nosuch", "find: 'nosuch': No such file or directory\n"),
        ("find d -foo", "find: unknown predicate `-foo'\n"),
        ("find d -name", "find: missing argument to `-name'\n"),
        ("find d -type z", "find: Unknown argument to -type: z\n"),
        ("find d -exec echo {}", "find: missing argument to `-exec'\n"),
        ("find d -size x", "find: invalid -size type `x'\n"),
        ("find d -mtime x", "find: invalid argument `x' to `-mtime'\n"),
        ("find d -user nosuch", "find: 'nosuch' is not the name of a known user\n"),
    ] {
        assert_eq!(lab.err(line, ""), (text.to_owned(), 1), "{line}");
    }
    lab.out("find d -delete", "");
    assert_eq!(lab.out("ls", ""), "empty\nf3\n");
    assert_eq!(lab.out("xargs -n2", "a b\n'c d' e\n"), "a b\nc d e\n");
    assert_eq!(lab.out("xargs -I{} echo <{}>", "a b\nc\n"), "<a b>\n<c>\n");
    assert_eq!(lab.err("xargs nosuch", "a"), ("xargs: nosuch: No such file or directory\n".into(), 127));
    assert_eq!(lab.err("xargs false", "a").1, 123);
}

#[test]
fn conditions_and_sums() {
    let lab = Lab::with(&[("f3", ABC)]);
    let status = |line: &str| lab.run(&line.split(' ').collect::<Vec<_>>(), "").status;
    assert_eq!(status("test -f f3"), 0);
    assert_eq!(status("[ -d f3 ]"), 1);
    assert_eq!(status("test 1 -lt 2 -a ! -e nosuch"), 0);
    assert_eq!(status("test ! ( a = b )"), 0);
    assert_eq!(status("test"), 1);
    assert_eq!(lab.err("[ a", ""), ("[: missing ']'\n".into(), 2));
    assert_eq!(lab.err("test 1 -eq x", ""), ("test: invalid integer 'x'\n".into(), 2));
    assert_eq!(lab.err("test a b", ""), ("test: missing argument after 'b'\n".into(), 2));
    assert_eq!(lab.err("test a b c", ""), ("test: 'b': binary operator expected\n".into(), 2));
    assert_eq!(lab.out("expr 1 + 2 * 3", ""), "7\n");
    assert_eq!(lab.out("expr abc : 'a\\(.\\)'", ""), "b\n");
    assert_eq!(lab.err("expr 1 / 0", ""), ("expr: division by zero\n".into(), 2));
    assert_eq!(lab.err("expr 1 +", ""), ("expr: syntax error: missing argument after '+'\n".into(), 2));
    assert_eq!(lab.err("expr a + 1", ""), ("expr: non-integer argument\n".into(), 2));
}

#[test]
fn who_one_is() {
    let lab = Lab::new();
    assert_eq!(lab.out("id", ""), "uid=1000(alice) gid=1000(alice) groups=1000(alice)\n");
    assert_eq!(lab.out("id -un bob", ""), "bob\n");
    assert_eq!(lab.err("id nosuch", ""), ("id: 'nosuch': no such user\n".into(), 1));
    assert_eq!(lab.out("whoami", ""), "alice\n");
    assert_eq!(lab.out("groups bob", ""), "bob : bob\n");
    assert_eq!(lab.out("hostname", ""), "mx.example.com\n");
    assert_eq!(lab.out("hostname -s", ""), "mx\n");
    assert_eq!(lab.out("getent passwd bob", ""), "bob:x:1001:1001::/home/bob:/bin/bash\n");
    assert_eq!(lab.err("getent passwd nosuch", ""), (String::new(), 2));
    assert_eq!(lab.out("sudo whoami", ""), "root\n");
    assert_eq!(lab.out("sudo -u bob id -u", ""), "1001\n");
    assert_eq!(lab.err("sudo nosuch", ""), ("sudo: nosuch: command not found\n".into(), 1));
    assert_eq!(lab.err("su", ""), ("Password: \nsu: Authentication failure\n".into(), 1));
    let text = "su: user nosuch does not exist or the user entry does not contain all the required fields\n";
    assert_eq!(lab.err("su nosuch", ""), (text.into(), 1));
    let said = lab.as_user("root", &["su", "-s", "/bin/whoami", "bob"], "");
    assert_eq!((&*said.out, said.status), ("bob\n", 0));
}

#[test]
fn processes_and_places() {
    let lab = Lab::with(&[("f3", ABC)]);
    let out = lab.out("ps -o user,ppid,comm,args", "");
    let last = out.lines().last().unwrap_or_default();
    assert!(out.starts_with("USER      PPID COMMAND         COMMAND\n"), "{out}");
    assert!(
        last.starts_with("alice    ") && last.ends_with("ps              ps -o user,ppid,comm,args"),
        "{out}"
    );
    assert!(
        lab.out("ps aux", "")
            .starts_with("USER       PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n")
    );
    assert!(lab.out("ps -ef", "").starts_with("UID        PID  PPID  C STIME TTY          TIME CMD\n"));
    assert_eq!(lab.err("kill 99999", ""), ("kill: (99999): No such process\n".into(), 1));
    assert_eq!(lab.err("killall nosuch", ""), ("nosuch: no process found\n".into(), 1));
    assert_eq!(lab.err("pgrep nosuch", ""), (String::new(), 1));
    assert_eq!(lab.out("which ls", ""), "/usr/bin/ls\n");
    lab.out("ln -s f3 link", "");
    assert_eq!(lab.out("readlink link", ""), "f3\n");
    assert_eq!(lab.out("readlink -f link", ""), "/home/alice/f3\n");
    assert_eq!(lab.out("realpath nosuch", ""), "/home/alice/nosuch\n");
    assert_eq!(
        lab.out("file f3 link /dev/null .", ""),
        "f3:        ASCII text\nlink:      symbolic link to f3\n/dev/null: character special (1/3)\n.:         directory\n"
    );
    assert_eq!(lab.err("mktemp x", ""), ("mktemp: too few X's in template 'x'\n".into(), 1));
    assert_eq!(lab.out("mktemp -u aXXX", "").len(), 5);
    assert_eq!(lab.out("du f3", ""), "4\tf3\n");
    assert!(lab.out("df -h", "").starts_with("Filesystem      Size  Used Avail Use% Mounted on\n"));
    lab.out("logger -p mail.info -t test hello", "");
    assert_eq!(lab.as_user("root", &["tail", "-c", "8", "/var/log/maillog"], "").out, ": hello\n");
}

#[test]
fn differences() {
    let lab = Lab::with(&[("p1", "a\nb\n"), ("p2", "a\nb\nc\n"), ("p3", "a")]);
    let diff = |line: &str| lab.run(&line.split(' ').collect::<Vec<_>>(), "");
    assert_eq!(diff("diff p1 p2").out, "2a3\n> c\n");
    assert_eq!(diff("diff p1 p3").out, "1,2c1\n< a\n< b\n---\n> a\n\\ No newline at end of file\n");
    let time = "2021-01-04 14:45:00.000000000 +0000";
    let out = diff("diff -u p1 p2").out;
    let text = format!("--- p1\t{time}\n+++ p2\t{time}\n@@ -1,2 +1,3 @@\n a\n b\n+c\n");
    assert!(out == text || out.lines().skip(2).eq(text.lines().skip(2)), "{out}");
    assert_eq!(diff("diff -q p1 p2").out, "Files p1 and p2 differ\n");
    assert_eq!(diff("diff p1 p1").status, 0);
    assert_eq!(diff("cmp p1 p2").err, "cmp: EOF on p1 after byte 4, line 2\n");
    assert_eq!(diff("cmp -l p1 p3").status, 1);
}

#[test]
fn awk_programs() {
    let lab = Lab::with(&[("f", "one 1\ntwo 2\nthree 3\n")]);
    for (program, text) in [
        ("{print $2, $1}", "1 one\n2 two\n3 three\n"),
        ("/t/", "two 2\nthree 3\n"),
        ("$2 > 1 {n += $2} END {print n, NR}", "5 3\n"),
        ("NR==2,NR==3 {print NR \":\" $0}", "2:two 2\n3:three 3\n"),
        ("BEGIN {printf \"%5.2f|%-4s|%d\\n\", 3.14159, \"ab\", 42.9}", " 3.14|ab  |42\n"),
        ("{a[$1] = $2} END {for (k in a) print k, a[k]}", "one 1\ntwo 2\nthree 3\n"),
        ("{gsub(/[aeiou]/, \"<&>\"); print}", "<o>n<e> 1\ntw<o> 2\nthr<e><e> 3\n"),
        ("{$2 = \"x\"; print; print NF}", "one x\n2\ntwo x\n2\nthree x\n2\n"),
        ("BEGIN {x[\"a\"]; if (\"a\" in x) print \"in\"; delete x[\"a\"]; print length(x)}", "in\n0\n"),
        ("function f(n) {return n <= 1 ? 1 : n * f(n - 1)} BEGIN {print f(10)}", "3628800\n"),
        ("BEGIN {while (i < 3) {i++; if (i == 2) continue; print i}}", "1\n3\n"),
        (
            "BEGIN {n = split(\"a:b:c\", p, \":\"); print n, p[3]; print substr(\"hello\", 2, 3), index(\"hello\", \"l\")}",
            "3 c\nell 3\n",
        ),
        (
            "BEGIN {print 1e6, 0.1 + 0.2, 1 / 3, 2 ^ 10, 7 % 3, -3 \" \" -4}",
            "1000000 0.3 0.333333 1024 1 -3-4\n",
        ),
        ("BEGIN {print toupper(\"abc\") tolower(\"DEF\"), length(\"four\")}", "ABCdef 4\n"),
        ("BEGIN {if (match(\"foobar\", /o+/)) print RSTART, RLENGTH}", "2 2\n"),
        ("BEGIN {while ((getline line < \"f\") > 0) n++; print n}", "3\n"),
        ("NR == 1 {next} {print $1; exit} END {print \"end\"}", "two\nend\n"),
        ("END {print $0, NF}", "three 3 2\n"),
        ("!seen[length($1)]++ {print $1}", "one\nthree\n"),
        ("{print > \"copy\"} END {close(\"copy\"); getline l < \"copy\"; print l}", "one 1\n"),
        ("BEGIN {print length() + 1; print (1, 2) in a; print \"a\" > \"/dev/stdout\"}", "1\n0\na\n"),
    ] {
        let said = lab.run(&["awk", program, "f"], "");
        assert_eq!((&*said.out, &*said.err), (text, ""), "{program}");
    }
    assert_eq!(lab.out("awk -F: -v x=5 '{print $2 + x}'", "a:1\n"), "6\n");
    assert_eq!(lab.run(&["awk", "BEGIN {exit 3}"], "").status, 3);
    assert_eq!(lab.err("awk '{print'", ""), ("awk: line 2: missing } near end of file\n".into(), 2));
    assert_eq!(lab.out("awk 'BEGIN {print 1/0}'", ""), "inf\n");
    assert_eq!(lab.err("awk 1 nosuch", "").1, 2);
    assert_eq!(lab.run(&["awk", "BEGIN {for (;;) x++}"], "").status, 2);
}

#[test]
fn octets_made_visible() {
    let lab = Lab::with(&[("f3", ABC), ("p3", "a")]);
    assert_eq!(lab.out("od -c f3", ""), "0000000   a  \\n   b  \\n   c  \\n\n0000006\n");
    assert_eq!(lab.out("od -An -tx1 f3", ""), " 61 0a 62 0a 63 0a\n");
    assert_eq!(lab.out("od f3", ""), "0000000 005141 005142 005143\n0000006\n");
    assert_eq!(lab.out("od -b f3", ""), "0000000 141 012 142 012 143 012\n0000006\n");
    assert_eq!(
        lab.out("od -A x -t x1z f3", ""),
        "000000 61 0a 62 0a 63 0a                                >a.b.c.<\n000006\n"
    );
    assert_eq!(
        lab.out("hexdump -C f3", ""),
        "00000000  61 0a 62 0a 63 0a                                 |a.b.c.|\n00000006\n"
    );
    assert_eq!(lab.out("hexdump f3", ""), "0000000 0a61 0a62 0a63                         \n0000006\n");
    assert_eq!(lab.out("xxd f3", ""), "00000000: 610a 620a 630a                           a.b.c.\n");
    assert_eq!(lab.out("base64 p3", ""), "YQ==\n");
    assert_eq!(lab.out("base64 -d", "YWJj\n"), "abc");
    assert_eq!(lab.err("base64 -d", "!!"), ("base64: invalid input\n".into(), 1));
}

#[test]
fn names_and_connections() {
    let lab = Lab::new();
    assert_eq!(
        lab.err("telnet 192.0.2.10 25", "").0,
        "telnet: Unable to connect to remote host: Connection refused\n"
    );
    let said = lab.run(&["telnet", "nosuch.invalid", "25"], "");
    assert_eq!(
        (&*said.err, said.status),
        ("Server lookup failure:  nosuch.invalid:25, Name or service not known\n", 1)
    );
    assert_eq!(lab.err("nc -z 192.0.2.10 25", "").1, 1);
    assert!(
        lab.out("ss -ltn", "")
            .starts_with("State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n")
    );
    use crate::proto::dns::{Data, Record};
    let record = |name: &str, data| Record { name: name.into(), ttl: 300, data };
    lab.world.zone_mut().add(record("example.com", Data::Mx(10, "mx.example.com".into())));
    lab.world.zone_mut().add(record("mx.example.com", Data::Address("192.0.2.10".parse().unwrap())));
    assert_eq!(lab.out("dig +short mx example.com", ""), "10 mx.example.com.\n");
    assert!(lab.out("dig mx.example.com", "").contains("\nmx.example.com.\t\t300\tIN\tA\t192.0.2.10\n"));
    assert_eq!(lab.out("host -t mx example.com", ""), "example.com mail is handled by 10 mx.example.com.\n");
    assert_eq!(lab.out("host mx.example.com", ""), "mx.example.com has address 192.0.2.10\n");
    let said = lab.run(&["host", "nosuch.example.com"], "");
    assert_eq!((&*said.out, said.status), ("Host nosuch.example.com not found: 3(NXDOMAIN)\n", 1));
}

#[test]
fn services_and_packages() {
    let lab = Lab::new();
    let said = lab.as_user("root", &["apt-get", "-y", "install", "postfix"], "");
    assert!(
        said.status == 0 && said.out.contains("postfix is already the newest version (3.7.11-0+deb12u1).\n")
    );
    assert_eq!(lab.err("apt-get install postfix", "").1, 100);
    assert_eq!(lab.run(&["systemctl", "is-active", "postfix"], "").out, "inactive\n");
    let text = "Failed to start nosuch.service: Unit nosuch.service not found.\n";
    assert_eq!(lab.err("systemctl start nosuch", ""), (text.into(), 5));
}
