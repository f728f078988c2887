//! The journal: every call by period and filter, totals, calls going on now on top, and the same list
//! as a file. Filters stand in the address, so a list can be kept and sent.

mod file;
mod top;

use axum::{
    extract::{Query, State as Extract},
    routing::get,
};
use jiff::{ToSpan, civil::Date};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use self::top::{Standing, Top};
use crate::{
    model::{
        call::CallResult,
        ids::{LineId, PersonId},
        time::Timestamp,
    },
    policy::{self, Action, Object},
    rules::attribution::Confidence,
    store::{
        channels,
        journal::{
            self, CallRow, Came, Cursor, Figure, Filter, LocalTime, Outcome, TOTALS_LIMIT, Totals,
            Whose,
        },
        people, reports,
    },
    web::{
        Error, Site, State, Visitor,
        format::{self, Clock},
        i18n::Texts,
        layout::{self, Place},
        now,
        parts::{Columns, Pen, nothing},
        query_escape,
        routes::{Access, Route},
        sight::{self, Sight},
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/calls", Access::Right(Action::SeeCalls), || get(show)),
    Route::get("/calls/live", Access::Right(Action::SeeCalls), || {
        get(top::again)
    }),
    Route::get("/calls.csv", Access::Right(Action::Export), || {
        get(file::export)
    }),
];

const PAGE_ROWS: i64 = 50;

/// What stands in the address. Empty is the same as absent, as forms send it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    from: String,
    to: String,
    direction: String,
    result: String,
    person: String,
    line: String,
    channel: String,
    figure: String,
    source: String,
    medium: String,
    campaign: String,
    keyword: String,
    sure: String,
    q: String,
    after: String,
}

impl Asked {
    /// What is asked of where clients came from: it is kept in addresses, and no field of the form.
    fn came(&self) -> [(&'static str, &str); 5] {
        [
            ("source", &self.source),
            ("medium", &self.medium),
            ("campaign", &self.campaign),
            ("keyword", &self.keyword),
            ("sure", &self.sure),
        ]
    }
}

/// A dash asks for what nobody told.
fn came(text: &str) -> Option<String> {
    match text {
        "" => None,
        "-" => Some(String::new()),
        text => Some(text.to_lowercase()),
    }
}

/// The address as understood.
struct Wanted {
    from: Date,
    to: Date,
    filter: Filter,
    after: Option<Cursor>,
    /// A part of a number was typed by somebody who must give all of it.
    part_ignored: bool,
    asked: Asked,
}

impl Wanted {
    fn new(asked: Asked, clock: &Clock<'_>, whose: Whose, sight: Sight) -> Self {
        let today = clock.date(now());
        let from: Date = asked.from.parse().unwrap_or(today);
        let to: Date = asked.to.parse().unwrap_or(today.max(from));
        let to = to.max(from);
        let end = to.checked_add(1.day()).unwrap_or(to);
        let digits = sight.digits_to_find(&asked.q);
        let part_ignored = !sight.full_numbers && digits.is_none() && !asked.q.is_empty();
        let (begin, end) = (clock.begin(from), clock.begin(end));
        let filter = Filter {
            direction: ["in", "out", "internal"]
                .into_iter()
                .find(|word| *word == asked.direction),
            outcome: outcome(&asked.result),
            person: asked.person.parse().ok().map(PersonId),
            line: asked.line.parse().ok().map(LineId),
            channel: asked.channel.parse().ok(),
            figure: match asked.figure.as_str() {
                "once" => Some(Figure::Once),
                "first" => Some(Figure::First),
                "target" => Some(Figure::Target(LocalTime::of(clock.zone(), begin, end))),
                _ => None,
            },
            came: Came {
                source: came(&asked.source),
                medium: came(&asked.medium),
                campaign: came(&asked.campaign),
                term: came(&asked.keyword),
                confidence: Confidence::parse(&asked.sure),
            },
            digits,
            ..Filter::of(whose, begin, end)
        };
        Self {
            from,
            to,
            filter,
            after: cursor(&asked.after),
            part_ignored,
            asked,
        }
    }

    /// The address with another period, or going on after a call.
    fn address(&self, path: &str, from: Date, to: Date, after: Option<&CallRow>) -> String {
        let mut address = format!("{path}?from={from}&to={to}");
        let asked = &self.asked;
        let fields = [
            ("direction", asked.direction.as_str()),
            ("result", &asked.result),
            ("person", &asked.person),
            ("line", &asked.line),
            ("channel", &asked.channel),
            ("figure", &asked.figure),
            ("q", &asked.q),
        ];
        for (name, value) in fields.into_iter().chain(asked.came()) {
            if !value.is_empty() {
                address.push_str(&format!("&{name}={}", query_escape(value)));
            }
        }
        if let Some(row) = after {
            address.push_str(&format!("&after={}-{}", row.started_at, row.id.simple()));
        }
        address
    }
}

/// A filter by its word; `None`: there is no such word.
pub fn outcome(word: &str) -> Option<Outcome> {
    match word {
        "answered" => Some(Outcome::Answered),
        "reached" => Some(Outcome::Reached),
        "unreached" => Some(Outcome::Unreached),
        "open" => Some(Outcome::Open),
        "unknown" => Some(Outcome::Unknown),
        "over" => Some(Outcome::Over),
        _ => CallResult::parse(word).map(|result| Outcome::Exactly(result.as_str())),
    }
}

fn cursor(text: &str) -> Option<Cursor> {
    let (started_at, id) = text.split_once('-')?;
    Some(Cursor {
        started_at: Timestamp::from_micros(started_at.parse().ok()?),
        id: Uuid::parse_str(id).ok()?,
    })
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup, Error> {
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let wanted = Wanted::new(asked, &pen.clock, sight::whose(&visitor), pen.sight);
    let digits = wanted.filter.digits.as_deref();
    sight::searched(&site, &visitor, pen.sight, digits).await?;
    let mut rows = journal::page(&site.db, &wanted.filter, wanted.after, PAGE_ROWS + 1).await?;
    let more = rows.len() as i64 > PAGE_ROWS;
    rows.truncate(PAGE_ROWS as usize);
    let older = rows.last().filter(|_| more);
    let older = older.map(|last| wanted.address("/calls", wanted.from, wanted.to, Some(last)));
    let totals = journal::totals(&site.db, &wanted.filter).await?;
    let choices = Choices::read(&site, &visitor).await?;
    let t = visitor.texts;
    let today = pen.clock.date(pen.now);
    let top = match wanted.to >= today && wanted.after.is_none() {
        true => Some(Top::read(&site, &visitor, &pen, Standing::default()).await?),
        false => None,
    };
    // A call stands once on the page.
    let listed = rows.len();
    rows.retain(|row| top.as_ref().is_none_or(|top| !top.shows(row)));
    let may_export = policy::can(&visitor.person, Action::Export, &Object::Whole).is_allowed();
    let content = html! {
        div.heading {
            h1 { (t.say("journal-title")) }
            @if may_export {
                a.button href=(wanted.address("/calls.csv", wanted.from, wanted.to, None)) { (t.say("export-csv")) }
            }
        }
        (came_from(t, &wanted))
        (filters(&pen, &wanted, &choices, today))
        (totals_line(t, &totals))
        @if let Some(top) = &top {
            div data-refresh=(top.address(pen.now)) data-lists { (top.markup(&pen)) }
        }
        @if rows.is_empty() { @if listed == 0 { (empty(t, &wanted)) } }
        @else { div.scroll { (pen.calls(&rows, Columns::All)) } }
        nav.pages aria-label=(t.say("pages-label")) {
            @if wanted.after.is_some() {
                a.button href=(wanted.address("/calls", wanted.from, wanted.to, None)) { (t.say("pages-newest")) }
            }
            @if let Some(older) = &older {
                a.button rel="next" href=(older) { (t.say("pages-older")) }
            }
        }
    };
    Ok(layout::page(
        &visitor,
        Place::Journal,
        &t.say("journal-title"),
        &content,
    ))
}

/// What the select boxes offer.
struct Choices {
    people: Vec<(i64, String)>,
    lines: Vec<(i64, String)>,
    channels: Vec<(i64, String)>,
}

impl Choices {
    async fn read(site: &Site, visitor: &Visitor) -> Result<Self, Error> {
        let everybody = people::all(&site.db).await?.into_iter();
        let people = match sight::whose(visitor) {
            Whose::Everybody => everybody.map(|one| (one.id.0, one.name)).collect(),
            Whose::Department(department) => everybody
                .filter(|one| one.department == Some(department))
                .map(|one| (one.id.0, one.name))
                .collect(),
            Whose::Person(_) => Vec::new(),
        };
        let t = visitor.texts;
        let lines = reports::all_lines(&site.db).await?;
        let lines = lines.into_iter().map(|line| (line.id, line.name));
        let channels = channels::all(&site.db).await?;
        let channels = channels.into_iter().map(|one| (one.id, one.name));
        let none = |name| std::iter::once((0, t.say(name)));
        Ok(Self {
            people,
            lines: lines.chain(none("lines-unknown")).collect(),
            channels: channels.chain(none("lines-no-channel")).collect(),
        })
    }
}

/// Says that only calls of one source are listed, and how to see all.
fn came_from(t: Texts, wanted: &Wanted) -> Markup {
    let mut asked = wanted.asked.came().into_iter();
    let words = asked.by_ref().filter(|(_, value)| !value.is_empty());
    let words: Vec<&str> = words.map(|(_, value)| value).collect();
    html! {
        @if !words.is_empty() {
            p.hint role="status" {
                (t.say("visits-only")) " " strong data-came { (words.join(" · ")) } " "
                a href={ "/calls?from=" (wanted.from) "&to=" (wanted.to) } { (t.say("journal-clear")) }
            }
        }
    }
}

/// What is asked of where clients came from stays when the form is sent.
fn kept(asked: &Asked) -> Markup {
    html! {
        @for (name, value) in asked.came() {
            @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
        }
    }
}

fn filters(pen: &Pen<'_>, wanted: &Wanted, choices: &Choices, today: Date) -> Markup {
    let t = pen.t;
    let number_hint = if pen.sight.full_numbers {
        "filter-number-hint"
    } else {
        "filter-number-whole"
    };
    let asked = &wanted.asked;
    let back = |days: i64| today.checked_sub(days.days()).unwrap_or(today);
    let periods = [
        (t.say("period-today"), today, today),
        (t.say("period-yesterday"), back(1), back(1)),
        (t.say("period-week"), back(6), today),
        (t.say("period-month"), back(29), today),
    ];
    html! {
        nav.segments aria-label=(t.say("period-label")) {
            @for (name, from, to) in &periods {
                a href=(wanted.address("/calls", *from, *to, None))
                    aria-current=[(wanted.from == *from && wanted.to == *to).then_some("true")] { (name) }
            }
        }
        form.filters action="/calls" method="get" {
            label { span { (t.say("filter-from")) } input type="date" name="from" value=(wanted.from); }
            label { span { (t.say("filter-to")) } input type="date" name="to" value=(wanted.to); }
            label { span { (t.say("filter-direction")) }
                select name="direction" {
                    option value="" { (t.say("filter-any")) }
                    @for word in ["in", "out", "internal"] {
                        option value=(word) selected[asked.direction == word] { (t.word("direction", word)) }
                    }
                }
            }
            label { span { (t.say("filter-result")) }
                select name="result" {
                    option value="" { (t.say("filter-any")) }
                    @for word in ["over", "answered", "reached", "unreached", "unknown", "open"] {
                        option value=(word) selected[asked.result == word] { (t.word("outcome", word)) }
                    }
                    optgroup label=(t.say("filter-exactly")) {
                        @for result in CallResult::ALL.into_iter().skip(1) {
                            option value=(result.as_str()) selected[asked.result == result.as_str()] { (t.word("result", result.as_str())) }
                        }
                    }
                }
            }
            @if !choices.people.is_empty() {
                label { span { (t.say("col-person")) } (select(t, "person", &asked.person, &choices.people)) }
            }
            label { span { (t.say("col-line")) } (select(t, "line", &asked.line, &choices.lines)) }
            @if choices.channels.len() > 1 {
                label { span { (t.say("filter-channel")) } (select(t, "channel", &asked.channel, &choices.channels)) }
            }
            label { span { (t.say("filter-figure")) }
                select name="figure" {
                    option value="" { (t.say("filter-any")) }
                    @for word in ["once", "first", "target"] {
                        option value=(word) selected[asked.figure == word] { (t.word("figure", word)) }
                    }
                }
            }
            label { span { (t.say("filter-number")) }
                input type="search" name="q" value=(asked.q) inputmode="tel" placeholder=(t.say(number_hint));
            }
            (kept(asked))
            button.primary type="submit" { (t.say("filter-apply")) }
        }
        @if wanted.part_ignored { p.hint role="status" { (t.say("number-part-ignored")) } }
    }
}

fn select(t: Texts, name: &str, chosen: &str, choices: &[(i64, String)]) -> Markup {
    html! {
        select name=(name) {
            option value="" { (t.say("filter-any")) }
            @for (id, title) in choices {
                option value=(id) selected[chosen == id.to_string()] { (title) }
            }
        }
    }
}

fn totals_line(t: Texts, totals: &Totals) -> Markup {
    let calls = totals.calls.min(TOTALS_LIMIT);
    let more = totals.calls > TOTALS_LIMIT;
    html! {
        p.totals role="status" {
            strong data-total="calls" {
                @if more { (t.say("totals-more-than")) " " }
                (format::number(t, calls)) " " (t.count("totals-calls", calls))
            }
            span data-total="answered" {
                (t.say("totals-answered")) " " (format::number(t, totals.answered))
                " (" (format::percent(totals.answered, calls)) ")"
            }
            span data-total="open" { (t.say("totals-open")) " " (format::number(t, totals.open)) }
            span data-total="talk" title=(t.say("talk-formula")) { (t.say("totals-talk")) " " (format::span(totals.talk_ms)) }
        }
    }
}

/// Why there is nothing, and one thing to do about it.
fn empty(t: Texts, wanted: &Wanted) -> Markup {
    let asked = &wanted.asked;
    let narrowed = [
        &asked.direction,
        &asked.result,
        &asked.person,
        &asked.line,
        &asked.channel,
        &asked.figure,
        &asked.q,
        &asked.source,
        &asked.sure,
    ]
    .iter()
    .any(|value| !value.is_empty());
    html! {
        @if narrowed {
            (nothing(&t.say("journal-filtered")))
            p { a.button href={ "/calls?from=" (wanted.from) "&to=" (wanted.to) } { (t.say("journal-clear")) } }
        } @else {
            (nothing(&t.say("journal-empty")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::i18n::Language;

    #[test]
    fn an_address_is_understood_and_written_again() {
        let zone = jiff::tz::TimeZone::get("Europe/Moscow").unwrap();
        let clock = Clock::new(&zone, Texts::new(Language::English));
        let asked = Asked {
            from: "2026-11-01".to_owned(),
            to: "2026-11-02".to_owned(),
            result: "open".to_owned(),
            line: "7".to_owned(),
            q: "8 (495) 000-00-11".to_owned(),
            person: "nobody".to_owned(),
            ..Asked::default()
        };
        let sight = Sight {
            full_numbers: true,
            names: true,
        };
        let wanted = Wanted::new(asked, &clock, Whose::Everybody, sight);
        assert_eq!(wanted.filter.from.rfc3339(), "2026-10-31T21:00:00.000Z");
        assert_eq!(wanted.filter.to.rfc3339(), "2026-11-02T21:00:00.000Z");
        assert_eq!(wanted.filter.outcome, Some(Outcome::Open));
        assert_eq!(wanted.filter.line, Some(LineId(7)));
        assert_eq!(wanted.filter.person, None);
        assert_eq!(wanted.filter.digits.as_deref(), Some("4950000011"));
        let address = wanted.address("/calls", wanted.from, wanted.to, None);
        assert!(address.starts_with("/calls?from=2026-11-01&to=2026-11-02&result=open"));
    }

    #[test]
    fn a_place_in_the_list_survives_the_address() {
        let id = Uuid::now_v7();
        let found = cursor(&format!("1763800000000000-{}", id.simple())).unwrap();
        assert_eq!(found.id, id);
        assert_eq!(found.started_at.as_micros(), 1_763_800_000_000_000);
        assert_eq!(cursor("1763800000000000"), None);
        assert_eq!(cursor("x-y"), None);
    }
}
