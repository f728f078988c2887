//! Why something does not work, in the reader's language: connections to PBXes, messages that could not be
//! read, past calls that could not be asked for.
//!
//! A connection says it in closed words. What is kept in the store is kept in English, as it was said
//! then; what is known of it is translated by its kind, anything else is shown as it stands. What a
//! PBX or the system says in words of its own stays in them.

use super::i18n::Texts;
use crate::pbx::{Detail, Fault};

/// Why a connection does not stand.
pub fn fault(t: Texts, why: &Fault) -> String {
    let words = |words: &str| [("words", words.into())];
    match why {
        Fault::NotYet => t.say("fault-not-yet"),
        Fault::Unreachable(why) => t.fill("fault-unreachable", &words(&detail(t, why))),
        Fault::Late => t.say("fault-late"),
        Fault::Hung => t.say("fault-hung"),
        Fault::Untrusted(why) => t.fill("fault-untrusted", &words(&detail(t, why))),
        Fault::Deaf(why) => t.fill("fault-deaf", &words(&detail(t, why))),
        Fault::Posts => t.say("link-webhook"),
        Fault::Closed => t.say("fault-closed"),
        Fault::Lost(why) => t.fill("fault-lost", &words(&detail(t, why))),
        Fault::Silent => t.say("fault-silent"),
        Fault::Unheard => t.say("fault-unheard"),
        Fault::Decoder => t.say("fault-decoder"),
        Fault::Behind => t.say("fault-behind"),
        Fault::Refused(said) => t.fill("fault-refused", &words(&refusal(t, said))),
        Fault::Stranger(_) => t.say("fault-stranger"),
        Fault::Intruder => t.say("fault-intruder"),
        Fault::Uninvited => t.say("fault-uninvited"),
        Fault::Replaced => t.say("fault-replaced"),
        Fault::Mute(since) => t.fill("fault-mute", &words(since)),
        Fault::Unreadable(said) => reason(t, said),
    }
}

fn detail(t: Texts, why: &Detail) -> String {
    match why.word {
        "" => why.words.clone(),
        "no_file" => t.fill("detail-no-file", &[("words", why.words.as_str().into())]),
        word => t.word("detail", word),
    }
}

/// A reason that is kept in the store: of a dead letter, or of past calls that could not be read.
pub fn reason(t: Texts, kept: &str) -> String {
    let between = |before: &str, after: &str| kept.strip_prefix(before)?.strip_suffix(after);
    let fill = |key, words: &str| t.fill(key, &[("words", words.into())]);
    if let Some(what) = between("not readable: ", "") {
        return match known(t, what) {
            Some(what) => fill("reason-unreadable-so", &what),
            None => t.say("reason-unreadable"),
        };
    }
    if let Some(field) = between("field ", " is missing or unusable") {
        return fill("reason-field", field);
    }
    if let Some(bytes) = between("larger than ", " bytes") {
        return fill("reason-too-large", bytes);
    }
    if let Some(said) = between("refused: ", "") {
        return fill("reason-refused", &refusal(t, said));
    }
    if between("the PBX's answer cannot be understood: ", "").is_some() {
        return t.say("reason-answer");
    }
    if let Some(after) = between("the PBX asked us to wait ", "") {
        return fill("reason-throttled", after);
    }
    known(t, kept).unwrap_or_else(|| kept.to_owned())
}

/// What a PBX, or we for it, said in refusing.
fn refusal(t: Texts, said: &str) -> String {
    known(t, said).unwrap_or_else(|| said.to_owned())
}

/// One of the wrongs that [`WORDS`] knows. Where in the text it is wrong is left out, and what stands in brackets.
fn known(t: Texts, what: &str) -> Option<String> {
    let fill = |key, words: &str| Some(t.fill(key, &[("words", words.into())]));
    if let Some(key) = what.strip_suffix(" stands twice") {
        return fill("unread-twice", key);
    }
    for (before, key) in [("status ", "unread-status"), ("code ", "unread-code")] {
        let code = what.strip_prefix(before).unwrap_or_default();
        let code = code.split([' ', ',']).next()?;
        if !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()) {
            return fill(key, code);
        }
    }
    let what = what.split(" at line ").next()?.split(": ").next()?;
    let what = what.split(" (").next()?;
    let what = match what.starts_with("a row of ") {
        true => "a row",
        false => what,
    };
    let word = word(what);
    WORDS
        .contains(&word.as_str())
        .then(|| t.word("unread", &word))
}

/// What was said, as a closed word.
fn word(said: &str) -> String {
    let letters = said.chars().filter(|letter| !['\'', ','].contains(letter));
    let letters = letters.map(|letter| match letter.is_ascii_alphanumeric() {
        true => letter.to_ascii_lowercase(),
        false => '_',
    });
    letters.collect()
}

/// What is known to be wrong with a message, or with the way to past calls.
pub const WORDS: &[&str] = &[
    "json_syntax_error",
    "json_data_error",
    "json_eof_error",
    "json_io_error",
    "the_body_is_no_form",
    "neither_an_object_nor_a_form",
    "not_a_form_with_a_json_field",
    "not_utf_8",
    "broken_percent_escape",
    "parts",
    "a_row",
    "the_decoder_gave_up",
    "the_journal_does_not_hold_a_request",
    "the_account_is_not_in_the_configuration",
    "it_is_neither_of_the_accounts_type_nor_facts_of_our_own",
    "this_pbx_does_not_ask_so",
    "this_pbx_cannot_do_that",
    "the_pbx_has_nothing_of_the_kind_yet",
    "the_pbx_cannot_be_reached",
    "the_address_is_not_a_web_address",
    "a_redirect_would_give_data_away",
    "the_redirects_lead_nowhere",
    "the_host_answered_too_slowly",
    "the_host_could_not_be_reached",
    "not_asked",
    "no_challenge",
    "our_key_is_refused_or_blocked_for_two_minutes",
    "the_key_of_the_api_is_not_taken",
    "the_sign_in_is_not_taken",
    "the_address_of_the_api_is_none",
    "this_pbx_does_not_offer_it",
    "the_access_token",
    "the_direction_or_the_client_is_in_the_black_list",
    "our_address_is_not_in_the_list_of_allowed_ones",
    "the_state_of_the_call",
    "the_virtual_number",
    "a_component_is_switched_off",
    "the_account_is_not_active",
    "the_request",
    "the_order_to_call_was_not_taken",
    "the_pbx_did_not_take_the_order",
    "nobody_there_has_this_extension",
    "the_account_names_no_line_to_call_from",
    "nobody_knows_what_to_dial_for_it",
    "no_such_recording_can_be",
    "no_such_login_can_be",
    "no_such_extension_can_be",
    "this_number_cannot_be_dialled",
    "neither_a_folder_nor_an_address_of_recordings_is_set",
    "the_file_lies_outside_the_recordings_folder",
    "the_address_of_recordings_cannot_be_used",
    "a_value_does_not_fit_where_it_should_stand",
    "no_such_channel",
    "somebody_has_answered",
];

#[cfg(test)]
mod tests {
    use std::{fs, io, path::Path, time::Duration};

    use super::*;
    use crate::{
        pbx::{DecodeError, PbxError},
        web::i18n::Language,
    };

    const RUSSIAN: Texts = Texts::new(Language::Russian);

    /// Whether this is said in Russian, apart from what stands in it in words of others.
    fn is_russian(said: &str, others: &[&str]) -> bool {
        let names = ["TLS", "JSON", "UTF-8", "API"];
        let foreign = others.iter().chain(&names).filter(|one| !one.is_empty());
        let own = foreign.fold(said.to_owned(), |own, foreign| own.replace(foreign, " "));
        !own.trim().is_empty() && !own.contains(|letter: char| letter.is_ascii_alphabetic())
    }

    #[test]
    fn every_fault_is_said_in_russian() {
        let details = Detail::WORDS.map(|word| Detail::new(word, "<1>"));
        let mut faults = vec![
            Fault::NotYet,
            Fault::Late,
            Fault::Hung,
            Fault::Posts,
            Fault::Closed,
            Fault::Silent,
            Fault::Unheard,
            Fault::Decoder,
            Fault::Behind,
            Fault::Refused("<1>".to_owned()),
            Fault::Refused("no challenge".to_owned()),
            Fault::Refused("status 503".to_owned()),
            Fault::Stranger("<1>".to_owned()),
            Fault::Intruder,
            Fault::Uninvited,
            Fault::Replaced,
            Fault::Mute("<1>"),
            Fault::Unreadable(DecodeError::Field("<1>").to_string()),
        ];
        for detail in details {
            faults.extend([
                Fault::Unreachable(detail.clone()),
                Fault::Untrusted(detail.clone()),
                Fault::Deaf(detail.clone()),
                Fault::Lost(detail),
            ]);
        }
        for why in faults {
            let said = fault(RUSSIAN, &why);
            assert!(is_russian(&said, &["<1>"]), "{why:?}: {said}");
        }
        let reset = Fault::Lost(io::Error::from(io::ErrorKind::ConnectionReset).into());
        assert!(is_russian(&fault(RUSSIAN, &reset), &[]), "{reset:?}");
        let rare = Fault::Lost(io::Error::other("kept as it is").into());
        assert!(fault(RUSSIAN, &rare).ends_with("kept as it is"));
    }

    #[test]
    fn what_is_kept_of_failed_messages_and_questions_is_said_in_russian() {
        let malformed = |what: &str| DecodeError::Malformed(what.to_owned()).to_string();
        let refused = |what: &str| PbxError::Refused(what.to_owned()).to_string();
        for (kept, others) in [
            (DecodeError::Field("call_id").to_string(), "call_id"),
            (DecodeError::TooLarge { limit: 512 }.to_string(), "512"),
            (malformed("JSON Eof error at line 1 column 7"), ""),
            (malformed("parts: no boundary"), ""),
            (malformed("Uniqueid stands twice"), "Uniqueid"),
            (malformed("a row of 3 columns instead of 9"), ""),
            (malformed("something that is not known"), ""),
            (PbxError::Unsupported.to_string(), ""),
            (
                PbxError::Refused("no such user".to_owned()).to_string(),
                "no such user",
            ),
            (
                PbxError::Refused(crate::http::Error::Timeout.to_string()).to_string(),
                "",
            ),
            (refused("status 403"), ""),
            (refused("code 3102, the signature does not fit (420)"), ""),
            (refused("the access token (-32001 auth_failed)"), ""),
            (refused("not asked: it was refused a while ago"), ""),
            (PbxError::NotThere.to_string(), ""),
            (PbxError::Unreachable.to_string(), ""),
            (
                PbxError::Unreadable("a table that breaks off").to_string(),
                "",
            ),
            (
                PbxError::Throttled {
                    retry_after: Duration::from_secs(30),
                }
                .to_string(),
                "30s",
            ),
        ] {
            let said = reason(RUSSIAN, &kept);
            assert!(is_russian(&said, &[others]), "{kept}: {said}");
        }
        assert_eq!(reason(RUSSIAN, "an old version"), "an old version");
    }

    /// The texts in the sources behind these words.
    fn literals(folder: &Path, before: &[&str], found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("fields/multipart.rs") {
                continue; // all it says begins with `parts`
            }
            if path.is_dir() {
                literals(&path, before, found);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let own = text.split("#[cfg(test)]").next().unwrap_or_default();
                for words in before {
                    let behind = own.split(words).skip(1);
                    let literals = behind.filter_map(|text| text.trim_start().strip_prefix('"'));
                    found.extend(
                        literals.filter_map(|text| Some(text.split_once('"')?.0.to_owned())),
                    );
                }
            }
        }
    }

    #[test]
    fn whatever_a_decoder_complains_of_has_a_text() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut said = Vec::new();
        let before = ["Malformed(", "malformed(", "unread("];
        for folder in ["pbx", "web/hooks"] {
            literals(&sources.join(folder), &before, &mut said);
        }
        assert!(said.len() >= 8, "{said:?}");
        for said in said {
            let kept = DecodeError::Malformed(said.clone()).to_string();
            let shown = reason(RUSSIAN, &kept);
            assert_ne!(shown, RUSSIAN.say("reason-unreadable"), "{said}");
        }
    }

    #[test]
    fn whatever_we_say_in_refusing_has_a_text() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pbx");
        let mut said = Vec::new();
        literals(&sources, &["Refused(", "refused("], &mut said);
        assert!(said.len() >= 20, "{said:?}");
        for said in said {
            let shown = reason(RUSSIAN, &PbxError::Refused(said.clone()).to_string());
            assert!(is_russian(&shown, &[]), "{said}: {shown}");
        }
    }
}
