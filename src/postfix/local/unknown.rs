//! Names that nobody has: `fallback_transport_maps`, `fallback_transport`, `luser_relay`, or back.

use super::expand::{self, Names};
use super::seen::Key;
use super::{State, Status, Work};
use crate::postfix::deliver::Dsn;

impl<'a> Work<'a> {
    /// Finds a place for a name that is neither alias nor user.
    pub(super) async fn unknown(&'a self, mut state: State) -> Status {
        let settings = self.settings();
        match settings.fallback_transport_maps.find(&state.user) {
            Ok(Some(found)) => {
                self.chose(&state, "fallback_transport_maps", &found.value);
                return self.pass_on(&state, &found.value).await;
            }
            Ok(None) => {}
            Err(e) => {
                e.log(&self.daemon().msg);
                return self.deferred(&state, Dsn::new("4.3.0", "table lookup failure")).await;
            }
        }
        if !settings.fallback_transport.is_empty() {
            self.chose(&state, "fallback_transport", &settings.fallback_transport);
            return self.pass_on(&state, &settings.fallback_transport).await;
        }
        if !settings.luser_relay.is_empty() && !self.seen.borrow_mut().before(Key::Relay) {
            self.chose(&state, "luser_relay", &settings.luser_relay);
            state.unmatched = None;
            let text = expand::text(&settings.luser_relay, &Names::new(self, &state, ""));
            return self.address(&state, &text).await;
        }
        // Nobody could be told that the postmaster is missing.
        if ["mailer-daemon", "postmaster"].contains(&&*state.user) {
            self.daemon().msg.log_warn(format!("required alias not found: {}", state.user));
            return self.sent(&state, "discarded").await;
        }
        self.failed(&state, Dsn::new("5.1.1", format!("unknown user: \"{}\"", state.user))).await
    }
}
