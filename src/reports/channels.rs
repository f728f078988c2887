//! The table of channels and numbers.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{ToSpan, civil::Date, tz::TimeZone};

use crate::{
    model::{money::Currency, time::Timestamp},
    store::{
        Db, StoreError, channels,
        journal::LocalTime,
        reports::{self, LineRow},
        spend,
    },
};

/// First-time callers and target calls are counted call by call: of more calls than this only if
/// somebody asks for it.
pub const COUNTED_UNASKED: i64 = 200_000;

/// Whole days of the company's calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

impl Period {
    /// As many days just before.
    pub fn before(&self) -> Self {
        let days = i64::from((self.to - self.from).get_days()) + 1;
        let back = |day: Date| day.checked_sub(days.days()).unwrap_or(day);
        Self {
            from: back(self.from),
            to: back(self.to),
        }
    }

    /// When it begins and ends.
    pub fn moments(&self, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let end = self.to.checked_add(1.day()).unwrap_or(self.to);
        (begin(zone, self.from), begin(zone, end))
    }
}

/// When a day of the company's calendar begins.
pub fn begin(zone: &TimeZone, day: Date) -> Timestamp {
    day.to_zoned(zone.clone())
        .map_or(Timestamp::default(), |zoned| {
            Timestamp::from_micros(zoned.timestamp().as_microsecond())
        })
}

/// A day as a number: days since 1970-01-01.
pub fn day_number(day: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    i64::from((day - epoch).get_days())
}

/// A day from its number.
pub fn day_of(number: i64) -> Date {
    let epoch = Date::constant(1970, 1, 1);
    let bounded = number.clamp(-700_000, 2_900_000);
    epoch.checked_add(bounded.days()).unwrap_or(epoch)
}

/// What was counted of incoming calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Finished calls.
    pub calls: i64,
    /// Different clients.
    pub unique: i64,
    /// Clients who had never called before; `None`: not counted.
    pub first: Option<i64>,
    /// Calls in which a person talked with the client.
    pub reached: i64,
    /// Over without that.
    pub missed: i64,
    /// Of those, nobody has called back yet.
    pub open: i64,
    /// Target calls; `None`: not counted.
    pub target: Option<i64>,
    /// Talk in milliseconds.
    pub talk_ms: i64,
}

/// Amounts by currency, in minor units.
pub type Amounts = BTreeMap<Currency, i64>;

/// Figures of one thing, in the period and in the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// In the period.
    pub now: Figures,
    /// In the period before.
    pub before: Figures,
    /// What it cost; numbers cost nothing of their own.
    pub spent: Amounts,
    /// What it cost in the period before.
    pub spent_before: Amounts,
}

/// One number within one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// Row id of the line; 0: not known.
    pub line: i64,
    /// The line, if it is known.
    pub known: Option<LineRow>,
    /// Its figures while it belonged to the channel.
    pub figures: Compared,
}

/// One channel with its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Row id; 0: no channel.
    pub channel: i64,
    /// Name.
    pub name: Option<String>,
    /// Figures of all its numbers together.
    pub figures: Compared,
    /// Its numbers.
    pub numbers: Vec<Number>,
}

/// The whole table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Channels by name; what belongs to none is last.
    pub channels: Vec<Channel>,
    /// Everything together.
    pub total: Compared,
}

/// Figures of one period by channel and line, by channel, and of everything.
#[derive(Default)]
struct Sheet {
    by_line: BTreeMap<(i64, i64), Figures>,
    by_channel: BTreeMap<i64, Figures>,
    total: Figures,
    spent: BTreeMap<i64, Amounts>,
}

/// Reads the table. `all`: count call by call, however many there are.
pub async fn table(
    db: &Db,
    zone: &TimeZone,
    period: &Period,
    all: bool,
) -> Result<Table, StoreError> {
    let now = sheet(db, zone, period, all).await?;
    let before = sheet(db, zone, &period.before(), all).await?;
    let channels = channels::all(db).await?;
    let names: BTreeMap<i64, String> = channels.into_iter().map(|one| (one.id, one.name)).collect();
    let lines = reports::all_lines(db).await?;
    let lines: BTreeMap<i64, LineRow> = lines.into_iter().map(|one| (one.id, one)).collect();
    let both = Both { now, before };
    let mut table = Table::default();
    for channel in both.channels() {
        table.channels.push(Channel {
            channel,
            name: names.get(&channel).cloned(),
            figures: both.of_channel(channel),
            numbers: both.numbers(channel, &lines),
        });
    }
    table
        .channels
        .sort_by_key(|one| (one.name.is_none(), one.name.clone()));
    table.total = Compared {
        now: both.now.total,
        before: both.before.total,
        spent: sum(&both.now.spent),
        spent_before: sum(&both.before.spent),
    };
    Ok(table)
}

/// The period and the one before.
struct Both {
    now: Sheet,
    before: Sheet,
}

impl Both {
    /// Every channel of either.
    fn channels(&self) -> BTreeSet<i64> {
        [&self.now, &self.before]
            .iter()
            .flat_map(|sheet| sheet.by_channel.keys().chain(sheet.spent.keys()))
            .copied()
            .collect()
    }

    fn of_channel(&self, channel: i64) -> Compared {
        let figures = |sheet: &Sheet| sheet.by_channel.get(&channel).copied();
        let spent = |sheet: &Sheet| sheet.spent.get(&channel).cloned();
        Compared {
            now: figures(&self.now).unwrap_or_default(),
            before: figures(&self.before).unwrap_or_default(),
            spent: spent(&self.now).unwrap_or_default(),
            spent_before: spent(&self.before).unwrap_or_default(),
        }
    }

    /// The numbers that belonged to a channel, by name; what is not known is first.
    fn numbers(&self, channel: i64, lines: &BTreeMap<i64, LineRow>) -> Vec<Number> {
        let keys = self.now.by_line.keys().chain(self.before.by_line.keys());
        let of_channel: BTreeSet<(i64, i64)> =
            keys.filter(|(of, _)| *of == channel).copied().collect();
        let figures = |sheet: &Sheet, key| sheet.by_line.get(key).copied().unwrap_or_default();
        let mut numbers: Vec<Number> = of_channel
            .iter()
            .map(|key| Number {
                line: key.1,
                known: lines.get(&key.1).cloned(),
                figures: Compared {
                    now: figures(&self.now, key),
                    before: figures(&self.before, key),
                    ..Compared::default()
                },
            })
            .collect();
        numbers.sort_by_key(|one| one.known.as_ref().map(|line| line.name.clone()));
        numbers
    }
}

fn sum(spent: &BTreeMap<i64, Amounts>) -> Amounts {
    let mut all = Amounts::new();
    for (currency, minor) in spent.values().flatten() {
        *all.entry(*currency).or_default() += minor;
    }
    all
}

async fn sheet(db: &Db, zone: &TimeZone, period: &Period, all: bool) -> Result<Sheet, StoreError> {
    let (from, to) = period.moments(zone);
    let mut sheet = Sheet::default();
    for one in reports::lines(db, from, to).await? {
        sheet.each(one.channel, one.line, |figures| {
            figures.calls += one.calls;
            figures.reached += one.reached;
            figures.missed += one.missed;
            figures.talk_ms += one.talk_ms;
        });
    }
    for (channel, line, open) in reports::open_missed(db, from, to).await? {
        sheet.each(channel, line, |figures| figures.open += open);
    }
    if all || sheet.total.calls <= COUNTED_UNASKED {
        let local = LocalTime::of(zone, from, to);
        sheet.counted();
        for one in reports::told(db, from, to, &local).await? {
            sheet.each(one.channel, one.line, |figures| {
                *figures.first.get_or_insert(0) += one.first;
                *figures.target.get_or_insert(0) += one.target;
            });
        }
    }
    // A client of two numbers is one client of their channel: these do not add up.
    let unique = reports::unique(db, from, to).await?;
    sheet.total.unique = unique.all;
    for (channel, clients) in unique.by_channel {
        sheet.by_channel.entry(channel).or_default().unique = clients;
    }
    for (key, clients) in unique.by_line {
        sheet.by_line.entry(key).or_default().unique = clients;
    }
    let (first, last) = (day_number(period.from), day_number(period.to));
    for kept in spend::of_days(db, first, last).await? {
        let Some(currency) = Currency::parse(&kept.currency) else {
            continue;
        };
        let amounts = sheet.spent.entry(kept.channel).or_default();
        *amounts.entry(currency).or_default() += kept.spend().share(first, last);
    }
    Ok(sheet)
}

impl Sheet {
    /// Adds to a line, to its channel and to the total.
    fn each(&mut self, channel: i64, line: i64, add: impl Fn(&mut Figures)) {
        add(self.by_line.entry((channel, line)).or_default());
        add(self.by_channel.entry(channel).or_default());
        add(&mut self.total);
    }

    /// Says of everything seen so far that its calls are counted one by one.
    fn counted(&mut self) {
        let lines = self.by_line.values_mut();
        for figures in lines.chain(self.by_channel.values_mut()) {
            figures.first = Some(0);
            figures.target = Some(0);
        }
        self.total.first = Some(0);
        self.total.target = Some(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_before_is_as_long_and_ends_where_this_begins() {
        let period = Period {
            from: Date::constant(2026, 11, 1),
            to: Date::constant(2026, 11, 30),
        };
        let before = period.before();
        assert_eq!(before.from, Date::constant(2026, 10, 2));
        assert_eq!(before.to, Date::constant(2026, 10, 31));
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        assert_eq!(before.moments(&zone).1, period.moments(&zone).0);
    }

    #[test]
    fn days_have_numbers() {
        let day = Date::constant(2026, 11, 22);
        assert_eq!(day_of(day_number(day)), day);
        assert_eq!(day_number(Date::constant(1970, 1, 2)), 1);
    }
}
