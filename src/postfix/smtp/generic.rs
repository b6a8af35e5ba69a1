//! `smtp_generic_maps`: addresses that mean nothing outside are replaced as the message leaves, in
//! the envelope and in the headers (generic(5)).

use super::Client;
use crate::postfix::deliver::Dsn;
use crate::postfix::ipc::RewriteContext;
use crate::proto::address::HeaderAddresses;
use crate::proto::message;
use std::rc::Rc;

impl Client<'_> {
    /// What an address is outside.
    ///
    /// # Errors
    /// A table that cannot answer.
    pub(super) async fn outside(&self, address: &Rc<str>) -> Result<Rc<str>, Dsn> {
        let settings = self.settings;
        let mapped = settings.generic.map_to_one(self.daemon, &settings.own, self.rewriter, address).await;
        mapped.map_err(|trouble| {
            self.daemon.msg.log_warn(format!("{}: {}", self.delivery.request.id, trouble.0));
            Dsn::new("4.3.0", "address mapping failure")
        })
    }

    /// The message with the addresses of its headers as they are outside.
    ///
    /// # Errors
    /// A table that cannot answer.
    pub(super) async fn content_outside(&self) -> Result<Vec<u8>, Dsn> {
        let content = self.delivery.content();
        if self.settings.generic.is_empty() {
            return Ok(content);
        }
        let mut out = Vec::with_capacity(content.len() + 64);
        let mut headers = message::headers(&content);
        for header in headers.by_ref() {
            match self.header_outside(&header).await? {
                Some(changed) => out.extend_from_slice(changed.as_bytes()),
                None => out.extend_from_slice(header.raw()),
            }
        }
        out.extend_from_slice(headers.rest());
        Ok(out)
    }

    async fn header_outside(&self, header: &message::Header<'_>) -> Result<Option<String>, Dsn> {
        if message::address_role(header.name()).is_none() {
            return Ok(None);
        }
        let mut addresses = HeaderAddresses::parse(&String::from_utf8_lossy(header.value()));
        let mut changed = false;
        for address in addresses.iter_mut() {
            let context = RewriteContext::Local;
            let old: Rc<str> = address.as_str().into();
            let full = self.rewriter.rewrite(&self.daemon.p, context, &old).await;
            let new = self.outside(&full).await?;
            if new != full {
                *address = new.to_string();
                changed = true;
            }
        }
        Ok(changed.then(|| addresses.fold(&String::from_utf8_lossy(header.name()))))
    }
}
