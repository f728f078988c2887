//! The table of channels and numbers as a file.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    extract::{Query, State as Extract},
    response::Response,
};

use super::{Asked, table::written};
use crate::{
    model::money::{Currency, per},
    policy::{Action, Object},
    reports::channels::{self, Compared, Figures, Table},
    web::{
        Error, State, Visitor, demand,
        format::Clock,
        i18n::Texts,
        sheet::{self, Sheet},
        sight,
    },
};

/// The table of the address.
pub(super) async fn export(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    demand(&visitor, Action::Export, &Object::Whole)?;
    demand(&visitor, Action::SeeFigures, &Object::Whole)?;
    let t = visitor.texts;
    let period = asked.period(&Clock::new(&site.zone, t));
    let days = format!("{}..{}", period.from, period.to);
    sight::audited(&site, &visitor, "export", "lines", &days).await?;
    let table = channels::table(&site.db, &site.zone, &period, asked.all == "1").await?;
    let name = format!("channels-{}-{}.csv", period.from, period.to);
    Ok(sheet::download(&name, Body::from(text(t, &table))))
}

fn text(t: Texts, table: &Table) -> String {
    let currencies: BTreeSet<Currency> = table.total.spent.keys().copied().collect();
    let mut sheet = Sheet::new(t, true);
    sheet.line(&heads(t, &currencies));
    for channel in &table.channels {
        let name = channel.name.clone();
        let name = name.unwrap_or_else(|| t.say("lines-no-channel"));
        let mut line = |number: String, did: String, figures: &Compared| {
            let mut cells = vec![name.clone(), number, did];
            cells.extend(cells_of(figures, &currencies));
            sheet.line(&cells);
        };
        line(String::new(), String::new(), &channel.figures);
        for number in &channel.numbers {
            match &number.known {
                Some(known) => line(known.name.clone(), written(&known.did), &number.figures),
                None => line(t.say("lines-unknown"), String::new(), &number.figures),
            }
        }
    }
    let mut cells = vec![t.say("lines-total"), String::new(), String::new()];
    cells.extend(cells_of(&table.total, &currencies));
    sheet.line(&cells);
    sheet.text
}

fn heads(t: Texts, currencies: &BTreeSet<Currency>) -> Vec<String> {
    let mut heads = vec![
        t.say("filter-channel"),
        t.say("lines-line"),
        t.say("filter-number"),
    ];
    let figures = [
        "lines-calls",
        "lines-clients",
        "lines-first",
        "lines-reached",
        "lines-missed",
        "lines-open",
        "lines-target",
    ]
    .map(|key| t.say(key));
    heads.extend(figures.iter().cloned());
    heads.push(t.say("lines-talk-s"));
    let before = |head: &String| format!("{head} ({})", t.say("lines-was"));
    heads.extend(figures.iter().map(before));
    for currency in currencies {
        for key in [
            "lines-spend",
            "lines-per-call",
            "lines-per-client",
            "lines-per-target",
        ] {
            heads.push(format!("{}, {currency}", t.say(key)));
        }
    }
    heads
}

fn cells_of(compared: &Compared, currencies: &BTreeSet<Currency>) -> Vec<String> {
    let now = &compared.now;
    let mut cells = counted(now);
    cells.push((now.talk_ms / 1_000).to_string());
    cells.extend(counted(&compared.before));
    for currency in currencies {
        let spent = compared.spent.get(currency);
        for things in [Some(1), Some(now.calls), Some(now.unique), now.target] {
            let amount = spent.and_then(|minor| per(*minor, things?));
            // Without groups of three, so that a sheet program takes it for a number.
            let plain = |minor| currency.figures(minor, '\u{0}', '.').replace('\u{0}', "");
            cells.push(amount.map(plain).unwrap_or_default());
        }
    }
    cells
}

fn counted(figures: &Figures) -> Vec<String> {
    [
        Some(figures.calls),
        Some(figures.unique),
        figures.first,
        Some(figures.reached),
        Some(figures.missed),
        Some(figures.open),
        figures.target,
    ]
    .into_iter()
    .map(|figure| figure.map(|n| n.to_string()).unwrap_or_default())
    .collect()
}
