//! What people do with cards while calls go on: they merge two, part one again, or take a number out; and
//! what clients write meanwhile.
//!
//! Which numbers a card must carry afterwards is kept here and never asked of the code under test: the
//! numbers of both after a merge; after a parting those that came with it once and still are there.

use std::collections::{BTreeMap, BTreeSet};

use ringcard::{
    flow,
    model::ids::{CardId, PersonId},
    on_read,
    simulator::dice::Dice,
    store::{
        Db,
        cards::{self, CardPhone},
        merging::{self, Deed, MergeError},
        touches::{self, NewTouch},
    },
};
use uuid::Uuid;

use super::Plan;

/// Reads ids of cards on either store.
macro_rules! cards {
    ($db:expr, $sql:expr) => {{
        let cards: Vec<(Uuid,)> =
            on_read!($db, pool => { sqlx::query_as($sql).fetch_all(pool).await })
                .expect("the tables can be read");
        cards
            .into_iter()
            .map(|(card,)| CardId(card))
            .collect::<Vec<_>>()
    }};
}

/// A number with the extension behind it.
type Number = (String, String);

/// How a card stands: its version, and its numbers.
#[derive(Debug)]
struct Standing {
    version: i64,
    numbers: BTreeSet<Number>,
}

/// Somebody who tidies cards, and knows which numbers came with each card that was merged.
pub struct Tidier {
    dice: Dice,
    came: BTreeMap<CardId, BTreeSet<Number>>,
    /// What clients wrote, and whose number it came with.
    pub wrote: BTreeMap<Uuid, String>,
}

impl Tidier {
    /// Decides by these dice.
    pub fn new(dice: Dice) -> Self {
        Self {
            dice,
            came: BTreeMap::new(),
            wrote: BTreeMap::new(),
        }
    }

    /// Whether there is something to do now.
    pub fn is_at_it(&mut self) -> bool {
        self.dice.chance(30)
    }

    /// One deed, if there are cards for it; what must not happen comes back.
    pub async fn tidy(&mut self, plan: &Plan, db: &Db) -> Vec<String> {
        let deed = Deed {
            person: Some(PersonId(1)),
            at: flow::now(),
        };
        let mut wrong = Vec::new();
        let done = match self.dice.below(10) {
            0..4 => self.merge(db, deed, &mut wrong).await,
            4..6 => self.part(db, deed, &mut wrong).await,
            6..8 => self.part_number(db, deed, &mut wrong).await,
            _ => self.touch(plan, db).await,
        };
        match done {
            // A card may go while it is looked at, and what it is part of may be part of a third.
            Ok(()) | Err(MergeError::Unknown | MergeError::MergedFurther) => {}
            Err(error) => wrong.push(format!("cards are not tidied: {error}")),
        }
        wrong
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        match all {
            [] => None,
            all => Some(self.dice.pick(all).clone()),
        }
    }

    async fn merge(
        &mut self,
        db: &Db,
        deed: Deed,
        wrong: &mut Vec<String>,
    ) -> Result<(), MergeError> {
        let live = cards!(
            db,
            "select id from card where merged_into is null order by id"
        );
        let winner = self.one_of(&live);
        let others: Vec<CardId> = live.into_iter().filter(|id| Some(*id) != winner).collect();
        let (Some(winner), Some(loser)) = (winner, self.one_of(&others)) else {
            return Ok(());
        };
        let before = (standing(db, winner).await, standing(db, loser).await);
        merging::merge(db, (winner, loser), None, deed).await?;
        let came = before.1.numbers.clone();
        let together = before.0.numbers.union(&came).cloned().collect();
        let wanted = [
            (winner, &before.0, together),
            (loser, &before.1, BTreeSet::new()),
        ];
        stand(db, "merged", wanted, wrong).await;
        self.came.insert(loser, came);
        Ok(())
    }

    async fn part(
        &mut self,
        db: &Db,
        deed: Deed,
        wrong: &mut Vec<String>,
    ) -> Result<(), MergeError> {
        let merged = cards!(
            db,
            "select id from card where merged_into is not null order by id"
        );
        let Some(card) = self.one_of(&merged) else {
            return Ok(());
        };
        let (from,): (Uuid,) = on_read!(db, pool => {
            sqlx::query_as("select merged_into from card where id = $1")
                .bind(card.0)
                .fetch_one(pool)
                .await
        })
        .expect("it is merged, and nobody else parts it");
        let from = CardId(from);
        let before = (standing(db, from).await, standing(db, card).await);
        merging::part(db, card, deed).await?;
        let came = self.came.remove(&card).unwrap_or_default();
        let back: BTreeSet<Number> = before.0.numbers.intersection(&came).cloned().collect();
        let left = before.0.numbers.difference(&back).cloned().collect();
        let wanted = [(from, &before.0, left), (card, &before.1, back)];
        stand(db, "parted", wanted, wrong).await;
        Ok(())
    }

    async fn part_number(
        &mut self,
        db: &Db,
        deed: Deed,
        wrong: &mut Vec<String>,
    ) -> Result<(), MergeError> {
        let rich = cards!(
            db,
            "select card from card_phone group by card having count(*) > 1 order by card"
        );
        let Some(card) = self.one_of(&rich) else {
            return Ok(());
        };
        let before = standing(db, card).await;
        let phones: Vec<CardPhone> = cards::phones(db, card).await?;
        let Some(phone) = self.one_of(&phones) else {
            return Ok(());
        };
        let new = merging::part_number(db, card, &phone, None, deed).await?;
        let taken = BTreeSet::from([(phone.e164, phone.ext)]);
        let left = before.numbers.difference(&taken).cloned().collect();
        let nothing = Standing {
            version: 0,
            numbers: BTreeSet::new(),
        };
        let wanted = [(card, &before, left), (new.card, &nothing, taken)];
        stand(db, "a number taken out", wanted, wrong).await;
        Ok(())
    }

    /// A client writes.
    async fn touch(&mut self, plan: &Plan, db: &Db) -> Result<(), MergeError> {
        let at = self.dice.pick(&plan.calls).ledger.started_at;
        let at = at.plus_millis(self.dice.between(-20_000, 60_000));
        let id = u128::from(self.dice.roll()) << 64 | u128::from(self.dice.roll());
        let touch = NewTouch {
            id: Uuid::from_u128(id),
            kind: "form",
            client: self.dice.pick(&plan.world.clients).as_str(),
            ext: "",
            at,
            name: "",
            company: "",
            email: "",
            words: "Please call me back",
            source: "",
            page: "",
            person: None,
            due_at: at.plus_millis(300_000),
            token: None,
        };
        touches::open(db, &touch, flow::now()).await?;
        self.wrote.insert(touch.id, touch.client.to_owned());
        Ok(())
    }
}

async fn standing(db: &Db, card: CardId) -> Standing {
    let version: Option<(i64,)> = on_read!(db, pool => {
        sqlx::query_as("select version from card where id = $1")
            .bind(card.0)
            .fetch_optional(pool)
            .await
    })
    .expect("the tables can be read");
    let phones = cards::phones(db, card).await;
    let phones = phones.expect("the tables can be read").into_iter();
    Standing {
        version: version.map_or(0, |(version,)| version),
        numbers: phones.map(|phone| (phone.e164, phone.ext)).collect(),
    }
}

/// Both cards must carry these numbers now, in a version after the one before.
async fn stand(
    db: &Db,
    what: &str,
    wanted: [(CardId, &Standing, BTreeSet<Number>); 2],
    wrong: &mut Vec<String>,
) {
    for (card, before, numbers) in wanted {
        let now = standing(db, card).await;
        if now.numbers != numbers || now.version <= before.version {
            wrong.push(format!(
                "{what}: card {card} was {before:?}, is {now:?}, must have {numbers:?}"
            ));
        }
    }
}
