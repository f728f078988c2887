//! Which calls get their channel by where the client came from, for numbers that channels share.

use axum::{Form, extract::State as Extract, response::Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::{back, before, noted};
use crate::{
    flow::attribution::RULED_AT_ONCE,
    policy::{Action, Object},
    store::{
        channel_rules::{self, Rule, Wanted},
        channels::{self, Channel},
        reports::{self, LineRow},
    },
    web::{Error, State, Visitor, demand, layout},
};

/// Longest part of a rule.
const PART_CHARS: usize = 200;
/// Portions of visits to which a changed rule is applied before the page comes back; the rest follows.
const PORTIONS: usize = 4;

/// The list of rules and a form for another one.
pub fn section(
    visitor: &Visitor,
    (rules, is_waiting): (&[Rule], bool),
    channels: &[Channel],
    lines: &[LineRow],
) -> Markup {
    let t = visitor.texts;
    let part = |part: &str| match part {
        "" => t.say("by-source-any"),
        part => part.to_owned(),
    };
    let number = |line: Option<i64>| {
        let known = lines.iter().find(|one| Some(one.id) == line);
        known.map_or_else(|| t.say("by-source-any"), |line| line.name.clone())
    };
    html! {
        h2 #by-source { (t.say("by-source-title")) }
        p.hint { (t.say("by-source-hint")) }
        @if is_waiting { p.hint role="status" data-rules="waiting" { (t.say("by-source-waiting")) } }
        @if !rules.is_empty() {
            div.scroll { table.rules {
                thead { tr {
                    th scope="col" { (t.say("col-source")) }
                    th scope="col" { (t.say("col-medium")) }
                    th scope="col" { (t.say("col-campaign")) }
                    th scope="col" { (t.say("by-source-number")) }
                    th scope="col" { (t.say("filter-channel")) }
                    th {}
                } }
                tbody { @for rule in rules {
                    tr data-rule=(rule.id) {
                        td { (part(&rule.source)) } td { (part(&rule.medium)) } td { (part(&rule.campaign)) }
                        td { (number(rule.line)) } td { (rule.channel_name) }
                        td { (act(visitor, rule, "raise", "by-source-raise")) (act(visitor, rule, "remove", "channel-remove")) }
                    }
                } }
            } }
        }
        @if !channels.is_empty() {
            form.filters action="/channels/rules" method="post" {
                (layout::token(visitor))
                @for (name, label) in [("source", "col-source"), ("medium", "col-medium"), ("campaign", "col-campaign")] {
                    label { span { (t.say(label)) } input name=(name) maxlength=(PART_CHARS); }
                }
                label { span { (t.say("by-source-number")) } select name="line" {
                    option value="" { (t.say("by-source-any")) }
                    @for line in lines { option value=(line.id) { (line.name) } }
                } }
                label { span { (t.say("filter-channel")) } select name="channel" {
                    @for channel in channels { option value=(channel.id) { (channel.name) } }
                } }
                button.primary type="submit" name="act" value="add" { (t.say("channel-add")) }
            }
        }
    }
}

fn act(visitor: &Visitor, rule: &Rule, act: &str, label: &'static str) -> Markup {
    html! {
        form.inline action="/channels/rules" method="post" {
            (layout::token(visitor))
            input type="hidden" name="id" value=(rule.id);
            button.quiet type="submit" name="act" value=(act) { (visitor.texts.say(label)) }
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    act: String,
    id: String,
    source: String,
    medium: String,
    campaign: String,
    line: String,
    channel: String,
}

impl Asked {
    /// What a new rule asks; `None`: nothing, or what cannot be.
    fn wanted(&self, lines: &[LineRow]) -> Option<Wanted> {
        let part = |text: &str| {
            let text = text.trim().to_lowercase();
            (text.chars().count() <= PART_CHARS).then_some(text)
        };
        let line = match self.line.as_str() {
            "" => None,
            id => {
                let id: i64 = id.parse().ok()?;
                Some(lines.iter().find(|line| line.id == id)?.id)
            }
        };
        let wanted = Wanted {
            source: part(&self.source)?,
            medium: part(&self.medium)?,
            campaign: part(&self.campaign)?,
            line,
        };
        wanted.is_possible().then_some(wanted)
    }
}

pub(super) async fn change(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Form(asked): Form<Asked>,
) -> Result<Response, Error> {
    demand(&visitor, Action::ManageChannels, &Object::Whole)?;
    before(&site).await?;
    let id = asked.id.parse().unwrap_or_default();
    let what = match asked.act.as_str() {
        "remove" if channel_rules::remove(&site.db, id).await? => "removed",
        "raise" if channel_rules::raise(&site.db, id).await? => "raised",
        "add" => {
            let lines = reports::all_lines(&site.db).await?;
            let channels = channels::all(&site.db).await?;
            let channel = asked.channel.parse::<i64>().ok();
            let channel = channels.iter().find(|one| Some(one.id) == channel);
            match (asked.wanted(&lines), channel) {
                (Some(wanted), Some(channel))
                    if channel_rules::add(&site.db, &wanted, channel.id).await? =>
                {
                    "added"
                }
                _ => return Ok(back("unreadable")),
            }
        }
        _ => return Ok(back("unreadable")),
    };
    noted(&site, &visitor, "channel_rules", what).await?;
    for _ in 0..PORTIONS {
        if !channel_rules::apply(&site.db, RULED_AT_ONCE).await? {
            break;
        }
    }
    Ok(back("saved"))
}
