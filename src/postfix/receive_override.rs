//! What smtpd(8) and pickup(8) leave out or add on the way to cleanup: `receive_override_options` and
//! `content_filter`, as each of them is told in master.cf.

use super::ipc::Submission;
use super::server::Daemon;
use std::rc::Rc;

/// What is left out, and the filter.
#[derive(Clone, Default, Debug)]
pub struct ReceiveOverride {
    /// `no_unknown_recipient_checks`
    pub unknown_recipients: bool,
    /// `no_address_mappings`
    mappings: bool,
    /// `no_header_body_checks`
    checks: bool,
    filter: Option<Rc<str>>,
}

impl ReceiveOverride {
    /// Reads the settings.
    ///
    /// # Errors
    /// A word that means nothing, as the log says it.
    pub fn read(daemon: &Daemon) -> Result<ReceiveOverride, String> {
        let filter = daemon.string("content_filter");
        let mut o =
            ReceiveOverride { filter: Some(filter).filter(|f| !f.is_empty()), ..ReceiveOverride::default() };
        let text = daemon.string("receive_override_options");
        for word in daemon.config.list("receive_override_options") {
            match &*word.to_ascii_lowercase() {
                "no_unknown_recipient_checks" => o.unknown_recipients = true,
                "no_address_mappings" => o.mappings = true,
                "no_header_body_checks" => o.checks = true,
                "no_milters" => {}
                _ => return Err(format!("unknown receive_override_options value \"{word}\" in \"{text}\"")),
            }
        }
        Ok(o)
    }

    /// Puts it on a message.
    pub fn mark(&self, submission: &mut Submission) {
        submission.unmapped |= self.mappings;
        submission.uninspected |= self.checks;
        submission.filter = self.filter.clone();
    }
}
