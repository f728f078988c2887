//! What the doctor finds, for those who run the installation.

use axum::{
    extract::{Query, State as Extract},
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    flow::dial::Link,
    policy::Action,
    web::{
        Error, Site, State, Visitor,
        doctor::{self, Finding, Patient, Verdict},
        i18n::Texts,
        layout::{self, Place},
        now,
        routes::{Access, Route},
    },
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[Route::get(
    "/health",
    Access::Right(Action::RunInstallation),
    || get(show),
)];

#[derive(Deserialize)]
struct Asked {
    /// `1`: read the whole database.
    #[serde(default)]
    all: String,
}

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup, Error> {
    site.machine.refusals.write(&site.db).await?;
    let patient = patient(&site, asked.all == "1");
    let mut found = doctor::examine(&patient, now()).await?;
    // What needs somebody comes first.
    found.sort_by_key(|one| std::cmp::Reverse(one.verdict));
    let t = visitor.texts;
    let wrong = found
        .iter()
        .filter(|one| one.verdict == Verdict::Wrong)
        .count();
    let content = html! {
        div.heading {
            h1 { (t.say("health-title")) }
            a.button href="/health?all=1" { (t.say("health-all")) }
        }
        p.totals role="status" data-wrong=(wrong) {
            @if wrong == 0 { (t.say("health-good")) }
            @else { strong { (t.fill("health-wrong", &[("n", (wrong as i64).into())])) } }
        }
        div.scroll { table.health {
            thead { tr {
                th scope="col" { (t.say("health-verdict")) }
                th scope="col" { (t.say("health-check")) }
                th scope="col" { (t.say("health-subject")) }
                th scope="col" { (t.say("health-measured")) }
            } }
            tbody { @for one in &found { (row(t, one)) } }
        } }
    };
    Ok(layout::page(
        &visitor,
        Place::Accounts,
        &t.say("health-title"),
        &content,
    ))
}

fn row(t: Texts, one: &Finding) -> Markup {
    let (class, sign, word) = match one.verdict {
        Verdict::Good => ("good", "✓", "good"),
        Verdict::Remark => ("warn", "!", "remark"),
        Verdict::Wrong => ("bad", "✕", "wrong"),
    };
    html! {
        tr data-check=(one.check) data-verdict=(word) {
            td { span.badge.(class) { span aria-hidden="true" { (sign) } " " (t.word("verdict", word)) } }
            td { (t.word("doctor-check", one.check)) }
            td { (one.subject) }
            td { (one.measured(t)) }
        }
    }
}

fn patient(site: &Site, is_thorough: bool) -> Patient {
    let link = |link: &Link| match link {
        Link::Up { .. } => Ok(()),
        Link::Down { why, .. } => Err(why.clone()),
    };
    let all = site.accounts.all();
    let accounts = all.iter().map(|account| doctor::Account {
        name: account.name.clone(),
        pbx: std::sync::Arc::clone(&account.pbx),
        link: account.link.as_ref().map(|told| link(&told.borrow())),
    });
    Patient {
        db: site.db.clone(),
        accounts: accounts.collect(),
        public_url: site.settings.public_url.clone(),
        machine: site.machine.clone(),
        is_thorough,
    }
}
