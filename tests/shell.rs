//! The shell beside the real one: every snippet of `tests/shell/*.txt` prints what bash 5.2 (or
//! dash 0.5.12, in `dash*.txt`) printed on Debian 12, and ends as it ended. `tests/shell/record`
//! asks the real ones again. Also: no text makes the shell fail or hang.

use maillab::shell;
use maillab::trace::Keep;
use maillab::world::World;
use maillab::world::base;
use maillab::world::clock::{Duration, Time};
use maillab::world::host::Host;
use maillab::world::open::Open;
use maillab::world::process::{Environment, Programs};
use proptest::prelude::*;
use std::rc::Rc;

/// How long a snippet may take, in virtual seconds.
const PATIENCE: u64 = 600;

/// A snippet and what the real shell made of it.
struct Snippet {
    text: String,
    output: String,
    status: i32,
}

fn read(file: &str) -> Vec<Snippet> {
    let mut all = Vec::new();
    for block in file.split("<<<<\n").skip(1) {
        let (text, rest) = block.split_once("\n====\n").expect("a block has an answer");
        let at = rest.rfind(">>>> ").expect("a block has a status");
        let (output, status) = (&rest[..at], rest[at + 5..].trim_end());
        let (status, cut) = match status.strip_suffix(" no newline") {
            Some(status) => (status, 1),
            None => (status, 0),
        };
        all.push(Snippet {
            text: text.to_owned(),
            output: output[..output.len() - cut].to_owned(),
            status: status.parse().expect("a status is a number"),
        });
    }
    all
}

fn lab() -> (World, Host) {
    let now = Time::DEFAULT;
    let world = World::new(now, 1, Keep::Nothing, Programs::new(shell::programs()));
    let mut fs = base::system(now);
    shell::install(&mut fs, now).unwrap();
    base::personalise(&mut fs, "mx.example.com", now).unwrap();
    base::add_user(&mut fs, "alice", 1000, None, [7; 12], now).unwrap();
    let host = world.add_host("mx.example.com", vec!["192.0.2.10".parse().unwrap()], fs).unwrap();
    (world, host)
}

/// Runs a text as `program -c text` does on a fresh host; gives output and status.
fn run(program: &'static str, text: &str) -> (String, i32) {
    let (world, host) = lab();
    let (sink, seen) = Open::sink(&host);
    let argv: Vec<Rc<str>> = [program, "-c", text].iter().map(|a| (*a).into()).collect();
    let mut env = Environment::new();
    for (name, value) in [
        ("HOME", "/home/alice"),
        ("USER", "alice"),
        ("LOGNAME", "alice"),
        ("LC_ALL", "C"),
        ("MAILRC", "/dev/null"),
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ] {
        env.insert(name.into(), value.into());
    }
    let cred = host.login("alice").unwrap();
    let null = Open::null(&host);
    let child = host.start("bash", cred, env, "/home/alice", async move |p| {
        p.set_fd(0, Some(null));
        p.set_fd(1, Some(sink.clone()));
        p.set_fd(2, Some(sink));
        p.exec(program, &argv).await.unwrap_or(127)
    });
    let limit = world.now() + Duration::from_secs(PATIENCE);
    let ended = world.run_while(limit, || child.status().is_some());
    let failure = world.failure();
    let output = String::from_utf8_lossy(&seen.borrow()).into_owned();
    world.shut_down();
    assert_eq!(failure, None, "{text}");
    (output, if ended { child.status().unwrap_or(-1) } else { -1 })
}

/// Process numbers in front of what happened to a job are not the same twice.
fn mask(text: &str) -> String {
    let pid = regex::Regex::new(r"(?m)(line \d+: ) *\d+ (Killed|Hangup|Alarm clock)").unwrap();
    pid.replace_all(text, "${1}PID $2").into_owned()
}

fn compare(program: &'static str, name: &str, file: &str) {
    let mut differences = Vec::new();
    let snippets = read(file);
    for snippet in &snippets {
        let (output, status) = run(program, &snippet.text);
        if (mask(&output), status) != (mask(&snippet.output), snippet.status) {
            differences.push(format!(
                "--- {}\nreal [{}]:\n{}ours [{status}]:\n{output}",
                snippet.text, snippet.status, snippet.output
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} snippets of {name} differ:\n{}",
        differences.len(),
        snippets.len(),
        differences.join("\n")
    );
}

macro_rules! snippets {
    ($($name:ident: $program:literal;)*) => {$(
        #[test]
        fn $name() {
            compare($program, stringify!($name), include_str!(concat!("shell/", stringify!($name), ".txt")));
        }
    )*};
}

snippets! {
    builtins: "/bin/bash";
    control: "/bin/bash";
    dash: "/bin/sh";
    errors: "/bin/bash";
    expansion: "/bin/bash";
    redirect: "/bin/bash";
}

#[test]
fn recursion_and_loops_end() {
    let (output, status) = run("/bin/bash", "f() { f; }; f; echo after");
    assert!(output.contains("maximum function nesting level exceeded"), "{output}");
    assert_eq!(status, 1);
    let (output, _) = run("/bin/bash", "f() { echo $(f); }; f; echo after");
    assert!(output.contains("after"), "{output}");
    let (_, status) = run("/bin/bash", "while :; do :; done");
    assert_eq!(status, -1, "the world's own limit ends the loop");
}

/// Pieces of shell language, to be put together in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "echo",
        "a",
        " ",
        " ",
        "\n",
        ";",
        "&",
        "|",
        "&&",
        "||",
        "(",
        ")",
        "{",
        "}",
        "$x",
        "${x",
        "${x:-",
        "$(",
        "`",
        "'",
        "\"",
        "$'",
        "\\",
        "$((",
        "))",
        "((",
        "[[",
        "]]",
        "if",
        "then",
        "fi",
        "for i in",
        "<<-F",
        "E\n",
        "$[",
        "*(",
        "\nF\n",
        "|&",
        "do",
        "done",
        "while",
        "case",
        "esac",
        "in",
        "<",
        ">",
        ">>",
        "<<E",
        "E",
        "<<<",
        "2>&1",
        "x=",
        "x[1]=",
        "=(",
        "*",
        "?",
        "[",
        "]",
        "!",
        "#",
        "~",
        "%",
        "/",
        ":",
        "1",
        "+",
        "-",
        "set -e",
        "set -u",
        "trap",
        "eval",
        "exec",
        "read x",
        "local",
        "declare -A m",
        "shift",
        "printf %d",
        "test",
        "return",
        "break",
        "f()",
        "f",
    ]);
    prop::collection::vec(piece, 0..25).prop_map(|all| all.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_shell_fail(text in pieces()) {
        run("/bin/bash", &text);
        run("/bin/sh", &text);
    }

    #[test]
    fn no_octets_make_the_shell_fail(text in "(\\PC|[a${}()'<>|;`\\\\\\n ]){0,40}") {
        run("/bin/bash", &text);
    }
}
