//! Who is calling: the client's address, and its name if that holds in both directions.

use super::wire::Wire;
use crate::postfix::ipc::ClientInfo;
use crate::postfix::server::Daemon;
use crate::world::dns::Lookup;
use crate::world::stream::Peer;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// Whether a name is unknown only for now.
#[derive(Clone, Copy, Default, Debug)]
pub struct NameTrouble {
    /// The verified name.
    pub name: bool,
    /// The unverified one.
    pub reverse: bool,
}

/// Finds out who is at the other end of a connection.
pub async fn identify(daemon: &Daemon, wire: &Wire) -> (ClientInfo, NameTrouble) {
    let Ok(stream) = wire.socket() else {
        let client = ClientInfo {
            name: "localhost".into(),
            reverse_name: "localhost".into(),
            address: Some(Ipv4Addr::LOCALHOST.into()),
            shown_address: Ipv4Addr::LOCALHOST.to_string().into(),
            ..ClientInfo::default()
        };
        return (client, NameTrouble::default());
    };
    let Peer::Tcp { local, remote } = stream.peer() else {
        let client = ClientInfo {
            name: "localhost".into(),
            reverse_name: "localhost".into(),
            ..ClientInfo::default()
        };
        return (client, NameTrouble::default());
    };
    let address = remote.ip().to_canonical();
    let (name, reverse_name, trouble) = names(daemon, address).await;
    let client = ClientInfo {
        name,
        reverse_name,
        address: Some(address),
        shown_address: address.to_string().into(),
        port: remote.port(),
        server: Some(*local),
        ..ClientInfo::default()
    };
    (client, trouble)
}

/// The verified name and the unverified one; `unknown` where there is none.
async fn names(daemon: &Daemon, address: IpAddr) -> (Rc<str>, Rc<str>, NameTrouble) {
    let unknown = || Rc::<str>::from("unknown");
    if !daemon.yes("smtpd_peername_lookup") {
        return (unknown(), unknown(), NameTrouble::default());
    }
    let reverse = match daemon.p.name_of(address).await {
        Lookup::Found(name) => name,
        Lookup::NotFound => return (unknown(), unknown(), NameTrouble::default()),
        Lookup::Failed => return (unknown(), unknown(), NameTrouble { name: true, reverse: true }),
    };
    let (why, temporary) = match daemon.p.addresses_of(&reverse).await {
        Lookup::Found(all) if all.contains(&address) => {
            return (reverse.clone(), reverse, NameTrouble::default());
        }
        Lookup::Found(_) => ("", false),
        Lookup::NotFound => (": Name or service not known", false),
        Lookup::Failed => (": Temporary failure in name resolution", true),
    };
    daemon.msg.log_warn(format!("hostname {reverse} does not resolve to address {address}{why}"));
    (unknown(), reverse, NameTrouble { name: temporary, reverse: false })
}
