//! How calls of each line are recorded, and what the client has said to it: the rules of the lines, the
//! consent an employee notes on a call, and the pause while somebody spells out a card number.

use axum::{
    Form,
    extract::{Path, Query, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    keeping::retention,
    model::{
        call::{Call, Phase, RecordingPause},
        event::{CallEvent, Clock, ConsentSaid, Fact, RecordingStage},
        ids::{AccountName, CallId, CallKey, FactId, LegKey},
        time::Timestamp,
    },
    pbx::{Ability, PROVIDERS, PbxError},
    policy::{self, Action, Object},
    rules::recorded::{Consent, LineRule, Notice, PROMPT_CHARS, Unfit},
    store::{
        changes::{self, By},
        journal::{self, CallPage},
        recorded::{self, Line},
    },
    web::{
        Error, Site, State, Visitor, demand,
        format::{self, Clock as Times},
        layout::{self, Place},
        now,
        parts::Pen,
        routes::{Access, Route},
        sight,
    },
};

const RULES: Access = Access::Right(Action::RunInstallation);
const OWN_CALLS: Access = Access::Right(Action::ChangeCards);

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/lines/recording", RULES, || get(show)),
    Route::post("/lines/{id}/recording", RULES, || post(change)),
    Route::post("/calls/{id}/consent", OWN_CALLS, || post(note_consent)),
    Route::post("/calls/{id}/recording", OWN_CALLS, || post(pause)),
];

/// How a form fared; each has its text.
const SAID: [&str; 4] = ["saved", "prompt", "nothing_announced", "unreadable"];

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    said: String,
}

// ---- the rules of the lines

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(said): Query<Said>,
) -> Result<Markup, Error> {
    let t = visitor.texts;
    let clock = Times::new(&site.zone, t);
    let lines = recorded::lines(&site.db).await?;
    let content = html! {
        h1 { (t.say("recorded-title")) }
        @if SAID.contains(&said.said.as_str()) {
            p.done role="status" data-said=(said.said) { (t.word("recorded-said", &said.said)) }
        }
        p.hint { (t.say("recorded-hint")) }
        @for line in &lines { (line_form(&site, &visitor, &clock, line)) }
    };
    Ok(layout::page(
        &visitor,
        Place::Lines,
        &t.say("recorded-title"),
        &content,
    ))
}

fn line_form(site: &Site, visitor: &Visitor, clock: &Times<'_>, line: &Line) -> Markup {
    let t = visitor.texts;
    let (rule, since) = match &line.rule {
        Some((rule, since)) => (rule.clone(), Some(*since)),
        None => (LineRule::default(), None),
    };
    html! {
        fieldset.recorded data-line=(line.id) {
            legend { strong { (line.name) } " " (line.did) " " small { (line.account) } }
            form.filters action={ "/lines/" (line.id) "/recording" } method="post" {
                (layout::token(visitor))
                label { input type="checkbox" name="kept" value="1" checked[rule.kept]; " " (t.say("recorded-kept")) }
                label { span { (t.say("recorded-notice")) }
                    select name="notice" {
                        @for notice in Notice::ALL {
                            option value=(notice.as_str()) selected[rule.notice == notice] { (t.word("recorded-notice", notice.as_str())) }
                        }
                    }
                }
                label { span { (t.say("recorded-prompt")) }
                    input name="prompt" maxlength=(PROMPT_CHARS) value=(rule.prompt) placeholder="custom/recorded"; }
                label { span { (t.say("recorded-consent")) }
                    select name="consent" {
                        @for consent in Consent::ALL {
                            option value=(consent.as_str()) selected[rule.consent == consent] { (t.word("recorded-consent", consent.as_str())) }
                        }
                    }
                }
                button type="submit" { (t.say("save")) }
            }
            p.fine {
                @match since {
                    Some(since) => { (t.say("recorded-since")) " " (clock.moment(since, now())) "." }
                    None => { (t.say("recorded-no-rule")) }
                }
                @if line.left > 0 { " " span data-left { (t.count("recorded-left", line.left)) } }
                @if line.withheld > 0 { " " span data-withheld { (t.count("recorded-withheld", line.withheld)) } }
                @if !can_pause(site, &line.account) { " " (t.say("recorded-no-pause")) }
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Rule {
    kept: String,
    notice: String,
    prompt: String,
    consent: String,
}

impl Rule {
    fn read(&self) -> Option<LineRule> {
        Some(LineRule {
            kept: self.kept == "1",
            notice: Notice::parse(&self.notice)?,
            prompt: self.prompt.trim().to_owned(),
            consent: Consent::parse(&self.consent)?,
        })
    }
}

async fn change(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(line): Path<i64>,
    Form(form): Form<Rule>,
) -> Result<Response, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    let back = |said: &str| Redirect::to(&format!("/lines/recording?said={said}")).into_response();
    let lines = recorded::lines(&site.db).await?;
    if !lines.iter().any(|one| one.id == line) {
        return Err(Error::NotFound);
    }
    let Some(rule) = form.read() else {
        return Ok(back("unreadable"));
    };
    match rule.check() {
        Err(Unfit::Prompt) => return Ok(back("prompt")),
        Err(Unfit::NothingAnnounced) => return Ok(back("nothing_announced")),
        Ok(()) => {}
    }
    changes::note(&site.db, By::Found, None, now()).await?;
    recorded::put(&site.db, line, &rule, now()).await?;
    let object = format!("line:{line}");
    sight::audited(&site, &visitor, "change", &object, "recording").await?;
    changes::note(&site.db, By::Page(visitor.person.id), None, now()).await?;
    Ok(back("saved"))
}

// ---- one call

/// A call whose recording the visitor may decide about.
async fn own_call(site: &Site, visitor: &Visitor, id: CallId) -> Result<CallPage, Error> {
    let page = journal::call(&site.db, id).await?.ok_or(Error::NotFound)?;
    let object = sight::call_belongs(site, visitor, &page).await?;
    demand(visitor, Action::ChangeCards, &object)?;
    Ok(page)
}

#[derive(Deserialize)]
struct Word {
    #[serde(default)]
    said: String,
}

/// What the client has told the employee: a fact of the call, like a key that was pressed.
async fn note_consent(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(word): Form<Word>,
) -> Result<Response, Error> {
    let page = own_call(&site, &visitor, CallId(id)).await?;
    let said = match word.said.as_str() {
        "given" => ConsentSaid::Given,
        "refused" => ConsentSaid::Refused,
        _ => return Err(Error::Unusable("consent-unreadable")),
    };
    let object = format!("call:{id}");
    sight::audited(&site, &visitor, "consent", &object, &word.said).await?;
    let at = now();
    let account = AccountName::from(page.row.account.as_str());
    let event = CallEvent {
        account: account.clone(),
        call: CallKey::from(page.more.call_key.as_str()),
        leg: None,
        at,
        clock: Clock::Exact,
        id: FactId::from(format!("consent/{}", at.as_micros())),
        fact: Fact::Consents { said },
    };
    let told = site.flow.tell(account, "consent", vec![event], at).await;
    told.map_err(|error| Error::Unavailable(error.to_string()))?;
    retention::heard_of_consent(&site.db, &site.vault, CallId(id), at)
        .await
        .map_err(|error| Error::Unavailable(error.to_string()))?;
    Ok(Redirect::to(&format!("/calls/{id}")).into_response())
}

#[derive(Deserialize)]
struct Pause {
    #[serde(default)]
    act: String,
}

/// Pauses the recording, or goes on with it. The PBX tells that it was done.
async fn pause(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Form(asked): Form<Pause>,
) -> Result<Response, Error> {
    let page = own_call(&site, &visitor, CallId(id)).await?;
    let is_pause = asked.act == "pause";
    let facts = journal::facts(&site.db, CallId(id)).await?;
    let leg = match page.call.is_over() {
        true => None,
        false => recorded_leg(&facts),
    };
    let leg = leg.ok_or(Error::Unusable("pause-not-recorded"))?;
    let object = format!("call:{id}");
    let action = if is_pause { "pause" } else { "resume" };
    sight::audited(&site, &visitor, action, &object, "").await?;
    let account = AccountName::from(page.row.account.as_str());
    match site.commands.pause_recording(&account, leg, is_pause).await {
        Ok(()) => Ok(Redirect::to(&format!("/calls/{id}")).into_response()),
        Err(PbxError::Unsupported) => Err(Error::Unusable("pause-unsupported")),
        Err(PbxError::Refused(_)) => Err(Error::Unusable("pause-refused")),
        Err(error) => Err(Error::Unavailable(error.to_string())),
    }
}

/// The leg that is being recorded: the last one whose recording began.
fn recorded_leg(facts: &[CallEvent]) -> Option<&LegKey> {
    let recorded = facts.iter().rev().filter(|event| {
        matches!(
            &event.fact,
            Fact::Recording {
                stage: RecordingStage::Started | RecordingStage::Continued,
                ..
            }
        )
    });
    recorded.filter_map(|event| event.leg.as_ref()).next()
}

/// Whether recordings can be paused at the PBX of this account.
fn can_pause(site: &Site, account: &str) -> bool {
    let accounts = site.accounts.all();
    let known = accounts.iter().find(|one| one.name.as_str() == account);
    let provider = known.and_then(|one| PROVIDERS.iter().find(|of| of.name == one.kind));
    provider.is_some_and(|provider| provider.abilities.contains(&Ability::Pause))
}

/// What the page of a call says and asks about its recording.
pub fn section(
    site: &Site,
    pen: &Pen<'_>,
    visitor: &Visitor,
    page: &CallPage,
    object: &Object,
    waits: bool,
) -> Markup {
    let t = pen.t;
    let call = &page.call;
    let id = page.row.id;
    let may = policy::can(&visitor.person, Action::ChangeCards, object).is_allowed();
    let is_recorded = call.phase == Phase::Talking && !call.recordings.is_empty();
    html! {
        @if let Some(said) = call.consent {
            p.fine data-consent { (t.word("consent", word(said))) }
        }
        @if may && (waits || is_recorded && call.consent.is_none()) {
            form.inline.consent action={ "/calls/" (id) "/consent" } method="post" {
                (layout::token(visitor))
                span { (t.say("consent-ask")) } " "
                button type="submit" name="said" value="given" { (t.say("consent-yes")) } " "
                button.quiet type="submit" name="said" value="refused" { (t.say("consent-no")) }
            }
        }
        @if may && is_recorded {
            @if can_pause(site, &page.row.account) { (pause_form(pen, visitor, id, call)) }
            @else { p.fine data-no-pause { (t.say("recorded-no-pause")) } }
        }
        (pauses(pen, &call.recording_pauses))
    }
}

fn word(said: ConsentSaid) -> &'static str {
    match said {
        ConsentSaid::Heard => "heard",
        ConsentSaid::Refused => "refused",
        ConsentSaid::Given => "given",
    }
}

fn pause_form(pen: &Pen<'_>, visitor: &Visitor, id: Uuid, call: &Call) -> Markup {
    let t = pen.t;
    let is_paused = call
        .recording_pauses
        .last()
        .is_some_and(|last| last.to.is_none());
    html! {
        form.inline.pause action={ "/calls/" (id) "/recording" } method="post" {
            (layout::token(visitor))
            @if is_paused {
                strong { (t.say("pause-on")) } " "
                button.primary type="submit" name="act" value="resume" { (t.say("pause-resume")) }
            } @else {
                button type="submit" name="act" value="pause" { (t.say("pause-set")) }
            }
        }
    }
}

fn pauses(pen: &Pen<'_>, pauses: &[RecordingPause]) -> Markup {
    let t = pen.t;
    html! {
        @if !pauses.is_empty() {
            p.fine { (t.say("pauses-title")) }
            ul.pauses {
                @for pause in pauses {
                    li {
                        (pen.clock.time_s(pause.from)) " – "
                        @match pause.to {
                            Some(to) => { (pen.clock.time_s(to)) " (" (format::span(to.millis_since(pause.from))) ")" }
                            None => { (t.say("pause-to-the-end")) }
                        }
                    }
                }
            }
        }
    }
}

/// Where pauses lie in a recording of this length, in parts of a thousand from its begin. Only for a call
/// whose recording covers the conversation: then it begins with the answer.
pub fn pauses_in(call: &Call, duration_ms: i64) -> Vec<(i64, i64)> {
    const CLOSE_MS: i64 = 2_000;
    let (Some(from), Some(to)) = (call.answered_at, call.ended_at) else {
        return Vec::new();
    };
    let talked_ms = to.millis_since(from);
    if duration_ms <= 0 || (talked_ms - duration_ms).abs() > CLOSE_MS {
        return Vec::new();
    }
    let part = |at: Timestamp| (at.millis_since(from) * 1_000 / duration_ms).clamp(0, 1_000);
    let spans = call
        .recording_pauses
        .iter()
        .map(|pause| (part(pause.from), pause.to.map_or(1_000, part)));
    spans.filter(|(from, to)| from < to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_seconds(1_773_728_100);

    fn call(answered_s: i64, ended_s: i64, pauses: &[(i64, Option<i64>)]) -> Call {
        let at = |s: i64| AT.plus_millis(s * 1_000);
        let pause = |(from, to): &(i64, Option<i64>)| RecordingPause {
            from: at(*from),
            to: to.map(at),
        };
        Call {
            answered_at: Some(at(answered_s)),
            ended_at: Some(at(ended_s)),
            recording_pauses: pauses.iter().map(pause).collect(),
            ..Call::default()
        }
    }

    #[test]
    fn pauses_are_drawn_where_they_are_heard() {
        let paused = call(10, 20, &[(12, Some(14)), (19, None)]);
        assert_eq!(pauses_in(&paused, 10_000), [(200, 400), (900, 1_000)]);
        assert_eq!(pauses_in(&paused, 10_900), [(183, 366), (825, 1_000)]);
    }

    #[test]
    fn a_recording_of_something_else_shows_no_pauses() {
        let paused = call(10, 20, &[(12, Some(14))]);
        assert!(pauses_in(&paused, 15_000).is_empty());
        assert!(pauses_in(&paused, 0).is_empty());
    }
}
