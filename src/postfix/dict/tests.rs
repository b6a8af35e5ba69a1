//! Tables on a machine of a few files.

use super::maps::{Parents, split_extension};
use super::*;
use crate::postfix::config::{Config, HostFacts};
use crate::world::errno::{Errno, Sys};
use bytes::Bytes;
use proptest::prelude::*;

#[derive(Default)]
struct Machine(BTreeMap<String, (Vec<u8>, Time)>);

impl Machine {
    fn with(mut self, path: &str, content: impl Into<Vec<u8>>, changed: u64) -> Machine {
        self.0.insert(path.into(), (content.into(), Time::from_unix(changed)));
        self
    }

    fn compiled(self, source: &str, entries: &[(&str, &str)]) -> Machine {
        let mut table = compiled::Table::new("hash", source);
        table.entries = entries.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        self.with(&compiled::path(source), compiled::encode(&table), 1000)
    }
}

impl Files for Machine {
    fn read(&self, path: &str) -> Sys<Bytes> {
        self.0.get(path).map(|(b, _)| b.clone().into()).ok_or(Errno::ENOENT)
    }
    fn modified(&self, path: &str) -> Sys<Time> {
        self.0.get(path).map(|(_, t)| *t).ok_or(Errno::ENOENT)
    }
    fn now(&self) -> Time {
        Time::from_unix(10_000)
    }
    fn environment(&self) -> Vec<(String, String)> {
        vec![("HOME".into(), "/root".into())]
    }
}

/// What `postmap -q` prints: the value, nothing, or what comes after `fatal: `.
fn query(machine: &Machine, key: &str, spec: &str) -> String {
    match Dict::open(spec, Flags::USUAL, machine) {
        Err(e) => format!("! {e}"),
        Ok(dict) => match dict.lookup(key) {
            Ok(Some(found)) => found.value.to_string(),
            Ok(None) => String::new(),
            Err(e) => format!("! {e}"),
        },
    }
}

#[test]
fn tables_without_files_as_postmap_knows_them() {
    let machine = Machine::default();
    for (spec, want) in [
        ("static:foo", "foo"),
        ("static:{ a b }", "a b"),
        ("static:a b", "a b"),
        ("static:", "! open dictionary: expecting \"type:name\" form instead of \"static:\""),
        ("static:{a", "! bad static:name syntax: missing '}' in \"{a\""),
        ("static:{a}x", "! bad static:name syntax: syntax error after '}' in \"{a}x\""),
        ("inline:{a=b, c=d}", "b"),
        ("inline:{ {a = b c} {d=e} }", "b c"),
        ("inline:{a=b,a=c}", "c"),
        ("inline:{=b}", ""),
        ("inline:{a}", "! missing '=' after attribute name: \"inline:{a}\"; need \"inline:{name=value...}\""),
        ("inline:{}", "! bad syntax: \"inline:{}\"; need \"inline:{name=value...}\""),
        ("inline:a=b", "! bad syntax: \"inline:a=b\"; need \"inline:{name=value...}\""),
        (
            "inline:{{a=b}x}",
            "! syntax error after '}' in \"{a=b}x\": \"inline:{{a=b}x}\"; need \"inline:{name=value...}\"",
        ),
        ("unionmap:{static:a,static:b}", "a,b"),
        ("unionmap:{static:a,inline:{x=y}}", "a"),
        ("unionmap:{}", "! bad syntax: \"unionmap:{}\"; need \"unionmap:{type:name...}\""),
        ("pipemap:{static:a,inline:{a=z}}", "z"),
        ("pipemap:{static:a,inline:{b=z}}", ""),
        ("pipemap:{foo}", "! bad syntax: \"pipemap:{foo}\"; need \"pipemap:{type:name...}\""),
        ("pipemap:{nosuch:a}", "! unsupported dictionary type: nosuch"),
        ("randmap:{a b}", "a"),
        ("randmap:{}", "! bad syntax: \"randmap:{}\"; need \"randmap:{value...}\""),
        ("environ:x", ""),
        ("lmdb:x", "! unsupported dictionary type: lmdb"),
        ("treasure:x", "! unsupported dictionary type: treasure"),
        ("unix:x", "! unknown table: unix:x"),
        ("hash:nosuch", "! open database nosuch.db: No such file or directory"),
        ("/no/such", "! open database /no/such.db: No such file or directory"),
        ("texthash:nosuch", "! open database nosuch: No such file or directory"),
        ("regexp:nosuch", "! open nosuch: No such file or directory"),
        ("", "! open dictionary: expecting \"type:name\" form instead of \"hash:\""),
        (":x", "! open dictionary: expecting \"type:name\" form instead of \":x\""),
    ] {
        assert_eq!(query(&machine, "a", spec), want, "{spec}");
    }
    assert_eq!(query(&machine, "A", "inline:{a=b}"), "b");
    assert_eq!(query(&machine, "HOME", "environ:x"), "/root");
}

#[test]
fn a_compiled_table_keeps_what_it_was_made_of() {
    let machine = Machine::default().compiled("/etc/aliases", &[("root", "alice")]).with(
        "/etc/aliases",
        "root: bob\n",
        5000,
    );
    let dict = Dict::open("hash:/etc/aliases", Flags::ALIAS, &machine).unwrap();
    assert_eq!(&*dict.lookup("ROOT").unwrap().unwrap().value, "alice");
    assert_eq!(dict.warnings(), ["database /etc/aliases.db is older than source file /etc/aliases"]);
    let fresh = machine.with("/etc/aliases", "root: bob\n", 9950);
    assert!(Dict::open("hash:/etc/aliases", Flags::ALIAS, &fresh).unwrap().warnings().is_empty());
    assert!(!dict.changed(&fresh));
    assert!(dict.changed(&Machine::default()));
    assert_eq!(
        dict.identity(),
        "hash:/etc/aliases(0,lock|no_regsub|no_proxy|no_unauth|fold_fix|utf8_request)"
    );
    let junk = Machine::default().with("junk.db", "junk\n", 1);
    assert_eq!(query(&junk, "a", "hash:junk"), "! open database junk.db: Invalid argument");
    assert_eq!(
        query(&fresh, "root", "btree:/etc/aliases"),
        "! open database /etc/aliases.db: Invalid argument"
    );
}

#[test]
fn in_a_texthash_the_first_entry_counts() {
    let machine = Machine::default().with("/t", "a REJECT\nlonely\nA OK\n", 1);
    let dict = Dict::open("texthash:/t", Flags::USUAL, &machine).unwrap();
    let found = dict.lookup("a").unwrap().unwrap();
    assert_eq!((&*found.value, found.line, &*found.table), ("REJECT", Some(1), "texthash:/t"));
    assert_eq!(
        dict.warnings(),
        [
            "/t, line 2: expected format: key whitespace value -- ignoring this line",
            "/t, line 3: duplicate entry: \"a\"",
        ]
    );
}

#[test]
fn a_daemon_goes_on_without_a_table() {
    let maps = Maps::open("inline:{a=b}, hash:/etc/missing treasure:/x", &Machine::default()).unwrap();
    assert_eq!(
        maps.errors().collect::<Vec<_>>(),
        ["open database /etc/missing.db: No such file or directory", "unsupported dictionary type: treasure"]
    );
    assert_eq!(&*maps.find("a").unwrap().unwrap().value, "b");
    assert_eq!(
        maps.find("c").unwrap_err().text,
        "hash:/etc/missing is unavailable. open database /etc/missing.db: No such file or directory"
    );
}

#[test]
fn the_forms_of_an_address() {
    let key = |table: &str, address: &str, own: bool| {
        let maps = Maps::open(&format!("inline:{{{table}}}"), &Machine::default()).unwrap();
        maps.find_address_of(address, "+", own).unwrap().map(|f| {
            let unmatched = f.unmatched.unwrap_or_default();
            format!("{} {unmatched}", f.key.unwrap_or_default())
        })
    };
    let all = "u+e@d.example=1 u@d.example=2 u+e=3 u=4 @d.example=5";
    assert_eq!(key(all, "u+e@d.example", true).unwrap(), "u+e@d.example ");
    assert_eq!(key(all, "u+f@d.example", true).unwrap(), "u@d.example +f");
    assert_eq!(key("u+e=3 @d.example=5", "u+e@d.example", true).unwrap(), "u+e ");
    assert_eq!(key("u=4 @d.example=5", "u+e@d.example", true).unwrap(), "u +e");
    assert_eq!(key("u=4 @d.example=5", "u+e@d.example", false).unwrap(), "@d.example ");
    assert_eq!(key(all, "x@e.example", true), None);
}

#[test]
fn domains_networks_and_transports() {
    let maps = |text: &str| Maps::open(&format!("inline:{{{text}}}"), &Machine::default()).unwrap();
    let of =
        |f: Result<Option<Found>, DictError>| f.unwrap().map(|f| f.value.to_string()).unwrap_or_default();
    let m = maps("example.com=plain .example.org=dotted 192.0.2=net 2001:db8=six u@=user *=any");
    assert_eq!(of(m.find_domain("a.b.example.com", Parents::Plain)), "plain");
    assert_eq!(of(m.find_domain("a.b.example.com", Parents::Dotted)), "");
    assert_eq!(of(m.find_domain("a.b.example.org", Parents::Dotted)), "dotted");
    assert_eq!(of(m.find_domain("example.org", Parents::Dotted)), "");
    assert_eq!(of(m.find_network("192.0.2.7".parse().unwrap())), "net");
    assert_eq!(of(m.find_network("2001:db8::1".parse().unwrap())), "six");
    assert_eq!(of(m.find_access("u+x@nowhere.example", "+", Parents::Plain)), "user");
    assert_eq!(of(m.find_transport("a@sub.example.org", "+")), "dotted");
    assert_eq!(of(m.find_transport("a@elsewhere.example", "+")), "any");
}

#[test]
fn lists_of_domains_and_networks() {
    let machine = Machine::default().with("/etc/more", "# comment\nd.example\n!e.example f.example\n", 1);
    let facts = HostFacts { hostname: "h.example".into(), addresses: vec![] };
    let text = "relay_domains = a.example, !b.example, b.example, /etc/more, inline:{t.example=x}\n\
                mydestination = $myhostname localhost\n\
                mynetworks = 127.0.0.0/8 [::1]/128 !192.0.2.9 192.0.2.0/24 198.51.100.1/24\n";
    let config = Config::parse(text, "main.cf", &facts, &[]).unwrap();
    let relay = MatchList::domains("relay_domains", &config, &machine).unwrap();
    assert_eq!(relay.find("A.example").unwrap().map(|t| &**t), Some("a.example"));
    assert!(relay.matches("sub.a.example") && relay.matches("d.example") && relay.matches("t.example"));
    assert!(!relay.matches("b.example") && !relay.matches("e.example") && relay.matches("f.example"));
    let local = MatchList::domains("mydestination", &config, &machine).unwrap();
    assert!(local.matches("h.example") && !local.matches("sub.h.example"));
    let nets = MatchList::networks("mynetworks", &config, &machine).unwrap();
    let of = |a: &str| nets.find_client(None, a.parse().unwrap()).map(|f| f.map(|t| t.to_string()));
    assert_eq!(of("127.1.2.3").unwrap().as_deref(), Some("127.0.0.0/8"));
    assert_eq!(of("::1").unwrap().as_deref(), Some("[::1]/128"));
    assert_eq!(of("192.0.2.8").unwrap().as_deref(), Some("192.0.2.0/24"));
    assert_eq!(of("192.0.2.9").unwrap(), None);
    assert_eq!(
        of("203.0.113.1").unwrap_err().text,
        "mynetworks: non-null host address bits in \"198.51.100.1/24\", perhaps you should use \"198.51.100.0/24\" instead"
    );
}

#[test]
fn extensions() {
    assert_eq!(split_extension("user+ext", "+"), ("user", Some("+ext")));
    assert_eq!(split_extension("+ext", "+"), ("+ext", None));
    assert_eq!(split_extension("owner-list", "-"), ("owner-list", None));
    assert_eq!(split_extension("list-request", "-"), ("list-request", None));
    assert_eq!(split_extension("a-b+c", "+-"), ("a", Some("-b+c")));
    assert_eq!(split_extension("mailer-daemon", "-"), ("mailer-daemon", None));
}

proptest! {
    #[test]
    fn any_table_is_opened_or_refused(spec in "(static|inline|unionmap|pipemap|randmap|proxy):[{}a=:, ]{0,30}", key in "[a@+.]{0,9}") {
        let machine = Machine::default();
        let maps = Maps::open(&spec, &machine).unwrap();
        let _ = maps.find_address(&key, "+");
        let _ = maps.find_access(&key, "+", Parents::Dotted);
        let _ = maps.find_transport(&key, "+");
        let _ = maps.find_domain(&key, Parents::Dotted);
    }
}
