//! Decodes MPEG layer III through symphonia, from the first frame on.

use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader, Track};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::default::codecs::MpaDecoder;
use symphonia::default::formats::MpaReader;

use super::decode::{Found, check_length, check_shape, from_symphonia};
use super::meter::Meter;
use super::{Format, InspectError, Refused, Source};

/// Tags before, between and behind the frames of an MP3 that nobody minds.
const TAG_BYTES: u64 = 4096;

/// The part of a source from a given byte on, as symphonia wants it.
struct Tail<'a, S> {
    source: &'a mut S,
    at: u64,
    size_bytes: u64,
}

impl<S: Source> Read for Tail<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer)
    }
}

impl<S: Source> Seek for Tail<'_, S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(position) => SeekFrom::Start(position.saturating_add(self.at)),
            other => other,
        };
        let position = self.source.seek(to)?;
        position
            .checked_sub(self.at)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
    }
}

impl<S: Source> MediaSource for Tail<'_, S> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.size_bytes)
    }
}

/// Listens to the MPEG frames of `source` from byte `at` on.
pub fn listen<S: Source>(source: &mut S, at: u64, size_bytes: u64) -> Result<Found, InspectError> {
    source.seek(SeekFrom::Start(at))?;
    let size_bytes = size_bytes - at;
    let tail = Tail {
        source,
        at,
        size_bytes,
    };
    let stream = MediaSourceStream::new(Box::new(tail), Default::default());
    let reader = match MpaReader::try_new(stream, FormatOptions::default()) {
        Ok(reader) => reader,
        // It never found two frames in a row.
        Err(SymphoniaError::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(Refused::NotAudio.into());
        }
        Err(error) => return Err(from_symphonia(error)),
    };
    Mp3::of(reader)?.listen(size_bytes)
}

/// One MP3 stream on its way through the decoder.
struct Mp3<'s> {
    reader: MpaReader<'s>,
    decoder: MpaDecoder,
    channels: u16,
    rate_hz: u32,
    /// Samples the encoder put in front of the sound.
    delay: u64,
    /// Samples the encoder put behind it.
    padding: u64,
}

impl<'s> Mp3<'s> {
    fn of(reader: MpaReader<'s>) -> Result<Mp3<'s>, InspectError> {
        let track: &Track = reader.tracks().first().ok_or(Refused::NotAudio)?;
        let parameters = track.codec_params.as_ref().and_then(|codec| codec.audio());
        let parameters = parameters.ok_or(Refused::NotAudio)?;
        let rate_hz = parameters.sample_rate.unwrap_or(0);
        let channels = parameters
            .channels
            .as_ref()
            .map_or(0, |layout| layout.count());
        let channels = u16::try_from(channels).map_err(|_| Refused::Channels)?;
        check_shape(channels, rate_hz)?;
        // Its own trimming relies on a length guessed from the bit rate; ours on the LAME tag alone.
        let options = AudioDecoderOptions::default().gapless(false);
        let decoder = MpaDecoder::try_new(parameters, &options);
        Ok(Mp3 {
            decoder: decoder.map_err(|_| Refused::NotAudio)?,
            channels,
            rate_hz,
            delay: track.delay.unwrap_or(0).into(),
            padding: track.padding.unwrap_or(0).into(),
            reader,
        })
    }

    fn listen(mut self, size_bytes: u64) -> Result<Found, InspectError> {
        let mut meter = Meter::new(self.channels, self.rate_hz);
        let mut trim = Trim::new(self.channels, self.delay, self.padding);
        let (mut good, mut bad, mut bytes) = (0u64, 0u64, 0u64);
        let mut chunk = Vec::new();
        while let Some(packet) = self.reader.next_packet().map_err(from_symphonia)? {
            match self.decoder.decode(&packet) {
                Ok(decoded) => {
                    good += 1;
                    bytes += packet.data.len() as u64;
                    decoded.copy_to_vec_interleaved::<i16>(&mut chunk);
                    trim.pass(&chunk, &mut meter);
                }
                // The first frames of a cut stream lean on bytes that are gone. A frame is in memory:
                // what the decoder calls an I/O error is a frame that ends too early.
                Err(SymphoniaError::DecodeError(_) | SymphoniaError::IoError(_)) => bad += 1,
                Err(error) => return Err(from_symphonia(error)),
            }
            check_length(meter.frames(), self.rate_hz)?;
        }
        if good == 0 {
            return Err(Refused::NotAudio.into());
        }
        // The reader skips what it does not understand. A recording is sound for the most part.
        if bad > 3 + good / 20 || bytes * 2 + TAG_BYTES < size_bytes {
            return Err(Refused::Damaged.into());
        }
        Ok(Found::heard(
            Format::Mp3,
            self.channels,
            self.rate_hz,
            meter,
        )?)
    }
}

/// Leaves out the first and the last samples of a stream whose end is not known beforehand.
struct Trim {
    skip: usize,
    hold: usize,
    held: Vec<i16>,
}

impl Trim {
    fn new(channels: u16, delay: u64, padding: u64) -> Trim {
        let samples = |frames: u64| frames as usize * usize::from(channels);
        Trim {
            skip: samples(delay),
            hold: samples(padding),
            held: Vec::new(),
        }
    }

    fn pass(&mut self, samples: &[i16], meter: &mut Meter) {
        let skipped = self.skip.min(samples.len());
        self.skip -= skipped;
        self.held.extend_from_slice(&samples[skipped..]);
        let ready = self.held.len().saturating_sub(self.hold);
        meter.feed(&self.held[..ready]);
        self.held.drain(..ready);
    }
}
