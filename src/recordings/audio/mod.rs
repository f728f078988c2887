//! Says what a file that claims to be a call recording really is, and measures what is heard in it.
//!
//! [`inspect`] decides by magic bytes **and** by decoding every sample: a web page named `.mp3`, a
//! half-written WAV or a header that promises absurd things is refused with one reason of a closed
//! list. Samples are streamed, so memory does not grow with the length of the call beyond one small
//! level per 20 ms.
//!
//! It deliberately knows nothing of calls, storage or the network: bytes in, [`Measured`] out.
//! Which side of a stereo file is the client is a property of the line and is decided elsewhere.

mod decode;
#[cfg(test)]
pub mod fixtures;
mod meter;
mod mp3;
mod riff;
mod sniff;

use std::io::{self, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use meter::{Measures, PEAKS_PER_SIDE, Pause, Side, Sound};

/// The longest recording that is measured. Longer ones are refused, whatever their size on disk.
pub const MAX_DURATION_MS: u64 = 12 * 60 * 60 * 1000;
/// The lowest sample rate taken for speech.
pub const MIN_SAMPLE_RATE_HZ: u32 = 4_000;
/// The highest sample rate taken for a recording.
pub const MAX_SAMPLE_RATE_HZ: u32 = 192_000;

/// How the sound is written down in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// WAV with linear PCM, 8 to 32 bits.
    WavPcm,
    /// WAV with 32-bit floating point samples.
    WavFloat,
    /// WAV with G.711 A-law.
    WavAlaw,
    /// WAV with G.711 µ-law.
    WavMulaw,
    /// WAV with GSM 6.10, Asterisk's `wav49`.
    WavGsm,
    /// WAV with any other codec.
    WavOther,
    /// MPEG layer III, bare or after an ID3 tag.
    Mp3,
    /// Bare GSM 6.10 frames, Asterisk's `gsm`.
    Gsm,
    /// Ogg (Opus or Vorbis).
    Ogg,
    /// FLAC.
    Flac,
    /// MP4 family (M4A).
    Mp4,
    /// Matroska or WebM.
    Matroska,
    /// AMR narrow or wide band.
    Amr,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 13] = [
        Self::WavPcm,
        Self::WavFloat,
        Self::WavAlaw,
        Self::WavMulaw,
        Self::WavGsm,
        Self::WavOther,
        Self::Mp3,
        Self::Gsm,
        Self::Ogg,
        Self::Flac,
        Self::Mp4,
        Self::Matroska,
        Self::Amr,
    ];

    /// The word used in exports and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WavPcm => "wav_pcm",
            Self::WavFloat => "wav_float",
            Self::WavAlaw => "wav_alaw",
            Self::WavMulaw => "wav_mulaw",
            Self::WavGsm => "wav_gsm",
            Self::WavOther => "wav_other",
            Self::Mp3 => "mp3",
            Self::Gsm => "gsm",
            Self::Ogg => "ogg",
            Self::Flac => "flac",
            Self::Mp4 => "mp4",
            Self::Matroska => "matroska",
            Self::Amr => "amr",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// The container, as people call it.
    pub fn container(self) -> &'static str {
        match self {
            Format::WavPcm
            | Format::WavFloat
            | Format::WavAlaw
            | Format::WavMulaw
            | Format::WavGsm
            | Format::WavOther => "wav",
            Format::Mp3 => "mp3",
            Format::Gsm => "gsm",
            Format::Ogg => "ogg",
            Format::Flac => "flac",
            Format::Mp4 => "mp4",
            Format::Matroska => "matroska",
            Format::Amr => "amr",
        }
    }

    /// The media type a browser is told.
    pub fn content_type(self) -> &'static str {
        match self.container() {
            "wav" => "audio/wav",
            "mp3" => "audio/mpeg",
            "ogg" => "audio/ogg",
            "flac" => "audio/flac",
            "mp4" => "audio/mp4",
            "matroska" => "audio/webm",
            "amr" => "audio/amr",
            _ => "audio/x-gsm",
        }
    }

    /// The file name extension of a download.
    pub fn extension(self) -> &'static str {
        match self.container() {
            "mp4" => "m4a",
            "matroska" => "webm",
            other => other,
        }
    }
}

/// Why a file that is kept cannot be measured or played here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoPlayer {
    /// GSM 6.10: there is no decoder for it; the duration comes from the frame count.
    Gsm,
    /// A codec inside WAV that we have no decoder for.
    UnknownCodec,
    /// A container that we have no decoder for.
    UnknownContainer,
}

impl NoPlayer {
    /// The word used in exports and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gsm => "gsm",
            Self::UnknownCodec => "unknown_codec",
            Self::UnknownContainer => "unknown_container",
        }
    }
}

/// What listening to the whole file gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Player {
    /// Every sample was decoded; peaks and shares are here.
    Sound(Sound),
    /// The file is worth keeping and can be downloaded, but not played here.
    NoPlayer(NoPlayer),
}

/// What is known about a recording after [`inspect`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// SHA-256 of the bytes, lower-case hex: the name under which the recording is kept.
    pub sha256: String,
    /// Length of the file.
    pub size_bytes: u64,
    /// How the sound is written down.
    pub format: Format,
    /// Samples per second and channel, where the file says it.
    pub sample_rate_hz: Option<u32>,
    /// Number of channels (sides), where the file says it.
    pub channels: Option<u16>,
    /// Length of the sound, rounded down; counted from decoded samples, or from frames for GSM.
    pub duration_ms: Option<u64>,
    /// The sound itself, or why there is none.
    pub player: Player,
}

impl Measured {
    /// The measured sound, if the format could be decoded.
    pub fn sound(&self) -> Option<&Sound> {
        match &self.player {
            Player::Sound(sound) => Some(sound),
            Player::NoPlayer(_) => None,
        }
    }
}

/// Why a file is not taken as a call recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// HTML or XML, usually a sign-in or error page.
    #[error("a web page came instead of audio")]
    WebPage,
    /// JSON or plain text, usually an error message.
    #[error("a text message came instead of audio")]
    Text,
    /// A compressed archive.
    #[error("an archive came instead of audio")]
    Archive,
    /// Nothing we know.
    #[error("the file is not audio in any format we know")]
    NotAudio,
    /// The header promises more than the file holds, or the writer has not finished.
    #[error("the file is cut short or still being written")]
    Truncated,
    /// The header contradicts itself or the sound cannot be decoded.
    #[error("the audio is damaged")]
    Damaged,
    /// A well-formed file with no sample in it.
    #[error("the file holds no sound")]
    NoSound,
    /// A sample rate outside 4 to 192 kHz.
    #[error("the sample rate is outside 4 to 192 kHz")]
    SampleRate,
    /// Neither mono nor stereo.
    #[error("a call has one or two sides, the file has another number of channels")]
    Channels,
    /// More than twelve hours of sound.
    #[error("the recording is longer than twelve hours")]
    TooLong,
}

impl Refused {
    /// The word used in exports, metrics and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::WebPage => "web_page",
            Self::Text => "text",
            Self::Archive => "archive",
            Self::NotAudio => "not_audio",
            Self::Truncated => "truncated",
            Self::Damaged => "damaged",
            Self::NoSound => "no_sound",
            Self::SampleRate => "sample_rate",
            Self::Channels => "channels",
            Self::TooLong => "too_long",
        }
    }

    /// Whether fetching the same recording later can help: providers answer with pages, messages
    /// and unfinished files while a recording is not ready.
    pub fn may_heal(self) -> bool {
        match self {
            Refused::Empty
            | Refused::WebPage
            | Refused::Text
            | Refused::Truncated
            | Refused::NoSound => true,
            Refused::Archive
            | Refused::NotAudio
            | Refused::Damaged
            | Refused::SampleRate
            | Refused::Channels
            | Refused::TooLong => false,
        }
    }
}

/// Why [`inspect`] gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The file was read and is not a recording.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The file could not be read; this says nothing about what is in it.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
}

/// Where the bytes come from. `Send + Sync` because the MP3 reader asks for it.
pub trait Source: Read + Seek + Send + Sync {}
impl<T: Read + Seek + Send + Sync> Source for T {}

/// Reads the whole of `source` and says what it is, or why it is not a recording.
///
/// Blocking and CPU-bound (about a second for an hour of stereo telephone sound): call it from a
/// blocking task.
pub fn inspect<S: Source>(source: &mut S) -> Result<Measured, InspectError> {
    let (sha256, size_bytes) = fingerprint(source)?;
    let found = decode::listen(source, size_bytes)?;
    Ok(Measured {
        sha256,
        size_bytes,
        format: found.format,
        sample_rate_hz: found.sample_rate_hz,
        channels: found.channels,
        duration_ms: found.duration_ms,
        player: found.player,
    })
}

fn fingerprint<S: Source>(source: &mut S) -> io::Result<(String, u64)> {
    source.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut size_bytes = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..n]);
        size_bytes += n as u64;
    }
    Ok((hex::encode(hash.finalize()), size_bytes))
}

#[cfg(test)]
mod tests;
