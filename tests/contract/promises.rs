//! What a provider's adapter promises whatever it speaks: snapshots, hostile input, authentication and
//! the abilities it claims.

use std::{borrow::Cow, fs};

use proptest::{prelude::*, test_runner::TestRunner};
use ringcard::{
    model::{
        event::{Fact, RecordingSource},
        ids::Extension,
        time::Timestamp,
    },
    pbx::{Ability, Command, Input, Intake, Pbx, PbxError, Request, RouteAnswer},
    tracker,
    web::hooks,
};
use serde_json::json;

use crate::conversation::{self, Conversation, Heard, decode};

#[test]
fn facts_are_those_of_the_snapshot() {
    let bless = std::env::var_os("RINGCARD_BLESS").is_some();
    for conversation in conversation::committed() {
        let folder = conversation
            .folder
            .as_ref()
            .expect("committed ones lie in a folder");
        let path = folder.join("facts.jsonl");
        let told: String = conversation.hear_all().iter().map(snapshot).collect();
        if bless {
            fs::write(&path, &told).expect("the fixture folder can be written");
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        let count = told.lines().count().max(kept.lines().count());
        for n in 0..count {
            let (told, kept) = (told.lines().nth(n), kept.lines().nth(n));
            assert_eq!(
                told,
                kept,
                "{} line {} (see RINGCARD_BLESS)",
                path.display(),
                n + 1
            );
        }
    }
}

/// One line per message.
fn snapshot(heard: &Heard) -> String {
    let enquiries: Vec<_> = heard
        .decoded
        .enquiries
        .iter()
        .map(|enquiry| {
            json!({
                "client": enquiry.client,
                "did": enquiry.did,
                "attempt": enquiry.attempt,
                "is_it": enquiry.is_it,
                "digits": enquiry.digits,
            })
        })
        .collect();
    let mut line = json!({ "facts": heard.events().collect::<Vec<_>>() });
    for (name, value) in [
        (
            "refused",
            json!(heard.refused.map(|refused| refused.to_string())),
        ),
        (
            "error",
            json!(heard.error.as_ref().map(ToString::to_string)),
        ),
        ("enquiries", json!(enquiries)),
        ("visits", json!(visits(heard))),
        ("visitors", json!(visitors(heard))),
        ("ignored", json!(heard.decoded.ignored)),
        ("notes", json!(heard.decoded.notes)),
    ] {
        if !value.is_null() && value != json!([]) {
            line[name] = value;
        }
    }
    format!("{line}\n")
}

fn visitors(heard: &Heard) -> Vec<serde_json::Value> {
    let wanted = heard.decoded.visitors.iter();
    wanted
        .map(|of| json!({ "call": of.call, "number": of.number, "at": of.at.rfc3339() }))
        .collect()
}

fn visits(heard: &Heard) -> Vec<serde_json::Value> {
    let visits = heard.decoded.visits.iter().map(|visit| {
        json!({
            "key": visit.key,
            "at": visit.at.rfc3339(),
            "client": visit.client,
            "hints": visit.hints,
            "stage": visit.stage,
            "fields": visit.fields,
        })
    });
    visits.collect()
}

/// A damaged message is refused, unreadable, or gives facts of our account at believable times; it
/// never panics, and what it complains of quotes no number.
pub fn survives(conversation: &Conversation, line: &conversation::Line, request: &Request) {
    let now = line.at();
    let _ = conversation.pbx.verify(request, now);
    let heard = decode(&*conversation.pbx, request, now);
    for event in heard.events() {
        assert!(event.at.is_plausible(now), "{event:?}");
        assert!(!event.call.as_str().is_empty(), "{event:?}");
        assert_eq!(event.account.as_str(), conversation.provider.name);
        if let Fact::Summary(summary) = &event.fact {
            let times = [summary.started, summary.answered, summary.ended];
            let told: Vec<_> = times.into_iter().flatten().collect();
            assert!(told.iter().all(|at| at.is_plausible(now)), "{summary:?}");
            assert!(told.is_sorted(), "{summary:?}");
        }
    }
    for visit in &heard.decoded.visits {
        assert!(visit.at.is_plausible(now), "{visit:?}");
        assert!(!visit.key.is_empty(), "{visit:?}");
        assert_eq!(visit.account.as_str(), conversation.provider.name);
    }
    if let Some(error) = heard.error {
        let text = error.to_string();
        let digits = text
            .split(|c: char| !c.is_ascii_digit())
            .map(str::len)
            .max();
        assert!(digits < Some(7), "{text}");
        assert!(text.len() < 200, "{text}");
    }
}

/// What the PBX's own list tells of a call changes nothing of what its events have told.
#[test]
fn a_record_tells_the_call_that_events_have_told_and_cut_anywhere_does_no_harm() {
    let mut all = conversation::committed();
    all.retain(|conversation| !conversation.records.is_empty());
    assert!(!all.is_empty());
    for conversation in all {
        let records = conversation.hear_records();
        let told = records.iter().flat_map(Heard::events).cloned();
        let live: tracker::Facts = conversation.events().into_iter().collect();
        let both: tracker::Facts = conversation.events().into_iter().chain(told).collect();
        let call = |facts: &tracker::Facts| tracker::derive(facts);
        let (live, both) = (call(&live), call(&both));
        let name = &conversation.name;
        assert_eq!(
            (both.legs.len(), both.result),
            (live.legs.len(), live.result),
            "{name}"
        );
        assert_eq!(both.answered_by, live.answered_by, "{name}");
        for (record, heard) in conversation.records.iter().zip(&records) {
            assert_eq!(heard.error, None, "{name}");
            let now = conversation.lines[0].at();
            for cut in (0..record.len()).filter(|cut| record.is_char_boundary(*cut)) {
                let cut =
                    conversation::hear_record(&*conversation.pbx, &record.as_bytes()[..cut], now);
                assert!(cut.error.is_some() && cut.events().count() == 0, "{name}");
            }
        }
    }
}

#[test]
fn a_message_cut_anywhere_does_no_harm() {
    for conversation in conversation::all() {
        for line in conversation.lines.iter().filter(|line| !line.is_streamed()) {
            let whole = line.request();
            for cut in 0..whole.body.len() {
                let body = whole.body.slice(..cut);
                survives(
                    &conversation,
                    line,
                    &Request {
                        body,
                        ..whole.clone()
                    },
                );
            }
            for cut in (0..whole.query.len()).filter(|cut| whole.query.is_char_boundary(*cut)) {
                let query = whole.query[..cut].to_owned();
                survives(
                    &conversation,
                    line,
                    &Request {
                        query,
                        ..whole.clone()
                    },
                );
            }
            for cut in (0..whole.path.len()).filter(|cut| whole.path.is_char_boundary(*cut)) {
                let path = whole.path[..cut].to_owned();
                survives(
                    &conversation,
                    line,
                    &Request {
                        path,
                        ..whole.clone()
                    },
                );
            }
        }
    }
}

/// One change of a message.
#[derive(Clone, Debug)]
enum Damage {
    Replace(prop::sample::Index, u8),
    Remove(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, usize),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            bytes.push(b'&');
        }
        let at = |index: &prop::sample::Index| index.index(bytes.len());
        match self {
            Self::Replace(index, byte) => {
                let at = at(index);
                bytes[at] = *byte;
            }
            Self::Remove(index, length) => {
                let at = at(index);
                let end = (at + length).min(bytes.len());
                bytes.drain(at..end);
            }
            Self::Insert(index, more) => {
                let at = at(index);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Repeat(index, length) => {
                let at = at(index);
                let again = bytes[at..(at + length).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
}

/// Pieces that forms, JSON and clocks trip over.
const PIECES: &[&str] = &[
    "&",
    "=",
    "%",
    "%00",
    "%ff",
    "%22",
    "%7B",
    "%7D",
    "%5B%5D",
    "null",
    "-1",
    "1e308",
    "0",
    "99999999999999999999",
    "9223372036854775807",
    "&timestamp=0",
    "&event=2",
    "true",
    "%D0%B0",
    "%5Cud800",
];

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    let piece = prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec());
    prop_oneof![
        3 => (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        2 => (index(), 1..40_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        3 => (index(), piece).prop_map(|(at, piece)| Damage::Insert(at, piece)),
        1 => (index(), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(at, noise)| Damage::Insert(at, noise)),
        1 => (index(), 1..60_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
    ]
}

#[test]
fn a_damaged_message_does_no_harm() {
    let conversations = conversation::all();
    let lines: Vec<_> = conversations
        .iter()
        .flat_map(|conversation| {
            conversation
                .lines
                .iter()
                .map(move |line| (conversation, line))
        })
        .filter(|(_, line)| !line.is_streamed())
        .collect();
    let cases = (
        any::<prop::sample::Index>(),
        prop::collection::vec(damage(), 1..6),
    );
    let config = ProptestConfig::with_cases(4_000);
    let done = TestRunner::new(config).run(&cases, |(line, damages)| {
        let (conversation, line) = lines[line.index(lines.len())];
        let mut request = line.request();
        let is_form = request.body.is_empty();
        let mut bytes = match is_form {
            true => request.query.clone().into_bytes(),
            false => request.body.to_vec(),
        };
        damages.iter().for_each(|damage| damage.apply(&mut bytes));
        match is_form {
            true => request.query = String::from_utf8_lossy(&bytes).into_owned(),
            false => request.body = bytes.into(),
        }
        survives(conversation, line, &request);
        Ok(())
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}

#[test]
fn random_bytes_do_no_harm() {
    for conversation in conversation::committed() {
        let Some(line) = conversation.lines.first() else {
            continue;
        };
        let config = ProptestConfig::with_cases(300);
        let noise = (any::<Vec<u8>>(), ".*", "/.*");
        let done = TestRunner::new(config).run(&noise, |(body, query, path)| {
            let (body, whole) = (body.into(), line.request());
            let request = Request {
                body,
                query,
                ..whole
            };
            survives(&conversation, line, &request);
            survives(&conversation, line, &Request { path, ..request });
            Ok(())
        });
        if let Err(error) = done {
            panic!("{error}");
        }
    }
}

/// Bytes of a stream cut anywhere give the same facts as whole.
#[test]
fn a_stream_cut_anywhere_tells_the_same() {
    for conversation in conversation::committed() {
        let streamed = conversation
            .lines
            .iter()
            .filter_map(conversation::Line::streamed);
        let whole: Vec<u8> = streamed.flatten().collect();
        let Some(now) = conversation.lines.first().map(conversation::Line::at) else {
            continue;
        };
        let feed = |pieces: &[&[u8]]| {
            let mut decoder = conversation.pbx.decoder();
            let mut heard = Heard::default();
            for piece in pieces {
                let _ = decoder.feed(Input::Bytes(piece), now, &mut heard.decoded);
            }
            heard.events().cloned().collect::<Vec<_>>()
        };
        let expected = feed(&[&whole]);
        // Every place of a short stream; of a long one so many that it costs no more than others, and they are
        // other places in each message.
        let step = 1 + whole.len() * whole.len() / 20_000_000;
        for cut in (0..whole.len()).step_by(step) {
            let (one, other) = whole.split_at(cut);
            assert_eq!(
                feed(&[one, other]),
                expected,
                "{} cut at {cut}",
                conversation.name
            );
        }
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(feed(&bytes), expected, "{} byte by byte", conversation.name);
    }
}

#[test]
fn only_authentic_requests_are_let_in() {
    for conversation in conversation::all() {
        if conversation.pbx.intake() != Intake::Webhook {
            continue;
        }
        let is_signed = conversation.signed;
        let let_in = |request: &Request, at| conversation.pbx.verify(request, at).is_ok();
        for line in conversation.lines.iter().filter(|line| !line.refused) {
            let (request, at) = (line.request(), line.at());
            assert!(let_in(&request, at), "{}", conversation.name);
            if is_signed {
                let covered = |at| is_signed_at(line.signs.as_deref(), &request.body, at);
                for body in forged(&request.body, covered) {
                    let body = body.into();
                    let forged = Request {
                        body,
                        ..request.clone()
                    };
                    assert!(!let_in(&forged, at), "{}: {forged:?}", conversation.name);
                }
            }
            if line.signs.as_ref().is_some_and(|fields| !fields.is_empty()) {
                let headers = Vec::new();
                let unsigned = Request {
                    headers,
                    ..request.clone()
                };
                assert!(
                    !let_in(&unsigned, at),
                    "{}: {unsigned:?}",
                    conversation.name
                );
            }
            let has_secret_path = conversation.pbx.secret_path_parts() > 0;
            if let Cow::Owned(kept) = conversation.pbx.kept(&request) {
                for body in without_token(&request.body, &kept.body) {
                    let body = body.into();
                    let guessed = Request {
                        body,
                        ..request.clone()
                    };
                    assert!(!let_in(&guessed, at), "{}: {guessed:?}", conversation.name);
                }
            } else if has_secret_path || !is_signed {
                for path in guessed(&request.path) {
                    let guessed = Request {
                        path,
                        ..request.clone()
                    };
                    assert!(!let_in(&guessed, at), "{}: {guessed:?}", conversation.name);
                }
            }
        }
    }
}

/// Whether the character at this place of a form is in the value of a field that the signature covers.
fn is_signed_at(fields: Option<&[String]>, body: &[u8], at: usize) -> bool {
    let Some(fields) = fields else { return true };
    let begins = body[..at].iter().rposition(|byte| *byte == b'&');
    let field = &body[begins.map_or(0, |at| at + 1)..at];
    let mut parts = field.splitn(2, |byte| *byte == b'=');
    let name = parts.next().unwrap_or_default();
    parts.next().is_some() && fields.iter().any(|known| known.as_bytes() == name)
}

/// The body without something, and with single characters changed that are signed (outside of percent
/// escapes, whose two spellings say the same). Of a message that is not signed, nothing.
fn forged(body: &[u8], is_signed: impl Fn(usize) -> bool) -> Vec<Vec<u8>> {
    if !(0..body.len()).any(&is_signed) {
        return Vec::new();
    }
    let mut forged = vec![
        Vec::new(),
        b"json=%7B%7D".to_vec(),
        body[..body.len() / 2].to_vec(),
    ];
    for at in (0..body.len()).step_by(5) {
        let escaped = body[at.saturating_sub(2)..=at].contains(&b'%');
        if body[at].is_ascii_alphanumeric() && !escaped && is_signed(at) {
            let mut changed = body.to_vec();
            changed[at] = if body[at] == b'q' { b'w' } else { b'q' };
            forged.push(changed);
        }
    }
    forged
}

/// A body whose token is left out, shortened, lengthened or changed.
fn without_token(body: &[u8], kept: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(body);
    let kept_text = String::from_utf8_lossy(kept);
    let values = text.split(['&', '=', '"', ':', ',', '{', '}', ' ']);
    let secrets = values.filter(|value| value.len() > 11 && !kept_text.contains(value));
    let mut guessed = vec![kept.to_vec(), Vec::new()];
    for secret in secrets {
        let swapped: String = secret.chars().rev().collect();
        for guess in ["", &secret[1..], &secret[..secret.len() - 1], &swapped] {
            guessed.push(text.replace(secret, guess).into_bytes());
        }
        guessed.push(text.replace(secret, &format!("{secret}x")).into_bytes());
    }
    assert!(guessed.len() > 6, "no token in {text}");
    guessed
}

/// What the journal keeps of a message tells the same, so that it can be read again.
#[test]
fn the_journal_tells_what_was_told() {
    for conversation in conversation::all() {
        let requests = conversation.lines.iter().filter(|line| !line.is_streamed());
        for line in requests.filter(|line| !line.refused) {
            let request = line.request();
            let kept = conversation.pbx.kept(&request);
            let parts = conversation.pbx.secret_path_parts();
            let again = hooks::from_journal(&hooks::journal(&kept, parts)).expect("a request");
            let told = |request: &Request| {
                let heard = decode(&*conversation.pbx, request, line.at());
                format!("{heard:?}")
            };
            assert_eq!(told(&again), told(&request), "{}", conversation.name);
        }
    }
}

/// The path with its first part shortened, lengthened or changed.
fn guessed(path: &str) -> Vec<String> {
    let token = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    let rest = &path[1 + token.len()..];
    let swapped: String = token.chars().rev().collect();
    let guesses = ["", &token[1..], &token[..token.len() - 1], &swapped, "%00"];
    let mut paths: Vec<String> = guesses
        .iter()
        .map(|guess| format!("/{guess}{rest}"))
        .collect();
    paths.extend([
        format!("/{token}x{rest}"),
        format!("/x/{token}{rest}"),
        String::new(),
    ]);
    paths
}

#[tokio::test]
async fn abilities_are_what_the_methods_do() {
    let conversations = conversation::committed();
    for provider in ringcard::pbx::PROVIDERS {
        let own: Vec<&Conversation> = conversations
            .iter()
            .filter(|conversation| conversation.provider.name == provider.name)
            .collect();
        let pbx = &own[0].pbx;
        assert_eq!(pbx.provider(), provider.name);
        let heard: Vec<Heard> = own.iter().flat_map(|own| own.hear_all()).collect();
        let claims = |ability| provider.abilities.contains(&ability);
        let name = provider.name;

        assert_eq!(
            claims(Ability::Signature),
            own.iter().any(|own| own.signed),
            "{name}: signature"
        );
        let heard_by = || own.iter().map(|own| (*own, own.hear_all()));
        assert_eq!(
            claims(Ability::Routing),
            heard_by().any(|(own, heard)| routes(own, &heard)),
            "{name}: routing"
        );
        assert_eq!(
            claims(Ability::Tracking),
            tells_visits(&heard) || asks_for_visitors(pbx.as_ref(), &heard).await,
            "{name}: tracking"
        );
        let told = || {
            own.iter().map(|own| {
                let heard = own.hear_all().into_iter();
                (*own, heard.chain(own.hear_records()).collect::<Vec<_>>())
            })
        };
        let mut gives_files = told().any(|(_, heard)| !sources(&heard).is_empty());
        for (own, heard) in told() {
            gives_files &= files_are_given(own, &heard).await;
        }
        assert_eq!(claims(Ability::Recording), gives_files, "{name}: recording");
        assert!(
            heard
                .iter()
                .any(|heard| heard.events().count() > 0 || !heard.decoded.visits.is_empty()),
            "{name}: events"
        );
        let refused = heard.iter().filter(|heard| heard.refused.is_some()).count();
        if pbx.intake() == Intake::Webhook {
            assert!(refused > 0, "{name}: no fixture shows a forged message");
        }
        let able = able(&own).await;
        for (ability, is_able) in [Ability::Command, Ability::History, Ability::Pause]
            .into_iter()
            .zip(able)
        {
            assert_eq!(claims(ability), is_able, "{name}: {ability:?}");
        }
    }
}

/// Whether some account of the fixtures takes a command, reads past calls and pauses recordings: there
/// is nobody to ask, so whoever can at all fails otherwise than one who cannot.
async fn able(own: &[&Conversation]) -> [bool; 3] {
    let command = Command::ClickToCall {
        command: "c-1".to_owned(),
        extension: Extension::from("301"),
        client: "+74950000021".to_owned(),
    };
    let mut able = [false; 3];
    for Conversation { pbx, .. } in own {
        let tried = [
            pbx.command(&command).await.map(drop),
            pbx.history(None, ringcard::flow::now()).await.map(drop),
            pbx.pause_recording(&"leg".into(), true).await,
        ];
        for (able, tried) in able.iter_mut().zip(tried) {
            *able |= !matches!(tried, Err(PbxError::Unsupported));
        }
    }
    able
}

/// Whether some question of the fixtures gets different answers for different decisions.
fn routes(own: &Conversation, heard: &[Heard]) -> bool {
    heard
        .iter()
        .flat_map(|heard| &heard.decoded.enquiries)
        .any(|enquiry| {
            let answer = |targets: Vec<Extension>| {
                let answer = RouteAnswer {
                    targets,
                    ring_ms: 10_000,
                    together: false,
                    display_name: None,
                    reason: "owner".to_owned(),
                    recorded: ringcard::pbx::Recorded::default(),
                };
                own.pbx.format_route(enquiry, &answer)
            };
            let asked = enquiry
                .is_it
                .clone()
                .unwrap_or_else(|| Extension::from("301"));
            answer(vec![asked]) != answer(Vec::new())
        })
}

fn tells_visits(heard: &[Heard]) -> bool {
    let mut events = heard.iter().flat_map(Heard::events);
    events.any(|event| matches!(event.fact, Fact::Tracking { .. }))
        || heard.iter().any(|heard| !heard.decoded.visits.is_empty())
}

/// Whether some visitor of the fixtures is asked for: there is nobody to ask, so whoever can at all fails
/// otherwise than one who cannot.
async fn asks_for_visitors(pbx: &dyn Pbx, heard: &[Heard]) -> bool {
    let mut wanted = heard.iter().flat_map(|heard| &heard.decoded.visitors);
    match wanted.next() {
        Some(of) => !matches!(pbx.visitor(of).await, Err(PbxError::Unsupported)),
        None => false,
    }
}

/// Whether every source told in these messages can be fetched, or could be if the PBX that is asked where
/// the file lies were there.
async fn files_are_given(own: &Conversation, heard: &[Heard]) -> bool {
    for (source, at) in sources(heard) {
        let given = own.pbx.recording(source, at).await;
        if !matches!(given, Ok(_) | Err(PbxError::Unreachable)) {
            return false;
        }
    }
    true
}

fn sources(heard: &[Heard]) -> Vec<(&RecordingSource, Timestamp)> {
    let events = heard.iter().flat_map(Heard::events);
    let sources = events.filter_map(|event| match &event.fact {
        Fact::Recording { source, .. } => Some((source.as_ref()?, event.at)),
        _ => None,
    });
    sources.collect()
}
