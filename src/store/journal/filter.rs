//! Which calls a list, a total or a figure means. A figure and the list of calls behind it are asked for
//! by the same conditions, so that they cannot differ.

use jiff::tz::TimeZone;

use crate::{
    model::{
        ids::{CardId, LineId, PersonId},
        time::Timestamp,
    },
    on_read,
    rules::{attribution::Confidence, channels::TargetRule},
    store::{
        Db, StoreError,
        channel_rules::OF_CALL,
        sources::counts,
        sql::{Bound, Sql},
    },
};

/// Whose calls may be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's.
    Everybody,
    /// Calls in which people of this department were rung or talked.
    Department(i64),
    /// Calls in which this person was rung or talked.
    Person(PersonId),
}

/// How calls turned out, as a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A person talked with the client.
    Answered,
    /// Answered and over: what figures count.
    Reached,
    /// Over, and somebody should call back.
    Unreached,
    /// Like that, and nobody has yet: an open task.
    Open,
    /// Over, however it turned out: what figures count.
    Over,
    /// Over, and nobody has told whether anybody talked.
    Unknown,
    /// Exactly this word of `CallResult`.
    Exactly(&'static str),
}

/// Which calls.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Whose.
    pub whose: Whose,
    /// Started at or after.
    pub from: Timestamp,
    /// Started before.
    pub to: Timestamp,
    /// `in`, `out` or `internal`.
    pub direction: Option<&'static str>,
    /// How they turned out.
    pub outcome: Option<Outcome>,
    /// In which this person was rung or talked.
    pub person: Option<PersonId>,
    /// Over this line; 0: over a line that is not known.
    pub line: Option<LineId>,
    /// Of this channel: by rule, or by the line that belonged to it then; 0: of none.
    pub channel: Option<i64>,
    /// What the visit that counts must say.
    pub came: Came,
    /// Exactly the calls that a figure counts.
    pub figure: Option<Figure>,
    /// Of this card.
    pub card: Option<CardId>,
    /// The client's number ends with these digits.
    pub digits: Option<String>,
}

impl Filter {
    /// All these people's calls of a period.
    pub const fn of(whose: Whose, from: Timestamp, to: Timestamp) -> Self {
        Self {
            whose,
            from,
            to,
            direction: None,
            outcome: None,
            person: None,
            line: None,
            channel: None,
            came: Came::ANYHOW,
            figure: None,
            card: None,
            digits: None,
        }
    }
}

/// Where a client must have come from, in small letters; empty: nobody told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    /// Source.
    pub source: Option<String>,
    /// Medium.
    pub medium: Option<String>,
    /// Campaign.
    pub campaign: Option<String>,
    /// Keyword.
    pub term: Option<String>,
    /// How sure that is.
    pub confidence: Option<Confidence>,
}

impl Came {
    /// Whether or not anybody told.
    pub const ANYHOW: Self = Self {
        source: None,
        medium: None,
        campaign: None,
        term: None,
        confidence: None,
    };

    fn narrow(&self, sql: &mut Sql) {
        if *self == Self::ANYHOW {
            return;
        }
        sql.push(" and exists (select 1 from visit v where ")
            .push(&counts("v", "c"));
        for (column, value) in [
            ("source", &self.source),
            ("medium", &self.medium),
            ("campaign", &self.campaign),
            ("term", &self.term),
        ] {
            if let Some(value) = value {
                sql.push(&format!(" and v.{column} = "));
                sql.bind(Bound::Text(value.clone()));
            }
        }
        if let Some(confidence) = self.confidence {
            sql.push(" and v.confidence = ");
            sql.bind(Bound::Int(confidence.rank()));
        }
        sql.push(")");
    }
}

/// Calls that one figure counts, all of them finished and incoming.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figure {
    /// The first call of each client within the filter's period, line and channel: one per client.
    Once,
    /// The first call of each client ever.
    First,
    /// Target calls by the rule of the channel the line belonged to.
    Target(LocalTime),
}

/// How far the company's clocks are from UTC within a period: rules speak of its hours and days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalTime {
    /// Until when (microseconds), and how far ahead of UTC.
    before: Vec<(i64, i64)>,
    /// How far ahead of UTC after that.
    last: i64,
}

impl LocalTime {
    /// Of a period in a time zone.
    pub fn of(zone: &TimeZone, from: Timestamp, to: Timestamp) -> Self {
        let moment = |at: Timestamp| jiff::Timestamp::from_microsecond(at.as_micros());
        let ahead = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * 1_000_000;
        let begin = moment(from).unwrap_or_default();
        let mut local = Self {
            before: Vec::new(),
            last: ahead(zone.to_offset(begin)),
        };
        for change in zone.following(begin) {
            let at = change.timestamp().as_microsecond();
            if at >= to.as_micros() {
                break;
            }
            local.before.push((at, local.last));
            local.last = ahead(change.offset());
        }
        local
    }

    /// The call's start as the company's clocks showed it, in microseconds: SQL.
    fn started(&self) -> String {
        if self.before.is_empty() {
            return format!("(c.started_at + {})", self.last);
        }
        let cases: String = self
            .before
            .iter()
            .map(|(until, ahead)| format!(" when c.started_at < {until} then {ahead}"))
            .collect();
        format!("(c.started_at + case{cases} else {} end)", self.last)
    }
}

/// Nobody has called from this number before, as far as is known.
pub(in crate::store) const FIRST: &str = "(c.direction = 'in' and c.phase = 'ended'
    and c.client is not null and not exists (select 1 from call e where e.client = c.client
    and e.direction = 'in' and e.phase = 'ended' and (e.started_at, e.id) < (c.started_at, c.id)))";

/// A target call by the rule of its channel, or by the general one.
pub(in crate::store) fn target(local: &LocalTime) -> String {
    let general = TargetRule::default();
    let started = local.started();
    format!(
        "(c.direction = 'in' and c.phase = 'ended' and c.result = 'answered'
          and coalesce(c.talk_ms, 0) >= coalesce(ch.target_talk_s, {talk_s}) * 1000
          and substr(coalesce(ch.target_days, '{days}'),
                     cast(({started} / 86400000000 + 3) % 7 + 1 as integer), 1) = '1'
          and {started} % 86400000000 / 60000000 >= coalesce(ch.target_from_min, {from_min})
          and {started} % 86400000000 / 60000000 < coalesce(ch.target_to_min, {to_min})
          and (coalesce(ch.target_first, {first}) = 0 or {FIRST}))",
        talk_s = general.talk_s,
        days = general.days_word(),
        from_min = general.from_min,
        to_min = general.to_min,
        first = i64::from(general.first_only),
    )
}

/// The first call of each client within the period, and within line and channel if they are asked for.
fn once(sql: &mut Sql, filter: &Filter) {
    sql.push(
        " and c.direction = 'in' and c.phase = 'ended' and c.client is not null
          and not exists (select 1 from call e",
    );
    if filter.channel.is_some() {
        sql.push(
            " left join line_channel y on y.line = e.line and y.valid_from <= e.started_at
              and (y.valid_to is null or y.valid_to > e.started_at)
              left join call_channel ec on ec.call = e.id",
        );
    }
    sql.push(
        " where e.client = c.client and e.direction = 'in' and e.phase = 'ended'
          and (e.started_at, e.id) < (c.started_at, c.id) and e.started_at >= ",
    );
    sql.bind(Bound::Int(filter.from.as_micros()));
    if filter.line.is_some() {
        sql.push(" and coalesce(e.line, 0) = coalesce(c.line, 0)");
    }
    if filter.channel.is_some() {
        sql.push(" and coalesce(ec.channel, y.channel, 0) = coalesce(ch.id, 0)");
    }
    sql.push(")");
}

/// Along which rows a list walks: those of the index that holds the fewest others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Along {
    /// All calls.
    Calls,
    /// Those in which this person was rung or talked.
    Person(PersonId),
    /// Those that have this channel by a rule.
    Ruled(i64),
}

impl Along {
    pub(super) async fn of(db: &Db, filter: &Filter) -> Result<Self, StoreError> {
        const HAS_LINES: &str = "select line from line_channel where channel = $1 \
            and valid_from < $3 and (valid_to is null or valid_to > $2) limit 1";
        if let (Some(person), _) | (None, Whose::Person(person)) = (filter.person, filter.whose) {
            return Ok(Self::Person(person));
        }
        let Some(channel) = filter.channel.filter(|channel| *channel != 0) else {
            return Ok(Self::Calls);
        };
        let line: Option<(i64,)> = on_read!(db, pool => {
            sqlx::query_as(HAS_LINES)
                .bind(channel)
                .bind(filter.from.as_micros())
                .bind(filter.to.as_micros())
                .fetch_optional(pool)
                .await?
        });
        // No number was the channel's then: what it has, it has by rules.
        Ok(line.map_or(Self::Ruled(channel), |_| Self::Calls))
    }

    /// Start and id of a call, as the index has them.
    pub(super) const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Calls => ("c.started_at", "c.id"),
            Self::Person(_) => ("cp.started_at", "cp.call"),
            Self::Ruled(_) => ("cc.started_at", "cc.call"),
        }
    }

    /// Where the walk begins: `from … where`.
    fn begin(self, sql: &mut Sql, joins: &str) {
        match self {
            Self::Calls => {
                sql.push(" from call c").push(joins).push(" where ");
            }
            Self::Person(person) => {
                sql.push(" from call_person cp join call c on c.id = cp.call");
                sql.push(joins).push(" where cp.person = ");
                sql.bind(Bound::Int(person.0)).push(" and ");
            }
            Self::Ruled(channel) => {
                sql.push(" from call_channel cc join call c on c.id = cc.call");
                sql.push(joins).push(" where cc.channel = ");
                sql.bind(Bound::Int(channel)).push(" and ");
            }
        }
    }
}

/// `from … where …` of a filter. When one person's calls are wanted, or those of a channel that has rules only,
/// the walk goes along their own index, so that few calls among millions are found as fast as many. The
/// channel (`ch`) is joined where filter or columns ask for it.
pub(super) fn select(columns: &str, joins: &str, filter: &Filter, along: Along) -> Sql {
    let mut sql = Sql::default();
    let by_channel = filter.channel.is_some()
        || matches!(filter.figure, Some(Figure::Target(_)))
        || columns.contains("ch.");
    let joins = &match by_channel {
        true => format!("{joins}{OF_CALL}"),
        false => joins.to_owned(),
    };
    sql.push("select ").push(columns);
    along.begin(&mut sql, joins);
    let (start, _) = along.keys();
    sql.push(start).push(" >= ");
    sql.bind(Bound::Int(filter.from.as_micros()));
    sql.push(&format!(" and {start} < "));
    sql.bind(Bound::Int(filter.to.as_micros()));
    if let Whose::Person(person) = filter.whose
        && filter.person.is_some()
    {
        sql.push(" and exists (select 1 from call_person o where o.call = c.id and o.person = ");
        sql.bind(Bound::Int(person.0)).push(")");
    }
    if let Whose::Department(department) = filter.whose {
        sql.push(
            " and exists (select 1 from call_person o join person q on q.id = o.person
              where o.call = c.id and q.department = ",
        );
        sql.bind(Bound::Int(department)).push(")");
    }
    narrow(&mut sql, filter);
    sql
}

fn narrow(sql: &mut Sql, filter: &Filter) {
    if let Some(direction) = filter.direction {
        sql.push(" and c.direction = ");
        sql.bind(Bound::Text(direction.to_owned()));
    }
    match &filter.outcome {
        None => {}
        Some(Outcome::Answered) => {
            sql.push(" and c.result = 'answered'");
        }
        Some(Outcome::Reached) => {
            sql.push(" and c.result = 'answered' and c.phase = 'ended'");
        }
        Some(Outcome::Unreached) => {
            sql.push(" and c.result not in ('answered', 'blocked') and c.phase = 'ended'");
        }
        Some(Outcome::Over) => {
            sql.push(" and c.phase = 'ended'");
        }
        Some(Outcome::Unknown) => {
            sql.push(" and c.result is null and c.phase = 'ended'");
        }
        Some(Outcome::Open) => {
            sql.push(" and t.id is not null");
        }
        Some(Outcome::Exactly(word)) => {
            sql.push(" and c.result = ");
            sql.bind(Bound::Text((*word).to_owned()));
        }
    }
    match filter.line {
        None => {}
        Some(LineId(0)) => {
            sql.push(" and c.line is null");
        }
        Some(line) => {
            sql.push(" and c.line = ").bind(Bound::Int(line.0));
        }
    }
    match filter.channel {
        None => {}
        Some(0) => {
            sql.push(" and ch.id is null");
        }
        Some(channel) => {
            sql.push(" and ch.id = ").bind(Bound::Int(channel));
        }
    }
    filter.came.narrow(sql);
    match &filter.figure {
        None => {}
        Some(Figure::Once) => once(sql, filter),
        Some(Figure::First) => {
            sql.push(" and ").push(FIRST);
        }
        Some(Figure::Target(local)) => {
            sql.push(" and ").push(&target(local));
        }
    }
    if let Some(card) = filter.card {
        sql.push(" and c.card = ");
        sql.bind(Bound::Id(card.0));
    }
    if let Some(digits) = &filter.digits {
        sql.push(" and c.client in (select e164 from card_phone where e164 like ");
        sql.bind(Bound::Text(format!("%{digits}"))).push(")");
    }
}
