//! `bench reports`: how long the table of channels takes, and the list of calls behind one of its figures,
//! with rules that give calls their channel by where the clients came from and without.
//!
//! Every other call of the last ten weeks has a visit; a thousandth of those came by a campaign of which one
//! rule speaks. The table is asked for as its page asks, with the period before beside it.

use std::time::Instant;

use anyhow::{Context, Result};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use sqlx::AssertSqlSafe;

use super::{Options, Report, median, stage::Stage};
use crate::{
    flow::{self, attribution::RULED_AT_ONCE},
    model::time::Timestamp,
    on_write,
    reports::channels::{Period, table},
    store::{
        Db,
        channel_rules::{self, Wanted},
        channels,
        journal::{self, Filter, Whose},
    },
};

/// Days before now of which there are no calls yet.
const SINCE_DAYS: i64 = 9;
/// Days of a month, and of a range that is none.
const MONTH_DAYS: i64 = 30;
const RANGE_DAYS: i64 = 17;
/// Days of which there are visits: both periods of the table.
const VISITS_DAYS: i64 = 70;
/// Days have their edges within those of UTC.
const ZONE: &str = "Europe/Moscow";
/// Lines of a page.
const PAGE: i64 = 50;

/// Channels: what the numbers belong to, and what rules speak of.
const NUMBERS: [&str; 2] = ["Site", "Outdoor"];
const BY_RULE: [&str; 3] = ["Rare", "Search", "Social"];

/// Runs it.
pub async fn run(options: &Options) -> Result<Report> {
    let mut stage = Stage::new(options.store, options.folder.as_deref())?;
    let settings = stage.filled(options.size).await?;
    let db = Db::open(&settings).await?;
    fill(&db, flow::now()).await?;
    let mut report = Report::of("reports", options);
    let bench = Bench::of(&db, options.rounds)?;
    report.month_ms = bench.table(MONTH_DAYS).await?;
    report.range_ms = bench.table(RANGE_DAYS).await?;
    let began = Instant::now();
    let rare = rules(&db).await?;
    report.rules_applied_ms = Some(since_ms(began));
    report.ruled_month_ms = bench.table(MONTH_DAYS).await?;
    report.ruled_range_ms = bench.table(RANGE_DAYS).await?;
    report.rare_list_ms = bench.list(rare).await?;
    db.close().await;
    Ok(report)
}

/// Writes roll-ups, visits and channels beside the calls.
async fn fill(db: &Db, now: Timestamp) -> Result<()> {
    const DAY_US: i64 = 86_400_000_000;
    let since = now.as_micros() - VISITS_DAYS * DAY_US;
    let n = "cast(substr(call_key, 5) as bigint)";
    let mut statements = vec![
        "insert into rollup (quarter, line, person, writer, direction, calls, answered, missed,
           talk_ms, wait_ms, ring_ms)
         select started_at / 900000000, line, answered_by, 1, 'in', count(*), count(*), 0,
           sum(talk_ms), sum(wait_ms), sum(ring_ms) from call group by 1, 2, 3"
            .to_owned(),
        format!(
            "insert into rollup_client (day, line, client, calls)
             select started_at / {DAY_US}, line, client, count(*) from call group by 1, 2, 3"
        ),
        format!(
            "insert into visit (account, visit, at, told_at, client, hints, stage, source, medium,
               campaign, term, fields, call, confidence, state)
             select 'ads', 'v' || call_key, started_at, started_at, client, '{{}}', 1,
               case {n} / 8 % 4 when 0 then 'search' when 1 then 'social_a' when 2 then 'social_b'
                 else 'other' end,
               'cpc', case {n} / 8 % 1000 when 7 then 'rare' else 'c' || {n} / 8 % 40 end, '', '{{}}',
               id, 2, 'joined'
             from call where started_at >= {since} and {n} / 4 % 2 = 0"
        ),
    ];
    for (name, line) in NUMBERS.into_iter().chain(BY_RULE).zip(1..) {
        statements.push(format!("insert into channel (name) values ('{name}')"));
        if NUMBERS.contains(&name) {
            statements.push(format!(
                "insert into line_channel (line, channel, valid_from)
                 select {line}, id, 0 from channel where name = '{name}'"
            ));
        }
    }
    // SQLite plans without knowing how many there are, as it does where people work.
    if matches!(db, Db::Pg(_)) {
        statements.push("vacuum analyze".to_owned());
    }
    for sql in statements {
        on_write!(db, pool => sqlx::query(AssertSqlSafe(sql)).execute(pool).await.map(|_| ()))?;
    }
    Ok(())
}

/// Makes the rules; the channel of the rare one.
async fn rules(db: &Db) -> Result<i64> {
    let kept = channels::all(db).await?;
    let mut rare = None;
    for name in BY_RULE {
        let (source, campaign) = match name {
            "Rare" => ("", "rare"),
            "Search" => ("search", ""),
            _ => ("social*", ""),
        };
        let wanted = Wanted {
            source: source.to_owned(),
            campaign: campaign.to_owned(),
            ..Wanted::default()
        };
        let channel = kept.iter().find(|one| one.name == name);
        let channel = channel.context("a channel was made of every name")?.id;
        channel_rules::add(db, &wanted, channel).await?;
        rare = rare.or(Some(channel));
    }
    while channel_rules::apply(db, RULED_AT_ONCE).await? {}
    rare.context("there is a rule")
}

/// What is measured, and how often.
struct Bench<'a> {
    db: &'a Db,
    rounds: usize,
    zone: TimeZone,
    /// The last day of every period.
    last: Date,
}

impl<'a> Bench<'a> {
    fn of(db: &'a Db, rounds: usize) -> Result<Self> {
        let zone = TimeZone::get(ZONE)?;
        let now = jiff::Timestamp::from_microsecond(flow::now().as_micros())?;
        let last = now
            .to_zoned(zone.clone())
            .date()
            .checked_sub(SINCE_DAYS.days())?;
        Ok(Self {
            db,
            rounds,
            zone,
            last,
        })
    }

    fn period(&self, days: i64) -> Result<Period> {
        Ok(Period {
            from: self.last.checked_sub((days - 1).days())?,
            to: self.last,
        })
    }

    /// The table of channels over the last so many days.
    async fn table(&self, days: i64) -> Result<Option<f64>> {
        let period = self.period(days)?;
        let mut took = Vec::with_capacity(self.rounds);
        for _ in 0..self.rounds {
            let began = Instant::now();
            let table = table(self.db, &self.zone, &period, false).await?;
            took.push(since_ms(began));
            anyhow::ensure!(table.total.now.calls > 0, "there are calls to report");
        }
        Ok(median(took))
    }

    /// The calls of a month of a channel as its page lists them: the newest, and the line of totals.
    async fn list(&self, channel: i64) -> Result<Option<f64>> {
        let (from, to) = self.period(MONTH_DAYS)?.moments(&self.zone);
        let filter = Filter {
            direction: Some("in"),
            channel: Some(channel),
            ..Filter::of(Whose::Everybody, from, to)
        };
        let mut took = Vec::with_capacity(self.rounds);
        for _ in 0..self.rounds {
            let began = Instant::now();
            let page = journal::page(self.db, &filter, None, PAGE).await?;
            let totals = journal::totals(self.db, &filter).await?;
            took.push(since_ms(began));
            anyhow::ensure!(totals.calls >= page.len() as i64, "all are on some page");
            anyhow::ensure!(!page.is_empty(), "there are calls to list");
        }
        Ok(median(took))
    }
}

fn since_ms(began: Instant) -> f64 {
    super::rounded(began.elapsed().as_secs_f64() * 1_000.0)
}
