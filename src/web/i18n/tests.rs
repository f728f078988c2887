use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::*;
use crate::{
    model::{
        call::CallResult,
        people::Role,
        recording::{CONSENT_MISSING, CONSENT_REFUSED, LINE_NOT_RECORDED, RecordingState},
    },
    rules::recorded::{Consent, Notice},
    store::audit,
    web::api::scope::Scope,
};

/// Tags of `model::event::Fact`.
const FACTS: &[&str] = &[
    "parties",
    "same_call",
    "summary",
    "over",
    "unheard",
    "leg",
    "dialled",
    "rings",
    "up",
    "talks",
    "enters",
    "leaves",
    "tied_to",
    "holds",
    "parked",
    "unparked",
    "resumes",
    "runs",
    "transfers",
    "transferred_from",
    "ends",
    "recording",
    "consents",
    "recording_pauses",
    "recording_resumes",
    "digits",
    "sip_call_id",
    "tracking",
    "route_answered",
    "command_sent",
    "command_result",
];

/// Words of `model::event::Cause`.
const CAUSES: &[&str] = &[
    "normal",
    "no_answer",
    "busy",
    "rejected",
    "cancelled",
    "answered_elsewhere",
    "no_route",
    "unreachable",
    "blocked",
    "after_hours",
    "failed",
    "unknown",
];

/// Why a recording is not to be had.
const REASONS: &[&str] = &[
    // Said by `keeping`, of recordings that were here.
    "expired",
    "gone",
    "changed",
    CONSENT_MISSING,
    // Said by the line's rule.
    CONSENT_REFUSED,
    LINE_NOT_RECORDED,
    "not_there",
    "still_growing",
    "outside_folder",
    "too_large",
    "disk",
    "bad_address",
    "host_not_allowed",
    "private_address",
    "bad_redirect",
    "too_slow",
    "unreachable",
    "not_allowed",
    "host_error",
    "gsm",
    "unknown_codec",
    "unknown_container",
    "empty",
    "web_page",
    "text",
    "archive",
    "not_audio",
    "truncated",
    "damaged",
    "no_sound",
    "sample_rate",
    "channels",
    "too_long",
    "no_source",
    "no_account",
    "unsupported",
    "throttled",
];

/// What deeds are done to that is no single thing.
const LISTS: &[&str] = &[
    "delivery",
    "calls",
    "cards",
    "lines",
    "audit",
    "number",
    "channels",
    "spend",
    "configuration",
    "erased",
];

/// Why a message was not heard.
const DELIVERY_ERRORS: &[&str] = &[
    "disabled",
    "status",
    "redirect",
    "gone",
    "timeout",
    "unreachable",
    "private_address",
    "address",
    "mail_off",
    "mail_refused",
    "mail_later",
    "mail_tls",
];

/// Families of words and every word they can be asked for.
fn families() -> BTreeMap<&'static str, Vec<String>> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let mut results: Vec<String> = CallResult::ALL
        .iter()
        .map(|result| result.as_str().to_owned())
        .collect();
    results.push("unknown".to_owned());
    let states: Vec<String> = RecordingState::ALL
        .iter()
        .map(|state| state.as_str().to_owned())
        .collect();
    BTreeMap::from([
        (
            "role",
            Role::ALL
                .iter()
                .map(|role| role.as_str().to_owned())
                .collect(),
        ),
        ("result", results),
        ("phase", own(&["waiting", "ringing", "talking"])),
        ("direction", own(&["in", "out", "internal", "unknown"])),
        ("recording-mark", states.clone()),
        ("pop-stage", own(&["ringing", "talking", "wrap_up"])),
        (
            "route",
            own(&[
                "owner",
                "deputy",
                "group",
                "no_rule",
                "nobody_left",
                "rung_already",
                "blocked",
                "timeout",
                "store_away",
            ]),
        ),
        (
            "match",
            own(&[
                "own_number",
                "number_and_extension",
                "company_line",
                "shared_number",
                "created",
            ]),
        ),
        (
            "outcome",
            own(&[
                "over",
                "answered",
                "reached",
                "unreached",
                "unknown",
                "open",
            ]),
        ),
        ("figure", own(&["once", "first", "target"])),
        ("sure", own(&["key", "line", "client", "unknown"])),
        ("visit-state", own(&["waiting", "ambiguous", "unmatched"])),
        (
            "weekday",
            own(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"]),
        ),
        (
            "channel-said",
            own(&[
                "saved",
                "exists",
                "impossible",
                "empty",
                "taken",
                "unreadable",
            ]),
        ),
        ("spend-why", own(&crate::reports::spend::REASONS)),
        ("doctor-check", own(&crate::web::doctor::CHECKS)),
        ("lost-age", own(&["week", "day", "hour", "now"])),
        ("verdict", own(&["good", "remark", "wrong"])),
        ("change-origin", own(&["page", "command", "found"])),
        ("change-kind", own(&crate::store::changes::KINDS)),
        ("fact", own(FACTS)),
        ("cause", own(CAUSES)),
        ("hangup", own(&["client", "employee", "pbx"])),
        ("ended", own(&["hung_up", "unknown"])),
        ("pop-reason", own(&["rung", "supervises"])),
        (
            "gone",
            own(&["answered_elsewhere", "moved_on", "ended", "merged", "done"]),
        ),
        ("recording-state", states),
        ("recording-reason", own(REASONS)),
        (
            "recorded-said",
            own(&["saved", "prompt", "nothing_announced", "unreadable"]),
        ),
        ("recorded-notice", own(&Notice::ALL.map(Notice::as_str))),
        ("recorded-consent", own(&Consent::ALL.map(Consent::as_str))),
        ("consent", own(&["heard", "refused", "given"])),
        (
            "purge-rule",
            own(&[
                "recordings",
                "calls",
                "cards",
                "erase",
                "consent",
                CONSENT_REFUSED,
                CONSENT_MISSING,
            ]),
        ),
        ("phone-kind", own(&["own", "company", "shared"])),
        (
            "card-event",
            own(&[
                "created",
                "imported",
                "owner",
                "renamed",
                "marked",
                "unmarked",
                "touch",
                "merged",
                "merged_into",
                "parted",
                "parted_from",
                "number_parted",
            ]),
        ),
        ("deed", own(&audit::DEEDS)),
        (
            "deed-object",
            [&audit::OBJECTS[..], LISTS]
                .concat()
                .iter()
                .map(|word| (*word).to_owned())
                .collect(),
        ),
        ("scope", Scope::ALL.map(Scope::text_word).to_vec()),
        ("letter-outcome", own(&["undecodable", "apply_failed"])),
        ("outside-disabled", own(&["by_person", "gone", "gave_up"])),
        ("mark-as", own(&crate::store::marks::MARKS)),
        (
            "routed",
            own(&[
                "owner",
                "deputy",
                "group",
                "no_rule",
                "nobody_left",
                "blocked",
                "timeout",
                "store_away",
            ]),
        ),
        ("probe", own(&crate::flow::probe::Probe::WORDS)),
        ("unread", own(crate::web::why::WORDS)),
        (
            "detail",
            crate::pbx::Detail::WORDS
                .iter()
                .filter(|word| **word != "no_file")
                .map(|word| (*word).to_owned())
                .collect(),
        ),
        (
            "refusal",
            own(&[
                "method",
                "no_account",
                "too_large",
                "too_slow",
                "broken_off",
                "token",
                "signature",
                "stale",
                "too_many",
            ]),
        ),
        ("setup-over", own(&["ami", "ari"])),
        ("marked", own(&crate::store::marks::MARKS)),
        ("delivery-state", own(&["waiting", "done", "failed"])),
        ("delivery-error", own(DELIVERY_ERRORS)),
        ("wrap", own(crate::web::pages::pop::RESULTS)),
    ])
}

fn keys(files: &[&str]) -> BTreeSet<String> {
    files
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .filter_map(|line| line.split_once('=').map(|(key, _)| key.trim().to_owned()))
        .collect()
}

/// The sources of the pages, without tests.
fn sources() -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs")
                && path.file_name().is_some_and(|name| name != "tests.rs")
            {
                let text = fs::read_to_string(&path).unwrap();
                texts.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
            }
        }
    }
    assert!(texts.len() > 10);
    texts
}

/// The string literal right after each `call`.
fn after(text: &str, call: &str) -> Vec<String> {
    text.match_indices(call)
        .filter_map(|(at, _)| text[at + call.len()..].trim_start().strip_prefix('"'))
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// Every string literal that could be a key.
fn quoted(text: &str) -> Vec<String> {
    text.split('"')
        .filter(|piece| {
            !piece.is_empty()
                && piece
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn catalogues_can_be_read_whole() {
    for text in RUSSIAN.iter().chain(ENGLISH) {
        if let Err((_, problems)) = FluentResource::try_new((*text).to_owned()) {
            panic!("{problems:?}");
        }
    }
}

#[test]
fn both_languages_say_the_same_things() {
    let (russian, english) = (keys(RUSSIAN), keys(ENGLISH));
    let differs: Vec<_> = russian.symmetric_difference(&english).collect();
    assert!(differs.is_empty(), "in one language only: {differs:?}");
    assert!(russian.len() > 100);
}

#[test]
fn every_text_asked_for_is_there() {
    let known = keys(RUSSIAN);
    let asked: Vec<String> = sources()
        .iter()
        .flat_map(|text| [".say(", ".count(", ".fill("].map(|call| after(text, call)))
        .flatten()
        .collect();
    let missing: Vec<_> = asked.iter().filter(|key| !known.contains(*key)).collect();
    assert!(missing.is_empty(), "no text for {missing:?}");
    assert!(asked.len() > 50);
}

#[test]
fn every_closed_word_has_a_name() {
    let known = keys(RUSSIAN);
    let mut missing = Vec::new();
    for (family, words) in families() {
        for word in words {
            let key = format!("{family}-{}", word.replace('_', "-"));
            if !known.contains(&key) {
                missing.push(key);
            }
        }
    }
    assert!(missing.is_empty(), "no text for {missing:?}");
    let unlisted: Vec<_> = sources()
        .iter()
        .flat_map(|text| after(text, ".word("))
        .filter(|family| !families().contains_key(family.as_str()))
        .collect();
    assert!(
        unlisted.is_empty(),
        "families not listed here: {unlisted:?}"
    );
}

#[test]
fn every_deed_that_is_kept_has_a_name() {
    let mut kept: Vec<String> = Vec::new();
    for text in sources() {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for call in [
            "audited(&site, &visitor,",
            "audited( &site, &visitor,",
            "audited(site, visitor,",
        ] {
            kept.extend(after(&text, call));
        }
    }
    assert!(kept.len() > 20, "{kept:?}");
    kept.retain(|deed| !audit::DEEDS.contains(&deed.as_str()));
    assert!(kept.is_empty(), "not in store::audit::DEEDS: {kept:?}");
}

#[test]
fn no_text_is_left_unused() {
    let mut used: BTreeSet<String> = sources().iter().flat_map(|text| quoted(text)).collect();
    for (family, words) in families() {
        used.extend(
            words
                .iter()
                .map(|word| format!("{family}-{}", word.replace('_', "-"))),
        );
    }
    let unused: Vec<_> = keys(RUSSIAN)
        .into_iter()
        .filter(|key| !used.contains(key))
        .collect();
    assert!(unused.is_empty(), "used nowhere: {unused:?}");
}

#[test]
fn plurals_are_right_in_both_languages() {
    let russian = Texts::new(Language::Russian);
    for (n, expected) in [
        (1, "ещё 1 карточка с этим номером"),
        (3, "ещё 3 карточки с этим номером"),
        (11, "ещё 11 карточек с этим номером"),
        (21, "ещё 21 карточка с этим номером"),
    ] {
        assert_eq!(russian.count("pop-others", n), expected);
    }
    let english = Texts::new(Language::English);
    assert_eq!(
        english.count("pop-others", 1),
        "1 more card with this number"
    );
    assert_eq!(
        english.count("pop-others", 2),
        "2 more cards with this number"
    );
}

#[test]
fn the_browser_s_wish_is_heard() {
    assert_eq!(
        Language::accepted("en-GB,en;q=0.9,ru;q=0.5"),
        Some(Language::English)
    );
    assert_eq!(
        Language::accepted("de, ru-RU;q=0.9"),
        Some(Language::Russian)
    );
    assert_eq!(Language::accepted("de, fr"), None);
}
