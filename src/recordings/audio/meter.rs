//! Measures samples as they stream by: peaks for the player, and who talks when.
//!
//! # Definitions
//!
//! - A **window** is 20 ms of one side; its level is the RMS of its samples. A last incomplete
//!   window counts as a window.
//! - A side's **threshold** is 10 dB above its noise floor, but never below −50 dBFS and never above
//!   −30 dBFS. The **noise floor** is the level that a tenth of the side's windows do not exceed.
//! - A window **talks** if its level reaches the threshold. Silences of less than 200 ms between
//!   talking windows belong to the talk (they are stops between words); talk of less than 60 ms that
//!   is left alone after that is a click and counts as silence.
//! - **Talk share** of a side = its talking windows ÷ all windows. **Silence share** = 1 − talk share.
//! - **Longest silence** of a side = its longest run of windows that do not talk.
//! - **Overlap share** = windows in which both sides talk ÷ all windows; only for two sides.
//! - **Nobody share** = windows in which no side talks ÷ all windows.
//! - A **pause** is a run of at least 5 s in which no side talks, the start and the end of the
//!   recording included.
//! - A **peak** is the largest magnitude within one thousandth of the recording, as 0 to 255 of full
//!   scale, rounded up: any sound at all can be seen.

use serde::{Deserialize, Serialize};

/// How many peaks each side has, however long the recording is.
pub const PEAKS_PER_SIDE: usize = 1000;

/// At the worst the recording consists of pauses; then the first ones are kept.
const MAX_PAUSES: usize = 1000;
const WINDOWS_PER_S: u32 = 50;
const WINDOW_MS: u64 = 20;
const BRIDGED_WINDOWS: usize = 10;
const CLICK_WINDOWS: usize = 3;
const PAUSE_WINDOWS: usize = 250;
/// +10 dB as a factor of amplitude.
const ABOVE_FLOOR: f64 = 3.162_277_66;
/// −50 and −30 dBFS as 16-bit amplitudes.
const THRESHOLD_RANGE: (f64, f64) = (103.6, 1036.2);

/// What is heard in a whole recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sound {
    /// Who talks when.
    pub measures: Measures,
    /// For each side [`PEAKS_PER_SIDE`] magnitudes, 255 is full scale.
    pub peaks: Vec<Vec<u8>>,
}

/// Who talks when, in shares of the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// One entry per channel, in the order of the file.
    pub sides: Vec<Side>,
    /// Share of the time in which both sides talk; `None` in a recording of one side.
    pub overlap_share: Option<f32>,
    /// Share of the time in which nobody talks.
    pub nobody_share: f32,
    /// Where nobody talks for at least five seconds.
    pub pauses: Vec<Pause>,
}

/// One channel of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Share of the time in which this side talks.
    pub talk_share: f32,
    /// Share of the time in which it does not.
    pub silence_share: f32,
    /// Length of its longest silence.
    pub longest_silence_ms: u64,
}

/// A stretch in which nobody talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Start, from the start of the recording.
    pub from_ms: u64,
    /// End, from the start of the recording.
    pub to_ms: u64,
}

/// Takes interleaved 16-bit samples piece by piece.
pub struct Meter {
    rate_hz: u32,
    frames: u64,
    window_frames: u32,
    window_left: u32,
    bucket_frames: u64,
    bucket_left: u64,
    sides: Vec<Listener>,
}

/// The running state of one side.
#[derive(Default)]
struct Listener {
    levels: Vec<u16>,
    window_energy: u64,
    buckets: Vec<u16>,
    bucket_peak: u16,
}

/// Buckets are merged in pairs when there are this many, so at least half as many stay.
const MAX_BUCKETS: usize = 8 * PEAKS_PER_SIDE;

impl Meter {
    /// Begins a recording of so many sides.
    pub fn new(channels: u16, rate_hz: u32) -> Meter {
        let window_frames = (rate_hz / WINDOWS_PER_S).max(1);
        Meter {
            rate_hz,
            frames: 0,
            window_frames,
            window_left: window_frames,
            bucket_frames: 1,
            bucket_left: 1,
            sides: (0..channels).map(|_| Listener::default()).collect(),
        }
    }

    /// Samples of all sides so far, counted once for all sides.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Length of what was heard so far, rounded down.
    pub fn duration_ms(&self) -> u64 {
        self.frames * 1000 / u64::from(self.rate_hz.max(1))
    }

    /// Hears interleaved samples; a last incomplete frame is left out.
    pub fn feed(&mut self, mut samples: &[i16]) {
        let channels = self.sides.len().max(1);
        while samples.len() >= channels {
            let until_border = self.bucket_left.min(u64::from(self.window_left)) as usize;
            let frames = until_border.min(samples.len() / channels);
            let (now, later) = samples.split_at(frames * channels);
            for (channel, side) in self.sides.iter_mut().enumerate() {
                side.hear(now.iter().skip(channel).step_by(channels));
            }
            self.advance(frames as u32);
            samples = later;
        }
    }

    fn advance(&mut self, frames: u32) {
        self.frames += u64::from(frames);
        self.window_left -= frames;
        self.bucket_left -= u64::from(frames);
        if self.window_left == 0 {
            for side in &mut self.sides {
                side.end_window(self.window_frames);
            }
            self.window_left = self.window_frames;
        }
        if self.bucket_left == 0 {
            self.end_bucket();
        }
    }

    fn end_bucket(&mut self) {
        for side in &mut self.sides {
            side.end_bucket();
        }
        if self
            .sides
            .first()
            .is_some_and(|side| side.buckets.len() == MAX_BUCKETS)
        {
            self.sides.iter_mut().for_each(Listener::halve_buckets);
            self.bucket_frames *= 2;
        }
        self.bucket_left = self.bucket_frames;
    }

    /// Ends the recording and works out the figures.
    pub fn finish(mut self) -> Sound {
        let heard = self.window_frames - self.window_left;
        let open_bucket = self.bucket_left < self.bucket_frames;
        for side in &mut self.sides {
            if heard > 0 {
                side.end_window(heard);
            }
            if open_bucket {
                side.end_bucket();
            }
        }
        let talks: Vec<Vec<bool>> = self.sides.iter().map(|side| talk(&side.levels)).collect();
        let sides = self.sides.iter();
        Sound {
            measures: measure(&talks, self.duration_ms()),
            peaks: sides
                .map(|side| peaks(&side.buckets, self.bucket_frames, self.frames))
                .collect(),
        }
    }
}

impl Listener {
    fn hear<'a>(&mut self, samples: impl Iterator<Item = &'a i16>) {
        let (mut energy, mut peak) = (0u64, self.bucket_peak);
        for sample in samples {
            let magnitude = sample.unsigned_abs();
            peak = peak.max(magnitude);
            energy += u64::from(u32::from(magnitude) * u32::from(magnitude));
        }
        self.window_energy += energy;
        self.bucket_peak = peak;
    }

    fn end_window(&mut self, frames: u32) {
        let mean = self.window_energy as f64 / f64::from(frames);
        self.levels.push(mean.sqrt() as u16);
        self.window_energy = 0;
    }

    fn end_bucket(&mut self) {
        self.buckets.push(std::mem::take(&mut self.bucket_peak));
    }

    fn halve_buckets(&mut self) {
        self.buckets = self
            .buckets
            .chunks(2)
            .map(|pair| pair.iter().copied().max().unwrap_or(0))
            .collect();
    }
}

/// Works out the figures from who talks in which window.
fn measure(talks: &[Vec<bool>], length_ms: u64) -> Measures {
    let windows = talks.first().map_or(0, Vec::len);
    let somebody: Vec<bool> = (0..windows)
        .map(|at| talks.iter().any(|talk| talk[at]))
        .collect();
    let sides = talks.iter().map(|talk| Side {
        talk_share: share(windows - silent(talk), windows),
        silence_share: share(silent(talk), windows),
        longest_silence_ms: longest_silence_ms(talk, length_ms),
    });
    let overlap_share = match talks {
        [one, other] => {
            let both = one.iter().zip(other).filter(|(a, b)| **a && **b);
            Some(share(both.count(), windows))
        }
        _ => None,
    };
    Measures {
        sides: sides.collect(),
        overlap_share,
        nobody_share: share(silent(&somebody), windows),
        pauses: pauses(&somebody, length_ms),
    }
}

/// Which windows talk.
fn talk(levels: &[u16]) -> Vec<bool> {
    let threshold = threshold(levels);
    let mut talk: Vec<bool> = levels
        .iter()
        .map(|level| f64::from(*level) >= threshold)
        .collect();
    let length = talk.len();
    for (value, from, to) in runs(&talk) {
        let is_between = from > 0 && to < length;
        if !value && is_between && to - from < BRIDGED_WINDOWS {
            talk[from..to].fill(true);
        }
    }
    for (value, from, to) in runs(&talk) {
        if value && to - from < CLICK_WINDOWS {
            talk[from..to].fill(false);
        }
    }
    talk
}

fn threshold(levels: &[u16]) -> f64 {
    let mut sorted = levels.to_vec();
    let tenth = sorted.len() / 10;
    let floor = match sorted.len() {
        0 => 0,
        _ => *sorted.select_nth_unstable(tenth).1,
    };
    (f64::from(floor) * ABOVE_FLOOR).clamp(THRESHOLD_RANGE.0, THRESHOLD_RANGE.1)
}

/// Stretches of equal value as (value, from, to), `to` not included.
fn runs(values: &[bool]) -> Vec<(bool, usize, usize)> {
    let mut at = 0;
    values
        .chunk_by(|a, b| a == b)
        .map(|run| {
            let from = at;
            at += run.len();
            (run[0], from, at)
        })
        .collect()
}

fn silent(talk: &[bool]) -> usize {
    talk.iter().filter(|talks| !**talks).count()
}

/// A share with three decimals: more would be noise, and equal files must give equal text.
fn share(part: usize, whole: usize) -> f32 {
    if whole == 0 {
        return 0.0;
    }
    ((part as f64 / whole as f64 * 1000.0).round() / 1000.0) as f32
}

fn stretch_ms(from: usize, to: usize, length_ms: u64) -> Pause {
    Pause {
        from_ms: from as u64 * WINDOW_MS,
        // The last window may be incomplete.
        to_ms: (to as u64 * WINDOW_MS).min(length_ms),
    }
}

fn longest_silence_ms(talk: &[bool], length_ms: u64) -> u64 {
    runs(talk)
        .into_iter()
        .filter(|(value, ..)| !value)
        .map(|(_, from, to)| stretch_ms(from, to, length_ms))
        .map(|silence| silence.to_ms.saturating_sub(silence.from_ms))
        .max()
        .unwrap_or(0)
}

fn pauses(somebody: &[bool], length_ms: u64) -> Vec<Pause> {
    runs(somebody)
        .into_iter()
        .filter(|(value, from, to)| !value && to - from >= PAUSE_WINDOWS)
        .take(MAX_PAUSES)
        .map(|(_, from, to)| stretch_ms(from, to, length_ms))
        .collect()
}

/// Spreads the buckets over the fixed number of peaks.
fn peaks(buckets: &[u16], bucket_frames: u64, frames: u64) -> Vec<u8> {
    let bucket_at = |peak: u64| peak * frames / PEAKS_PER_SIDE as u64;
    (0..PEAKS_PER_SIDE as u64)
        .map(|peak| {
            let from = (bucket_at(peak) / bucket_frames) as usize;
            let to = (bucket_at(peak + 1).div_ceil(bucket_frames) as usize).max(from + 1);
            let heard = buckets.get(from..to.min(buckets.len())).unwrap_or(&[]);
            let magnitude = heard.iter().copied().max().unwrap_or(0);
            (u32::from(magnitude) * 255).div_ceil(32768) as u8
        })
        .collect()
}
