//! Reads the chunks of a WAV file up to its sound.
//!
//! Our own walk, because the decoders stop at what real PBXes write: unknown chunks of odd length,
//! lengths of zero in a file that is still being written, lengths of 2³²−1 from pipes.

use std::io::{self, Read, SeekFrom};

use super::{InspectError, Refused, Source};

/// `fmt ` tag of linear PCM.
pub const PCM: u16 = 0x0001;
/// `fmt ` tag of floating point samples.
pub const FLOAT: u16 = 0x0003;
/// `fmt ` tag of G.711 A-law.
pub const ALAW: u16 = 0x0006;
/// `fmt ` tag of G.711 µ-law.
pub const MULAW: u16 = 0x0007;
/// `fmt ` tag of GSM 6.10 as Microsoft packs it.
pub const GSM: u16 = 0x0031;
/// `fmt ` tag that says "see the sub-format".
const EXTENSIBLE: u16 = 0xfffe;

/// Chunks before the sound; more of them is no recording.
const MAX_CHUNKS: usize = 64;
/// What writers to a pipe put as length.
const UNKNOWN_LENGTH: u32 = u32::MAX;

/// What the header of a WAV file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wave {
    /// Codec tag, with the sub-format of an extensible header already put in.
    pub tag: u16,
    /// Number of channels.
    pub channels: u16,
    /// Samples per second and channel.
    pub rate_hz: u32,
    /// Bytes per second, as the header claims.
    pub bytes_per_s: u32,
    /// Bytes of one sample of all channels, or of one codec block.
    pub block_bytes: u16,
    /// Where the sound starts.
    pub data_at: u64,
    /// How long the sound is.
    pub data_bytes: u64,
}

/// Reads the header of the WAV file `source` of `size_bytes`.
pub fn read<S: Source>(source: &mut S, size_bytes: u64) -> Result<Wave, InspectError> {
    let mut at = 12;
    let mut format = None;
    for _ in 0..MAX_CHUNKS {
        let Some((id, length)) = chunk(source, at)? else {
            return Err(Refused::Truncated.into());
        };
        at += 8;
        match &id {
            b"fmt " => format = Some(read_format(source, length)?),
            b"data" => {
                let format = format.ok_or(Refused::Damaged)?;
                return Ok(with_data(format, at, length, size_bytes)?);
            }
            _ => {}
        }
        // RIFF pads chunks to an even length.
        at += u64::from(length) + u64::from(length % 2);
    }
    Err(Refused::Damaged.into())
}

fn chunk<S: Source>(source: &mut S, at: u64) -> io::Result<Option<([u8; 4], u32)>> {
    source.seek(SeekFrom::Start(at))?;
    let mut header = [0; 8];
    match source.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let [a, b, c, d, length @ ..] = header;
    Ok(Some(([a, b, c, d], u32::from_le_bytes(length))))
}

fn read_format<S: Source>(source: &mut S, length: u32) -> Result<Wave, InspectError> {
    if length < 16 {
        return Err(Refused::Damaged.into());
    }
    let mut body = Vec::with_capacity(40);
    source
        .take(u64::from(length.min(40)))
        .read_to_end(&mut body)?;
    if body.len() < 16 {
        return Err(Refused::Truncated.into());
    }
    let u16_at = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
    let tag = match u16_at(0) {
        // The sub-format is a GUID whose first two bytes are the ordinary tag.
        EXTENSIBLE if body.len() >= 26 => u16_at(24),
        tag => tag,
    };
    Ok(Wave {
        tag,
        channels: u16_at(2),
        rate_hz: u32_at(4),
        bytes_per_s: u32_at(8),
        block_bytes: u16_at(12),
        data_at: 0,
        data_bytes: 0,
    })
}

fn with_data(format: Wave, data_at: u64, length: u32, size_bytes: u64) -> Result<Wave, Refused> {
    let rest = size_bytes.saturating_sub(data_at);
    let data_bytes = match length {
        UNKNOWN_LENGTH => rest,
        // The header is written first with zero and put right when the recording ends.
        0 if rest > 0 => return Err(Refused::Truncated),
        length if u64::from(length) > rest => return Err(Refused::Truncated),
        length => u64::from(length),
    };
    Ok(Wave {
        data_at,
        data_bytes,
        ..format
    })
}

impl Wave {
    /// Bits of one sample as it lies in the file.
    ///
    /// Fewer valid bits are left-justified in their container, so the container is what counts.
    pub fn container_bits(&self) -> u16 {
        match self.channels {
            0 => 0,
            channels => (self.block_bytes / channels).saturating_mul(8),
        }
    }

    /// The plain 44-byte header of the same sound: what a decoder gets instead of the original.
    pub fn canonical_header(&self) -> [u8; 44] {
        let data_bytes = self.whole_blocks_bytes() as u32;
        let bytes_per_s = u32::from(self.block_bytes).saturating_mul(self.rate_hz);
        let mut header = [0; 44];
        header[0..4].copy_from_slice(b"RIFF");
        header[4..8].copy_from_slice(&data_bytes.saturating_add(36).to_le_bytes());
        header[8..16].copy_from_slice(b"WAVEfmt ");
        header[16..20].copy_from_slice(&16u32.to_le_bytes());
        header[20..22].copy_from_slice(&self.tag.to_le_bytes());
        header[22..24].copy_from_slice(&self.channels.to_le_bytes());
        header[24..28].copy_from_slice(&self.rate_hz.to_le_bytes());
        header[28..32].copy_from_slice(&bytes_per_s.to_le_bytes());
        header[32..34].copy_from_slice(&self.block_bytes.to_le_bytes());
        header[34..36].copy_from_slice(&self.container_bits().to_le_bytes());
        header[36..40].copy_from_slice(b"data");
        header[40..44].copy_from_slice(&data_bytes.to_le_bytes());
        header
    }

    /// Length of the sound without a last incomplete block; never more than a WAV header can say.
    pub fn whole_blocks_bytes(&self) -> u64 {
        let bytes = self.data_bytes.min(u64::from(u32::MAX) - 64);
        match u64::from(self.block_bytes) {
            0 => 0,
            block => bytes - bytes % block,
        }
    }
}
