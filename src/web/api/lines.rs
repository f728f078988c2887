//! Our lines, and the channels they stand for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    caller::Caller,
    endpoint::{About, Endpoint, Nothing, read},
    problem::Problem,
    scope::Scope,
    words::{self, Limit, Moment, Page},
};
use crate::{
    policy::Action,
    store::{
        channel_rules::{self, Rule},
        numbers::{self, Span},
    },
    web::now,
};

/// The endpoints of lines and channels.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        read("/api/v1/lines", LINES, lines),
        read("/api/v1/channels", CHANNELS, channels),
    ]
}

const LINES: About = About {
    id: "listLines",
    summary: "Our lines with their channels now",
    details: "",
    scope: Scope::LinesRead,
    action: Action::SeeCalls,
};
const CHANNELS: About = About {
    id: "listChannels",
    summary: "Channels with their lines and since when, and their rules",
    details: "",
    scope: Scope::LinesRead,
    action: Action::SeeFigures,
};

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// How many.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u16>,
    /// Where to go on: `next` of the page before.
    after: Option<String>,
}

impl Asked {
    /// How many rows, after which id.
    pub fn place(&self) -> Result<(Limit, i64), Problem> {
        let after: Option<i64> = words::place(self.after.as_deref())?;
        Ok((Limit::of(self.limit)?, after.unwrap_or(i64::MIN)))
    }
}

/// A line.
#[derive(Serialize, JsonSchema)]
pub struct Line {
    /// Our id.
    id: i64,
    /// The account at a PBX it belongs to.
    account: String,
    /// Its number.
    number: String,
    /// Its name.
    name: String,
    /// The channel it stands for now.
    channel: Option<i64>,
    /// Name of the channel.
    channel_name: Option<String>,
}

impl From<numbers::Line> for Line {
    fn from(line: numbers::Line) -> Self {
        Self {
            id: line.id,
            account: line.account,
            number: line.did,
            name: line.name,
            channel: line.channel,
            channel_name: line.channel_name,
        }
    }
}

/// A channel.
#[derive(Serialize, JsonSchema)]
pub struct Channel {
    /// Our id.
    id: i64,
    /// Its name.
    name: String,
    /// Lines that stood for it, and when.
    lines: Vec<ChannelLine>,
    /// Rules that give it calls by where their clients came from, whatever number was dialled.
    rules: Vec<ChannelRule>,
}

/// A rule that gives a channel calls by where their clients came from. The first of all channels' rules that
/// a call's visit fits counts; what is empty asks nothing, `x*` means: begins with `x`.
#[derive(Serialize, JsonSchema)]
pub struct ChannelRule {
    /// Its place among the rules of all channels.
    place: i64,
    /// Source of the visit, in small letters; so are the next two.
    source: String,
    /// Medium.
    medium: String,
    /// Campaign.
    campaign: String,
    /// The line that was dialled; null: any.
    line: Option<i64>,
}

impl From<Rule> for ChannelRule {
    fn from(rule: Rule) -> Self {
        Self {
            place: rule.place,
            source: rule.source,
            medium: rule.medium,
            campaign: rule.campaign,
            line: rule.line,
        }
    }
}

/// A time for which a line stood for a channel.
#[derive(Serialize, JsonSchema)]
pub struct ChannelLine {
    /// The line.
    line: i64,
    /// From.
    from: Moment,
    /// Until; null: still.
    to: Option<Moment>,
}

impl From<Span> for ChannelLine {
    fn from(span: Span) -> Self {
        Self {
            line: span.line,
            from: Moment::from_micros(span.valid_from),
            to: span.valid_to.map(Moment::from_micros),
        }
    }
}

async fn lines(caller: Caller, _: Nothing, asked: Asked) -> Result<Page<Line>, Problem> {
    let (limit, after) = asked.place()?;
    let rows = numbers::lines(&caller.site.db, now(), after, limit.rows()).await?;
    Ok(Page::of(rows, limit, |line| line.id, Line::from))
}

async fn channels(caller: Caller, _: Nothing, asked: Asked) -> Result<Page<Channel>, Problem> {
    let (limit, after) = asked.place()?;
    let db = &caller.site.db;
    let rows = numbers::channels(db, after, limit.rows()).await?;
    let ends = rows.first().zip(rows.last());
    let (first, last) = ends.map_or((0, -1), |(first, last)| (first.id, last.id));
    let mut spans: BTreeMap<i64, Vec<ChannelLine>> = BTreeMap::new();
    for span in numbers::spans(db, first, last).await? {
        spans.entry(span.channel).or_default().push(span.into());
    }
    let mut rules: BTreeMap<i64, Vec<ChannelRule>> = BTreeMap::new();
    for rule in channel_rules::all(db).await? {
        rules.entry(rule.channel).or_default().push(rule.into());
    }
    let page = Page::of(
        rows,
        limit,
        |row| row.id,
        |row| Channel {
            rules: rules.remove(&row.id).unwrap_or_default(),
            lines: spans.remove(&row.id).unwrap_or_default(),
            id: row.id,
            name: row.name,
        },
    );
    Ok(page)
}
