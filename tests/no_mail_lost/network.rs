//! A random network, what is sent over it, and what goes wrong meanwhile.

use super::dice::Dice;
use maillab::proto::dns::Zone;
use maillab::scenario::boot::{boot, environment};
use maillab::scenario::model::{File, Host, Scenario, Service, Trouble, User};
use maillab::scenario::trouble;
use maillab::trace::Keep;
use maillab::world::World;
use maillab::world::clock::{Duration, Time};
use maillab::world::exec::Signal;
use maillab::world::process::STDIN;
use maillab::world::users::Cred;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// A letter that sendmail took.
pub struct Letter {
    /// Its Message-Id, without brackets.
    pub id: String,
    /// Where it was handed in.
    pub host: String,
    /// To whom.
    pub recipients: Vec<String>,
}

/// Settings of which a host gets some; each is a line, or several, of main.cf.
const SETTINGS: &[&str] = &[
    "soft_bounce = yes",
    "recipient_delimiter = +",
    "home_mailbox = Maildir/",
    "mailbox_command = /bin/cat > /dev/null",
    "luser_relay = u0",
    "notify_classes = bounce, 2bounce, delay, resource, software",
    "notify_classes =",
    "delay_warning_time = 1h",
    "maximal_queue_lifetime = 2h",
    "maximal_queue_lifetime = 0",
    "bounce_queue_lifetime = 1h",
    "minimal_backoff_time = 300s\nmaximal_backoff_time = 900s",
    "queue_run_delay = 60s",
    "local_recipient_maps =",
    "default_destination_recipient_limit = 1",
    "default_destination_concurrency_limit = 1",
    "default_destination_rate_delay = 1s",
    "smtp_destination_recipient_limit = 2",
    "defer_transports = local",
    "mailbox_size_limit = 3000\nmessage_size_limit = 2500",
    "bounce_size_limit = 100",
    "virtual_alias_maps = inline:{ {many@d0.example = u0@d0.example, u1@d1.example, nosuch@d0.example} }",
    "canonical_maps = inline:{ {u1@d0.example = u0@d0.example} }",
    "transport_maps = inline:{ {d9.example = error:5.1.2 nobody} {d8.example = retry:4.1.1 later} {d7.example = discard:gone} {d6.example = nosuch:} }",
    "mailbox_transport = lmtp:unix:private/nobody",
    "fallback_transport = error:5.1.1 nobody of this name",
    "smtp_fallback_relay = [h0.example]",
    "best_mx_transport = local",
    "mydestination = $myhostname",
    "fast_flush_domains = d1.example",
    "smtp_generic_maps = inline:{ {@d0.example = outside@d0.example} }",
    "expand_owner_alias = yes",
    "frozen_delivered_to = no",
];

const ALIASES: &[&str] = &[
    "list: u0, u1@d1.example, nosuch",
    "owner-list: u2",
    "loop: loop2\nloop2: loop",
    "command: \"|exit 1\"",
    "later: \"|exit 75\"",
    "file: /tmp/file",
    "included: :include:/etc/included",
    "self: self, u1",
    "u2: u2, u0",
    "far: u0@d1.example, u1@d2.example, x@nowhere.example",
];

const FORWARDS: &[&str] =
    &["u1\n", "\\u0\n", "u0@d1.example\n", "\\u0, u2@d2.example\n", "\"|exit 75\"\n", "/tmp/forwarded\n"];

/// Who may be written to, besides the users.
const NAMES: &[&str] = &[
    "u0",
    "u1",
    "u2",
    "nosuch",
    "list",
    "loop",
    "command",
    "later",
    "file",
    "included",
    "self",
    "far",
    "u0+ext",
    "many",
    "postmaster",
];

const SOME_HOURS: u64 = 6 * 3600;

/// Runs a seed; gives the world at its end and the letters that were taken.
pub fn run(seed: u64) -> Result<(World, Vec<Letter>), String> {
    let mut dice = Dice::new(seed);
    let count = 1 + dice.below(3) as usize;
    let scenario = scenario(seed, count, &mut dice)?;
    let world = boot(&scenario, Keep::default(), None).map_err(|p| p.message)?;
    let mut letters = Vec::new();
    let begin = world.now();
    let mut troubles: Vec<Trouble> = Vec::new();
    for n in 0..(6 + dice.below(10)) {
        match dice.below(10) {
            0..=4 => letters.extend(send(&world, count, n, &mut dice)),
            5 => {
                let t = fault(count, &mut dice);
                trouble::begin(&world, &t);
                troubles.push(t);
            }
            6 if !troubles.is_empty() => {
                let t = troubles.remove(dice.below(troubles.len() as u64) as usize);
                trouble::end(&world, Some(&t));
            }
            7 => kill(&world, count, &mut dice),
            8 => crash(&world, count, &mut dice),
            _ => type_in(&world, count, &mut dice),
        }
        let pause = Duration::from_millis(dice.below(40) * dice.below(40) * dice.below(4000));
        world.run_until(world.now() + pause);
    }
    if dice.once_in(2) {
        trouble::end(&world, None);
    }
    world.run_until(begin + Duration::from_secs(dice.below(SOME_HOURS) + 600));
    match world.failure() {
        Some(failure) => Err(failure.to_string()),
        None => Ok((world, letters)),
    }
}

fn host(n: usize) -> String {
    format!("h{n}.example")
}

fn scenario(seed: u64, count: usize, dice: &mut Dice) -> Result<Scenario, String> {
    let mut zone = String::from("null.example. MX 0 .\nself.example. MX 10 h0.example.\n");
    let mut hosts = Vec::new();
    for n in 0..count {
        zone.push_str(&format!("d{n}.example. MX 10 {}.\n", host(n)));
        if dice.once_in(2) {
            zone.push_str(&format!("d{n}.example. MX 20 {}.\n", host((n + 1) % count)));
        }
        hosts.push((host(n), machine(n, count, dice)));
    }
    let zone = Zone::parse(&zone).map_err(|e| format!("{e:?}"))?;
    Ok(Scenario {
        title: format!("seed {seed}"),
        summary: String::new(),
        clock: Time::DEFAULT,
        seed,
        zone,
        hosts: hosts.into_iter().collect(),
        steps: Vec::new(),
    })
}

fn machine(n: usize, count: usize, dice: &mut Dice) -> Host {
    let mut main_cf = format!(
        "compatibility_level = 3.6\nmyhostname = {}\nmyorigin = d{n}.example\n\
         mydestination = $myhostname, d{n}.example\nmynetworks = 0.0.0.0/0\n\
         alias_maps = hash:/etc/aliases\nalias_database = hash:/etc/aliases\n",
        host(n)
    );
    for _ in 0..dice.below(5) {
        main_cf.push_str(dice.one::<&str>(SETTINGS));
        main_cf.push('\n');
    }
    if dice.once_in(6) {
        main_cf.push_str(&format!("relayhost = [{}]\n", host(dice.below(count as u64 + 1) as usize)));
    }
    let mut aliases = String::from("mailer-daemon: postmaster\npostmaster: u0\n");
    for _ in 0..dice.below(6) {
        let entry = *dice.one::<&str>(ALIASES);
        if !aliases.contains(entry.split(':').next().unwrap_or(entry)) {
            aliases.push_str(entry);
            aliases.push('\n');
        }
    }
    let mut files = vec![
        ("/etc/postfix/main.cf".to_owned(), main_cf),
        ("/etc/aliases".to_owned(), aliases),
        ("/etc/included".to_owned(), "u1\nu2@d1.example\n".to_owned()),
    ];
    for user in 0..3 {
        if dice.once_in(4) {
            files.push((format!("/home/u{user}/.forward"), (*dice.one::<&str>(FORWARDS)).to_owned()));
        }
    }
    Host {
        addresses: vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10 + n as u8))],
        users: (0..3).map(|u| (format!("u{u}"), User::default())).collect(),
        services: vec![Service::Postfix],
        files: files.into_iter().map(|(path, text)| (path, File { text, ..File::default() })).collect(),
    }
}

/// Hands a letter in; it counts if sendmail says that it took it.
fn send(world: &World, count: usize, number: u64, dice: &mut Dice) -> Option<Letter> {
    let at = host(dice.below(count as u64) as usize);
    let user = format!("u{}", dice.below(3));
    let mut recipients: Vec<String> = Vec::new();
    for _ in 0..=dice.below(4) {
        let domain = match dice.below(12) {
            0 => "null.example".to_owned(),
            1 => "nowhere.example".to_owned(),
            2 => format!("d{}.example", 6 + dice.below(4)),
            3 => "self.example".to_owned(),
            _ => format!("d{}.example", dice.below(count as u64)),
        };
        let recipient = format!("{}@{domain}", dice.one::<&str>(NAMES));
        if !recipients.contains(&recipient) {
            recipients.push(recipient);
        }
    }
    // What its sender does not want to hear of, nobody is told.
    let notify = *dice.one(&["", "", "", "", "never", "success", "delay", "failure"]);
    let quiet = if matches!(notify, "never" | "success" | "delay") { "quiet" } else { "letter" };
    let id = format!("{quiet}.{number}@test.example");
    let size = dice.below(4) * dice.below(800);
    let text = format!("Message-Id: <{id}>\nSubject: letter {number}\n\n{}\n", "x".repeat(size as usize));
    let mut argv: Vec<Rc<str>> = vec!["sendmail".into(), "-i".into()];
    match dice.below(6) {
        0 => argv.extend(["-f".into(), "".into()]),
        1 => argv.extend(["-f".into(), "nobody@null.example".into()]),
        _ => {}
    }
    if !notify.is_empty() {
        argv.extend(["-N".into(), notify.into()]);
    }
    argv.extend(recipients.iter().map(|r| Rc::from(r.as_str())));
    let status = start(world, &at, &user, "/usr/sbin/sendmail", argv, text);
    (status == Some(0)).then_some(Letter { id, host: at, recipients })
}

/// Runs a program to its end; gives its status.
fn start(
    world: &World,
    at: &str,
    user: &str,
    path: &'static str,
    argv: Vec<Rc<str>>,
    input: String,
) -> Option<i32> {
    let machine = world.host(at)?;
    let cred = machine.login(user).unwrap_or_else(|_| Cred::root());
    let env = environment(user, "/");
    let child = machine.start("shell", cred, env, "/", async move |p| {
        let (reader, writer) = p.pipe();
        p.set_fd(STDIN, Some(reader));
        let _ = writer.write(input).await;
        writer.end();
        p.exec(path, &argv).await.unwrap_or(127)
    });
    let limit = world.now() + Duration::from_secs(30);
    world.run_while(limit, || child.status().is_some());
    child.status()
}

fn fault(count: usize, dice: &mut Dice) -> Trouble {
    let mut any = || host(dice.below(count as u64) as usize);
    let (a, b) = (any(), any());
    match dice.below(7) {
        0 => Trouble::Refuse { host: a, port: Some(25) },
        1 => Trouble::Drop { host: a, other: None },
        2 => Trouble::Delay { host: a, other: None, by: Duration::from_secs(dice.below(400)) },
        3 => Trouble::Partition(vec![a, b]),
        4 => Trouble::DiskFull(a),
        5 => Trouble::DnsFails(a),
        _ => Trouble::DnsSilent(a),
    }
}

/// Kills some of the mail system's processes in the middle of what they do.
fn kill(world: &World, count: usize, dice: &mut Dice) {
    let Some(machine) = world.host(&host(dice.below(count as u64) as usize)) else { return };
    let daemons =
        ["pickup", "cleanup", "qmgr", "smtp", "smtpd", "local", "bounce", "trivial-rewrite", "error"];
    let mut pids: Vec<u32> = Vec::new();
    for p in machine.processes() {
        if daemons.contains(&&*p.name()) && dice.once_in(2) {
            pids.push(p.pid());
        }
    }
    signal(world, &machine, pids);
}

fn signal(world: &World, machine: &maillab::world::host::Host, pids: Vec<u32>) {
    let child = machine.start("kill", Cred::root(), Default::default(), "/", async move |p| {
        for pid in pids {
            let _ = p.kill(pid, Signal::Kill);
        }
        0
    });
    let limit = world.now() + Duration::from_secs(1);
    world.run_while(limit, || child.status().is_some());
}

/// Ends every process of a host at once, and starts the mail system again later.
fn crash(world: &World, count: usize, dice: &mut Dice) {
    let name = host(dice.below(count as u64) as usize);
    let Some(machine) = world.host(&name) else { return };
    signal(world, &machine, machine.processes().iter().map(|p| p.pid()).collect());
    world.run_until(world.now() + Duration::from_secs(dice.below(600)));
    start(world, &name, "root", "/usr/sbin/postfix", vec!["postfix".into(), "start".into()], String::new());
}

/// An administrator at work.
fn type_in(world: &World, count: usize, dice: &mut Dice) {
    let name = host(dice.below(count as u64) as usize);
    let commands: [(&'static str, &[&str]); 6] = [
        ("/usr/sbin/postqueue", &["-f"]),
        ("/usr/sbin/postsuper", &["-h", "ALL"]),
        ("/usr/sbin/postsuper", &["-H", "ALL"]),
        ("/usr/sbin/postsuper", &["-r", "ALL"]),
        ("/usr/sbin/postsuper", &["-e", "ALL"]),
        ("/usr/sbin/postfix", &["reload"]),
    ];
    let (path, args) = dice.one(&commands);
    let argv = std::iter::once(path.rsplit('/').next().unwrap_or(path)).chain(args.iter().copied());
    start(world, &name, "root", path, argv.map(Rc::from).collect(), String::new());
}
