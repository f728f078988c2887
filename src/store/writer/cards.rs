//! The card of each call: found by the client's number, or made.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::{
    apply::{ApplyError, Committer, Work},
    effects::{Touch, came_in, line_of},
    known::Stand,
    source::Source,
    statements as sql,
};
use crate::{
    model::{call::Call, event::Direction, ids::CardId, time::Timestamp},
    rules::matching::{Candidate, MatchReason, PhoneKind, rank},
    store::rows::{Rows, ScriptRows, Tx},
};

/// Numbers that no card carries, each with its extension.
type Missing = BTreeMap<(String, String), First>;

/// The earliest of what the calls with a number say.
struct First {
    start: Timestamp,
    touch: Option<Touch>,
}

impl First {
    fn of(stand: &Stand) -> Self {
        Self {
            start: stand.call.started_at,
            touch: came_in(stand),
        }
    }

    fn meet(&mut self, other: Self) {
        self.start = self.start.min(other.start);
        self.touch = self.touch.into_iter().chain(other.touch).min();
    }
}

/// Cards made for numbers with their extensions.
type Made = HashMap<(String, String), CardId>;

impl Committer {
    /// Finds or makes the card of every call whose client has become known or another.
    pub(super) async fn find_cards(
        &mut self,
        from: &mut Source<'_>,
        works: &mut [Work],
        writes: &mut ScriptRows,
    ) -> Result<(), ApplyError> {
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for work in works.iter_mut() {
            let stand = &mut work.known.stand;
            let client = client_of(&stand.call);
            let before = work.before.as_ref();
            if stand.card.is_some() && before.and_then(|stand| client_of(&stand.call)) == client {
                continue;
            }
            stand.card = None;
            stand.reason = None;
            if let Some((e164, _)) = client {
                wanted.insert(e164.to_owned());
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let mut found = self.numbers(from, &wanted).await?;
        let missing = assign_cards(works, &found);
        if missing.is_empty() {
            return Ok(());
        }
        let made = match from {
            Source::Held(tx) => self.make_cards(tx, &missing).await?,
            Source::Ahead(_) => self.announce_cards(&missing, writes),
        };
        if made.len() < missing.len() {
            // Another node was quicker with some of the numbers: its cards are there now.
            found = self.numbers(from, &wanted).await?;
            assign_cards(works, &found);
        }
        // Of several first calls of one client, one has made the card; the others find it.
        let mut told = HashMap::new();
        for work in works.iter_mut() {
            let stand = &mut work.known.stand;
            if stand.card.is_none()
                && let Some((e164, ext)) = client_of(&stand.call)
                && let Some(card) = made.get(&(e164.to_owned(), ext.to_owned()))
            {
                stand.card = Some(*card);
                let made_by_other = told.insert(*card, MatchReason::of_own(ext));
                stand.reason = made_by_other.or(Some(MatchReason::Created));
                work.made_touch = matches!(from, Source::Ahead(_));
            }
        }
        Ok(())
    }

    async fn numbers(
        &self,
        from: &mut Source<'_>,
        wanted: &BTreeSet<String>,
    ) -> Result<HashMap<String, Vec<Candidate>>, ApplyError> {
        let mut numbers = sql::FIND_NUMBERS.rows(self.engine);
        for e164 in wanted {
            numbers.text(e164.as_str());
        }
        let rows: Vec<(String, String, String, Uuid)> = from.fetch(numbers).await?;
        let mut found: HashMap<String, Vec<Candidate>> = HashMap::new();
        if let Source::Ahead(_) = from {
            for e164 in wanted {
                if let Some(made) = self.unread.numbers.get(e164) {
                    found.insert(e164.clone(), made.clone());
                }
            }
        }
        for (e164, ext, kind, card) in rows {
            // A kind this version does not know matches nothing by itself.
            let kind = PhoneKind::parse(&kind).unwrap_or(PhoneKind::Shared);
            let candidate = Candidate {
                card: CardId(card),
                kind,
                ext,
            };
            let known = found.entry(e164).or_default();
            // The batch that made it may have landed meanwhile.
            if !known.contains(&candidate) {
                known.push(candidate);
            }
        }
        Ok(found)
    }

    /// Makes a card for each number with the other writes of a batch that is prepared ahead. The batch
    /// after it finds them among what cannot be read yet.
    fn announce_cards(&mut self, missing: &Missing, writes: &mut ScriptRows) -> Made {
        let mut made = Made::new();
        let rows = writes.of(&sql::NEW_CARDS);
        for ((e164, ext), first) in missing {
            let (card, ext) = new_card(rows, e164, ext, first.start);
            rows.int(first.touch.and_then(|(_, line)| line_of(line)))
                .int(first.touch.map(|(at, _)| at.as_micros()));
            let own = Candidate {
                card,
                kind: PhoneKind::Own,
                ext: ext.clone(),
            };
            self.next_unread
                .numbers
                .entry(e164.clone())
                .or_default()
                .push(own);
            made.insert((e164.clone(), ext), card);
        }
        made
    }

    /// Makes a card for each number; gives back those that are ours.
    async fn make_cards(&self, tx: &mut Tx, missing: &Missing) -> Result<Made, ApplyError> {
        let mut cards = sql::ADD_CARDS.rows(self.engine);
        let mut made = Made::new();
        for ((e164, ext), first) in missing {
            let (card, ext) = new_card(&mut cards, e164, ext, first.start);
            made.insert((e164.clone(), ext), card);
        }
        let ours: Vec<(Uuid,)> = tx.fetch(cards).await?;
        if ours.len() < made.len() {
            let ours: BTreeSet<CardId> = ours.into_iter().map(|(card,)| CardId(card)).collect();
            let mut surplus = sql::DROP_CARDS.rows(self.engine);
            made.retain(|_, card| {
                let is_ours = ours.contains(card);
                if !is_ours {
                    surplus.id(card.0);
                }
                is_ours
            });
            tx.run(surplus).await?;
        }
        Ok(made)
    }
}

/// Writes down a new card for a number; gives the card and the extension it stands for.
fn new_card(rows: &mut Rows, e164: &str, ext: &str, at: Timestamp) -> (CardId, String) {
    let card = CardId(Uuid::now_v7());
    #[cfg(feature = "planted")]
    let doubled = card.to_string();
    #[cfg(feature = "planted")]
    let ext = match crate::planted::is("double_cards") {
        true => doubled.as_str(),
        false => ext,
    };
    rows.id(card.0).int(at.as_micros()).text(e164).text(ext);
    (card, ext.to_string())
}

/// The client's number and the extension behind it, if the call is with somebody outside.
fn client_of(call: &Call) -> Option<(&str, &str)> {
    if !matches!(call.direction, Some(Direction::In | Direction::Out)) {
        return None;
    }
    let client = call.client.as_ref()?;
    Some((client.e164()?, client.ext().unwrap_or_default()))
}

/// Gives every call without a card the best of those found. What is left has no card anywhere.
fn assign_cards(works: &mut [Work], found: &HashMap<String, Vec<Candidate>>) -> Missing {
    let mut missing = Missing::new();
    for work in works {
        let stand = &mut work.known.stand;
        if stand.card.is_some() {
            continue;
        }
        let Some((e164, ext)) = client_of(&stand.call) else {
            continue;
        };
        let candidates = found.get(e164).map_or(&[][..], Vec::as_slice);
        match rank(ext, candidates).first() {
            Some((reason, card)) => {
                stand.card = Some(*card);
                stand.reason = Some(*reason);
            }
            None => {
                missing
                    .entry((e164.to_owned(), ext.to_owned()))
                    .and_modify(|first: &mut First| first.meet(First::of(stand)))
                    .or_insert_with(|| First::of(stand));
            }
        }
    }
    missing
}
