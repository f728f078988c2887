//! The facts of a call as one blob.
//!
//! A live call's blob is made by [`Facts::pack`]. A call that is long over is sealed
//! ([`Facts::seal`]): a version byte and the canonical JSON of the set, deflated against a fixed dictionary of what facts look like, for a call of ten facts has
//! hardly any text that repeats within itself, and tens of millions of calls must fit a small disk.
//! Equal sets give equal blobs; [`Facts::unseal`] reads both.

use std::io::{Read, Write};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

use super::{Facts, pack};

/// First byte of a sealed blob: which dictionary it was made with. JSON never begins with it.
const VERSION: u8 = 1;
/// First byte of a packed blob, and of a plain list of events.
const PACKED: u8 = b'{';
const LIST: u8 = b'[';
/// No honest call has more facts than this makes; keeps a broken blob from eating the memory.
const MAX_TEXT_BYTES: u64 = 64 << 20;

/// Texts of facts, the most frequent last (deflate likes near references). Blobs of [`VERSION`] 1 can
/// only be read with exactly this text: another one is another version.
const DICTIONARY: &str = concat!(
    r#"{"is":"command_sent","command":","what":"click_to_call","extension":"","client":{"#,
    r#""}},{"is":"command_result","command":","ok":true,"detail":"#,
    r#""fact":{"is":"tracking","fields":[["utm_campaign","utm_medium","utm_source","client_id","#,
    r#""fact":{"is":"digits","digits":"1"}},"fact":{"is":"unheard"}},/unheard/"#,
    r#""fact":{"is":"route_answered","targets":["20"],"ring_ms":10000,"attempt":1,"reason":"owner"}},"#,
    r#""clock":"no_later_than","fact":{"is":"sip_call_id","sip_call_id":""#,
    r#""fact":{"is":"recording","recording":".wav","stage":"completed""stage":"started""#,
    r#""stage":"ready","source":{"link":"https://{"file":"/var/spool/asterisk/monitor/{"api":""#,
    r#"recording/{"voicemail"}{"menu"}{"queue":"sales"}},"fact":{"is":"runs","what":{"#,
    r#""fact":{"is":"transferred_from","from":"20"fact":{"is":"transfers","kind":"attended","kind":"#,
    r#""blind","to":"20"}},"fact":{"is":"resumes"}},"fact":{"is":"holds"}},"#,
    r#""rejected","busy","cancelled","answered_elsewhere","no_answer","unknown""#,
    r#""fact":{"is":"tied_to","leg":""party":"glue"}},"fact":{"is":"same_call","with":"17"}},"#,
    r#"/leaves/","fact":{"is":"leaves","bridge":"/enters/","fact":{"is":"enters","bridge":""#,
    r#"/dialled","fact":{"is":"dialled","by":"17"}},/up","fact":{"is":"up"}},"#,
    r#"/over","fact":{"is":"over"}},"answered":17,"answered_known":true,"ended":17,"cause":"#,
    r#""normal","hangup_by":"client"}},"hangup_by":"employee"}},"extension":"20","started":17"#,
    r#"summary","fact":{"is":"summary","direction":"in","client":{"e164":{"e164":"+7"}},"#,
    r#"/parties","fact":{"is":"parties","direction":"out","direction":"in","client":{"withheld"#,
    r#"{"e164":{"e164":"+7"}},"client_name":","did":{"e164":{"e164":"+7495"}}}},"#,
    r#"/ends","fact":{"is":"ends","cause":"normal","by":"employee"}},"by":"client"}},"#,
    r#"/rings","fact":{"is":"rings"}},"fact":{"is":"talks","with":{"client":{"e164":{"e164":"+7"#,
    r#""}}}}},/leg","fact":{"is":"leg","party":{"person":"20"},"with":{"client":{"e164":{"e164":"+7"#,
    r#""}}}}},{"account":","call":"17","leg":"17","at":17"id":"17"#,
);

/// A sealed blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Written by a newer version, or not a blob at all.
    #[error("the sealed facts are of an unknown version")]
    Version,
    /// Cut off or damaged.
    #[error("the sealed facts are damaged")]
    Damaged(#[source] std::io::Error),
    /// The text inside is not a list of facts.
    #[error("the sealed facts cannot be understood")]
    Unreadable(#[source] serde_json::Error),
}

impl Facts {
    /// The set as one compressed blob.
    pub fn seal(&self) -> Vec<u8> {
        let text =
            serde_json::to_vec(self).expect("facts have text keys only, so JSON can hold them");
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        // The dictionary goes ahead and is cut off again: what follows may refer to it.
        encoder
            .write_all(DICTIONARY.as_bytes())
            .expect("writing to memory does not fail");
        encoder.flush().expect("writing to memory does not fail");
        let head = encoder.get_ref().len();
        encoder
            .write_all(&text)
            .expect("writing to memory does not fail");
        let packed = encoder.finish().expect("writing to memory does not fail");
        [&[VERSION], &packed[head..]].concat()
    }

    /// Reads what [`Facts::pack`] or [`Facts::seal`] wrote.
    pub fn unseal(blob: &[u8]) -> Result<Self, SealError> {
        match blob.first() {
            Some(&LIST) => return serde_json::from_slice(blob).map_err(SealError::Unreadable),
            Some(&PACKED) => {
                let facts = pack::unpack(blob).map_err(SealError::Unreadable)?;
                return facts.ok_or(SealError::Version);
            }
            _ => {}
        }
        let Some((&VERSION, packed)) = blob.split_first() else {
            return Err(SealError::Version);
        };
        let mut text = Vec::new();
        DeflateDecoder::new(dictionary_block().chain(packed))
            .take(MAX_TEXT_BYTES)
            .read_to_end(&mut text)
            .map_err(SealError::Damaged)?;
        let facts = text.get(DICTIONARY.len()..).unwrap_or_default();
        serde_json::from_slice(facts).map_err(SealError::Unreadable)
    }
}

/// The dictionary as a stored block that is not the last one (RFC 1951 §3.2.4): it brings the decoder
/// into the state in which the encoder was.
fn dictionary_block() -> &'static [u8] {
    const LENGTH: u16 = DICTIONARY.len() as u16;
    const BLOCK: [u8; DICTIONARY.len() + 5] = {
        let [low, high] = LENGTH.to_le_bytes();
        let mut block = [0; DICTIONARY.len() + 5];
        (block[1], block[2], block[3], block[4]) = (low, high, !low, !high);
        let mut place = 0;
        while place < DICTIONARY.len() {
            block[place + 5] = DICTIONARY.as_bytes()[place];
            place += 1;
        }
        block
    };
    const { assert!(DICTIONARY.len() <= u16::MAX as usize) };
    static STORED: [u8; DICTIONARY.len() + 5] = BLOCK;
    &STORED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::event::{Direction, Side},
        tracker::story::*,
    };

    fn answered() -> Facts {
        facts(&[
            (0.0, "", parties(Direction::In)),
            (0.0, "201", between(person("201"), client())),
            (0.0, "201", rings()),
            (5.0, "201", talks(client())),
            (60.0, "201", hangs_up(Side::Client)),
            (
                60.0,
                "",
                summed(summary(Direction::In, 0.0, Some(5.0), 60.0)),
            ),
        ])
    }

    #[test]
    fn a_blob_holds_the_set_and_is_small() {
        let facts = answered();
        let blob = facts.seal();
        assert_eq!(Facts::unseal(&blob).unwrap(), facts);
        let text = serde_json::to_vec(&facts).unwrap();
        assert!(
            blob.len() * 4 < text.len(),
            "{} of {}",
            blob.len(),
            text.len()
        );
        assert_eq!(Facts::unseal(&Facts::new().seal()).unwrap(), Facts::new());
        assert_eq!(Facts::unseal(&facts.pack()).unwrap(), facts);
    }

    #[test]
    fn equal_sets_give_equal_blobs() {
        let facts = answered();
        let turned: Facts = facts.iter().rev().cloned().collect();
        assert_eq!(turned.seal(), facts.seal());
    }

    #[test]
    fn a_damaged_blob_is_refused() {
        let blob = answered().seal();
        assert!(matches!(Facts::unseal(&[]), Err(SealError::Version)));
        assert!(matches!(Facts::unseal(&[9, 1, 2]), Err(SealError::Version)));
        for cut in 1..blob.len() {
            assert!(Facts::unseal(&blob[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_blob_of_version_1_stays_readable() {
        // Made when version 1 was new: whoever changes the dictionary must count the version up.
        let blob = hex::decode(VERSION_1).unwrap();
        assert_eq!(Facts::unseal(&blob).unwrap(), old_facts());
    }

    fn old_facts() -> Facts {
        let mut over = event("call-1", 9.0, "", over());
        over.id = "call-1/over".into();
        [over].into_iter().collect()
    }

    const VERSION_1: &str = "017d95310a003008035f54b07490bea574159cfcff261a1027a72cb96ce15e674c44e12aa0116b17c387431c9708fec80974a6777c07";
}
