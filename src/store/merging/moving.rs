//! What hangs on a card on its way to another one.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Deed, MergeError, Phone, Record, sql, stronger};
use crate::{
    model::{
        call::Call,
        ids::{CallId, CardId},
    },
    rules::{
        matching::{Candidate, MatchReason, PhoneKind, rank},
        merging::Face,
    },
    store::{
        StoreError,
        cards::CardPhone,
        derived,
        rows::{Rows, Statement, Tx},
    },
};

/// A call with what it is derived from.
type CallRow = (Uuid, String, Option<Vec<u8>>);

/// From a card to another one, in a transaction that nobody else moves cards in.
pub(super) struct Moving<'a> {
    tx: &'a mut Tx,
    source: CardId,
    target: CardId,
    deed: Deed,
}

impl<'a> Moving<'a> {
    pub(super) fn new(tx: &'a mut Tx, source: CardId, target: CardId, deed: Deed) -> Self {
        Self {
            tx,
            source,
            target,
            deed,
        }
    }

    fn rows(&self, statement: &'static Statement) -> Rows {
        statement.rows(self.tx.engine())
    }

    fn way(&self, statement: &'static Statement) -> Rows {
        let mut rows = self.rows(statement);
        rows.id(self.source.0).id(self.target.0);
        rows
    }

    pub(super) async fn all_calls(&mut self) -> Result<Vec<(CallId, i64)>, sqlx::Error> {
        let rows = self.way(&sql::MOVE_CALLS);
        Ok(calls_of(self.tx.fetch(rows).await?))
    }

    pub(super) async fn all_tasks(&mut self) -> Result<Vec<i64>, sqlx::Error> {
        #[cfg(feature = "planted")]
        if crate::planted::is("merge_forgets_tasks") {
            return Ok(Vec::new());
        }
        let rows = self.way(&sql::MOVE_TASKS);
        let tasks: Vec<(i64,)> = self.tx.fetch(rows).await?;
        Ok(tasks.into_iter().map(|(task,)| task).collect())
    }

    pub(super) async fn all_touches(&mut self) -> Result<Vec<Uuid>, sqlx::Error> {
        #[cfg(feature = "planted")]
        if crate::planted::is("merge_forgets_touches") {
            return Ok(Vec::new());
        }
        let rows = self.way(&sql::MOVE_TOUCHES);
        let touches: Vec<(Uuid,)> = self.tx.fetch(rows).await?;
        Ok(touches.into_iter().map(|(touch,)| touch).collect())
    }

    /// Every number; of one that both carry the stronger kind stays.
    pub(super) async fn all_phones(&mut self) -> Result<Vec<Phone>, sqlx::Error> {
        let moved = self.phones_of(self.source).await?;
        let there = self.phones_of(self.target).await?;
        let mut gone = self.rows(&sql::DROP_PHONES);
        let mut set = self.rows(&sql::SET_PHONES);
        let mut added = self.rows(&sql::ADD_PHONES);
        let mut phones = Vec::new();
        for phone in moved {
            let (e164, ext) = (phone.e164.as_str(), phone.ext.as_str());
            gone.id(self.source.0).text(e164).text(ext);
            let same =
                |other: &&CardPhone| (other.e164.as_str(), other.ext.as_str()) == (e164, ext);
            let was = there.iter().find(same).map(|other| other.kind.clone());
            match &was {
                Some(was) => {
                    let kind = stronger(was, &phone.kind);
                    set.id(self.target.0)
                        .text(e164)
                        .text(ext)
                        .text(kind.as_str());
                }
                None => {
                    let kind = phone.kind.as_str();
                    added.id(self.target.0).text(e164).text(ext).text(kind);
                }
            }
            phones.push(Phone {
                e164: phone.e164,
                ext: phone.ext,
                kind: phone.kind,
                was,
            });
        }
        // In this order: an own number is never on two cards.
        for rows in [gone, set, added] {
            self.tx.run(rows).await?;
        }
        Ok(phones)
    }

    /// Numbers that came to the source once, as far as they still are there.
    pub(super) async fn phones_back(&mut self, phones: &[Phone]) -> Result<(), sqlx::Error> {
        #[cfg(feature = "planted")]
        let phones = match crate::planted::is("parting_leaves_a_number") {
            true => &phones[..phones.len().saturating_sub(1)],
            false => phones,
        };
        let there = self.phones_of(self.source).await?;
        let mut gone = self.rows(&sql::DROP_PHONES);
        let mut set = self.rows(&sql::SET_PHONES);
        let mut added = self.rows(&sql::ADD_PHONES);
        for phone in phones {
            let (e164, ext) = (phone.e164.as_str(), phone.ext.as_str());
            let same = |other: &CardPhone| (other.e164.as_str(), other.ext.as_str()) == (e164, ext);
            if !there.iter().any(same) {
                continue;
            }
            match &phone.was {
                Some(was) => {
                    set.id(self.source.0)
                        .text(e164)
                        .text(ext)
                        .text(was.as_str());
                }
                None => _ = gone.id(self.source.0).text(e164).text(ext),
            }
            let kind = phone.kind.as_str();
            added.id(self.target.0).text(e164).text(ext).text(kind);
        }
        for rows in [gone, set, added] {
            self.tx.run(rows).await?;
        }
        Ok(())
    }

    /// One number.
    pub(super) async fn phone(&mut self, phone: &CardPhone) -> Result<(), sqlx::Error> {
        let (e164, ext) = (phone.e164.as_str(), phone.ext.as_str());
        let mut gone = self.rows(&sql::DROP_PHONES);
        gone.id(self.source.0).text(e164).text(ext);
        let mut added = self.rows(&sql::ADD_PHONES);
        let kind = phone.kind.as_str();
        added.id(self.target.0).text(e164).text(ext).text(kind);
        for rows in [gone, added] {
            self.tx.run(rows).await?;
        }
        Ok(())
    }

    pub(super) async fn phones_of(&mut self, card: CardId) -> Result<Vec<CardPhone>, sqlx::Error> {
        let mut rows = self.rows(&sql::PHONES);
        rows.id(card.0);
        self.tx.fetch(rows).await
    }

    /// These calls, as far as they still are on the source, with their tasks. Who called may have turned
    /// out to be somebody else meanwhile: a call that the source's own number has brought stays.
    pub(super) async fn calls_back(
        &mut self,
        ids: &[Uuid],
    ) -> Result<Vec<(CallId, i64)>, MergeError> {
        let carried = self.carried().await?.turned_round();
        let mut left = self.rows(&sql::CALLS_LEFT);
        for id in ids {
            left.id(*id).id(self.source.0);
        }
        let left: Vec<CallRow> = self.tx.fetch(left).await?;
        let mut going = Vec::new();
        for (id, derived, facts) in left {
            if !carried.leads(&derived::read(id, &derived, facts.as_deref())?) {
                going.push(id);
            }
        }
        Ok(self.calls(&going).await?)
    }

    async fn carried(&mut self) -> Result<Carried, sqlx::Error> {
        Ok(Carried {
            by_source: self.phones_of(self.source).await?,
            by_target: self.phones_of(self.target).await?,
        })
    }

    async fn calls(&mut self, ids: &[Uuid]) -> Result<Vec<(CallId, i64)>, sqlx::Error> {
        let moved = self.some(&sql::MOVE_CALL, ids);
        let moved = self.tx.fetch(moved).await?;
        let tasks = self.some(&sql::MOVE_TASK_OF_CALL, ids);
        self.tx.run(tasks).await?;
        Ok(calls_of(moved))
    }

    /// These tasks that no call has made.
    pub(super) async fn tasks(&mut self, ids: &[i64]) -> Result<(), sqlx::Error> {
        let mut rows = self.rows(&sql::MOVE_TASK);
        for id in ids {
            rows.int(*id).id(self.source.0).id(self.target.0);
        }
        self.tx.run(rows).await?;
        Ok(())
    }

    pub(super) async fn touches(&mut self, ids: &[Uuid]) -> Result<(), sqlx::Error> {
        let rows = self.some(&sql::MOVE_TOUCH, ids);
        self.tx.run(rows).await?;
        Ok(())
    }

    fn some(&self, statement: &'static Statement, ids: &[Uuid]) -> Rows {
        let mut rows = self.rows(statement);
        for id in ids {
            rows.id(*id).id(self.source.0).id(self.target.0);
        }
        rows
    }

    /// What has come to the source by these numbers and would come to the target now. What either
    /// would get stays where it is.
    pub(super) async fn by_numbers(
        &mut self,
        numbers: &BTreeSet<String>,
    ) -> Result<Vec<(CallId, i64)>, MergeError> {
        #[cfg(feature = "planted")]
        if crate::planted::is("parting_keeps_what_came_since") {
            return Ok(Vec::new());
        }
        let carried = self.carried().await?;
        let calls: Vec<CallRow> = self.come_by(&sql::CALLS_FROM, numbers).await?;
        let mut moved = Vec::new();
        for (id, derived, facts) in calls {
            if carried.leads(&derived::read(id, &derived, facts.as_deref())?) {
                moved.push(id);
            }
        }
        // Of a touch or a task without a call the extension is not kept.
        let bare: BTreeSet<String> = numbers
            .iter()
            .filter(|number| carried.leads_to_target(number, ""))
            .cloned()
            .collect();
        let moved = self.calls(&moved).await?;
        let tasks: Vec<(i64,)> = self.come_by(&sql::TASKS_FROM, &bare).await?;
        let tasks: Vec<i64> = tasks.into_iter().map(|(task,)| task).collect();
        self.tasks(&tasks).await?;
        let touches: Vec<(Uuid,)> = self.come_by(&sql::TOUCHES_FROM, &bare).await?;
        let touches: Vec<Uuid> = touches.into_iter().map(|(touch,)| touch).collect();
        self.touches(&touches).await?;
        Ok(moved)
    }

    async fn come_by<T>(
        &mut self,
        statement: &'static Statement,
        numbers: &BTreeSet<String>,
    ) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>
            + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>
            + Send
            + Unpin,
    {
        let mut rows = self.rows(statement);
        for number in numbers {
            rows.id(self.source.0).text(number.as_str());
        }
        self.tx.fetch(rows).await
    }

    /// Makes the target.
    pub(super) async fn add_card(&mut self) -> Result<(), sqlx::Error> {
        let mut rows = self.rows(&sql::ADD_CARD);
        rows.id(self.target.0).int(self.deed.at.as_micros());
        self.tx.run(rows).await?;
        Ok(())
    }

    pub(super) async fn set_part_of(
        &mut self,
        card: CardId,
        of: Option<CardId>,
    ) -> Result<(), sqlx::Error> {
        let mut rows = self.rows(&sql::SET_PART_OF);
        rows.id(card.0)
            .id(of.map(|card| card.0))
            .int(self.deed.at.as_micros());
        self.tx.run(rows).await?;
        Ok(())
    }

    pub(super) async fn set_face(&mut self, card: CardId, face: &Face) -> Result<(), sqlx::Error> {
        let mut rows = self.rows(&sql::SET_FACE);
        rows.id(card.0)
            .text(face.name.as_str())
            .text(face.company.as_str())
            .text(face.note.as_str())
            .int(face.owner.map(|person| person.0))
            .int(face.owner_since.map(|at| at.as_micros()))
            .int(face.first_line.map(|line| line.0))
            .int(face.first_at.map(|at| at.as_micros()))
            .int(self.deed.at.as_micros());
        self.tx.run(rows).await?;
        Ok(())
    }

    /// What the target says of its calls is from before the merge, and some may have gone elsewhere
    /// since: it is counted anew, unless retention has let all of them go.
    pub(super) async fn forgo(&mut self, calls: &[Uuid]) -> Result<(), sqlx::Error> {
        let mut there = self.rows(&sql::CALLS_THERE);
        for call in calls {
            there.id(*call);
        }
        let there: Vec<(Uuid,)> = self.tx.fetch(there).await?;
        if !there.is_empty() {
            let mut rows = self.rows(&sql::FORGO_ALL);
            rows.id(self.target.0);
            self.tx.run(rows).await?;
        }
        Ok(())
    }

    /// Owner and first touch of both after calls went from one to the other.
    pub(super) async fn recount(&mut self) -> Result<(), sqlx::Error> {
        #[cfg(feature = "planted")]
        if crate::planted::is("parting_counts_nothing") {
            return Ok(());
        }
        for statement in [&sql::FORGO_FIRST, &sql::FORGO_OWNER] {
            let mut rows = self.rows(statement);
            rows.id(self.source.0);
            self.tx.run(rows).await?;
        }
        for statement in [&sql::RECOUNT_FIRST, &sql::RECOUNT_OWNER] {
            let mut rows = self.rows(statement);
            rows.id(self.source.0).id(self.target.0);
            self.tx.run(rows).await?;
        }
        Ok(())
    }

    /// Says it in the history of a card; the other one stands there by its id only, so that no name
    /// outlives its card.
    pub(super) async fn tell(
        &mut self,
        card: CardId,
        kind: &'static str,
        other: CardId,
    ) -> Result<(), sqlx::Error> {
        let mut rows = self.rows(&sql::ADD_EVENT);
        rows.id(card.0)
            .int(self.deed.at.as_micros())
            .int(self.deed.person.map(|person| person.0))
            .text(kind)
            .text(other.to_string().as_str());
        self.tx.run(rows).await?;
        Ok(())
    }

    /// Keeps what a merge has moved.
    pub(super) async fn write_down(&mut self, record: &Record) -> Result<(), MergeError> {
        let body = serde_json::to_string(record).map_err(|source| StoreError::Value {
            what: "card_merge.body",
            source,
        })?;
        let mut rows = self.rows(&sql::ADD_MERGE);
        rows.id(self.target.0)
            .id(self.source.0)
            .int(self.deed.at.as_micros())
            .int(self.deed.person.map(|person| person.0))
            .text(body.as_str());
        self.tx.run(rows).await?;
        Ok(())
    }

    /// Notes that a merge was undone.
    pub(super) async fn end(&mut self, merge: i64) -> Result<(), sqlx::Error> {
        let mut rows = self.rows(&sql::END_MERGE);
        rows.int(merge)
            .int(self.deed.at.as_micros())
            .int(self.deed.person.map(|person| person.0));
        self.tx.run(rows).await?;
        Ok(())
    }
}

/// Which numbers each card carries.
struct Carried {
    by_source: Vec<CardPhone>,
    by_target: Vec<CardPhone>,
}

impl Carried {
    fn turned_round(self) -> Self {
        Self {
            by_source: self.by_target,
            by_target: self.by_source,
        }
    }

    /// Whether the client of a call is the target's rather than the source's.
    fn leads(&self, call: &Call) -> bool {
        let client = call.client.as_ref();
        client.is_some_and(|client| {
            let ext = client.ext().unwrap_or_default();
            client
                .e164()
                .is_some_and(|e164| self.leads_to_target(e164, ext))
        })
    }

    /// Whether a number, with the extension behind it, is the target's rather than the source's.
    fn leads_to_target(&self, e164: &str, ext: &str) -> bool {
        match (
            reason(&self.by_source, e164, ext),
            reason(&self.by_target, e164, ext),
        ) {
            (Some(stays), Some(goes)) => goes < stays,
            (None, goes) => goes.is_some(),
            (Some(_), None) => false,
        }
    }
}

/// Why a number would lead to the card that carries these.
fn reason(phones: &[CardPhone], e164: &str, ext: &str) -> Option<MatchReason> {
    let candidates: Vec<Candidate> = phones
        .iter()
        .filter(|phone| phone.e164 == e164)
        .map(|phone| Candidate {
            card: CardId(Uuid::nil()),
            // A kind this version does not know matches nothing by itself.
            kind: PhoneKind::parse(&phone.kind).unwrap_or(PhoneKind::Shared),
            ext: phone.ext.clone(),
        })
        .collect();
    rank(ext, &candidates).first().map(|(reason, _)| *reason)
}

fn calls_of(rows: Vec<(Uuid, i64)>) -> Vec<(CallId, i64)> {
    rows.into_iter()
        .map(|(call, version)| (CallId(call), version))
        .collect()
}
