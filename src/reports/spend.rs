//! Reads what channels cost from CSV: channel, from, to, amount, currency. Used by the page and by the
//! command; what cannot be used is told with its line and does not stop the rest.

use jiff::civil::Date;
use serde::Deserialize;

use super::channels::day_number;
use crate::{
    model::{money::Currency, time::Timestamp},
    rules::channels::Spend,
    store::{
        Db, StoreError,
        spend::{self, Told},
    },
};

/// Longest time one amount may be spread over, in days.
const LONGEST_DAYS: i64 = 3_660;

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// New amounts.
    pub created: u64,
    /// Amounts that stand in place of others.
    pub replaced: u64,
    /// Lines refused and why: a closed word ([`REASONS`]).
    pub refused: Vec<(u64, &'static str)>,
}

/// Why a line may be refused.
pub const REASONS: [&str; 8] = [
    "unreadable",
    "day",
    "order",
    "amount",
    "currency",
    "no_channel",
    "overlaps",
    "twice",
];

/// The columns are not the ones that are read.
#[derive(Debug, thiserror::Error)]
#[error("columns must be channel, from, to, amount, currency")]
pub struct WrongColumns;

/// Why an import did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is another one.
    #[error(transparent)]
    Columns(#[from] WrongColumns),
    /// The database said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Deserialize)]
struct Row {
    channel: String,
    from: String,
    to: String,
    amount: String,
    currency: String,
}

/// What a file tells, and the lines that cannot be used.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    told: Vec<Told>,
    refused: Vec<(u64, &'static str)>,
}

/// Brings a file in.
pub async fn import(db: &Db, text: &str, now: Timestamp) -> Result<Imported, ImportError> {
    let read = read(text)?;
    let taken = spend::keep(db, &read.told, now).await?;
    let mut refused = read.refused;
    refused.extend(taken.refused);
    refused.sort_unstable();
    Ok(Imported {
        created: taken.created,
        replaced: taken.replaced,
        refused,
    })
}

fn read(text: &str) -> Result<Read, WrongColumns> {
    // The reader would count a line less where lines end in two characters.
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    // Sheet programs of countries with a decimal comma write semicolons.
    let head = text.lines().next().unwrap_or_default();
    let semicolons = head.matches(';').count() > head.matches(',').count();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(if semicolons { b';' } else { b',' })
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|_| WrongColumns)?.clone();
    let has = |name: &str| headers.iter().any(|header| header == name);
    if !["channel", "from", "to", "amount", "currency"]
        .into_iter()
        .all(has)
    {
        return Err(WrongColumns);
    }
    let mut read = Read::default();
    for record in reader.records() {
        let (at_line, row) = match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                (line, record.deserialize::<Row>(Some(&headers)))
            }
            Err(error) => (error.position().map_or(0, csv::Position::line), Err(error)),
        };
        let told = row
            .map_err(|_| "unreadable")
            .and_then(|row| told(at_line, row));
        match told {
            Ok(told) => read.told.push(told),
            Err(why) => read.refused.push((at_line, why)),
        }
    }
    Ok(read)
}

fn told(at_line: u64, row: Row) -> Result<Told, &'static str> {
    let from = day_number(day(&row.from).ok_or("day")?);
    let to = day_number(day(&row.to).ok_or("day")?);
    if !(0..LONGEST_DAYS).contains(&(to - from)) {
        return Err("order");
    }
    let currency = Currency::parse(&row.currency).ok_or("currency")?;
    Ok(Told {
        at_line,
        channel: row.channel,
        spend: Spend {
            day_from: from,
            day_to: to,
            minor: currency.amount(&row.amount).ok_or("amount")?,
        },
        currency: currency.code().to_owned(),
    })
}

/// `2026-11-21` or `21.11.2026`.
fn day(text: &str) -> Option<Date> {
    let day = text
        .parse()
        .or_else(|_| Date::strptime("%d.%m.%Y", text))
        .ok()?;
    (Date::constant(2000, 1, 1)..Date::constant(2200, 1, 1))
        .contains(&day)
        .then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_kind_of_csv_is_read() {
        let comma =
            "channel,from,to,amount,currency\nSearch ads,2026-11-01,2026-11-30,9000.50,RUB\n";
        let semicolon = "\u{feff}amount;currency;channel;from;to\r\n\"9 000,50\";rub;Search ads;01.11.2026;30.11.2026\r\n";
        let expected = read(comma).unwrap();
        assert_eq!(expected.told[0].spend.minor, 900_050);
        assert_eq!(
            expected.told[0].spend.day_to - expected.told[0].spend.day_from,
            29
        );
        assert_eq!(read(semicolon).unwrap(), expected);
        assert!(read("kanal,von,bis\n").is_err());
        assert!(read("").is_err());
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_line() {
        let text = "channel,from,to,amount,currency\n\
                    A,2026-11-31,2026-12-01,1,RUB\n\
                    A,2026-11-02,2026-11-01,1,RUB\n\
                    A,2026-11-01,2026-11-01,much,RUB\n\
                    A,2026-11-01,2026-11-01,1,money\n\
                    A,2026-11-01\n\
                    A,2026-11-01,2026-11-01,1,RUB\n";
        let read = read(text).unwrap();
        assert_eq!(read.told.len(), 1);
        assert_eq!(
            read.refused,
            [
                (2, "day"),
                (3, "order"),
                (4, "amount"),
                (5, "currency"),
                (6, "unreadable")
            ]
        );
        assert!(read.refused.iter().all(|(_, why)| REASONS.contains(why)));
    }
}
