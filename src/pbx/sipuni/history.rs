//! Sipuni's own records: `statistic/export`, a table with `;` and Russian heads, whole days at a time.
//!
//! The parameters are the ten documented ones. A record names its call as events do, so facts of both are
//! of one call; phones are told under the names that events have for them, the extensions.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::{
    api::{Api, Purpose},
    unconfirmed::{self, COLUMNS, Column, Party},
};
use crate::{
    model::{
        event::{Clock, Direction, Fact, Party as Whom, RecordingSource, RecordingStage, Summary},
        ids::{AccountName, Extension, LegKey},
        phone::{Number, NumberingPlan},
        time::Timestamp,
    },
    pbx::{
        DecodeError, Decoded, Message, Page, PbxError, facts::Facts, fields::from_json, span::Span,
        wall,
    },
};

/// Reads records of one account.
pub struct Records<'a> {
    pub account: &'a AccountName,
    pub plan: &'a NumberingPlan,
    /// The clock that records are written by.
    pub zone: &'a TimeZone,
}

/// One row by the heads of its columns.
type Row = BTreeMap<String, String>;

impl Records<'_> {
    /// The next part of history after the cursor.
    pub async fn page(
        &self,
        api: &Api,
        cursor: Option<&str>,
        now: Timestamp,
        first_ms: i64,
    ) -> Result<Page, PbxError> {
        let span = Span::after(cursor, now, first_ms);
        let (from, to) = (
            wall::day(span.from, self.zone),
            wall::day(span.to, self.zone),
        );
        let table = api
            .ask(
                Purpose::Export,
                "statistic/export",
                &[
                    ("anonymous", "1"),
                    ("firstTime", "0"),
                    ("from", &from),
                    ("fromNumber", ""),
                    ("state", "0"),
                    ("to", &to),
                    ("toAnswer", ""),
                    ("toNumber", ""),
                    ("tree", ""),
                    ("type", "0"),
                ],
            )
            .await?;
        let rows = rows(&table)?;
        let messages = rows.iter();
        Ok(span.page(messages.filter_map(|row| self.message(row, span, now))))
    }

    /// A row as a message; nothing for one that is not of this span or has not settled.
    fn message(&self, row: &Row, span: Span, now: Timestamp) -> Option<Message> {
        let mut out = Decoded::default();
        let told = self.tell(row, now, &mut out);
        span.message(told, out, now, || {
            serde_json::to_vec(row).expect("a map of texts is JSON")
        })
    }

    /// Tells the facts of a row as the journal keeps it.
    pub fn read(&self, raw: &[u8], now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
        let row: Row = from_json(raw)?;
        self.tell(&row, now, out).map(|_| ())
    }

    /// Tells the facts of a row; gives start and end of its call.
    fn tell(
        &self,
        row: &Row,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(Timestamp, Timestamp), DecodeError> {
        let started = unconfirmed::time(get(row, Column::Time), self.zone)
            .filter(|at| at.is_plausible(now))
            .ok_or(DecodeError::Field("Время"))?;
        let lasted_s = unconfirmed::seconds(get(row, Column::Lasted))
            .ok_or(DecodeError::Field("Длительность звонка"))?;
        let ended = started.plus_millis(lasted_s.clamp(0, 86_400) * 1_000);
        let ended = Some(ended).filter(|at| at.is_plausible(now));
        let ended = ended.ok_or(DecodeError::Field("Длительность звонка"))?;
        let story = Story {
            row,
            started,
            ended,
            from: unconfirmed::party(get(row, Column::From), self.plan),
            to: unconfirmed::party(get(row, Column::To), self.plan),
            plan: self.plan,
        };
        let client = story.client().and_then(Number::e164).unwrap_or_default();
        let mut facts = Facts {
            account: self.account,
            call: unconfirmed::key(get(row, Column::Record), client, started),
            at: ended,
            clock: Clock::Exact,
            out,
        };
        story.tell_phones(&mut facts);
        story.tell_recording(&mut facts);
        facts.is_so(None, "summary", Fact::Summary(Box::new(story.summary())));
        facts.happened(None, "over", Fact::Over { by: None });
        Ok((started, ended))
    }
}

/// The table's rows. What has no head that we know is no table: errors come as text with status 200.
fn rows(table: &[u8]) -> Result<Vec<Row>, PbxError> {
    let text = std::str::from_utf8(table)
        .map_err(|_| PbxError::Unreadable("a table that is not UTF-8, or half of it"))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b';')
        .from_reader(text.as_bytes());
    let broken = |_| PbxError::Unreadable("a table that breaks off, or is none");
    let heads = reader.headers().map_err(broken)?.clone();
    let has = |column| {
        names(column)
            .iter()
            .any(|name| heads.iter().any(|head| head.trim() == *name))
    };
    if ![Column::Time, Column::From, Column::Lasted]
        .into_iter()
        .all(has)
    {
        return Err(PbxError::Unreadable("text instead of a table of calls"));
    }
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(broken)?;
        let named = heads.iter().zip(&row);
        rows.push(
            named
                .map(|(head, value)| (head.trim().to_owned(), value.to_owned()))
                .collect(),
        );
    }
    // A row that is whole ends with a line end; without it the answer may have been cut in a number.
    match rows.is_empty() || text.ends_with('\n') {
        true => Ok(rows),
        false => Err(PbxError::Unreadable("a table that breaks off")),
    }
}

fn names(column: Column) -> &'static [&'static str] {
    let mut known = COLUMNS.iter();
    known
        .find(|(known, _)| *known == column)
        .map_or(&[], |(_, names)| names)
}

fn get(row: &Row, column: Column) -> &str {
    let mut values = names(column).iter().filter_map(|name| row.get(*name));
    values.next().map_or("", String::as_str)
}

/// A row with what its facts need.
struct Story<'a> {
    row: &'a Row,
    started: Timestamp,
    ended: Timestamp,
    from: Option<Party>,
    to: Option<Party>,
    plan: &'a NumberingPlan,
}

impl Story<'_> {
    /// By the word of the row; else by who is an employee.
    fn direction(&self) -> Option<Direction> {
        let by_parties = || match (self.from.as_ref()?, self.to.as_ref()?) {
            (Party::Outside(_), _) => Some(Direction::In),
            (Party::Person(_), Party::Outside(_)) => Some(Direction::Out),
            (Party::Person(_), Party::Person(_)) => Some(Direction::Internal),
        };
        unconfirmed::direction(get(self.row, Column::Kind)).or_else(by_parties)
    }

    fn client(&self) -> Option<&Number> {
        let side = match self.direction()? {
            Direction::In => &self.from,
            Direction::Out => &self.to,
            Direction::Internal => return None,
        };
        match side.as_ref()? {
            Party::Outside(number) => Some(number),
            Party::Person(_) => None,
        }
    }

    fn did(&self) -> Option<Number> {
        match (self.direction()?, self.to.as_ref()?) {
            (Direction::In, Party::Outside(number)) => {
                Some(number.clone()).filter(|number| number.e164().is_some())
            }
            _ => None,
        }
    }

    fn extension(&self, told: &str) -> Option<Extension> {
        match unconfirmed::party(told, self.plan)? {
            Party::Person(extension) => Some(extension),
            Party::Outside(_) => None,
        }
    }

    /// Who answered; of an outgoing call who called.
    fn answered_by(&self) -> Option<Extension> {
        match (self.direction()?, &self.from) {
            (Direction::Out, Some(Party::Person(caller))) => Some(caller.clone()),
            _ => self.extension(get(self.row, Column::Answered)),
        }
    }

    /// When somebody began to talk: the talk lasts to the end, as far as the row says.
    fn answered(&self) -> Option<Timestamp> {
        let talked_s = unconfirmed::seconds(get(self.row, Column::Talked))?;
        let at = self.ended.plus_millis(talked_s.clamp(0, 86_400) * -1_000);
        (talked_s > 0 && at >= self.started && self.talked() == Some(true)).then_some(at)
    }

    fn talked(&self) -> Option<bool> {
        unconfirmed::status(get(self.row, Column::Status)).map(|(talked, _)| talked)
    }

    fn summary(&self) -> Summary {
        let sometime = (self.talked() == Some(true)).then_some(self.started);
        let cause = unconfirmed::status(get(self.row, Column::Status)).map(|(_, cause)| cause);
        Summary {
            direction: self.direction(),
            client: self.client().cloned(),
            did: self.did(),
            extension: self.answered_by(),
            started: Some(self.started),
            answered: self.answered().or(sometime),
            answered_known: self.talked().is_some(),
            ended: Some(self.ended),
            cause,
            hangup_by: None,
        }
    }

    /// Phones that the row names. When each rang and stopped it does not say.
    fn tell_phones(&self, facts: &mut Facts<'_>) {
        let client = || {
            Whom::Client(
                self.client()
                    .cloned()
                    .unwrap_or(Number::Other(String::new())),
            )
        };
        let answered_by = self.answered_by();
        let mut phones: Vec<Extension> = match self.direction() {
            Some(Direction::In) => get(self.row, Column::Rung)
                .split([',', '&'])
                .filter_map(|told| self.extension(told))
                .collect(),
            _ => Vec::new(),
        };
        phones.extend(answered_by.clone().filter(|who| !phones.contains(who)));
        for phone in phones {
            let key = LegKey::from(phone.as_str());
            let (party, with) = match self.direction() {
                Some(Direction::In) => (Whom::Person(phone.clone()), client()),
                Some(Direction::Out) => (client(), Whom::Person(phone.clone())),
                _ => continue,
            };
            let leg = Fact::Leg {
                party,
                with: Some(with.clone()),
                initiator: false,
            };
            facts.is_so(Some(&key), "leg", leg);
            if Some(&phone) == answered_by.as_ref()
                && let Some(answered) = self.answered()
            {
                // The identity of event 3, and a bound for its time: where that has come, it wins.
                let at = (answered, Clock::NoLaterThan);
                facts.happened_at(Some(&key), "answer", at, Fact::Talks { with });
            }
        }
    }

    fn tell_recording(&self, facts: &mut Facts<'_>) {
        let id = get(self.row, Column::Record).trim();
        let is_there = get(self.row, Column::IsRecorded).trim() == "1";
        if id.is_empty() || !is_there || self.talked() != Some(true) {
            return;
        }
        let news = Fact::Recording {
            recording: id.to_owned(),
            stage: RecordingStage::Ready,
            source: Some(RecordingSource::Api(id.to_owned())),
        };
        facts.is_so(None, "recording", news);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::call::{Call, CallResult},
        tracker,
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_773_731_700);
    const HEAD: &str = "\u{feff}Тип;Статус;Время;Схема;Откуда;Куда;Кто ответил;Кому звонили;\
        Длительность звонка, сек;Длительность разговора, сек;ID записи;Запись существует\n";

    fn calls(table: &str) -> Vec<(String, Call)> {
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let records = Records {
            account: &"lossy".into(),
            plan: &NumberingPlan::default(),
            zone: &zone,
        };
        let span = Span::after(None, NOW, 86_400_000);
        let rows = rows(table.as_bytes()).unwrap();
        let messages = rows
            .iter()
            .filter_map(|row| records.message(row, span, NOW));
        messages
            .map(|message| {
                assert_eq!(message.error, None);
                let mut again = Decoded::default();
                records.read(&message.raw, NOW, &mut again).unwrap();
                assert_eq!(again.events, message.events, "the journal tells the same");
                let key = message.events[0].call.to_string();
                (key, tracker::derive(&message.events.into_iter().collect()))
            })
            .collect()
    }

    #[test]
    fn a_row_makes_a_call() {
        let row = "Входящий;Отвечен;17.03.2026 09:15:00;Основная;+74950000011;+74950000001;\
            202 (Анна);201, 202;100;83;1773728100.000101;1\n";
        let (key, call) = calls(&format!("{HEAD}{row}")).remove(0);
        assert_eq!(key, "1773728100.000101");
        assert_eq!(call.result, Some(CallResult::Answered));
        assert_eq!(call.started_at, Timestamp::from_seconds(1_773_728_100));
        assert_eq!(call.did.unwrap().e164(), Some("+74950000001"));
        assert_eq!((call.wait_ms, call.talk_ms), (Some(17_000), Some(83_000)));
        assert_eq!(call.answered_by, Some("202".into()));
        assert_eq!(call.legs.len(), 2);
        assert_eq!(call.recordings.len(), 1);
    }

    #[test]
    fn a_missed_call_without_an_id_is_still_a_call() {
        let row =
            "Входящий;Не отвечен;17.03.2026 09:15:00;;+74950000011;+74950000001;;201;20;0;;0\n";
        let (key, call) = calls(&format!("{HEAD}{row}")).remove(0);
        assert!(crate::model::ids::CallKey::from(key).is_nameless());
        assert_eq!(call.result, Some(CallResult::Missed));
        assert!(call.recordings.is_empty());
    }

    #[test]
    fn an_outgoing_call_belongs_to_who_called() {
        let row = "Исходящий;Отвечен;17.03.2026 09:15:00;;201 (Анна);+74950000011;;;60;50;1.2;0\n";
        let (_, call) = calls(&format!("{HEAD}{row}")).remove(0);
        assert_eq!(call.direction, Some(Direction::Out));
        assert_eq!(call.answered_by, Some("201".into()));
        assert_eq!(call.client.unwrap().e164(), Some("+74950000011"));
    }

    #[test]
    fn what_is_no_whole_table_is_refused() {
        let row = "Входящий;Отвечен;17.03.2026 09:15:00;;+74950000011;;;;100;83;1;1\n";
        let cut = format!("{HEAD}{}", &row[..row.len() - 9]);
        let unended = format!("{HEAD}{}", row.trim_end());
        for table in [
            "",
            "Ошибка: нет доступа",
            "<html><body>502</body></html>",
            &cut,
            &unended,
        ] {
            assert!(rows(table.as_bytes()).is_err(), "{table}");
        }
        assert!(rows(HEAD.as_bytes()).unwrap().is_empty());
    }

    #[test]
    fn a_row_without_a_time_is_told_as_unreadable() {
        let zone = TimeZone::UTC;
        let records = Records {
            account: &"lossy".into(),
            plan: &NumberingPlan::default(),
            zone: &zone,
        };
        let table = format!("{HEAD}Входящий;Отвечен;вчера;;+74950000011;;;;100;83;1;1\n");
        let span = Span::after(None, NOW, 86_400_000);
        let message = records.message(&rows(table.as_bytes()).unwrap()[0], span, NOW);
        assert_eq!(message.unwrap().error, Some(DecodeError::Field("Время")));
    }
}
