//! One small blob for the facts of a call that is long over.
//!
//! The blob is a version byte and the canonical JSON of the set, deflated. Equal sets give equal
//! blobs.

use std::io::{Read, Write};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

use super::Facts;

/// First byte of a blob: how the rest is written.
const VERSION: u8 = 1;
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
    /// The set as one compressed blob.
    pub fn seal(&self) -> Vec<u8> {
        let text =
            serde_json::to_vec(self).expect("facts have text keys only, so JSON can hold them");
        let mut encoder = DeflateEncoder::new(vec![VERSION], Compression::best());
        encoder
            .write_all(&text)
            .expect("writing to memory does not fail");
        encoder.finish().expect("writing to memory does not fail")
    }

    /// Reads what [`Facts::seal`] wrote.
    pub fn unseal(blob: &[u8]) -> Result<Self, SealError> {
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
