//! Connections that serve more than one delivery (CONNECTION_CACHE_README).
//!
//! A destination that has much mail keeps its connections: qmgr tells the client to leave its own with
//! scache ([`scache`]) instead of taking its leave, and to ask there first for one of the next hop, then
//! for one of the server. `smtp_connection_cache_destinations` are kept always. A connection that
//! is found has first to answer RSET.
//!
//! # Simplifications
//! What is sealed by TLS or logged in is never kept (`smtp_tls_connection_reuse`, and the passwords of
//! other senders, do not come into it). Any server of the next hop is asked for when its turn comes, not the
//! best ones before all others.

use super::destination::{self, Host};
use super::session::{Failure, Features, Session};
use super::tls::Level;
use super::{Client, Counts};
use crate::postfix::ipc::Reuse;
use crate::postfix::queue::Recipient;
use crate::postfix::scache::{self, By};
use crate::world::clock::Time;
use crate::world::stream::Stream;
use bytes::BytesMut;
use std::rc::Rc;

/// A connection between two deliveries.
pub(super) struct Connection {
    pub host: Host,
    pub stream: Stream,
    pub input: BytesMut,
    pub features: Features,
    /// How many deliveries it has served.
    pub uses: u32,
    /// Since when it stands.
    pub since: Time,
}

impl Client<'_> {
    /// What is to be done about connections to a next hop.
    pub(super) fn reuse_for(&self, site: &str) -> Reuse {
        let (name, ..) = destination::split(self.daemon, self.settings, site);
        if self.settings.cache_destinations.matches(name) {
            return Reuse { load: true, store: true };
        }
        if self.settings.caches_on_demand { self.delivery.request.reuse } else { Reuse::default() }
    }

    /// Names are of one service: another may talk in another way.
    fn name(&self, place: &str) -> Rc<str> {
        format!("{} {}", self.daemon.service.name(), place.to_ascii_lowercase()).into()
    }

    /// Delivers over a connection to the next hop that another delivery has left, if there is one.
    pub(super) async fn over_kept(
        &self,
        site: &str,
        left: &mut Vec<Recipient>,
        counts: &mut Counts,
    ) -> Result<(), Failure> {
        if !self.reuse_for(site).load {
            return Ok(());
        }
        match self.resume(By::NextHop, site, site, false).await {
            Some(session) => {
                counts.sessions += 1;
                self.converse(session, site, left).await
            }
            None => Ok(()),
        }
    }

    /// A session over a connection that was left under a name, if it is still of use.
    pub(super) async fn resume(
        &self,
        by: By,
        place: &str,
        site: &str,
        is_final: bool,
    ) -> Option<Session<'_>> {
        let kept: Connection = scache::find(&self.daemon.p, by, &self.name(place)).await?;
        if !matches!(self.settings.tls.level_for(self.daemon, site, &kept.host), Ok(Level::None)) {
            return None;
        }
        let mut session = Session::resumed(self, kept, is_final);
        session.is_willing().await.then_some(session)
    }

    /// The message, over a session that stands; the connection is left to the next delivery if that
    /// is wanted.
    pub(super) async fn converse(
        &self,
        mut session: Session<'_>,
        site: &str,
        left: &mut Vec<Recipient>,
    ) -> Result<(), Failure> {
        session.keep_if(self.reuse_for(site).store);
        let done = session.transfer(left).await;
        if let Some(connection) = session.into_kept() {
            // By the next hop only what serves it best is found.
            let nexthop = connection.host.is_best.then(|| self.name(site));
            let server = self.name(&connection.host.relay());
            let limit = self.settings.cache_time_limit;
            scache::save(&self.daemon.p, (nexthop, server), limit, connection).await;
        }
        done
    }
}
