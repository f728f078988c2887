//! Who did what, when and to what, for owners and administrators. Numbers never stand in it; an object
//! leads to its page, which decides itself what may be seen.

mod file;

use std::collections::HashMap;

use axum::{
    extract::{Query, State as Extract},
    routing::get,
};
use jiff::{ToSpan, civil::Date};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    model::{ids::PersonId, time::Timestamp},
    policy::Action,
    store::{
        audit::{self, DEEDS, Filter, Kept, OBJECTS},
        people,
    },
    web::{
        Error, Site, State, Visitor,
        format::Clock,
        i18n::Texts,
        layout::{self, Place},
        now,
        parts::{Pen, nothing, older},
        query_escape,
        routes::{Access, Route},
        sight,
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/audit", Access::Right(Action::ReadAudit), || get(show)),
    Route::get("/audit.csv", Access::Right(Action::ReadAudit), || {
        get(file::export)
    }),
];

const PAGE_ROWS: i64 = 100;
/// Days of the period that is shown when none is asked for.
const DAYS: i64 = 7;
/// In the choice of people: nobody known, or the command line.
const NOBODY: &str = "nobody";

/// What stands in the address. Empty is the same as absent, as forms send it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    from: String,
    to: String,
    person: String,
    action: String,
    kind: String,
    object: String,
    before: Option<i64>,
}

/// The address as understood.
struct Wanted {
    from: Date,
    to: Date,
    filter: Filter,
    asked: Asked,
}

impl Wanted {
    fn new(asked: Asked, clock: &Clock<'_>) -> Self {
        let today = clock.date(now());
        let week_ago = today.checked_sub((DAYS - 1).days()).unwrap_or(today);
        let to: Date = asked.to.parse().unwrap_or(today);
        let from: Date = asked.from.parse().unwrap_or(week_ago.min(to));
        let to = to.max(from);
        let end = to.checked_add(1.day()).unwrap_or(to);
        let known =
            |words: &[&'static str], word: &str| words.iter().copied().find(|known| *known == word);
        let filter = Filter {
            from: clock.begin(from),
            to: clock.begin(end),
            by: match asked.person.as_str() {
                NOBODY => Some(None),
                id => id.parse().ok().map(|id| Some(PersonId(id))),
            },
            action: known(&DEEDS, &asked.action),
            kind: known(&OBJECTS, &asked.kind),
            object: object(&asked.object),
        };
        Self {
            from,
            to,
            filter,
            asked,
        }
    }

    fn address(&self, path: &str, before: Option<i64>) -> String {
        let mut address = format!("{path}?from={}&to={}", self.from, self.to);
        let asked = &self.asked;
        for (name, value) in [
            ("person", &asked.person),
            ("action", &asked.action),
            ("kind", &asked.kind),
            ("object", &asked.object),
        ] {
            if !value.is_empty() {
                address.push_str(&format!("&{name}={}", query_escape(value)));
            }
        }
        if let Some(before) = before {
            address.push_str(&format!("&before={before}"));
        }
        address
    }
}

/// An object as it is kept, or the address of its page as browsers show it.
fn object(typed: &str) -> Option<String> {
    let typed = typed.trim();
    let pages = [
        ("/cards/", "card:"),
        ("/calls/", "call:"),
        ("/people/", "person:"),
    ];
    for (page, kind) in pages {
        if let Some((_, rest)) = typed.split_once(page) {
            let id = rest.split(['/', '?', '#']).next().unwrap_or_default();
            return Some(format!("{kind}{id}"));
        }
    }
    Some(typed.to_owned()).filter(|typed| !typed.is_empty())
}

/// The page of an object, where it has one; that of a recording is its call's.
fn page_of(object: &str, calls: &HashMap<i64, Uuid>) -> Option<String> {
    let (kind, id) = object.split_once(':')?;
    let page = match kind {
        "recording" => {
            let call = calls.get(&id.parse().ok()?)?;
            return Some(format!("/calls/{call}"));
        }
        "card" => "cards",
        "call" => "calls",
        "person" => "people",
        "raw" => "dead-letters",
        "account" => "accounts",
        _ => return None,
    };
    Some(format!("/{page}/{id}"))
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup, Error> {
    let pen = site.pen(&visitor, sight::in_lists(&visitor));
    let wanted = Wanted::new(asked, &pen.clock);
    let mut found =
        audit::page(&site.db, &wanted.filter, wanted.asked.before, PAGE_ROWS + 1).await?;
    let more = found.len() as i64 > PAGE_ROWS;
    found.truncate(PAGE_ROWS as usize);
    let names = Names::read(&site).await?;
    let heard = found
        .iter()
        .filter_map(|one| one.object.strip_prefix("recording:"));
    let heard: Vec<i64> = heard.filter_map(|id| id.parse().ok()).collect();
    let calls = audit::calls_of(&site.db, &heard).await?;
    let t = visitor.texts;
    let content = html! {
        div.heading {
            h1 { (t.say("audit-title")) }
            a.button href=(wanted.address("/audit.csv", None)) { (t.say("export-csv")) }
        }
        p.hint { (t.say("audit-hint")) }
        (filters(t, &wanted, &names))
        @if found.is_empty() { (nothing(&t.say("audit-none"))) }
        @else { div.scroll { (table(&pen, &found, &names, &calls)) } }
        @if let (true, Some(last)) = (more, found.last()) {
            (older(t, &wanted.address("/audit", Some(last.id))))
        }
    };
    let title = t.say("audit-title");
    Ok(layout::page(&visitor, Place::People, &title, &content))
}

/// Names of people by row id: they do deeds, and have them done to them.
struct Names(Vec<(i64, String)>);

impl Names {
    async fn read(site: &Site) -> Result<Self, Error> {
        let all = people::all(&site.db).await?.into_iter();
        Ok(Self(all.map(|one| (one.id.0, one.name)).collect()))
    }

    /// An object in words: what it is, and which one.
    fn object(&self, t: Texts, object: &str) -> String {
        let Some((kind, id)) = object.split_once(':') else {
            return t.word("deed-object", object);
        };
        let named = self
            .0
            .iter()
            .find(|(person, _)| kind == "person" && person.to_string() == id);
        let which = match (named, id.len()) {
            (Some((_, name)), _) => name.as_str(),
            // Of long ids the end tells them apart: they begin with the time.
            (None, 36) => &id[24..],
            (None, _) => id,
        };
        format!("{} {which}", t.word("deed-object", kind))
    }
}

/// Who did it: a person, a program by its token, or where it came from.
fn who(t: Texts, one: &Kept) -> String {
    match (&one.name, &one.token) {
        (Some(name), Some(token)) => format!("{name} ({token})"),
        (Some(name), None) | (None, Some(name)) => name.clone(),
        (None, None) => t.say("audit-nobody"),
    }
}

fn table(pen: &Pen<'_>, found: &[Kept], names: &Names, calls: &HashMap<i64, Uuid>) -> Markup {
    let t = pen.t;
    html! {
        table.audit {
            thead { tr {
                th scope="col" { (t.say("letter-at")) }
                th scope="col" { (t.say("change-who")) }
                th scope="col" { (t.say("change-what")) }
                th scope="col" { (t.say("audit-object")) }
                th scope="col" { (t.say("audit-detail")) }
                th scope="col" { (t.say("audit-remote")) }
            } }
            tbody { @for one in found { tr data-deed=(one.action) {
                td { (pen.clock.moment(Timestamp::from_micros(one.at), pen.now)) }
                td { (who(t, one)) }
                td { (t.word("deed", &one.action)) }
                td {
                    @let words = names.object(t, &one.object);
                    @match page_of(&one.object, calls) {
                        Some(page) => { a href=(page) title=(one.object) { (words) } }
                        None => { (words) }
                    }
                }
                td { (one.detail) }
                td { (one.remote) }
            } } }
        }
    }
}

fn filters(t: Texts, wanted: &Wanted, names: &Names) -> Markup {
    let asked = &wanted.asked;
    let choice = |name: &str, label: String, options: Vec<(String, String)>, chosen: &str| {
        html! {
            label { span { (label) }
                select name=(name) {
                    option value="" { (t.say("filter-any")) }
                    @for (value, words) in &options {
                        option value=(value) selected[value == chosen] { (words) }
                    }
                }
            }
        }
    };
    let people = names
        .0
        .iter()
        .map(|(id, name)| (id.to_string(), name.clone()));
    let nobody = (NOBODY.to_owned(), t.say("audit-nobody"));
    let words = |family: &'static str, words: &[&str]| {
        let named = words
            .iter()
            .map(|word| ((*word).to_owned(), t.word(family, word)));
        named.collect::<Vec<_>>()
    };
    html! {
        form.filters action="/audit" method="get" {
            label { span { (t.say("filter-from")) } input type="date" name="from" value=(wanted.from); }
            label { span { (t.say("filter-to")) } input type="date" name="to" value=(wanted.to); }
            (choice("person", t.say("change-who"), people.chain([nobody]).collect(), &asked.person))
            (choice("action", t.say("change-what"), words("deed", &DEEDS), &asked.action))
            (choice("kind", t.say("audit-object"), words("deed-object", &OBJECTS), &asked.kind))
            label { span { (t.say("audit-which")) }
                input type="text" name="object" value=(asked.object) placeholder=(t.say("audit-which-hint")); }
            button.primary type="submit" { (t.say("filter-apply")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_known_by_its_page_too() {
        let id = "0198c0de-0000-7000-8000-000000000001";
        let card = format!("card:{id}");
        let typed = object(&format!("https://calls.example/cards/{id}?x=1"));
        assert_eq!(typed.as_deref(), Some(card.as_str()));
        let typed = object(&format!(" card:{id} "));
        assert_eq!(typed.as_deref(), Some(card.as_str()));
        assert_eq!(object("/people/7").as_deref(), Some("person:7"));
        assert_eq!(object(" "), None);
        let calls = HashMap::from([(7, Uuid::nil())]);
        let page = |object: &str| page_of(object, &calls);
        assert_eq!(page(&card), Some(format!("/cards/{id}")));
        assert_eq!(page("recording:7"), Some(format!("/calls/{}", Uuid::nil())));
        assert_eq!((page("recording:8"), page("calls")), (None, None));
    }
}
