//! How a recording lies on disk when it must not be readable there.
//!
//! The sound is cut into pieces, each sealed by itself with AES-256-GCM, so that a player can be given any
//! part without reading the rest. A file is `RCE1`, the key's id (8 bytes), a random salt (32 bytes), then
//! the pieces. Each file has a key of its own, drawn from the configured one by HKDF-SHA-256 with the salt
//! and the recording's name; the nonce of a piece is its number, and whether it is the last. So no
//! nonce meets a key twice, and pieces cannot be left out, put in another order, cut off or moved to
//! another file unnoticed (the STREAM construction). Pure but for the salt, which comes in.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf,
};
use sha2::{Digest, Sha256};

/// Sound in one piece.
pub const PIECE_BYTES: u64 = 64 * 1024;
/// What sealing adds to a piece.
const TAG_BYTES: u64 = 16;
/// A sealed piece.
const SEALED_BYTES: u64 = PIECE_BYTES + TAG_BYTES;
/// First bytes of a sealed file; no audio begins so.
const MAGIC: &[u8; 4] = b"RCE1";
/// Length of what stands before the pieces.
pub const HEAD_BYTES: u64 = 44;
/// Length of a key.
pub const KEY_BYTES: usize = 32;
/// Length of a salt.
pub const SALT_BYTES: usize = 32;

/// A file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// Sealed with a key that is not configured.
    #[error("the recording is sealed with the key {}, which is not configured", hex::encode(.0))]
    Locked([u8; 8]),
    /// It is not what was written.
    #[error("the sealed recording is damaged")]
    Damaged,
}

/// The text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 hexadecimal digits; `ringcard recordings new-key` makes one")]
pub struct NotAKey;

/// The configured keys.
#[derive(Clone, Default)]
pub struct Keys {
    current: Option<Key>,
    former: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: [u8; 8],
    bytes: [u8; KEY_BYTES],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

impl Key {
    fn parse(text: &str) -> Result<Self, NotAKey> {
        let bytes = hex::decode(text.trim()).map_err(|_| NotAKey)?;
        let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| NotAKey)?;
        let digest = Sha256::new()
            .chain_update(b"ringcard recording key")
            .chain_update(bytes)
            .finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Ok(Self { id, bytes })
    }
}

impl Keys {
    /// Reads keys; an empty `current` means that new recordings lie as they are.
    pub fn parse(current: &str, former: &[String]) -> Result<Self, NotAKey> {
        let current = match current {
            "" => None,
            text => Some(Key::parse(text)?),
        };
        let former: Result<_, _> = former.iter().map(|text| Key::parse(text)).collect();
        Ok(Self {
            current,
            former: former?,
        })
    }

    /// Begins a file for the recording of this name; `None` if it is to lie as it is.
    pub fn sealer(&self, name: &str, salt: [u8; SALT_BYTES]) -> Option<Piecewise> {
        let key = self.current.as_ref()?;
        let mut head = Vec::with_capacity(HEAD_BYTES as usize);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&key.id);
        head.extend_from_slice(&salt);
        Some(Piecewise::new(key, head, name))
    }

    /// Opens a file that begins so; `None` if it is not sealed.
    pub fn opener(&self, name: &str, head: &[u8]) -> Result<Option<Piecewise>, CipherError> {
        let Some((id, _)) = parts(head) else {
            return Ok(None);
        };
        let mut known = self.current.iter().chain(&self.former);
        let key = known.find(|key| key.id == id);
        let key = key.ok_or(CipherError::Locked(id))?;
        Ok(Some(Piecewise::new(key, head.to_vec(), name)))
    }

    /// Whether a file that begins so lies as it would if it came now.
    pub fn is_current(&self, head: &[u8]) -> bool {
        parts(head).map(|(id, _)| id) == self.current.as_ref().map(|key| key.id)
    }
}

/// Key id and salt of a sealed file's head.
fn parts(head: &[u8]) -> Option<([u8; 8], &[u8])> {
    if head.len() != HEAD_BYTES as usize {
        return None;
    }
    let rest = head.strip_prefix(MAGIC)?;
    let (id, salt) = rest.split_at_checked(8)?;
    Some((id.try_into().ok()?, salt))
}

/// The length of the sound in a sealed file of `bytes` bytes.
pub fn plain_bytes(bytes: u64) -> Option<u64> {
    let body = bytes.checked_sub(HEAD_BYTES)?;
    body.checked_sub(body.div_ceil(SEALED_BYTES) * TAG_BYTES)
}

/// The length of a file that holds `bytes` bytes of sound.
pub fn sealed_bytes(bytes: u64) -> u64 {
    HEAD_BYTES + bytes + bytes.div_ceil(PIECE_BYTES).max(1) * TAG_BYTES
}

/// Seals or opens the pieces of one file.
pub struct Piecewise {
    key: LessSafeKey,
    head: Vec<u8>,
}

impl Piecewise {
    fn new(key: &Key, head: Vec<u8>, name: &str) -> Self {
        let salt = hkdf::Salt::new(
            hkdf::HKDF_SHA256,
            parts(&head).map_or(&[], |(_, salt)| salt),
        );
        let drawn = salt.extract(&key.bytes);
        let info = [b"recording".as_slice(), name.as_bytes()];
        let drawn = drawn
            .expand(&info, &AES_256_GCM)
            .expect("HKDF gives 32 bytes of any key");
        Self {
            key: LessSafeKey::new(UnboundKey::from(drawn)),
            head,
        }
    }

    /// What stands before the pieces.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Seals the piece of this number; every piece but the last holds [`PIECE_BYTES`].
    pub fn seal(&self, number: u64, is_last: bool, mut piece: Vec<u8>) -> Vec<u8> {
        self.key
            .seal_in_place_append_tag(nonce(number, is_last), Aad::from(&self.head), &mut piece)
            .expect("a piece is far below the longest message of AES-GCM");
        piece
    }

    /// Opens the piece of this number.
    pub fn open(
        &self,
        number: u64,
        is_last: bool,
        mut piece: Vec<u8>,
    ) -> Result<Vec<u8>, CipherError> {
        let nonce = nonce(number, is_last);
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(&self.head), &mut piece);
        let len = opened.map_err(|_| CipherError::Damaged)?.len();
        piece.truncate(len);
        Ok(piece)
    }
}

fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(is_last);
    Nonce::assume_unique_for_key(nonce)
}

/// Which bytes of a sealed file must be read for a span of its sound, and what to cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First byte of the file, and the one after the last.
    pub file: (u64, u64),
    /// Number of the first piece, and of the file's last one.
    pub pieces: (u64, u64),
    /// Sound to leave out at the beginning, and to give after it.
    pub sound: (u64, u64),
}

impl Window {
    /// For `span` of a file of `file_bytes` bytes; `None` if the span is empty or not in it.
    pub fn of(span: &std::ops::Range<u64>, file_bytes: u64) -> Option<Self> {
        let plain = plain_bytes(file_bytes)?;
        if span.start >= span.end || span.end > plain {
            return None;
        }
        let (first, last) = (span.start / PIECE_BYTES, (span.end - 1) / PIECE_BYTES);
        Some(Self {
            file: (
                HEAD_BYTES + first * SEALED_BYTES,
                (HEAD_BYTES + (last + 1) * SEALED_BYTES).min(file_bytes),
            ),
            pieces: (first, plain.div_ceil(PIECE_BYTES).max(1) - 1),
            sound: (span.start - first * PIECE_BYTES, span.end - span.start),
        })
    }

    /// How long the sealed piece of this number is.
    pub fn piece_bytes(&self, number: u64, file_bytes: u64) -> usize {
        let begin = HEAD_BYTES + number * SEALED_BYTES;
        SEALED_BYTES.min(file_bytes.saturating_sub(begin)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "aabb";

    fn keys(current: u8, former: &[u8]) -> Keys {
        let text = |byte: &u8| hex::encode([*byte; KEY_BYTES]);
        let former: Vec<String> = former.iter().map(text).collect();
        Keys::parse(&text(&current), &former).unwrap()
    }

    /// The whole file, as the vault writes it.
    fn sealed(keys: &Keys, sound: &[u8]) -> Vec<u8> {
        let sealer = keys.sealer(NAME, [7; SALT_BYTES]).unwrap();
        let mut file = sealer.head().to_vec();
        let pieces: Vec<&[u8]> = sound.chunks(PIECE_BYTES as usize).collect();
        for (n, piece) in pieces.iter().enumerate() {
            let is_last = n + 1 == pieces.len();
            file.extend(sealer.seal(n as u64, is_last, piece.to_vec()));
        }
        file
    }

    fn part(keys: &Keys, file: &[u8], span: std::ops::Range<u64>) -> Result<Vec<u8>, CipherError> {
        let opener = keys.opener(NAME, &file[..HEAD_BYTES as usize])?.unwrap();
        let bytes = file.len() as u64;
        let window = Window::of(&span, bytes).ok_or(CipherError::Damaged)?;
        let mut at = window.file.0 as usize;
        let mut sound = Vec::new();
        let mut number = window.pieces.0;
        while at < window.file.1 as usize {
            let end = at + window.piece_bytes(number, bytes);
            let is_last = number == window.pieces.1;
            sound.extend(opener.open(number, is_last, file[at..end].to_vec())?);
            (at, number) = (end, number + 1);
        }
        let from = window.sound.0 as usize;
        Ok(sound[from..from + window.sound.1 as usize].to_vec())
    }

    #[test]
    fn every_part_comes_back_and_lengths_agree() {
        let keys = keys(1, &[]);
        let piece = PIECE_BYTES as usize;
        for len in [1, piece - 1, piece, piece + 1, 3 * piece, 3 * piece + 5] {
            let sound: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let file = sealed(&keys, &sound);
            assert_eq!(file.len() as u64, sealed_bytes(len as u64));
            assert_eq!(plain_bytes(file.len() as u64), Some(len as u64));
            for (from, to) in [(0, len), (0, 1), (len - 1, len), (len / 2, len)] {
                if from < to {
                    let there = part(&keys, &file, from as u64..to as u64).unwrap();
                    assert!(there == sound[from..to], "{from}..{to} of {len}");
                }
            }
        }
    }

    #[test]
    fn the_sound_cannot_be_seen_and_no_change_goes_unnoticed() {
        let keys = keys(1, &[]);
        let sound = vec![b's'; 2 * PIECE_BYTES as usize + 9];
        let file = sealed(&keys, &sound);
        assert!(memchr::memmem::find(&file, b"ssss").is_none());
        let whole = 0..sound.len() as u64;
        let damaged = |file: &[u8]| part(&keys, file, whole.clone()) == Err(CipherError::Damaged);
        for at in [12, HEAD_BYTES as usize, file.len() - 1] {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(damaged(&changed), "byte {at}");
        }
        let (head, sealed) = (HEAD_BYTES as usize, SEALED_BYTES as usize);
        let swapped = [
            &file[..head],
            &file[head + sealed..head + 2 * sealed],
            &file[head..head + sealed],
            &file[head + 2 * sealed..],
        ]
        .concat();
        assert!(damaged(&swapped));
        // Cut off after a whole piece: shorter, and its last piece says that it is not the last.
        let cut = &file[..head + sealed];
        assert_eq!(part(&keys, cut, 0..PIECE_BYTES), Err(CipherError::Damaged));
        let other = keys.opener("ccdd", &file[..head]).unwrap().unwrap();
        let piece = file[head..head + sealed].to_vec();
        assert_eq!(other.open(0, false, piece), Err(CipherError::Damaged));
    }

    #[test]
    fn a_former_key_opens_and_a_missing_one_is_named() {
        let file = sealed(&keys(1, &[]), b"sound");
        let head = &file[..HEAD_BYTES as usize];
        assert_eq!(part(&keys(2, &[1]), &file, 0..5).unwrap(), b"sound");
        assert!(!keys(2, &[1]).is_current(head));
        assert!(keys(1, &[]).is_current(head));
        assert!(matches!(
            part(&keys(2, &[]), &file, 0..5),
            Err(CipherError::Locked(_))
        ));
        let none = Keys::default();
        assert!(none.opener(NAME, b"RIFF").unwrap().is_none());
        assert!(none.is_current(b"RIFF") && !none.is_current(head));
        assert!(Keys::parse("short", &[]).is_err());
    }
}
