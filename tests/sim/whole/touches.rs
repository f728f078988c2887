//! What clients wrote, and the clocks of the first calls that it started, after a run.

use std::collections::BTreeMap;

use ringcard::{model::time::Timestamp, store::Db};
use uuid::Uuid;

use super::{cards::Tidier, found::Row, tables::all, tasks::settled};

/// A clock: its client, its card, when it began, who stopped it, how, and whose it is.
type Clock = (
    String,
    Option<Uuid>,
    i64,
    Option<Uuid>,
    Option<String>,
    Option<i64>,
);

/// Every touch and its clock stand on the card of the client's number, and a connected call has stopped
/// the clock.
pub async fn check(tidier: &Tidier, rows: &[Row], db: &Db, wrong: &mut Vec<String>) {
    let cards: Vec<(String, Uuid, Option<i64>)> = all!(
        db,
        "select e164, card, owner from card_phone join card on card.id = card where kind = 'own'"
    );
    let cards: BTreeMap<String, (Uuid, Option<i64>)> = cards
        .into_iter()
        .map(|(number, card, owner)| (number, (card, owner)))
        .collect();
    let touches: Vec<(Uuid, String, Uuid, Option<Uuid>)> = all!(
        db,
        "select touch.id, touch.client, touch.card, task.card from touch
         left join task on task.id = task"
    );
    let kept: BTreeMap<Uuid, String> = touches
        .iter()
        .map(|(id, client, ..)| (*id, client.clone()))
        .collect();
    if kept != tidier.wrote {
        wrong.push(format!("touches {kept:?}, written {:?}", tidier.wrote));
    }
    for (_, client, card, clock) in touches {
        let wanted = cards.get(&client).map(|(card, _)| *card);
        if (Some(card), clock) != (wanted, wanted) {
            wrong.push(format!(
                "{client}: a touch on {card}, its clock on {clock:?}, not {wanted:?}"
            ));
        }
    }
    let clocks: Vec<Clock> = all!(
        db,
        "select client, card, created_at, done_by, outcome, person from task
         where kind = 'first_dial'"
    );
    for (client, card, since, done_by, outcome, person) in clocks {
        let wanted = settled(&client, Timestamp::from_micros(since), rows);
        let owner = cards.get(&client).and_then(|(_, owner)| *owner);
        // What was done before cards were tidied stays with whoever did it.
        let is_past = done_by.is_some();
        if (done_by, &outcome) != (wanted.0, &wanted.1) || (person != owner && !is_past) {
            wrong.push(format!(
                "{client}: a clock on {card:?} done by {done_by:?} ({outcome:?}) of {person:?}, \
                 not {wanted:?} of {owner:?}"
            ));
        }
    }
}
