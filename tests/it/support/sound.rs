//! Whether a call's recordings are the files on the PBX's side, read here without the gateway's code.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::cel::Logged;

/// How far the length told may be from the length of the sound in the file, in milliseconds.
const EXACT_MS: i64 = 20;
/// MixMonitor's option `b` records while the channel is in a bridge: the file is as long as the client
/// heard somebody, but for the moments in which recording starts and stops.
const TALK_MS: i64 = 1_000;

/// Compares the recordings of one line of the export with the files below `folder`.
pub fn check(log: &Logged, line: &Value, folder: &Path) -> Result<(), String> {
    let told = line["recordings"].as_array().cloned().unwrap_or_default();
    let (mut kept, empty): (Vec<&Value>, Vec<&Value>) =
        told.iter().partition(|one| one["sha256"].is_string());
    let mut silent = 0;
    for name in &log.recordings {
        let Ok(file) = std::fs::read(folder.join(name)) else {
            silent += 1; // MixMonitor makes no file before there is something to record.
            continue;
        };
        let Some(sound_ms) = sound_ms(&file).filter(|ms| *ms > 0) else {
            silent += 1; // Nobody talked: a header and nothing behind it.
            continue;
        };
        let sum = hex::encode(Sha256::digest(&file));
        let place = kept.iter().position(|one| one["sha256"] == sum.as_str());
        let one = kept.remove(place.ok_or(format!("{name} is not kept: {told:?}"))?);
        if one["state"] != "kept" {
            return Err(format!("{name} is {}", one["state"]));
        }
        let told_ms = one["duration_ms"].as_i64().unwrap_or_default();
        if (told_ms - sound_ms).abs() > EXACT_MS {
            return Err(format!("{name}: {told_ms} ms instead of {sound_ms}"));
        }
        let heard_ms = log.heard_us() / 1_000;
        if (sound_ms - heard_ms).abs() > TALK_MS {
            return Err(format!("{name}: {sound_ms} ms of {heard_ms} ms of talk"));
        }
    }
    if !kept.is_empty() {
        return Err(format!("kept, and never made: {kept:?}"));
    }
    // What was begun and holds nothing is told as such, and as nothing else.
    let is_told = |one: &&Value| one["state"] == "absent" || one["state"] == "refused";
    match empty.iter().filter(|one| is_told(one)).count() == empty.len() && empty.len() == silent {
        true => Ok(()),
        false => Err(format!("{silent} without sound, told as {empty:?}")),
    }
}

/// Length of the sound in a WAV file, by the sizes that stand in it.
pub fn sound_ms(file: &[u8]) -> Option<i64> {
    let word = |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?));
    let (mut at, mut bytes_per_second) = (12, 0);
    while let Some(size) = word(at + 4) {
        match &file[at..at + 4] {
            b"fmt " => bytes_per_second = i64::from(word(at + 16)?),
            b"data" => {
                let bytes = (size as usize).min(file.len() - at - 8);
                return (bytes as i64 * 1_000).checked_div(bytes_per_second);
            }
            _ => {}
        }
        at += 8 + size as usize;
    }
    None
}
