//! How messages of an account reach us: nothing but the words for it. Step 1 does what they say.

use std::{net::SocketAddr, path::PathBuf};

use super::SettingsError;

/// How messages of an account reach us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intake {
    /// The PBX posts to `/hooks/<account>/...`.
    Webhook,
    /// We dial `host:port` and keep the connection (AMI).
    Dial {
        /// `host:port`.
        address: String,
        /// TLS, if it is spoken there.
        tls: Option<Tls>,
    },
    /// The PBX dials us here and keeps the connection (ARI of Asterisk 22).
    Listen {
        /// Where we listen.
        address: SocketAddr,
        /// What we show there, if TLS is spoken.
        shown: Option<Shown>,
    },
}

/// TLS on a connection that we dial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// File with the authority (PEM) that alone is trusted; none: those whom the system trusts.
    pub authority: Option<PathBuf>,
    /// The name that the certificate must have; none: that of the address.
    pub name: Option<String>,
}

/// What we show to one that dials us over TLS: files (PEM), read again for each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Checks the address that an account was given at this product, as the product reaches it.
pub(super) fn check_hook_url(url: &str, product: &str) -> Result<(), SettingsError> {
    let parsed = reqwest::Url::parse(url).ok();
    let is_web = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https"));
    match is_web && !url.contains(['?', '#']) {
        true => Ok(()),
        false => Err(SettingsError::Unusable(format!(
            "hook_url must be the address given to {product}, up to /hooks/<name>"
        ))),
    }
}
