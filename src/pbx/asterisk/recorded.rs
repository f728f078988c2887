//! Events about being recorded: what the client said to it, and pauses.

use super::events::{Say, Told};
use crate::{
    model::event::{ConsentSaid, Fact},
    pbx::DecodeError,
};

impl Say<'_> {
    /// Both sides of a recording are silenced, or heard again. One side alone is somebody else's game.
    pub(super) fn recording_muted(&mut self) -> Result<Told, DecodeError> {
        let both = self.block.raw("Direction").eq_ignore_ascii_case("both");
        let leg = self.need("")?;
        match (both, self.block.get("State")) {
            (true, Some("1")) => self
                .tell
                .again(&leg, "recording-pauses", Fact::RecordingPauses),
            (true, Some("0")) => self
                .tell
                .again(&leg, "recording-resumes", Fact::RecordingResumes),
            _ => return Ok(Told::Nothing("mute_of_one_side")),
        }
        Ok(Told::Facts)
    }

    /// What the dialplan has heard from the caller about being recorded.
    pub(super) fn consent(&mut self) -> Result<Told, DecodeError> {
        let said = match self.block.raw("Value") {
            "heard" => ConsentSaid::Heard,
            "yes" => ConsentSaid::Given,
            "no" => ConsentSaid::Refused,
            _ => return Ok(Told::Nothing("variable_without_use")),
        };
        let leg = self.need("")?;
        self.tell.of_call(
            &leg,
            &format!("consent/{}", self.block.raw("Value")),
            Fact::Consents { said },
        );
        Ok(Told::Facts)
    }
}
