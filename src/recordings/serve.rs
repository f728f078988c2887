//! Gives kept recordings to players: bytes in the asked part, and the picture to draw.
//!
//! Whether somebody may listen, and the audit of it, is the caller's matter.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    audio::{Format, PEAKS_PER_SIDE},
    range::{self, Ranged},
    vault::{Vault, VaultError},
};
use crate::store::recordings::{Picture, Recording};

/// What a request for a recording is answered with.
pub struct Answer {
    /// 200, 206 or 416.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Content-Length`.
    pub length: u64,
    /// `Content-Range`, where one belongs.
    pub content_range: Option<String>,
    /// `ETag`: a recording never changes, so a browser may keep it.
    pub etag: String,
    /// The body.
    pub body: BoxStream<'static, object_store::Result<Bytes>>,
}

/// Opens a kept recording for a request with these `Range` and `If-Range` headers.
pub async fn open(
    vault: &Vault,
    recording: &Recording,
    range: Option<&str>,
    if_range: Option<&str>,
) -> Result<Answer, VaultError> {
    let (Some(sha256), Some(size)) = (&recording.sha256, recording.size) else {
        return Err(VaultError::Missing);
    };
    let size = size.unsigned_abs();
    let etag = format!("\"{sha256}\"");
    // RFC 9110 §13.1.5: a range of another version is no use; the whole is sent.
    let is_current = if_range.is_none_or(|known| known == etag);
    let ranged = range::parse(range.filter(|_| is_current), size);
    let span = ranged.span(size);
    let length = span.end - span.start;
    let body = match length {
        0 => stream::empty().boxed(),
        _ => vault.read(sha256, span).await?,
    };
    Ok(Answer {
        status: match ranged {
            Ranged::Whole => 200,
            Ranged::Part { .. } => 206,
            Ranged::Unsatisfiable => 416,
        },
        content_type: format_of(recording).map_or("application/octet-stream", Format::content_type),
        length,
        content_range: ranged.content_range(size),
        etag,
        body,
    })
}

/// The name of a downloaded file: nothing of it comes from outside.
pub fn file_name(recording: &Recording) -> String {
    let extension = format_of(recording).map_or("bin", Format::extension);
    format!("recording-{}.{extension}", recording.id)
}

fn format_of(recording: &Recording) -> Option<Format> {
    recording.format.as_deref().and_then(Format::parse)
}

/// What the player's script draws.
#[derive(Serialize)]
struct Drawing<'a> {
    duration_ms: i64,
    /// One list per side, 0 to 255.
    peaks: Vec<&'a [u8]>,
    measures: Option<&'a RawValue>,
}

/// The picture as JSON: `duration_ms`, `peaks` (a list per side) and `measures`.
pub fn picture_json(picture: &Picture) -> String {
    let drawing = Drawing {
        duration_ms: picture.duration_ms,
        peaks: picture.peaks.chunks(PEAKS_PER_SIDE).collect(),
        measures: serde_json::from_str(&picture.measures).ok(),
    };
    serde_json::to_string(&drawing).expect("numbers and JSON that was read make JSON")
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;
    use crate::{
        model::{ids::CallId, recording::RecordingState},
        recordings::fixtures::Folder,
    };

    const NAME: &str = "aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899";

    async fn kept(folder: &Folder) -> (Vault, Recording) {
        let vault = Vault::open(&folder.join("recordings")).unwrap();
        std::fs::write(folder.join("a"), b"0123456789").unwrap();
        vault.keep(&folder.join("a"), NAME, 10).await.unwrap();
        let recording = Recording {
            id: 7,
            call: CallId(uuid::Uuid::nil()),
            state: RecordingState::Kept,
            reason: String::new(),
            sha256: Some(NAME.into()),
            size: Some(10),
            format: Some("mp3".into()),
            duration_ms: Some(1),
        };
        (vault, recording)
    }

    async fn text(answer: Answer) -> String {
        let pieces: Vec<Bytes> = answer.body.try_collect().await.unwrap();
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[tokio::test]
    async fn a_player_gets_the_part_it_asks_for() {
        let folder = Folder::new();
        let (vault, recording) = kept(&folder).await;
        let answer = open(&vault, &recording, Some("bytes=2-4"), None)
            .await
            .unwrap();
        assert_eq!((answer.status, answer.length), (206, 3));
        assert_eq!(answer.content_type, "audio/mpeg");
        assert_eq!(answer.content_range.as_deref(), Some("bytes 2-4/10"));
        assert_eq!(text(answer).await, "234");
        let answer = open(&vault, &recording, None, None).await.unwrap();
        assert_eq!((answer.status, answer.length), (200, 10));
        assert_eq!(text(answer).await, "0123456789");
        let answer = open(&vault, &recording, Some("bytes=10-"), None)
            .await
            .unwrap();
        assert_eq!((answer.status, answer.length), (416, 0));
        assert_eq!(answer.content_range.as_deref(), Some("bytes */10"));
        assert_eq!(text(answer).await, "");
    }

    #[tokio::test]
    async fn a_range_of_another_file_gets_the_whole() {
        let folder = Folder::new();
        let (vault, recording) = kept(&folder).await;
        let other = Some("\"other\"");
        let answer = open(&vault, &recording, Some("bytes=2-4"), other)
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        let same = Some(answer.etag.as_str());
        let again = open(&vault, &recording, Some("bytes=2-4"), same)
            .await
            .unwrap();
        assert_eq!(again.status, 206);
    }

    #[tokio::test]
    async fn what_is_not_here_is_missing() {
        let folder = Folder::new();
        let (vault, recording) = kept(&folder).await;
        let waiting = Recording {
            sha256: None,
            ..recording
        };
        assert!(matches!(
            open(&vault, &waiting, None, None).await,
            Err(VaultError::Missing)
        ));
        assert_eq!(file_name(&waiting), "recording-7.mp3");
    }

    #[test]
    fn the_picture_has_a_list_per_side() {
        let picture = Picture {
            duration_ms: 1_500,
            channels: 2,
            peaks: [vec![1; PEAKS_PER_SIDE], vec![2; PEAKS_PER_SIDE]].concat(),
            measures: "{\"nobody_share\":0.5}".into(),
        };
        let json: serde_json::Value = serde_json::from_str(&picture_json(&picture)).unwrap();
        assert_eq!(json["duration_ms"], 1_500);
        assert_eq!(json["peaks"][1][0], 2);
        assert_eq!(json["peaks"][0].as_array().unwrap().len(), PEAKS_PER_SIDE);
        assert_eq!(json["measures"]["nobody_share"], 0.5);
    }
}
