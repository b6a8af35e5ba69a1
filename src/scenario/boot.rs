//! From a scenario to a running world: disks laid out, names entered, services started.

use super::model::{Host as HostSpec, Scenario, Service};
use super::problem::Problem;
use crate::proto::dns::{Data, Record, TTL, reverse_name};
use crate::trace::Keep;
use crate::world::World;
use crate::world::base;
use crate::world::clock::Time;
use crate::world::errno::Sys;
use crate::world::fs::Fs;
use crate::world::host::Host;
use crate::world::open::Open;
use crate::world::process::{Environment, Programs, STDERR, STDIN, STDOUT};
use crate::world::rng::Rng;
use crate::world::users::Cred;
use crate::{dovecot, mua, postfix, procmail, shell};
use std::cell::RefCell;
use std::rc::Rc;

/// The names that every host knows by itself.
const ETC_HOSTS: &str = "127.0.0.1 localhost localhost.localdomain\n::1 localhost\n";

/// Builds the scenario's world and lets its services start.
///
/// # Errors
/// Why the world cannot be, and where in the scenario that stands: a file that cannot be laid out.
pub fn boot(scenario: &Scenario, keep: Keep, seed: Option<u64>) -> Result<World, Problem> {
    let seed = seed.unwrap_or(scenario.seed);
    let world = World::new(scenario.clock, seed, keep, programs());
    *world.zone_mut() = scenario.zone.clone();
    let disk = disk(scenario.clock).map_err(|e| whole(format!("the base system cannot be laid out: {e}")))?;
    for (name, spec) in &scenario.hosts {
        let mut fs = disk.clone();
        furnish(&mut fs, name, spec, scenario.clock, seed)?;
        world
            .add_host(name, spec.addresses.clone(), fs)
            .map_err(|e| whole(format!("the host {name} cannot be: {e}")))?;
        for address in &spec.addresses {
            let mut zone = world.zone_mut();
            zone.add(Record { name: name.as_str().into(), ttl: TTL, data: Data::Address(*address) });
            zone.add(Record {
                name: reverse_name(*address).into(),
                ttl: TTL,
                data: Data::Ptr(name.as_str().into()),
            });
        }
    }
    for (name, spec) in &scenario.hosts {
        if let Some(host) = world.host(name) {
            start(&world, &host, spec);
        }
    }
    world.settle();
    Ok(world)
}

/// Lays out the disks of all hosts, as [`boot`] does, and starts nothing.
///
/// # Errors
/// A file that cannot be laid out.
pub fn try_disks(scenario: &Scenario) -> Result<(), Problem> {
    let disk = disk(scenario.clock).map_err(|e| whole(format!("the base system cannot be laid out: {e}")))?;
    for (name, spec) in scenario.hosts.iter().filter(|(_, spec)| !spec.files.is_empty()) {
        furnish(&mut disk.clone(), name, spec, scenario.clock, scenario.seed)?;
    }
    Ok(())
}

/// The main.cf that every host starts from.
///
/// # Errors
/// A base system that cannot be laid out.
pub fn main_cf() -> Result<String, Problem> {
    let failed = |e| whole(format!("the base system cannot be laid out: {e}"));
    let fs = disk(Time::DEFAULT).map_err(failed)?;
    let bytes = fs.read_path(&Cred::root(), fs.root(), postfix::MAIN_CF).map_err(failed)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A problem of the scenario as a whole.
fn whole(message: String) -> Problem {
    Problem::new(0..0, message)
}

/// All programs of the lab.
pub fn programs() -> Programs {
    let all = postfix::PROGRAMS.iter().map(|(name, _, _, program)| (*name, *program));
    Programs::new(
        all.chain(dovecot::programs())
            .chain(mua::programs())
            .chain(procmail::programs())
            .chain(shell::programs()),
    )
}

/// The disk that every host starts from.
fn disk(now: Time) -> Sys<Fs> {
    let mut fs = base::system(now);
    shell::install(&mut fs, now)?;
    postfix::install(&mut fs, now)?;
    dovecot::install(&mut fs, now)?;
    mua::install(&mut fs, now)?;
    procmail::install(&mut fs, now)?;
    let root = fs.root();
    fs.write_path(&Cred::root(), root, "/etc/hosts", ETC_HOSTS, 0o644, now)?;
    fs.write_path(&Cred::root(), root, "/etc/resolv.conf", "nameserver 127.0.0.1\n", 0o644, now)?;
    Ok(fs)
}

/// Gives a host its name, its people and its files.
fn furnish(fs: &mut Fs, name: &str, spec: &HostSpec, now: Time, seed: u64) -> Result<(), Problem> {
    base::personalise(fs, name, now).map_err(|e| whole(format!("the host {name} cannot be: {e}")))?;
    let mut salts = Rng::new(seed, name);
    for (n, (user, who)) in spec.users.iter().enumerate() {
        let uid = who.uid.unwrap_or(1000 + n as u32);
        let mut salt = [0; 12];
        salt.fill_with(|| salts.bits() as u8);
        base::add_user(fs, user, uid, who.password.as_deref(), salt, now)
            .map_err(|e| whole(format!("the user {user} of {name} cannot be: {e}")))?;
    }
    for (path, file) in &spec.files {
        let owner = file.owner.clone().unwrap_or_else(|| owner_of(path).to_owned());
        lay(fs, path, &file.text, file.mode.unwrap_or(0o644), &owner, now).map_err(|e| {
            Problem::new(file.span.clone(), format!("`{path}` cannot be written: {e}"))
                .expected("the path of a file, in a directory")
        })?;
    }
    Ok(())
}

fn owner_of(path: &str) -> &str {
    path.strip_prefix("/home/").and_then(|p| p.split_once('/')).map_or("root", |(user, _)| user)
}

/// Writes a file and the directories above it; below a home they are its owner's.
fn lay(fs: &mut Fs, path: &str, text: &str, mode: u16, owner: &str, now: Time) -> Sys<()> {
    let (root, top) = (Cred::root(), fs.root());
    let passwd = fs.read_path(&root, top, "/etc/passwd")?;
    let passwd = String::from_utf8_lossy(&passwd).into_owned();
    let user = crate::world::passwd::users(&passwd).find(|u| u.name == owner);
    let ids = user.as_ref().map_or((0, 0), |u| (u.uid, u.gid));
    let home = user.map(|u| u.home).filter(|_| owner != "root");
    let mut at = 1;
    while let Some(end) = path[at..].find('/') {
        let directory = &path[..at + end];
        at += end + 1;
        if let Ok(ino) = fs.mkdir(&root, top, directory, 0o755, now)
            && home.as_ref().is_some_and(|h| directory.starts_with(h.as_str()))
        {
            fs.chown(&root, ino, Some(ids.0), Some(ids.1), now)?;
        }
    }
    // A link of the base system is replaced, not followed.
    let _ = fs.unlink(&root, top, path, now);
    let ino = fs.write_path(&root, top, path, text.to_owned(), mode, now)?;
    fs.chmod(&root, ino, mode, now)?;
    fs.chown(&root, ino, Some(ids.0), Some(ids.1), now)
}

/// What init does: the alias database, then the services.
fn start(world: &World, host: &Host, spec: &HostSpec) {
    run_to_end(world, host, "/usr/bin/newaliases", &["newaliases"]);
    for service in &spec.services {
        match service {
            Service::Postfix => run_to_end(world, host, "/usr/sbin/postfix", &["postfix", "start"]),
            Service::Dovecot => run_to_end(world, host, "/usr/sbin/dovecot", &["dovecot"]),
        }
    }
}

fn run_to_end(world: &World, host: &Host, path: &'static str, argv: &[&str]) {
    let argv: Vec<Rc<str>> = argv.iter().map(|a| (*a).into()).collect();
    let (sink, _) = Open::sink(host);
    let null = Open::null(host);
    let child = host.start("init", Cred::root(), environment("root", "/root"), "/", async move |p| {
        p.set_fd(STDIN, Some(null));
        p.set_fd(STDOUT, Some(sink.clone()));
        p.set_fd(STDERR, Some(sink));
        p.exec(path, &argv).await.unwrap_or(127)
    });
    let limit = world.now() + std::time::Duration::from_secs(60);
    world.run_while(limit, || child.status().is_some());
}

/// The settings in a host's main.cf that have no effect in the lab, and where each stands.
pub fn without_effect(name: &str, spec: &HostSpec) -> Vec<(Rc<str>, crate::trace::Place)> {
    let Some(file) = spec.files.get(postfix::MAIN_CF) else { return Vec::new() };
    let facts = postfix::config::HostFacts { hostname: name.into(), addresses: spec.addresses.clone() };
    postfix::config::Config::parse(&file.text, postfix::MAIN_CF, &facts, &[])
        .map(|config| config.without_effect())
        .unwrap_or_default()
}

/// The environment of a login on a host of the lab.
pub fn environment(user: &str, home: &str) -> Environment {
    [
        ("HOME", home),
        ("USER", user),
        ("LOGNAME", user),
        ("LC_ALL", "C"),
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ("MAILRC", "/dev/null"),
    ]
    .into_iter()
    .map(|(n, v)| (n.into(), v.into()))
    .collect()
}

/// What a program wrote, as it is seen from outside the world.
pub type Seen = Rc<RefCell<Vec<u8>>>;
