//! What people do with cards while calls go on: they merge two, part one again, or take a number out.

use ringcard::{
    flow,
    model::ids::{CardId, PersonId},
    on_read,
    simulator::dice::Dice,
    store::{
        Db,
        cards::CardPhone,
        merging::{self, Deed, MergeError},
    },
};
use uuid::Uuid;

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

/// One such deed, if there are cards for it; what must not happen comes back.
pub async fn tidy(db: &Db, dice: &mut Dice) -> Option<String> {
    let deed = Deed {
        person: Some(PersonId(1)),
        at: flow::now(),
    };
    let done = match dice.below(10) {
        0..5 => merge(db, dice, deed).await,
        5..8 => part(db, dice, deed).await,
        _ => part_number(db, dice, deed).await,
    };
    match done {
        // A card may go while it is looked at, and what it is part of may be part of a third.
        Ok(()) | Err(MergeError::Unknown | MergeError::MergedFurther) => None,
        Err(error) => Some(format!("cards are not tidied: {error}")),
    }
}

fn one_of<T: Clone>(dice: &mut Dice, all: &[T]) -> Option<T> {
    match all {
        [] => None,
        all => all.get(dice.below(all.len() as u64) as usize).cloned(),
    }
}

async fn merge(db: &Db, dice: &mut Dice, deed: Deed) -> Result<(), MergeError> {
    let live = cards!(
        db,
        "select id from card where merged_into is null order by id"
    );
    let winner = one_of(dice, &live);
    let others: Vec<CardId> = live.into_iter().filter(|id| Some(*id) != winner).collect();
    if let (Some(winner), Some(loser)) = (winner, one_of(dice, &others)) {
        merging::merge(db, (winner, loser), None, deed).await?;
    }
    Ok(())
}

async fn part(db: &Db, dice: &mut Dice, deed: Deed) -> Result<(), MergeError> {
    let merged = cards!(
        db,
        "select id from card where merged_into is not null order by id"
    );
    if let Some(card) = one_of(dice, &merged) {
        merging::part(db, card, deed).await?;
    }
    Ok(())
}

async fn part_number(db: &Db, dice: &mut Dice, deed: Deed) -> Result<(), MergeError> {
    let rich = cards!(
        db,
        "select card from card_phone group by card having count(*) > 1 order by card"
    );
    let Some(card) = one_of(dice, &rich) else {
        return Ok(());
    };
    let phones: Vec<CardPhone> = ringcard::store::cards::phones(db, card).await?;
    if let Some(phone) = one_of(dice, &phones) {
        merging::part_number(db, card, &phone, None, deed).await?;
    }
    Ok(())
}
