//! SHA-256 of files, as `sha256sum` prints it.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

const PIECE_BYTES: usize = 1 << 16;

/// What a file is, whatever it is called.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Content {
    /// Its length.
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// Reads a file to its end.
pub fn of(path: &Path) -> io::Result<Content> {
    copied(&mut File::open(path)?, &mut io::sink())
}

/// Copies, and says what was copied.
pub fn copied(from: &mut impl Read, to: &mut impl Write) -> io::Result<Content> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece)? {
            0 => break,
            len => {
                hash.update(&piece[..len]);
                to.write_all(&piece[..len])?;
                bytes += len as u64;
            }
        }
    }
    Ok(Content {
        bytes,
        sha256: hex::encode(hash.finalize()),
    })
}
