//! An address: of this host or not; and what happens to one of this host in turn: alias,
//! `.forward`, mailbox.

use super::forward::is_own;
use super::seen::Key;
use super::token::Destination;
use super::{Doing, Expansion, State, Status, Work};
use crate::postfix::deliver::Dsn;
use crate::proto::address;
use std::rc::Rc;

impl<'a> Work<'a> {
    /// Delivers to an address of this host.
    pub(super) fn recipient(&'a self, mut state: State) -> Doing<'a> {
        Box::pin(async move {
            state.level += 1;
            let address = state.rcpt.address.clone();
            if self.seen.borrow_mut().before(Key::Recipient(state.level, address.to_string())) {
                return Status::Done;
            }
            if self.is_looping(&address) {
                let dsn = Dsn::new("5.4.6", format!("mail forwarding loop for {address}"));
                return self.failed(&state, dsn).await;
            }
            self.name(&mut state, &address);
            if state.user.is_empty() {
                let dsn = Dsn::new("5.1.3", format!("null username in \"{address}\""));
                return self.failed(&state, dsn).await;
            }
            self.switch(state).await
        })
    }

    /// Takes an address apart.
    fn name(&self, state: &mut State, address: &str) {
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        state.domain = domain.into();
        state.local = if local.bytes().any(|b| b.is_ascii_uppercase()) {
            local.to_ascii_lowercase().into()
        } else {
            local.into()
        };
        let (user, extension) = address::split_extension(&state.local, &self.settings().delimiter);
        let extension: Option<Rc<str>> = extension.map(Into::into);
        state.user = if extension.is_some() { user.into() } else { state.local.clone() };
        state.extension = extension;
        if state.extension.as_ref().is_some_and(|e| e.contains('/')) {
            let id = &self.delivery.request.id;
            self.daemon().msg.log_warn(format!("{id}: address with illegal extension: {}", state.local));
            state.extension = None;
        }
    }

    /// Alias, `.forward`, mailbox, or nobody.
    async fn switch(&'a self, mut state: State) -> Status {
        state.unmatched = None;
        if state.rcpt.address.starts_with('\\') {
            return self.plain(state).await;
        }
        if let Some(status) = self.alias(&state, &state.local).await {
            return status;
        }
        if let Some(extension) = &state.extension {
            if self.settings().propagates("alias") {
                state.unmatched = Some(extension.clone());
            }
            if let Some(status) = self.alias(&state, &state.user).await {
                return status;
            }
            state.unmatched = Some(extension.clone());
        }
        // Mail for another user than the one behind the list begins anew, with a queue file of its
        // own, so that each recipient's fate is kept apart.
        let foreign = state.owner.as_ref().is_some_and(|o| !o.eq_ignore_ascii_case(&state.user));
        if foreign || state.expansion == Expansion::Include {
            return self.indirect(&state).await;
        }
        if let Some(status) = self.dot_forward(&state).await {
            return status;
        }
        if let Some(status) = self.mailbox(&state).await {
            return status;
        }
        self.unknown(state).await
    }

    /// `\\user`, of which reading a list leaves one backslash: the mailbox, whatever aliases and
    /// `.forward` say.
    async fn plain(&'a self, mut state: State) -> Status {
        for name in [&mut state.rcpt.address, &mut state.local, &mut state.user] {
            *name = name.strip_prefix('\\').unwrap_or(name).into();
        }
        match self.mailbox(&state).await {
            Some(status) => status,
            None => self.unknown(state).await,
        }
    }

    /// What stands in an alias, a list or a `.forward`.
    pub(super) fn destination(&'a self, from: &'a State, destination: Destination) -> Doing<'a> {
        Box::pin(async move {
            match destination {
                Destination::Address(text) => self.address(from, &text).await,
                Destination::Command(text) => self.command(from, &text).await,
                Destination::File(path) => self.file(from, &path).await,
                Destination::Home(text) => self.in_home(from, &text).await,
                Destination::Include(path) => self.include(from, &path).await,
            }
        })
    }

    /// `~/file`, for whoever has a home.
    async fn in_home(&self, from: &State, text: &str) -> Status {
        let objection = match (&from.rights, text.strip_prefix("~/")) {
            (_, None) => "bad home directory syntax for",
            (None, _) => "unknown home directory for",
            (Some(user), Some(path)) => {
                let home = user.home.trim_end_matches('/').to_owned();
                return self.file(from, &format!("{home}/{path}")).await;
            }
        };
        self.daemon().msg.log_warn(format!("{objection}: {text}"));
        self.failed(from, Dsn::new("5.3.5", "mail system configuration error")).await
    }

    /// An address: of this host, or of another one.
    pub(super) async fn address(&'a self, from: &State, text: &str) -> Status {
        let p = &self.daemon().p;
        let address = self.rewrite(text).await;
        let resolved = self.agent.rewriter.resolve(p, &self.delivery.request.sender, &address).await;
        if resolved.failed {
            return self.deferred(from, Dsn::new("4.3.0", "address resolver failure")).await;
        }
        if resolved.error {
            let dsn = Dsn::new("5.1.3", format!("bad recipient address syntax: {text}"));
            return self.failed(from, dsn).await;
        }
        let mut next = from.clone();
        next.level += 1;
        next.rcpt.address = match &from.unmatched {
            Some(extension) => self.with_extension(&resolved.recipient, extension),
            None => resolved.recipient.clone(),
        };
        if is_own(&resolved, self.daemon().service.name()) {
            self.recipient(next).await
        } else {
            self.indirect(&next).await
        }
    }

    fn with_extension(&self, address: &str, extension: &str) -> Rc<str> {
        let delimiter = self.settings().delimiter.chars().next().map(String::from).unwrap_or_default();
        match address.rsplit_once('@') {
            Some((local, domain)) => format!("{local}{delimiter}{extension}@{domain}").into(),
            None => format!("{address}{delimiter}{extension}").into(),
        }
    }
}
