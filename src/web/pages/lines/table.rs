//! The table of channels and numbers as people read it.

use maud::{Markup, html};

use crate::{
    model::{
        money::per,
        phone::{self},
    },
    reports::channels::{Amounts, Channel, Compared, Figures, Number, Period, Table},
    web::{format, i18n::Texts},
};

/// Which calls a row is about, for the addresses behind its figures.
#[derive(Clone, Copy)]
struct Of {
    channel: Option<i64>,
    line: Option<i64>,
}

struct Pen<'a> {
    t: Texts,
    period: &'a Period,
    /// Whether anything cost anything; without that there are no columns for it.
    has_costs: bool,
}

pub(super) fn markup(t: Texts, period: &Period, table: &Table) -> Markup {
    let pen = Pen {
        t,
        period,
        has_costs: !table.total.spent.is_empty() || !table.total.spent_before.is_empty(),
    };
    html! {
        table.figures {
            thead { tr {
                th scope="col" { (t.say("lines-line")) }
                (head(t, "lines-calls", "formula-calls"))
                (head(t, "lines-clients", "formula-unique"))
                (head(t, "lines-first", "formula-first"))
                (head(t, "lines-reached", "formula-reached"))
                (head(t, "lines-missed", "formula-missed"))
                (head(t, "lines-open", "formula-open"))
                (head(t, "lines-target", "formula-target"))
                (head(t, "lines-talk", "formula-talk"))
                @if pen.has_costs {
                    (head(t, "lines-spend", "formula-spend"))
                    (head(t, "lines-per-call", "formula-spend"))
                    (head(t, "lines-per-client", "formula-spend"))
                    (head(t, "lines-per-target", "formula-spend"))
                }
            } }
            @for channel in &table.channels {
                tbody {
                    (pen.channel(channel))
                    @for number in &channel.numbers { (pen.number(channel.channel, number)) }
                }
            }
            tfoot {
                tr.total {
                    th scope="row" { (t.say("lines-total")) }
                    (pen.figures(Of { channel: None, line: None }, &table.total))
                }
            }
        }
    }
}

fn head(t: Texts, name: &'static str, formula: &'static str) -> Markup {
    html! { th.number scope="col" title=(t.say(formula)) { (t.say(name)) } }
}

/// A number of ours as people write it; it is no secret.
pub(super) fn written(did: &str) -> String {
    let number = phone::Number::E164 {
        e164: did.to_owned(),
        ext: None,
    };
    match did.starts_with('+') {
        true => number.formatted().unwrap_or_else(|| did.to_owned()),
        false => did.to_owned(),
    }
}

impl Pen<'_> {
    fn channel(&self, channel: &Channel) -> Markup {
        let of = Of {
            channel: Some(channel.channel),
            line: None,
        };
        html! {
            tr.group data-channel=(channel.channel) {
                th scope="row" {
                    @match &channel.name { Some(name) => { (name) } None => { (self.t.say("lines-no-channel")) } }
                }
                (self.figures(of, &channel.figures))
            }
        }
    }

    fn number(&self, channel: i64, number: &Number) -> Markup {
        let of = Of {
            channel: Some(channel),
            line: Some(number.line),
        };
        html! {
            tr data-line=(number.line) data-of=(channel) {
                th scope="row" {
                    @match &number.known {
                        Some(line) => { (line.name) " " small { (written(&line.did)) } }
                        None => { (self.t.say("lines-unknown")) }
                    }
                }
                (self.figures(of, &number.figures))
            }
        }
    }

    fn figures(&self, of: Of, compared: &Compared) -> Markup {
        let (now, before) = (&compared.now, &compared.before);
        let cell = |name, behind, now: i64, before: i64| {
            self.cell(of, name, behind, Some(now), Some(before), &html! {})
        };
        let share = html! { " " small { (format::percent(now.reached, now.calls)) } };
        html! {
            (cell("calls", "direction=in&result=over", now.calls, before.calls))
            (cell("unique", "figure=once", now.unique, before.unique))
            (self.cell(of, "first", "figure=first", now.first, before.first, &html! {}))
            (self.cell(of, "reached", "direction=in&result=reached", Some(now.reached), Some(before.reached), &share))
            (cell("missed", "direction=in&result=unreached", now.missed, before.missed))
            (cell("open", "direction=in&result=open", now.open, before.open))
            (self.cell(of, "target", "figure=target", now.target, before.target, &html! {}))
            td.number data-figure="talk" {
                a href=(self.address(of, "direction=in&result=over")) { (format::span(now.talk_ms)) }
            }
            @if self.has_costs { (self.costs(now, &compared.spent)) }
        }
    }

    fn address(&self, of: Of, behind: &str) -> String {
        let mut address = format!("/calls?from={}&to={}", self.period.from, self.period.to);
        for (name, value) in [("channel", of.channel), ("line", of.line)] {
            if let Some(value) = value {
                address.push_str(&format!("&{name}={value}"));
            }
        }
        format!("{address}&{behind}")
    }

    /// A figure with the way to its calls and its change; a dash where it was not counted.
    fn cell(
        &self,
        of: Of,
        name: &str,
        behind: &str,
        now: Option<i64>,
        before: Option<i64>,
        beside: &Markup,
    ) -> Markup {
        let t = self.t;
        html! {
            td.number.bad[name == "open" && now.is_some_and(|n| n > 0)] data-figure=(name) {
                @match now {
                    Some(now) => { a href=(self.address(of, behind)) { (format::number(t, now)) } (beside) }
                    None => { "–" }
                }
                @if let (Some(now), Some(before)) = (now, before) { (self.change(now, before)) }
            }
        }
    }

    /// By how much a figure has changed against the period before.
    fn change(&self, now: i64, before: i64) -> Markup {
        let t = self.t;
        let was = t.fill("lines-before", &[("n", format::number(t, before).into())]);
        html! {
            @if (now, before) != (0, 0) {
                br; small.change title=(was) { (change(now, before)) }
            }
        }
    }

    fn costs(&self, now: &Figures, spent: &Amounts) -> Markup {
        let each = |things: Option<i64>| {
            let t = self.t;
            let amounts: Vec<String> = spent
                .iter()
                .filter_map(|(currency, minor)| Some((currency, per(*minor, things?)?)))
                .map(|(currency, minor)| format::money(t, *currency, minor))
                .collect();
            match amounts.is_empty() {
                true => "–".to_owned(),
                false => amounts.join(", "),
            }
        };
        html! {
            td.number data-figure="spend" { (each(Some(1))) }
            td.number data-figure="per-call" { (each(Some(now.calls))) }
            td.number data-figure="per-client" { (each(Some(now.unique))) }
            td.number data-figure="per-target" { (each(now.target)) }
        }
    }
}

/// `+12 %`; a dash where there was nothing to compare with.
fn change(now: i64, before: i64) -> String {
    if before == 0 {
        return "–".to_owned();
    }
    let sign = if now < before { "−" } else { "+" };
    format!("{sign}{}", format::percent((now - before).abs(), before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_per_cent() {
        assert_eq!(change(112, 100), "+12\u{a0}%");
        assert_eq!(change(50, 100), "−50\u{a0}%");
        assert_eq!(change(5, 0), "–");
        assert_eq!(change(0, 4), "−100\u{a0}%");
    }
}
