//! How calls of a line are recorded: whether at all, what callers are told, and whose consent it takes.
//!
//! Pure: the rule of the line and what was told of the call come in. What a PBX records by itself it goes
//! on recording; this decides what is fetched and who may hear it, and what our answer asks of the PBX.

use crate::model::{
    call::Call,
    event::ConsentSaid,
    recording::{CONSENT_REFUSED, LINE_NOT_RECORDED, Verdict},
};

/// The longest name of a prompt.
pub const PROMPT_CHARS: usize = 80;

/// Who tells callers that they are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// Nobody.
    #[default]
    None,
    /// The PBX by itself; we hear nothing of it and take its owner's word.
    Pbx,
    /// The PBX plays the file that our answer names.
    Prompt,
}

impl Notice {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::None, Self::Pbx, Self::Prompt];

    /// The word in the database and in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pbx => "pbx",
            Self::Prompt => "prompt",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.as_str() == word)
    }
}

/// What it takes that a recording may be heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consent {
    /// Nothing.
    #[default]
    Free,
    /// The client has heard the notice and stayed.
    Announced,
    /// The client has said so: by a key, or to the employee, who notes it.
    Asked,
}

impl Consent {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Free, Self::Announced, Self::Asked];

    /// The word in the database and in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Announced => "announced",
            Self::Asked => "asked",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|consent| consent.as_str() == word)
    }
}

/// The rule of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRule {
    /// Whether recordings are fetched and kept.
    pub kept: bool,
    /// Who tells callers.
    pub notice: Notice,
    /// The file to be played, where our answer names it.
    pub prompt: String,
    /// What it takes that they may be heard.
    pub consent: Consent,
}

impl Default for LineRule {
    /// A line nobody has made a rule for.
    fn default() -> Self {
        Self {
            kept: true,
            notice: Notice::None,
            prompt: String::new(),
            consent: Consent::Free,
        }
    }
}

/// Why a rule cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A prompt is to be played and none is named, or not as a dialplan can take it.
    Prompt,
    /// Consent by announcement, and nobody announces anything.
    NothingAnnounced,
}

impl LineRule {
    /// Whether it can be.
    pub fn check(&self) -> Result<(), Unfit> {
        if self.notice == Notice::Prompt && !is_prompt(&self.prompt) {
            return Err(Unfit::Prompt);
        }
        if self.consent == Consent::Announced && self.notice == Notice::None {
            return Err(Unfit::NothingAnnounced);
        }
        Ok(())
    }

    /// What becomes of a recording of this call.
    pub fn verdict(&self, call: &Call) -> Verdict {
        let said = call.consent;
        match (self.kept, self.consent, said) {
            (false, _, _) => Verdict::Leave(LINE_NOT_RECORDED),
            (true, Consent::Free, _) => Verdict::Keep,
            (true, _, Some(ConsentSaid::Refused)) => Verdict::Leave(CONSENT_REFUSED),
            (true, _, Some(ConsentSaid::Given)) => Verdict::Keep,
            (true, Consent::Announced, Some(ConsentSaid::Heard)) => Verdict::Keep,
            (true, Consent::Announced, None) if self.notice == Notice::Pbx => Verdict::Keep,
            (true, _, _) => Verdict::Withhold,
        }
    }
}

/// A name a dialplan can play and nothing else: a path of letters, digits, `_` and `-`.
fn is_prompt(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    text.len() <= PROMPT_CHARS && text.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(notice: Notice, consent: Consent) -> LineRule {
        LineRule {
            kept: true,
            notice,
            prompt: "custom/recorded".to_owned(),
            consent,
        }
    }

    fn verdict(rule: &LineRule, consent: Option<ConsentSaid>) -> Verdict {
        let call = Call {
            consent,
            ..Call::default()
        };
        rule.verdict(&call)
    }

    #[test]
    fn a_line_that_is_not_recorded_leaves_everything() {
        let never = LineRule {
            kept: false,
            ..LineRule::default()
        };
        let given = Some(ConsentSaid::Given);
        assert_eq!(verdict(&never, given), Verdict::Leave(LINE_NOT_RECORDED));
        assert_eq!(verdict(&LineRule::default(), None), Verdict::Keep);
    }

    #[test]
    fn who_is_asked_must_have_said_so() {
        let asked = rule(Notice::Prompt, Consent::Asked);
        assert_eq!(verdict(&asked, None), Verdict::Withhold);
        assert_eq!(verdict(&asked, Some(ConsentSaid::Heard)), Verdict::Withhold);
        assert_eq!(verdict(&asked, Some(ConsentSaid::Given)), Verdict::Keep);
        let refused = Some(ConsentSaid::Refused);
        assert_eq!(verdict(&asked, refused), Verdict::Leave(CONSENT_REFUSED));
    }

    #[test]
    fn an_announcement_of_ours_must_have_been_heard() {
        let ours = rule(Notice::Prompt, Consent::Announced);
        assert_eq!(verdict(&ours, None), Verdict::Withhold);
        assert_eq!(verdict(&ours, Some(ConsentSaid::Heard)), Verdict::Keep);
        let theirs = rule(Notice::Pbx, Consent::Announced);
        assert_eq!(verdict(&theirs, None), Verdict::Keep);
    }

    #[test]
    fn a_prompt_is_a_plain_name() {
        for name in ["", "a b", "a,b", "../a", "/a", "a/", "a&b", "a;b"] {
            let rule = LineRule {
                prompt: name.to_owned(),
                ..rule(Notice::Prompt, Consent::Free)
            };
            assert_eq!(rule.check(), Err(Unfit::Prompt), "{name}");
        }
        assert_eq!(rule(Notice::Prompt, Consent::Announced).check(), Ok(()));
        let silent = rule(Notice::None, Consent::Announced).check();
        assert_eq!(silent, Err(Unfit::NothingAnnounced));
    }

    #[test]
    fn words_read_back() {
        for notice in Notice::ALL {
            assert_eq!(Notice::parse(notice.as_str()), Some(notice));
        }
        for consent in Consent::ALL {
            assert_eq!(Consent::parse(consent.as_str()), Some(consent));
        }
    }
}
