//! Audio files made in memory for tests: no binary fixture has to be kept or trusted.

use std::f64::consts::TAU;
use std::io::Cursor;

use super::riff::{ALAW, MULAW};

/// A sine of the given length; `amplitude` is the peak.
pub fn tone(rate_hz: u32, length_ms: u64, amplitude: i16) -> Vec<i16> {
    let frames = u64::from(rate_hz) * length_ms / 1000;
    (0..frames)
        .map(|at| TAU * 440.0 * at as f64 / f64::from(rate_hz))
        .map(|phase| (phase.sin() * f64::from(amplitude)) as i16)
        .collect()
}

/// Digital silence of the given length.
pub fn silence(rate_hz: u32, length_ms: u64) -> Vec<i16> {
    vec![0; (u64::from(rate_hz) * length_ms / 1000) as usize]
}

/// Stretches of 8 kHz tone (true) and silence (false), given by length.
pub fn speech(stretches: &[(bool, u64)]) -> Vec<i16> {
    stretches
        .iter()
        .flat_map(|(talks, length_ms)| match talks {
            true => tone(8_000, *length_ms, 8_000),
            false => silence(8_000, *length_ms),
        })
        .collect()
}

/// Two sides of equal length as interleaved samples.
pub fn interleaved(one: &[i16], other: &[i16]) -> Vec<i16> {
    one.iter().zip(other).flat_map(|(a, b)| [*a, *b]).collect()
}

/// A 16-bit PCM WAV.
pub fn wav(rate_hz: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    wav_of(
        rate_hz,
        channels,
        16,
        samples.iter().map(|sample| i32::from(*sample)),
    )
}

/// A PCM WAV of any width, written by hound.
pub fn wav_of(
    rate_hz: u32,
    channels: u16,
    bits: u16,
    samples: impl Iterator<Item = i32>,
) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate_hz,
        bits_per_sample: bits,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    samples.for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    file.into_inner()
}

/// A 32-bit float WAV, written by hound.
pub fn wav_float(rate_hz: u32, samples: &[i16]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate_hz,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for sample in samples {
        writer.write_sample(f32::from(*sample) / 32768.0).unwrap();
    }
    writer.finalize().unwrap();
    file.into_inner()
}

/// A WAV with any codec tag around any bytes.
pub fn wav_raw(tag: u16, channels: u16, rate_hz: u32, block_bytes: u16, data: &[u8]) -> Vec<u8> {
    let (bytes_per_s, bits) = match tag {
        super::riff::GSM => (1_625u32, 0u16),
        _ => (
            rate_hz.wrapping_mul(block_bytes.into()),
            8 * (block_bytes / channels.max(1)),
        ),
    };
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((data.len() as u32 + 36 + 2).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(18u32.to_le_bytes());
    file.extend(tag.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate_hz.to_le_bytes());
    file.extend(bytes_per_s.to_le_bytes());
    file.extend(block_bytes.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(0u16.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

/// A G.711 A-law WAV.
pub fn wav_alaw(channels: u16, samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().map(|sample| alaw(*sample)).collect();
    wav_raw(ALAW, channels, 8_000, channels, &data)
}

/// A G.711 µ-law WAV.
pub fn wav_mulaw(channels: u16, samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().map(|sample| mulaw(*sample)).collect();
    wav_raw(MULAW, channels, 8_000, channels, &data)
}

/// ITU-T G.711 A-law of a 16-bit sample.
fn alaw(sample: i16) -> u8 {
    let positive = sample >= 0;
    let magnitude = if positive { sample } else { !sample } >> 4;
    let segment = (16 - (magnitude >> 4).leading_zeros()) as i16;
    let mantissa = match segment {
        0 => magnitude & 0x0f,
        segment => (magnitude >> (segment - 1)) & 0x0f,
    };
    let code = (segment << 4 | mantissa) as u8;
    (if positive { code | 0x80 } else { code }) ^ 0x55
}

/// ITU-T G.711 µ-law of a 16-bit sample.
fn mulaw(sample: i16) -> u8 {
    const BIAS: i32 = 33;
    let positive = sample >= 0;
    let magnitude = ((i32::from(sample) >> 2).abs() + BIAS).min(0x1fff);
    let segment = 26 - magnitude.leading_zeros() as i32;
    let mantissa = (magnitude >> (segment + 1)) & 0x0f;
    let code = (segment << 4 | mantissa) as u8;
    !(if positive { code } else { code | 0x80 })
}

/// Asterisk's wav49 with so many 65-byte blocks.
pub fn wav49(blocks: usize) -> Vec<u8> {
    wav_raw(super::riff::GSM, 1, 8_000, 65, &vec![0x5a; blocks * 65])
}

/// Bare GSM with so many frames.
pub fn gsm(frames: usize) -> Vec<u8> {
    let mut frame = [0x11; 33];
    frame[0] = 0xd2;
    frame.repeat(frames)
}

/// Silent MPEG-2.5 layer III frames: 8 kHz mono at 16 kbit/s, 576 samples (72 ms) each.
///
/// All side information is zero, so no granule has any coefficient: a decoder gives silence.
pub fn mp3(frames: usize) -> Vec<u8> {
    let mut frame = [0; 144];
    frame[..4].copy_from_slice(&[0xff, 0xe3, 0x28, 0xc0]);
    frame.repeat(frames)
}

/// Silent MPEG-1 layer III frames: 44.1 kHz stereo at 128 kbit/s, 1152 samples each.
pub fn mp3_stereo(frames: usize) -> Vec<u8> {
    let mut frame = [0; 417];
    frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
    frame.repeat(frames)
}

/// An ID3v2.4 tag with a body of this length.
pub fn id3(body_bytes: u32) -> Vec<u8> {
    let seven_bits = |shift: u32| (body_bytes >> shift & 0x7f) as u8;
    let mut tag = b"ID3\x04\x00\x00".to_vec();
    tag.extend([seven_bits(21), seven_bits(14), seven_bits(7), seven_bits(0)]);
    tag.resize(10 + body_bytes as usize, b'x');
    tag
}
