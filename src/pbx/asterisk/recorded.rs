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

#[cfg(test)]
mod tests {
    use crate::{
        model::event::{ConsentSaid, Fact},
        pbx::asterisk::tests::{client, event, told},
    };

    fn facts(name: &str, fields: &str) -> Vec<Fact> {
        let block = event(name, "100.000200", &(client(4) + fields));
        let events = told(&[block]).into_iter();
        events.map(|event| event.fact).collect()
    }

    #[test]
    fn what_the_client_says_to_being_recorded_is_understood() {
        for (value, said) in [
            ("heard", Some(ConsentSaid::Heard)),
            ("yes", Some(ConsentSaid::Given)),
            ("no", Some(ConsentSaid::Refused)),
            ("YES please", None),
        ] {
            let fields = format!("Variable: RINGCARD_CONSENT\r\nValue: {value}\r\n");
            let wanted: Vec<Fact> = said
                .map(|said| Fact::Consents { said })
                .into_iter()
                .collect();
            assert_eq!(facts("VarSet", &fields), wanted, "{value}");
        }
    }

    #[test]
    fn only_silence_on_both_sides_is_a_pause() {
        for (direction, state, wanted) in [
            ("Both", "1", Some(Fact::RecordingPauses)),
            ("Both", "0", Some(Fact::RecordingResumes)),
            ("Read", "1", None),
        ] {
            let fields = format!("Direction: {direction}\r\nState: {state}\r\n");
            let wanted: Vec<Fact> = wanted.into_iter().collect();
            assert_eq!(
                facts("MixMonitorMute", &fields),
                wanted,
                "{direction} {state}"
            );
        }
    }
}
