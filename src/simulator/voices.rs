//! What a recorded conversation sounds like: two voices that take turns, made of tones.
//!
//! Stereo as a PBX records it: the client left, the employee right. It is real audio with words'
//! lengths, pauses and a little noise, so that a player shows a waveform and shares of talk.

use std::{io, path::Path};

use super::dice::Dice;

/// Samples per second, as telephony has.
const RATE: u32 = 8_000;

/// Pitch of the client's and the employee's voice, in hertz.
const PITCH: [f64; 2] = [118.0, 196.0];

/// Writes a WAV file of `duration_ms`.
pub fn record(path: &Path, duration_ms: i64, dice: &mut Dice) -> io::Result<()> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let frames = duration_ms.max(0) as u64 * u64::from(RATE) / 1_000;
    let mut file = hound::WavWriter::create(path, spec).map_err(io::Error::other)?;
    let first = dice.below(2) as usize;
    let mut turn = Turn::new(first, 0, dice);
    for frame in 0..frames {
        if frame >= turn.until {
            turn = Turn::new(1 - turn.speaker, frame, dice);
        }
        for (side, pitch) in PITCH.into_iter().enumerate() {
            let noise = dice.between(-40, 40);
            let voice = if side == turn.speaker {
                turn.sample(frame, pitch)
            } else {
                0
            };
            file.write_sample((voice + noise) as i16)
                .map_err(io::Error::other)?;
        }
    }
    file.finalize().map_err(io::Error::other)
}

/// One of the two speaks, then both are silent for a moment.
struct Turn {
    speaker: usize,
    from: u64,
    speaks_until: u64,
    until: u64,
    /// Length of a syllable, in frames.
    syllable: u64,
}

impl Turn {
    fn new(speaker: usize, from: u64, dice: &mut Dice) -> Self {
        let speaks_until = from + dice.between(9_000, 40_000) as u64;
        Self {
            speaker,
            from,
            speaks_until,
            until: speaks_until + dice.between(1_500, 7_000) as u64,
            syllable: dice.between(1_100, 1_900) as u64,
        }
    }

    fn sample(&self, frame: u64, pitch: f64) -> i64 {
        if frame >= self.speaks_until {
            return 0;
        }
        let at = (frame - self.from) % self.syllable;
        let swell = (at as f64 / self.syllable as f64 * std::f64::consts::PI).sin();
        let angle = frame as f64 / f64::from(RATE) * std::f64::consts::TAU * pitch;
        let tone = angle.sin() + 0.5 * (2.0 * angle).sin() + 0.3 * (5.0 * angle).sin();
        (tone * swell * 6_500.0) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_speak_and_the_length_is_right() {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        let path = folder.join("a/b.wav");
        record(&path, 30_000, &mut Dice::new(2)).unwrap();
        let mut file = hound::WavReader::open(&path).unwrap();
        assert_eq!(file.duration(), 30 * RATE);
        let samples: Vec<i16> = file.samples().map(Result::unwrap).collect();
        for side in 0..2 {
            let loud = samples
                .iter()
                .skip(side)
                .step_by(2)
                .filter(|s| s.abs() > 2_000);
            assert!(loud.count() > 5_000, "side {side}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
