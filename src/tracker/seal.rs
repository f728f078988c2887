//! The facts of a call as one blob.
//!
//! A live call is rewritten with every event, so its blob is the canonical JSON of the set as it is
//! ([`Facts::pack`]). A call that is long over is sealed ([`Facts::seal`]): a version byte and the same
//! JSON, deflated. Equal sets give equal blobs; [`Facts::unseal`] reads both.

use std::io::{Read, Write};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

use super::Facts;

/// First byte of a sealed blob: how the rest is written. JSON never begins with it.
const VERSION: u8 = 1;
/// First byte of a packed blob: a JSON list.
const LIST: u8 = b'[';
/// No honest call has more facts than this makes; keeps a broken blob from eating the memory.
const MAX_TEXT_BYTES: u64 = 64 << 20;

/// A sealed blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Written by a newer version, or not a blob at all.
    #[error("the sealed facts are of an unknown version")]
    Version,
    /// Cut off or damaged.
    #[error("the sealed facts are damaged")]
    Damaged(#[source] std::io::Error),
    /// The text inside is not a list of facts.
    #[error("the sealed facts cannot be understood")]
    Unreadable(#[source] serde_json::Error),
}

impl Facts {
    /// The set as one blob that is quick to write and read.
    pub fn pack(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("facts have text keys only, so JSON can hold them")
    }

    /// The set as one compressed blob.
    pub fn seal(&self) -> Vec<u8> {
        let text = self.pack();
        let mut encoder = DeflateEncoder::new(vec![VERSION], Compression::best());
        encoder
            .write_all(&text)
            .expect("writing to memory does not fail");
        encoder.finish().expect("writing to memory does not fail")
    }

    /// Reads what [`Facts::pack`] or [`Facts::seal`] wrote.
    pub fn unseal(blob: &[u8]) -> Result<Self, SealError> {
        if blob.first() == Some(&LIST) {
            return serde_json::from_slice(blob).map_err(SealError::Unreadable);
        }
        let Some((&VERSION, packed)) = blob.split_first() else {
            return Err(SealError::Version);
        };
        let mut text = Vec::new();
        DeflateDecoder::new(packed)
            .take(MAX_TEXT_BYTES)
            .read_to_end(&mut text)
            .map_err(SealError::Damaged)?;
        serde_json::from_slice(&text).map_err(SealError::Unreadable)
    }
}
