use maillab::postfix;
use maillab::trace::Keep;
use maillab::world::{World, base, clock::Time, fs::Fs, process::Programs, users::Cred};
use std::rc::Rc;

fn main() {
    let start = Time::DEFAULT;
    let programs = Programs::new(postfix::PROGRAMS.iter().map(|(n, _, _, p)| (*n, *p)));
    let world = World::new(start, 1, Keep::All, programs);
    let mut disk: Fs = base::system(start);
    postfix::install(&mut disk, start).unwrap();
    let mut add = |name: &str, addr: &str, cf: &str| {
        let mut fs = disk.clone();
        base::personalise(&mut fs, name, start).unwrap();
        let root = fs.root();
        fs.write_path(&Cred::root(), root, "/etc/hosts", "127.0.0.1 localhost\n", 0o644, start).unwrap();
        fs.write_path(&Cred::root(), root, "/etc/postfix/main.cf", cf.to_owned(), 0o644, start).unwrap();
        base::add_user(&mut fs, "bob", 1000, None, [1; 12], start).unwrap();
        world.add_host(name, vec![addr.parse().unwrap()], fs).unwrap()
    };
    let mx = add("mx.example.com", "192.0.2.25", "compatibility_level = 3.6\nmyhostname = mx.example.com\nlocal_transport = discard:\nalias_maps =\nmynetworks = 198.51.100.0/24\n");
    let other = add("mx.example.org", "192.0.2.26", "compatibility_level = 3.6\nmyhostname = mx.example.org\nmydestination = example.org\nlocal_transport = discard:\nalias_maps =\n");
    let client = add("client.example.net", "198.51.100.7", "");
    *world.zone_mut() = maillab::proto::dns::Zone::parse("example.org. MX 10 mx.example.org.\nmx.example.org. A 192.0.2.26\n7.100.51.198.in-addr.arpa. PTR client.example.net.\nclient.example.net. A 198.51.100.7\n").unwrap();
    for h in [&mx, &other] {
        let env = [("PATH".into(), "/usr/sbin:/usr/bin".into())].into();
        h.start("boot", Cred::root(), env, "/", async |p| p.exec("/usr/sbin/postfix", &["postfix".into(), "start".into()]).await.unwrap());
    }
    world.settle();
    let c = client.start("telnet", Cred::root(), Default::default(), "/", async |p| {
        let s = p.connect("192.0.2.25:25".parse().unwrap(), None).await.unwrap();
        for line in ["EHLO client.example.net", "MAIL FROM:<joe@client.example.net>", "RCPT TO:<bob@mx.example.com>", "RCPT TO:<nosuch@mx.example.com>", "RCPT TO:<carol@example.org>", "RCPT TO:<bob@nowhere.example>", "DATA", "Subject: hi\r\n\r\nbody\r\n.", "QUIT"] {
            let got = s.read().await.unwrap();
            print!("S: {}", String::from_utf8_lossy(&got));
            println!("C: {line}");
            s.write(format!("{line}\r\n")).await.unwrap();
        }
        print!("S: {}", String::from_utf8_lossy(&s.read().await.unwrap()));
        0
    });
    world.settle();
    println!("status {:?} at {:?}", c.status(), world.now());
    for h in [&mx, &other] {
        let fs = h.fs();
        let root = fs.root();
        println!("{}", String::from_utf8_lossy(&fs.read_path(&Cred::root(), root, "/var/log/maillog").unwrap_or_default()));
    }
    if std::env::args().nth(1).is_some() { print!("{}", maillab::trace::text::render(&world.trace(), false)); }
    println!("events {} failure {:?}", world.trace().len(), world.failure());
    world.shut_down();
    let _: Option<Rc<str>> = None;
}
