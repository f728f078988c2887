//! Opens the pieces of a sealed recording as they come from the store.

use bytes::Bytes;
use futures_util::{
    TryStreamExt,
    stream::{self, BoxStream, StreamExt},
};

use crate::recordings::cipher::{CipherError, Piecewise, Window};

type Pieces = BoxStream<'static, object_store::Result<Bytes>>;

struct Opening {
    from: Pieces,
    opener: Piecewise,
    window: Window,
    file_bytes: u64,
    number: u64,
    waiting: Vec<u8>,
}

/// The sound of a window, from the bytes of its part of the file.
pub(super) fn open(from: Pieces, opener: Piecewise, window: Window, file_bytes: u64) -> Pieces {
    let opening = Opening {
        from,
        opener,
        window,
        file_bytes,
        number: window.pieces.0,
        waiting: Vec::new(),
    };
    stream::try_unfold(opening, |mut opening| async {
        Ok(opening.next().await?.map(|sound| (sound, opening)))
    })
    .boxed()
}

impl Opening {
    /// The next piece's sound, cut to what is asked for.
    async fn next(&mut self) -> object_store::Result<Option<Bytes>> {
        let (skip, left) = self.window.sound;
        if left == 0 {
            return Ok(None);
        }
        let length = self.window.piece_bytes(self.number, self.file_bytes);
        while self.waiting.len() < length {
            let more = self.from.try_next().await?;
            let more = more.ok_or_else(|| damaged(CipherError::Damaged))?;
            self.waiting.extend_from_slice(&more);
        }
        let rest = self.waiting.split_off(length);
        let piece = std::mem::replace(&mut self.waiting, rest);
        let is_last = self.number == self.window.pieces.1;
        let sound = self.opener.open(self.number, is_last, piece);
        let sound = Bytes::from(sound.map_err(damaged)?);
        self.number += 1;
        let from = skip.min(sound.len() as u64);
        let to = (from + left).min(sound.len() as u64);
        self.window.sound = (0, left - (to - from));
        Ok(Some(sound.slice(from as usize..to as usize)))
    }
}

fn damaged(error: CipherError) -> object_store::Error {
    object_store::Error::Generic {
        store: "recordings",
        source: Box::new(error),
    }
}
