//! Messages of recordings: one has begun, goes on, has ended, and its file can be asked for.

use super::{
    MangoDecoder,
    wire::{RecordingMessage, id},
};
use crate::{
    model::{
        event::{Fact, RecordingSource, RecordingStage},
        ids::LegKey,
        time::Timestamp,
    },
    pbx::{DecodeError, Decoded},
};

impl MangoDecoder {
    /// Recording has begun, goes on in another leg, or has ended (`/events/recording`).
    pub(super) fn recording(
        &self,
        message: &RecordingMessage,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let stage = match message.recording_state.as_deref() {
            Some("Started") => RecordingStage::Started,
            Some("Continued") => RecordingStage::Continued,
            Some("Completed") if message.is_kept() => RecordingStage::Completed,
            Some("Completed") => RecordingStage::Absent,
            Some(_) => {
                out.ignored.push("unknown_recording_state");
                return Ok(());
            }
            None => return Err(DecodeError::Field("recording_state")),
        };
        self.recording_news(message, stage, None, now, out)
    }

    /// The file is in the storage and can be asked for (`/events/record/added`).
    pub(super) fn record_added(
        &self,
        message: &RecordingMessage,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let recording = id("recording_id", &message.recording_id)?;
        let source = Some(RecordingSource::Api(recording.to_owned()));
        self.recording_news(message, RecordingStage::Ready, source, now, out)
    }

    fn recording_news(
        &self,
        message: &RecordingMessage,
        stage: RecordingStage,
        source: Option<RecordingSource>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let recording = id("recording_id", &message.recording_id)?.to_owned();
        let mut facts = self.facts(&message.entry_id, message.timestamp, now, out)?;
        let leg = message.call_id.as_deref().filter(|leg| !leg.is_empty());
        let news = Fact::Recording {
            recording,
            stage,
            source,
        };
        facts.is_so(leg.map(LegKey::from).as_ref(), "recording", news);
        Ok(())
    }
}
