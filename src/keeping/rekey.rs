//! Brings every recording under the key that is configured now: one sealed with a former key, or not
//! sealed at all, is written anew; without a key all of them are opened for good.

use serde::Serialize;

use crate::recordings::vault::{Vault, VaultError};

/// What it came to.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Files looked at.
    pub files: usize,
    /// Files written anew.
    pub rewritten: usize,
    /// Recordings that could not be, and why; they stay as they are.
    pub left: Vec<(String, String)>,
}

/// Does it; the gateway may run meanwhile if it has both keys already.
pub async fn run(vault: &Vault) -> Result<Report, VaultError> {
    let stored = vault.stored().await?;
    let mut report = Report {
        files: stored.len(),
        ..Report::default()
    };
    for stored in stored {
        match vault.reseal(&stored.name).await {
            Ok(rewritten) => report.rewritten += usize::from(rewritten),
            // Let go since it was listed.
            Err(VaultError::Missing) => {}
            Err(error @ (VaultError::Changed | VaultError::Cipher(_))) => {
                report.left.push((stored.name, error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}
