//! Who is calling: the client's address, and its name if that holds in both directions.

use crate::postfix::ipc::ClientInfo;
use crate::postfix::server::Daemon;
use crate::world::dns::Lookup;
use crate::world::stream::{Peer, Stream};
use std::net::IpAddr;
use std::rc::Rc;

/// Finds out who is at the other end of a connection.
pub async fn identify(daemon: &Daemon, stream: &Stream) -> ClientInfo {
    let Peer::Tcp { local, remote } = stream.peer() else {
        return ClientInfo {
            name: "localhost".into(),
            reverse_name: "localhost".into(),
            ..ClientInfo::default()
        };
    };
    let address = remote.ip().to_canonical();
    let (name, reverse_name) = names(daemon, address).await;
    ClientInfo {
        name,
        reverse_name,
        address: Some(address),
        shown_address: address.to_string().into(),
        port: remote.port(),
        server: Some(*local),
        ..ClientInfo::default()
    }
}

/// The verified name and the unverified one; `unknown` where there is none.
async fn names(daemon: &Daemon, address: IpAddr) -> (Rc<str>, Rc<str>) {
    let unknown = || Rc::<str>::from("unknown");
    if !daemon.yes("smtpd_peername_lookup") {
        return (unknown(), unknown());
    }
    let reverse = match daemon.p.name_of(address).await {
        Lookup::Found(name) => name,
        Lookup::NotFound | Lookup::Failed => return (unknown(), unknown()),
    };
    match daemon.p.addresses_of(&reverse).await {
        Lookup::Found(all) if all.contains(&address) => (reverse.clone(), reverse),
        Lookup::Found(_) => {
            daemon.msg.log_warn(format!("hostname {reverse} does not resolve to address {address}"));
            (unknown(), reverse)
        }
        Lookup::NotFound => {
            let why = "Name or service not known";
            daemon.msg.log_warn(format!("hostname {reverse} does not resolve to address {address}: {why}"));
            (unknown(), reverse)
        }
        Lookup::Failed => {
            let why = "Temporary failure in name resolution";
            daemon.msg.log_warn(format!("hostname {reverse} does not resolve to address {address}: {why}"));
            (unknown(), reverse)
        }
    }
}
