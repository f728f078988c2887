//! One call: what it came to, its legs and transfers, recordings with the player, every routing
//! decision, every fact, and the chain that explains its pop, or why there was none.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, Query, State as Extract},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::{facts, keep, marks, player, recorded, visits};
use crate::{
    model::{
        call::{Leg, LegResult, Transfer},
        event::{CallEvent, Party, TransferKind},
        ids::{CallId, Extension},
        recording::RecordingState,
        time::Timestamp,
    },
    policy::{self, Action, Object},
    store::{
        self,
        journal::{self, CallPage, Decision, Involved},
        people, pops,
        pops::Pop,
        recordings::{self, Recording},
        sources::{self, Attribution},
    },
    web::{
        Error, Site, State, Visitor, demand, format,
        i18n::Texts,
        layout::{self, Place},
        parts::{self, Pen},
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/calls/{id}", Access::Right(Action::SeeCalls), || get(show)),
    Route::post(
        "/calls/{id}/reveal",
        Access::Right(Action::RevealNumbers),
        || post(reveal),
    ),
];

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    said: String,
}

/// All that the page shows.
struct View {
    said_calling: bool,
    page: CallPage,
    object: Object,
    involved: Vec<Involved>,
    /// Names by extension, of the call's account.
    names: BTreeMap<String, String>,
    recordings: Vec<(Recording, Option<recordings::Picture>)>,
    decisions: Vec<Decision>,
    visits: Vec<Attribution>,
    facts: Vec<CallEvent>,
    pops: Vec<Pop>,
    /// Of the client's number: `spam`, `blocked` or nothing.
    mark: String,
    decisions_on: Option<keep::Decisions>,
}

impl View {
    fn waits_for_consent(&self) -> bool {
        let waits = |recording: &Recording| recording.state == RecordingState::Withheld;
        self.recordings
            .iter()
            .any(|(recording, _)| waits(recording))
    }
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(said): Query<Said>,
) -> Result<Markup, Error> {
    let mut view = read(&site, &visitor, CallId(id)).await?;
    let verdict = demand(&visitor, Action::SeeCalls, &view.object)?;
    sight::audit_ring(&site, &visitor, verdict, &format!("call:{id}")).await?;
    view.said_calling = said.said == "calling";
    let sight = sight::of(&visitor, &view.object);
    Ok(markup(&site, &visitor, &view, sight))
}

/// Shows the number of this one call in full, and leaves a trace of that.
async fn reveal(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup, Error> {
    let view = read(&site, &visitor, CallId(id)).await?;
    demand(&visitor, Action::SeeCalls, &view.object)?;
    demand(&visitor, Action::RevealNumbers, &view.object)?;
    sight::audited(&site, &visitor, "reveal", &format!("call:{id}"), "").await?;
    let sight = sight::Sight {
        full_numbers: true,
        ..sight::of(&visitor, &view.object)
    };
    Ok(markup(&site, &visitor, &view, sight))
}

async fn read(site: &Site, visitor: &Visitor, id: CallId) -> Result<View, Error> {
    let page = journal::call(&site.db, id).await?.ok_or(Error::NotFound)?;
    let object = sight::call_belongs(site, visitor, &page).await?;
    let mut with_pictures = Vec::new();
    for recording in recordings::of_call(&site.db, id).await? {
        let picture = recordings::picture(&site.db, recording.id).await?;
        with_pictures.push((recording, picture));
    }
    let names = people::extensions_with_names(&site.db, &page.row.account).await?;
    let marked = match &page.row.client {
        Some(e164) => store::marks::of_number(&site.db, e164).await?,
        None => None,
    };
    Ok(View {
        mark: marked.map(|marked| marked.mark).unwrap_or_default(),
        said_calling: false,
        involved: journal::involved(&site.db, id).await?,
        names: names.into_iter().collect(),
        recordings: with_pictures,
        decisions: journal::decisions(&site.db, id).await?,
        visits: sources::of_call(&site.db, id).await?,
        facts: journal::facts(&site.db, id).await?,
        pops: pops::of_call(&site.db, id).await?,
        decisions_on: keep::decisions(site, visitor, &object, "calls", id.0).await?,
        object,
        page,
    })
}

fn markup(site: &Site, visitor: &Visitor, view: &View, sight: sight::Sight) -> Markup {
    let pen = site.pen(visitor, sight);
    let t = visitor.texts;
    let row = &view.page.row;
    let started = Timestamp::from_micros(row.started_at);
    let title = t.fill(
        "call-title",
        &[("when", pen.clock.moment(started, pen.now).into())],
    );
    let content = html! {
        @if view.said_calling { p.done role="status" { (t.say("calling")) } }
        div.heading {
            h1 { (parts::direction(t, row.direction.as_deref())) " " (title) }
            (parts::outcome(t, row))
        }
        (who(&pen, visitor, view))
        (tiles(&pen, view))
        (player::recordings(&pen, visitor, &view.object, &view.page.call, &view.recordings))
        (recorded::section(site, &pen, visitor, &view.page, &view.object, view.waits_for_consent()))
        (legs(&pen, view))
        (visits::of_call(t, &view.visits))
        (decisions(&pen, &view.decisions))
        (chain(&pen, view))
        (facts::timeline(&pen, &view.facts, view.page.more.facts.is_some()))
        @if let Some(decisions) = &view.decisions_on { (keep::section(&pen, visitor, decisions)) }
        p.fine {
            (t.say("call-key")) " " code { (row.account) " " (view.page.more.call_key) } " · "
            button.quiet type="button" data-copy=(row.id) hidden { (t.say("copy-id")) }
        }
    };
    layout::page(visitor, Place::Journal, &title, &content)
}

fn who(pen: &Pen<'_>, visitor: &Visitor, view: &View) -> Markup {
    let t = pen.t;
    let row = &view.page.row;
    let may_reveal = row.client.is_some()
        && !pen.sight.full_numbers
        && policy::can(&visitor.person, Action::RevealNumbers, &view.object).is_allowed();
    let may_call = row.client.is_some()
        && policy::can(&visitor.person, Action::CallClients, &view.object).is_allowed();
    html! {
        div.who-line {
            (pen.client(row))
            @if may_reveal {
                form.inline action={ "/calls/" (row.id) "/reveal" } method="post" {
                    (layout::token(visitor))
                    button.quiet type="submit" { (t.say("reveal")) }
                }
            }
            @if may_call {
                form.inline action={ "/calls/" (row.id) "/call" } method="post" {
                    (layout::token(visitor))
                    button type="submit" { (t.say("call-client")) }
                }
            }
        }
        @if row.client.is_some()
            && policy::can(&visitor.person, Action::ChangeCards, &view.object).is_allowed() {
            (marks::form(visitor, &format!("/calls/{}", row.id), &view.mark))
        }
        @if pen.sight.names && row.card.is_some() {
            p.fine {
                @if let Some(reason) = &view.page.more.match_reason { (t.say("pop-match")) " " (t.word("match", reason)) ". " }
                @if let Some(owner) = &view.page.more.owner_name { (t.say("pop-owner")) ": " (owner) "." }
            }
        }
    }
}

fn tiles(pen: &Pen<'_>, view: &View) -> Markup {
    let t = pen.t;
    let row = &view.page.row;
    let more = &view.page.more;
    let span = |ms: Option<i64>| ms.map_or_else(|| "–".to_owned(), format::span);
    html! {
        dl.tiles {
            div { dt title=(t.say("wait-formula")) { (t.say("col-wait")) } dd data-tile="wait" { (span(row.wait_ms)) } }
            div { dt title=(t.say("ring-formula")) { (t.say("col-ring")) } dd data-tile="ring" { (span(more.ring_ms)) } }
            div { dt title=(t.say("talk-formula")) { (t.say("col-talk")) } dd data-tile="talk" { (span(row.talk_ms)) }
                @if let Some(hold_ms) = more.hold_ms.filter(|ms| *ms > 0) { dd.fine { (t.say("col-hold")) " " (format::span(hold_ms)) } } }
            div { dt { (t.say("col-person")) } dd { (row.person_name.as_deref().or(row.answered_ext.as_deref()).unwrap_or("–")) } }
            div { dt { (t.say("col-line")) } dd { (row.line_name.as_deref().or(row.did.as_deref()).unwrap_or("–")) } }
            div { dt { (t.say("call-ended")) } dd { (ended(t, view)) } }
            div { dt title=(t.say("pop-ms-formula")) { (t.say("pop-ms")) }
                dd data-tile="pop" { @match row.pop_ms { Some(ms) => { (t.fill("milliseconds", &[("n", ms.into())])) } None => { "–" } } } }
        }
    }
}

fn ended(t: Texts, view: &View) -> String {
    let more = &view.page.more;
    match (&more.ended, &more.hangup_by) {
        (None, _) => t.say("call-going-on"),
        (Some(_), Some(side)) => t.word("hangup", side),
        (Some(ended), None) => t.word("ended", ended),
    }
}

fn legs(pen: &Pen<'_>, view: &View) -> Markup {
    let t = pen.t;
    let call = &view.page.call;
    if call.legs.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="legs-title" {
            h2 #legs-title { (t.say("legs-title")) }
            div.scroll { table.legs {
                thead { tr {
                    th scope="col" { (t.say("leg-party")) }
                    th.number scope="col" { (t.say("leg-rang")) }
                    th.number scope="col" { (t.say("leg-answered")) }
                    th.number scope="col" { (t.say("leg-ended")) }
                    th scope="col" { (t.say("col-result")) }
                } }
                tbody { @for leg in &call.legs { (leg_row(pen, view, leg)) } }
            } }
            @if !call.transfers.is_empty() {
                h3 { (t.say("transfers-title")) }
                ul.transfers { @for transfer in &call.transfers { li { (transfer_text(pen, view, transfer)) } } }
            }
        }
    }
}

fn leg_row(pen: &Pen<'_>, view: &View, leg: &Leg) -> Markup {
    let t = pen.t;
    let at = |at: Option<Timestamp>| at.map_or_else(|| "–".to_owned(), |at| pen.clock.time_s(at));
    let party = match &leg.party {
        None => t.say("party-unknown"),
        Some(Party::Client(_)) => pen.client_number(&view.page.row),
        Some(party) => party_text(t, party, &view.names),
    };
    html! {
        tr {
            th scope="row" {
                (party)
                @if let (Some(caller), Some(Party::Client(_))) = (&leg.caller, &leg.party) {
                    " " small { "← " (with_name(caller, &view.names)) }
                }
                @if leg.initiator { " " small { (t.say("leg-initiator")) } }
            }
            td.number { (at(leg.rang_at)) }
            td.number { (at(leg.answered_at)) }
            td.number { (at(leg.ended_at)) }
            td { @match &leg.result {
                None => { "–" }
                Some(LegResult::Answered) => { (t.say("leg-result-answered")) }
                Some(LegResult::AnsweredElsewhere) => { (t.say("leg-result-elsewhere")) }
                Some(LegResult::Failed(cause)) => { (t.word("cause", &facts::word(cause))) }
            } }
        }
    }
}

/// A party that is not the client.
fn party_text(t: Texts, party: &Party, names: &BTreeMap<String, String>) -> String {
    match party {
        Party::Person(extension) => with_name(extension, names),
        Party::Queue(name) => t.fill("party-queue", &[("name", name.as_str().into())]),
        Party::Conference(name) => t.fill("party-conference", &[("name", name.as_str().into())]),
        Party::Menu => t.say("party-menu"),
        Party::Voicemail => t.say("party-voicemail"),
        Party::Client(_) | Party::Glue => t.say("party-unknown"),
    }
}

fn with_name(extension: &Extension, names: &BTreeMap<String, String>) -> String {
    match names.get(extension.as_str()) {
        Some(name) => format!("{name} ({extension})"),
        None => extension.to_string(),
    }
}

fn transfer_text(pen: &Pen<'_>, view: &View, transfer: &Transfer) -> String {
    let side = |extension: &Option<Extension>| match extension {
        Some(extension) => with_name(extension, &view.names),
        None => "?".to_owned(),
    };
    let kind = match transfer.kind {
        TransferKind::Blind => "transfer-blind",
        TransferKind::Attended => "transfer-attended",
    };
    format!(
        "{} · {} → {} · {}",
        pen.clock.time_s(transfer.at),
        side(&transfer.from),
        side(&transfer.to),
        match kind {
            "transfer-blind" => pen.t.say("transfer-blind"),
            _ => pen.t.say("transfer-attended"),
        }
    )
}

fn decisions(pen: &Pen<'_>, decisions: &[Decision]) -> Markup {
    let t = pen.t;
    html! {
        @if !decisions.is_empty() {
            section aria-labelledby="decisions-title" {
                h2 #decisions-title { (t.say("decisions-title")) }
                div.scroll { table {
                    thead { tr {
                        th scope="col" { (t.say("decision-at")) }
                        th scope="col" { (t.say("decision-targets")) }
                        th scope="col" { (t.say("decision-reason")) }
                        th.number scope="col" { (t.say("decision-ring")) }
                        th.number scope="col" { (t.say("decision-took")) }
                    } }
                    tbody { @for one in decisions { tr {
                        td { (pen.clock.time_ms(Timestamp::from_micros(one.at))) " · " (one.attempt) }
                        td { (targets(&one.targets)) }
                        td { (t.word("route", &one.reason)) }
                        td.number { (format::span(one.ring_ms)) }
                        td.number { (t.fill("microseconds", &[("n", one.took_us.into())])) }
                    } } }
                } }
            }
        }
    }
}

fn targets(json: &str) -> String {
    let targets: Vec<String> = serde_json::from_str(json).unwrap_or_default();
    if targets.is_empty() {
        "–".to_owned()
    } else {
        targets.join(", ")
    }
}

/// Event, match, mapping, delivery, paint: with times, or with the reason why it stopped there.
fn chain(pen: &Pen<'_>, view: &View) -> Markup {
    let t = pen.t;
    let unmapped: Vec<&Extension> = view
        .page
        .call
        .extensions()
        .into_iter()
        .filter(|extension| !view.names.contains_key(extension.as_str()))
        .collect();
    let rung: Vec<&Involved> = view.involved.iter().filter(|one| one.rang == 1).collect();
    let silent = |one: &&&Involved| view.pops.iter().all(|pop| pop.person != one.person);
    let comes_in = matches!(view.page.row.direction.as_deref(), None | Some("in"));
    html! {
        section aria-labelledby="chain-title" {
            h2 #chain-title { (t.say("chain-title")) }
            @if !view.pops.is_empty() { (pops_table(pen, &view.pops)) }
            ul.chain {
                @if !comes_in { li { (t.say("chain-outgoing")) } }
                @if comes_in && view.page.row.card.is_none() { li { (t.say("chain-no-card")) } }
                @for extension in &unmapped {
                    li { (t.fill("chain-unmapped", &[("extension", extension.as_str().into())])) }
                }
                @if comes_in && rung.is_empty() && unmapped.is_empty() { li { (t.say("chain-nobody-rung")) } }
                @if comes_in {
                    @for one in rung.iter().filter(silent) {
                        li { (t.fill("chain-not-decided", &[("name", one.name.as_str().into())])) }
                    }
                }
                @for pop in view.pops.iter().filter(|pop| pop.delivered_at.is_none()) {
                    li { (t.fill("chain-no-page", &[("name", pop.name.as_str().into())])) }
                }
            }
        }
    }
}

fn pops_table(pen: &Pen<'_>, pops: &[Pop]) -> Markup {
    let t = pen.t;
    let after = |pop: &Pop, at: Option<i64>| match at {
        None => "–".to_owned(),
        Some(at) => {
            let at = Timestamp::from_micros(at);
            let ms = at.millis_since(Timestamp::from_micros(pop.received_at));
            t.fill("chain-after", &[("n", ms.into())])
        }
    };
    html! {
        div.scroll { table.pops {
            thead { tr {
                th scope="col" { (t.say("col-person")) }
                th scope="col" { (t.say("chain-reason")) }
                th.number scope="col" { (t.say("chain-received")) }
                th.number scope="col" { (t.say("chain-decided")) }
                th.number scope="col" { (t.say("chain-delivered")) }
                th.number scope="col" { (t.say("chain-painted")) }
                th scope="col" { (t.say("chain-withdrawn")) }
            } }
            tbody { @for pop in pops { tr data-person=(pop.person) {
                th scope="row" { (pop.name) }
                td { (t.word("pop-reason", &pop.reason)) }
                td.number { (pen.clock.time_ms(Timestamp::from_micros(pop.received_at))) }
                td.number { (after(pop, Some(pop.decided_at))) }
                td.number { (after(pop, pop.delivered_at)) }
                td.number { (after(pop, pop.painted_at)) }
                td {
                    @if let Some(at) = pop.withdrawn_at { (pen.clock.time_s(Timestamp::from_micros(at))) " " }
                    @if let Some(why) = &pop.withdrawn_why { (t.word("gone", why)) }
                }
            } } }
        } }
    }
}
