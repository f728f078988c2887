//! Decodes a file to its last sample, or counts its frames where there is no decoder.
//!
//! PCM goes through hound, G.711 and MP3 through symphonia. Everything a header claims is checked
//! here before a decoder sees it, and limits hold while it runs.

use std::io::{self, BufReader, Cursor, Read, SeekFrom};

use symphonia::core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia::core::codecs::audio::well_known::{CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};
use symphonia::default::codecs::PcmDecoder;

use super::meter::Meter;
use super::mp3;
use super::riff::{self, Wave};
use super::sniff::{self, GSM_FRAME_BYTES, Guess};
use super::{
    Format, InspectError, MAX_DURATION_MS, MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ, NoPlayer,
    Player, Refused, Source,
};

/// What decoding found; [`super::inspect`] adds the fingerprint.
pub struct Found {
    pub format: Format,
    pub sample_rate_hz: Option<u32>,
    pub channels: Option<u16>,
    pub duration_ms: Option<u64>,
    pub player: Player,
}

impl Found {
    pub(super) fn heard(
        format: Format,
        channels: u16,
        rate_hz: u32,
        meter: Meter,
    ) -> Result<Found, Refused> {
        if meter.frames() == 0 {
            return Err(Refused::NoSound);
        }
        Ok(Found {
            format,
            sample_rate_hz: Some(rate_hz),
            channels: Some(channels),
            duration_ms: Some(meter.duration_ms()),
            player: Player::Sound(meter.finish()),
        })
    }

    fn unheard(format: Format, reason: NoPlayer) -> Found {
        Found {
            format,
            sample_rate_hz: None,
            channels: None,
            duration_ms: None,
            player: Player::NoPlayer(reason),
        }
    }
}

/// Interleaved samples decoded before the meter hears them.
const CHUNK_SAMPLES: usize = 8192;
/// GSM 6.10: 160 samples of 8 kHz per frame.
const GSM_FRAME_MS: u64 = 20;
const GSM_RATE_HZ: u32 = 8_000;
/// Microsoft packs two GSM frames into 65 bytes; Asterisk's wav49 is made of these.
const GSM_PAIR_BYTES: u64 = 65;

/// Finds out what `source` is by decoding it.
pub fn listen<S: Source>(source: &mut S, size_bytes: u64) -> Result<Found, InspectError> {
    let other = |format| Ok(Found::unheard(format, NoPlayer::UnknownContainer));
    match sniff::guess(source, size_bytes)? {
        Guess::Wave => wave(source, size_bytes),
        Guess::Mp3 { at } => mp3::listen(source, at, size_bytes),
        Guess::Gsm => gsm(source, size_bytes),
        Guess::Ogg => other(Format::Ogg),
        Guess::Flac => other(Format::Flac),
        Guess::Mp4 => other(Format::Mp4),
        Guess::Matroska => other(Format::Matroska),
        Guess::Amr => other(Format::Amr),
    }
}

pub(super) fn check_shape(channels: u16, rate_hz: u32) -> Result<(), Refused> {
    if !(1..=2).contains(&channels) {
        return Err(Refused::Channels);
    }
    if !(MIN_SAMPLE_RATE_HZ..=MAX_SAMPLE_RATE_HZ).contains(&rate_hz) {
        return Err(Refused::SampleRate);
    }
    Ok(())
}

pub(super) fn check_length(frames: u64, rate_hz: u32) -> Result<(), Refused> {
    match frames / u64::from(rate_hz) > MAX_DURATION_MS / 1000 {
        true => Err(Refused::TooLong),
        false => Ok(()),
    }
}

fn wave<S: Source>(source: &mut S, size_bytes: u64) -> Result<Found, InspectError> {
    let wave = riff::read(source, size_bytes)?;
    check_shape(wave.channels, wave.rate_hz)?;
    if wave.block_bytes == 0 {
        return Err(Refused::Damaged.into());
    }
    if wave.data_bytes == 0 {
        return Err(Refused::NoSound.into());
    }
    match (wave.tag, wave.container_bits()) {
        (riff::PCM, 8 | 16 | 24 | 32) => pcm(source, &wave, Format::WavPcm),
        (riff::FLOAT, 32) => pcm(source, &wave, Format::WavFloat),
        (riff::PCM, _) => Err(Refused::Damaged.into()),
        (riff::ALAW, 8) => g711(source, &wave, Format::WavAlaw),
        (riff::MULAW, 8) => g711(source, &wave, Format::WavMulaw),
        (riff::GSM, _) => Ok(wave_gsm(&wave)?),
        _ => Ok(wave_other(&wave)?),
    }
}

fn pcm<S: Source>(source: &mut S, wave: &Wave, format: Format) -> Result<Found, InspectError> {
    let data_bytes = wave.whole_blocks_bytes();
    check_length(data_bytes / u64::from(wave.block_bytes), wave.rate_hz)?;
    source.seek(SeekFrom::Start(wave.data_at))?;
    let plain = Cursor::new(wave.canonical_header()).chain(source.take(data_bytes));
    let reader = hound::WavReader::new(BufReader::with_capacity(64 * 1024, plain));
    let reader = reader.map_err(from_hound)?;
    let mut meter = Meter::new(wave.channels, wave.rate_hz);
    match (format, wave.container_bits()) {
        (Format::WavFloat, _) => hear(reader.into_samples::<f32>(), &mut meter, from_float)?,
        (_, 8) => hear(reader.into_samples::<i16>(), &mut meter, |s| s << 8)?,
        (_, 16) => hear(reader.into_samples::<i16>(), &mut meter, |s| s)?,
        (_, 24) => hear(reader.into_samples::<i32>(), &mut meter, |s| {
            (s >> 8) as i16
        })?,
        _ => hear(reader.into_samples::<i32>(), &mut meter, |s| {
            (s >> 16) as i16
        })?,
    }
    Ok(Found::heard(format, wave.channels, wave.rate_hz, meter)?)
}

fn from_hound(error: hound::Error) -> InspectError {
    match error {
        // hound reports an early end as `Other`; the length was checked, so the file has shrunk.
        hound::Error::IoError(error) if error.kind() == io::ErrorKind::Other => {
            Refused::Truncated.into()
        }
        hound::Error::IoError(error) => error.into(),
        _ => Refused::Damaged.into(),
    }
}

fn from_float(sample: f32) -> i16 {
    // A cast from float saturates, and makes zero of what is not a number.
    (sample * 32767.0) as i16
}

fn hear<T>(
    samples: impl Iterator<Item = hound::Result<T>>,
    meter: &mut Meter,
    narrow: impl Fn(T) -> i16,
) -> Result<(), InspectError> {
    let mut chunk = Vec::with_capacity(CHUNK_SAMPLES);
    for sample in samples {
        chunk.push(narrow(sample.map_err(from_hound)?));
        if chunk.len() == CHUNK_SAMPLES {
            meter.feed(&chunk);
            chunk.clear();
        }
    }
    meter.feed(&chunk);
    Ok(())
}

fn g711<S: Source>(source: &mut S, wave: &Wave, format: Format) -> Result<Found, InspectError> {
    check_length(wave.data_bytes / u64::from(wave.block_bytes), wave.rate_hz)?;
    let mut decoder = g711_decoder(wave, format).map_err(from_symphonia)?;
    source.seek(SeekFrom::Start(wave.data_at))?;
    let mut left = wave.whole_blocks_bytes();
    let mut meter = Meter::new(wave.channels, wave.rate_hz);
    let mut chunk = Vec::new();
    while left > 0 {
        let mut data = vec![0; left.min(CHUNK_SAMPLES as u64) as usize];
        read_whole(source, &mut data)?;
        left -= data.len() as u64;
        let frames = Duration::new(data.len() as u64 / u64::from(wave.block_bytes));
        let packet = Packet::new(0, Timestamp::ZERO, frames, data);
        let decoded = decoder.decode(&packet).map_err(from_symphonia)?;
        decoded.copy_to_vec_interleaved::<i16>(&mut chunk);
        meter.feed(&chunk);
    }
    Ok(Found::heard(format, wave.channels, wave.rate_hz, meter)?)
}

fn g711_decoder(wave: &Wave, format: Format) -> Result<PcmDecoder, SymphoniaError> {
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(match format {
            Format::WavAlaw => CODEC_ID_PCM_ALAW,
            _ => CODEC_ID_PCM_MULAW,
        })
        .with_sample_rate(wave.rate_hz)
        .with_max_frames_per_packet(CHUNK_SAMPLES as u64)
        .with_channels(match wave.channels {
            1 => CHANNEL_LAYOUT_MONO,
            _ => CHANNEL_LAYOUT_STEREO,
        });
    PcmDecoder::try_new(&parameters, &AudioDecoderOptions::default())
}

fn read_whole<S: Source>(source: &mut S, data: &mut [u8]) -> Result<(), InspectError> {
    match source.read_exact(data) {
        Ok(()) => Ok(()),
        // The length was checked before: the file has shrunk meanwhile.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Refused::Truncated.into())
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn from_symphonia(error: SymphoniaError) -> InspectError {
    match error {
        // Only the system's own errors are about the disk; the others are about the bytes.
        SymphoniaError::IoError(error) if error.raw_os_error().is_some() => error.into(),
        _ => Refused::Damaged.into(),
    }
}

fn wave_gsm(wave: &Wave) -> Result<Found, Refused> {
    let pairs = wave.data_bytes / GSM_PAIR_BYTES;
    if u64::from(wave.block_bytes) != GSM_PAIR_BYTES || wave.channels != 1 {
        return Err(Refused::Damaged);
    }
    if pairs == 0 {
        return Err(Refused::NoSound);
    }
    let duration_ms = pairs * 2 * 160 * 1000 / u64::from(wave.rate_hz);
    Ok(Found {
        sample_rate_hz: Some(wave.rate_hz),
        channels: Some(1),
        duration_ms: Some(within_limit(duration_ms)?),
        ..Found::unheard(Format::WavGsm, NoPlayer::Gsm)
    })
}

fn wave_other(wave: &Wave) -> Result<Found, Refused> {
    let per_s = u64::from(wave.bytes_per_s);
    let duration_ms = (wave.data_bytes * 1000).checked_div(per_s);
    Ok(Found {
        sample_rate_hz: Some(wave.rate_hz),
        channels: Some(wave.channels),
        duration_ms: duration_ms.map(within_limit).transpose()?,
        ..Found::unheard(Format::WavOther, NoPlayer::UnknownCodec)
    })
}

fn within_limit(duration_ms: u64) -> Result<u64, Refused> {
    match duration_ms > MAX_DURATION_MS {
        true => Err(Refused::TooLong),
        false => Ok(duration_ms),
    }
}

/// Checks every frame of a headerless GSM file: the guess saw only the first ones.
fn gsm<S: Source>(source: &mut S, size_bytes: u64) -> Result<Found, InspectError> {
    source.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(64 * 1024, source);
    let frames = size_bytes / GSM_FRAME_BYTES;
    let mut frame = [0; GSM_FRAME_BYTES as usize];
    for _ in 0..frames {
        read_whole(&mut reader, &mut frame)?;
        if !sniff::is_gsm_frame_start(frame[0]) {
            return Err(Refused::NotAudio.into());
        }
    }
    Ok(Found {
        sample_rate_hz: Some(GSM_RATE_HZ),
        channels: Some(1),
        duration_ms: Some(within_limit(frames * GSM_FRAME_MS)?),
        ..Found::unheard(Format::Gsm, NoPlayer::Gsm)
    })
}
