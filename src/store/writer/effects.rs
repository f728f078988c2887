//! What follows from a change of calls in other tables: people, cards, tasks, recordings, figures,
//! news for the outside.
//!
//! Each table counts a call by what the call says; a change takes the old saying back and puts the new
//! one in. So the tables end the same in whatever order messages came.

use std::collections::{BTreeMap, BTreeSet};

use super::{Settings, apply::Work, directory::Directory, known::Stand, statements as sql, visits};
use crate::{
    model::{
        call::{Call, CallResult, RecordingNews},
        event::{Direction, RecordingStage},
        ids::{AccountName, CardId, PersonId},
        recording::RecordingState,
        time::Timestamp,
    },
    rules::{figures::Figures, news},
    store::{
        recordings::job_lane,
        rows::{Rows, ScriptRows},
    },
};

/// An unknown line, after every known one: learning the line brings a first touch forward.
const NO_LINE: i64 = i64::MAX;

/// Moves what belonged to calls that turned out to be other calls. Their rows go.
pub(super) fn merge(writes: &mut ScriptRows, works: &[Work]) {
    for statement in [
        &sql::MOVE_KEYS,
        &sql::DROP_PERSONS_OF_LOSERS,
        &sql::DROP_DOUBLE_RECORDINGS,
        &sql::MOVE_RECORDINGS,
        &sql::MOVE_JOBS,
        &sql::DROP_DOUBLE_JOBS,
        &sql::DROP_TASKS,
        &sql::DROP_VISITS,
        &sql::MOVE_VISITS,
        &sql::DROP_CALLS,
    ] {
        let rows = writes.of(statement);
        for work in works {
            let winner = work.known.id;
            for loser in &work.losers {
                rows.id(loser.id.0)
                    .id(winner.0)
                    .text(loser.id.to_string().as_str())
                    .text(winner.to_string().as_str());
            }
        }
    }
}

/// By when clients should be called back.
#[derive(Debug)]
pub(super) struct CallBack {
    within_ms: i64,
    /// After how long a try that reached nobody is followed by the next one, as a JSON array.
    again: String,
}

impl CallBack {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            within_ms: settings.call_back_ms,
            again: serde_json::json!(settings.call_back_again_ms).to_string(),
        }
    }
}

/// Writes what follows from the calls of one batch.
pub(super) struct Effects<'a> {
    pub(super) node: i64,
    pub(super) call_back: &'a CallBack,
    pub(super) directory: &'a Directory,
    /// Arrival of the latest message.
    pub(super) now: Timestamp,
}

impl Effects<'_> {
    /// Fills them in; the script says in which order they are written.
    pub(super) fn write(&self, writes: &mut ScriptRows, works: &[Work]) {
        self.persons(writes, works);
        self.recordings(writes, works);
        self.cards(writes, works);
        self.tasks(writes, works);
        self.forget_cards(writes, works);
        self.figures(writes, works);
        visits::told_with_calls(writes, works, self.now);
        if self.directory.has_listeners() {
            write_news(writes, works);
        }
    }

    /// Who was rung and who talked.
    fn persons(&self, writes: &mut ScriptRows, works: &[Work]) {
        for work in works {
            let account = &work.known.account;
            let start = work.call().started_at;
            let strange = work.known.strange;
            if let Some(before) = &work.before
                && !strange
                && (before.call.started_at, &before.call.legs) == (start, &work.call().legs)
            {
                continue;
            }
            let after = self.rung(account, work.call());
            if let Some(before) = &work.before {
                let was = self.rung(account, &before.call);
                let moved = before.call.started_at != start;
                if was == after && !moved && !strange {
                    continue;
                }
                if strange || moved || was.keys().any(|person| !after.contains_key(person)) {
                    writes.of(&sql::DROP_PERSONS).id(work.known.id.0);
                }
            }
            for (person, (rang, talked)) in after {
                writes
                    .of(&sql::ADD_PERSONS)
                    .id(work.known.id.0)
                    .int(person.0)
                    .int(start.as_micros())
                    .int(i64::from(rang))
                    .int(i64::from(talked));
            }
        }
    }

    fn rung(&self, account: &AccountName, call: &Call) -> BTreeMap<PersonId, (bool, bool)> {
        let mut persons: BTreeMap<PersonId, (bool, bool)> = BTreeMap::new();
        let person = |extension| self.directory.person(account, extension);
        for leg in &call.legs {
            let talked = leg.was_answered();
            if let Some(called) = leg.extension().and_then(person) {
                let known = persons.entry(called).or_default();
                known.0 |= leg.rang_at.is_some();
                known.1 |= talked;
            }
            if let Some(caller) = leg.caller.as_ref().and_then(person) {
                persons.entry(caller).or_default().1 |= talked;
            }
        }
        #[cfg(feature = "planted")]
        if crate::planted::is("rings_for_everybody") {
            persons.entry(PersonId(1)).or_default().0 = true;
        }
        persons
    }

    /// Recordings told of, and a job for each that can be fetched.
    fn recordings(&self, writes: &mut ScriptRows, works: &[Work]) {
        for work in works {
            if !work.tells_recordings() {
                continue;
            }
            let add = if work.shows_recordings() {
                &sql::TELL_RECORDINGS
            } else {
                writes.of(&sql::SHOW_RECORDINGS).id(work.known.id.0);
                &sql::ADD_RECORDINGS
            };
            for news in &work.call().recordings {
                for statement in [add, &sql::ADD_JOBS] {
                    self.write_recording(writes.of(statement), work, news);
                }
            }
        }
    }

    fn write_recording(&self, rows: &mut Rows, work: &Work, news: &RecordingNews) {
        let id = work.known.id;
        let source = news.source.as_ref().map(|source| {
            serde_json::to_string(source).expect("a source is one text, so JSON can hold it")
        });
        let state = match news.stage {
            RecordingStage::Absent => RecordingState::Absent,
            _ => RecordingState::Waiting,
        };
        let is_ready = news.source.is_some()
            && matches!(
                news.stage,
                RecordingStage::Completed | RecordingStage::Ready
            );
        rows.id(id.0)
            .text(work.known.account.as_str())
            .text(news.recording.as_str())
            .text(source.as_deref())
            .text(state.as_str())
            .text(job_lane(id, &news.recording).as_str())
            .int(i64::from(is_ready))
            .int(self.now.as_micros());
    }

    /// Owner by the earliest human answer, first touch by the earliest call that came in.
    fn cards(&self, writes: &mut ScriptRows, works: &[Work]) {
        let mut owners: BTreeMap<CardId, (Timestamp, PersonId)> = BTreeMap::new();
        let mut touches: BTreeMap<CardId, Touch> = BTreeMap::new();
        let mut recount = BTreeSet::new();
        for work in works {
            let stand = &work.known.stand;
            let (answer, touch) = (answer_of(stand), touch_of(stand));
            for was in work.earlier_stands() {
                let (answer_was, touch_was) = (answer_of(was), touch_of(was));
                // What was said may have made the card's owner or first touch: count anew.
                recount.extend(taken_back(answer_was, answer));
                recount.extend(taken_back(touch_was, touch));
            }
            let before = work.before.as_ref();
            if let Some((card, saying)) = answer
                && before.and_then(answer_of) != answer
            {
                let least = owners.entry(card).or_insert(saying);
                *least = saying.min(*least);
            }
            if let Some((card, saying)) = touch
                && before.and_then(touch_of) != touch
                && !work.made_touch
            {
                let least = touches.entry(card).or_insert(saying);
                *least = saying.min(*least);
            }
        }
        write_touches(writes, touches);
        self.write_owners(writes, owners, &recount);
    }

    fn write_owners(
        &self,
        writes: &mut ScriptRows,
        owners: BTreeMap<CardId, (Timestamp, PersonId)>,
        recount: &BTreeSet<CardId>,
    ) {
        for (card, (at, person)) in &owners {
            writes
                .of(&sql::SET_OWNER)
                .id(card.0)
                .int(person.0)
                .int(at.as_micros())
                .int(self.now.as_micros());
        }
        for card in recount {
            writes.of(&sql::RECOUNT_FIRST).id(card.0);
            writes.of(&sql::RECOUNT_OWNER).id(card.0);
        }
        for card in owners.keys().chain(recount).collect::<BTreeSet<_>>() {
            writes.of(&sql::PASS_TASKS).id(card.0);
        }
    }

    /// A card made for a call that turned out to be another client's goes again if nobody touched it.
    fn forget_cards(&self, writes: &mut ScriptRows, works: &[Work]) {
        for work in works {
            let card = work.known.stand.card;
            for left in work.earlier_stands().filter_map(|was| was.card) {
                if Some(left) != card {
                    writes.of(&sql::FORGET_NUMBERS).id(left.0);
                    writes.of(&sql::FORGET_CARDS).id(left.0);
                }
            }
        }
    }

    /// A task for every missed call; closed by the earliest later call that connected.
    fn tasks(&self, writes: &mut ScriptRows, works: &[Work]) {
        let mut clients: BTreeSet<&str> = BTreeSet::new();
        let mut tried: BTreeSet<&str> = BTreeSet::new();
        for work in works {
            let stands = work.earlier_stands().chain([&work.known.stand]);
            tried.extend(stands.filter_map(|stand| in_vain(&stand.call)));
            let (call, card) = (work.call(), work.known.stand.card);
            let missed = missed_of(call, card);
            let connected = connected_of(call);
            let before = work.before.as_ref();
            let missed_was = before.and_then(|stand| missed_of(&stand.call, stand.card));
            let account = &work.known.account;
            let rung = self.first_rung(account, call);
            let rung_was = before.and_then(|stand| self.first_rung(account, &stand.call));
            for was in work.earlier_stands() {
                if connected_of(&was.call) != connected {
                    clients.extend(connected_of(&was.call).map(|(client, ..)| client));
                    clients.extend(connected.map(|(client, ..)| client));
                }
            }
            // Who answered may be told after the answer: a task that it closed gets the owner as well.
            let answer_was = before.and_then(answer_of);
            if before.is_none() || answer_was != answer_of(&work.known.stand) {
                clients.extend(connected.map(|(client, ..)| client));
            }
            if missed == missed_was && (missed.is_none() || rung == rung_was) {
                // Which calls came later is said by when the missed one began.
                let began = before.map(|stand| stand.call.started_at);
                if began.is_some_and(|began| began != call.started_at) {
                    clients.extend(missed.map(|(client, ..)| client));
                }
                continue;
            }
            match missed {
                Some((client, since, card)) => {
                    writes
                        .of(&sql::ADD_TASKS)
                        .id(work.known.id.0)
                        .id(card.map(|card| card.0))
                        .text(client)
                        .int(rung.map(|person| person.0))
                        .int(since.as_micros())
                        .int(since.plus_millis(self.call_back.within_ms).as_micros());
                    clients.insert(client);
                }
                None => {
                    let rows = writes.of(&sql::OBSOLETE_TASKS);
                    rows.id(work.known.id.0).int(self.now.as_micros());
                }
            }
        }
        for client in &clients {
            writes.of(&sql::SETTLE_TASKS).text(*client);
        }
        // What settles a call-back ends its tries.
        for client in tried.union(&clients) {
            let rows = writes.of(&sql::TRY_TASKS);
            rows.text(*client).text(self.call_back.again.as_str());
        }
    }

    fn first_rung(&self, account: &AccountName, call: &Call) -> Option<PersonId> {
        let rung = call
            .legs
            .iter()
            .filter(|leg| leg.rang_at.is_some())
            .min_by_key(|leg| (leg.rang_at, leg.key.clone()))?;
        self.directory.person(account, rung.extension()?)
    }

    fn figures(&self, writes: &mut ScriptRows, works: &[Work]) {
        let mut figures = Figures::default();
        for work in works {
            let before = work.before.as_ref().map(Stand::counted);
            #[cfg(feature = "planted")]
            let before = before.filter(|_| !crate::planted::is("figures_not_taken_back"));
            figures.delta(before, Some(work.known.stand.counted()));
            for loser in &work.losers {
                figures.delta(Some(loser.stand.counted()), None);
            }
        }
        let sums = writes.of(&sql::ADD_SUMS);
        for (slot, add) in &figures.slots {
            sums.int(slot.quarter)
                .int(slot.line)
                .int(slot.person)
                .int(self.node)
                .text(slot.direction_word())
                .int(add.calls)
                .int(add.answered)
                .int(add.missed)
                .int(add.talk_ms)
                .int(add.wait_ms)
                .int(add.ring_ms);
        }
        let clients = writes.of(&sql::ADD_CLIENTS);
        for (seen, calls) in &figures.clients {
            clients
                .int(seen.day)
                .int(seen.line)
                .text(seen.client.as_str())
                .int(*calls);
        }
    }
}

/// What the outside is told of the calls, each as it stands now.
fn write_news(writes: &mut ScriptRows, works: &[Work]) {
    let rows = writes.of(&sql::ADD_NEWS);
    for work in works {
        let before = work.before.as_ref();
        let kinds = news::of_call(before.map(|stand| &*stand.call), work.call());
        if !kinds.is_empty() {
            let body = work.known.news().to_json();
            for kind in kinds {
                rows.text(kind).id(work.known.id.0).text(body.as_str());
            }
        }
        for loser in &work.losers {
            rows.text("call.merged")
                .id(loser.id.0)
                .text(format!("\"{}\"", work.known.id).as_str());
        }
    }
}

fn write_touches(writes: &mut ScriptRows, touches: BTreeMap<CardId, Touch>) {
    let rows = writes.of(&sql::FIRST_TOUCH);
    for (card, (at, line)) in touches {
        rows.id(card.0).int(line_of(line)).int(at.as_micros());
    }
}

/// The line of a first touch, if it is known.
pub(super) fn line_of(line: i64) -> Option<i64> {
    (line != NO_LINE).then_some(line)
}

impl Work {
    /// Whether there is news of its recordings.
    fn tells_recordings(&self) -> bool {
        let before = self.before.as_ref().map(|stand| &stand.call.recordings);
        let now = &self.call().recordings;
        !now.is_empty() && (!self.losers.is_empty() || before != Some(now))
    }

    /// Whether the change of its row shows that news: of a call that is there, and stays the one it is.
    pub(super) fn shows_recordings(&self) -> bool {
        self.tells_recordings() && self.before.is_some() && self.losers.is_empty()
    }

    /// What the tables said until now, of this call and of those that turned out to be it.
    fn earlier_stands(&self) -> impl Iterator<Item = &Stand> {
        let losers = self.losers.iter().map(|loser| &loser.stand);
        self.before.iter().chain(losers)
    }
}

/// The card whose saying was taken back or got later.
fn taken_back<T: Ord + Copy>(was: Option<(CardId, T)>, now: Option<(CardId, T)>) -> Option<CardId> {
    let (card, saying) = was?;
    let still = now.is_some_and(|(same, now)| same == card && now <= saying);
    (!still).then_some(card)
}

/// Who answered first and when, for the card's owner.
fn answer_of(stand: &Stand) -> Option<(CardId, (Timestamp, PersonId))> {
    Some((stand.card?, (stand.call.answered_at?, stand.answered_by?)))
}

/// When and on which line the client came in, for the card's first touch.
pub(super) type Touch = (Timestamp, i64);

fn touch_of(stand: &Stand) -> Option<(CardId, Touch)> {
    Some((stand.card?, came_in(stand)?))
}

/// The touch of whoever this call is from.
pub(super) fn came_in(stand: &Stand) -> Option<Touch> {
    let line = stand.line.map_or(NO_LINE, |line| line.0);
    (stand.call.direction == Some(Direction::In)).then_some((stand.call.started_at, line))
}

/// A client who called and reached nobody, as far as anybody has told: who, since when, and the card.
fn missed_of(call: &Call, card: Option<CardId>) -> Option<(&str, Timestamp, Option<CardId>)> {
    let client = call.client.as_ref()?.e164()?;
    call.wants_call_back()
        .then(|| (client, call.ended_at.unwrap_or(call.heard_at), card))
}

/// The client of a call of ours that is over and reached nobody.
fn in_vain(call: &Call) -> Option<&str> {
    let ended = call.direction == Some(Direction::Out) && call.is_over();
    let client = call.client.as_ref()?.e164()?;
    (ended && connected_of(call).is_none()).then_some(client)
}

/// A client and an employee who talked: who, from when, and since when the call was under way.
fn connected_of(call: &Call) -> Option<(&str, Timestamp, Timestamp)> {
    let outside = matches!(call.direction, Some(Direction::In | Direction::Out));
    let client = call.client.as_ref()?.e164()?;
    // Sometimes it is known that they talked and not since when.
    let at = call.answered_at.or_else(|| {
        (call.result == Some(CallResult::Answered)).then(|| call.ended_at.unwrap_or(call.heard_at))
    })?;
    outside.then_some((client, at, call.started_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(number: u128) -> CardId {
        CardId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn a_saying_is_taken_back_when_it_goes_or_gets_later() {
        assert_eq!(taken_back(None, Some((card(1), 5))), None);
        assert_eq!(taken_back(Some((card(1), 5)), Some((card(1), 5))), None);
        assert_eq!(taken_back(Some((card(1), 5)), Some((card(1), 4))), None);
        assert_eq!(
            taken_back(Some((card(1), 5)), Some((card(1), 6))),
            Some(card(1))
        );
        assert_eq!(
            taken_back(Some((card(1), 5)), Some((card(2), 5))),
            Some(card(1))
        );
        assert_eq!(taken_back(Some((card(1), 5)), None), Some(card(1)));
    }
}
