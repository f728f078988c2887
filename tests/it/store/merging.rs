//! Cards merged and parted by hand, on both engines: exactly undone, right beside calls that come in
//! meanwhile, and the roll-ups are what a recount gives.

use ringcard::{
    model::{
        event::Fact,
        ids::{CardId, PersonId},
        time::Timestamp,
    },
    on_read,
    store::{
        Db,
        cards::{self, CardPhone},
        figures,
        merging::{self, Deed, MergeError},
        touches::{self, NewTouch},
        writer::{Settings, Submission, Writer},
    },
};
use uuid::Uuid;

use super::{
    read::{count, people, run},
    told::{Told, event, message, moment},
};
use crate::{on_both_engines, support::base::Base};

on_both_engines!(
    a_merge_is_undone_exactly,
    what_has_come_since_goes_by_its_number,
    what_cannot_be_is_refused,
    a_number_of_both_is_as_before_afterwards,
    what_a_card_said_by_calls_that_went_elsewhere_is_not_brought_back,
    calls_land_where_their_number_is,
    what_memory_held_is_not_written_back,
);

const ONE: &str = "+74950000011";
const TWO: &str = "+74950000012";
const THREE: &str = "+74950000013";

fn deed() -> Deed {
    Deed {
        person: Some(PersonId(1)),
        at: moment(9_000),
    }
}

async fn card(db: &Db, number: &str) -> CardId {
    let (card,): (Uuid,) = on_read!(db, pool => {
        sqlx::query_as("select card from card_phone where e164 = $1")
            .bind(number)
            .fetch_one(pool)
            .await
            .unwrap()
    });
    CardId(card)
}

async fn rows(db: &Db, sql: &'static str) -> Vec<String> {
    let rows: Vec<(String,)> =
        on_read!(db, pool => sqlx::query_as(sql).fetch_all(pool).await.unwrap());
    rows.into_iter().map(|(row,)| row).collect()
}

/// Everything that a merge changes, but versions and what tells of it.
async fn stand(db: &Db) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for sql in [
        "select cast(row_number() over (order by id) as text) || name || '|' || company || '|' || note \
         || '|' || coalesce(cast(owner as text), '') || '|' || coalesce(cast(owner_since as text), '') \
         || '|' || coalesce(cast(first_line as text), '') || '|' || coalesce(cast(first_at as text), '') \
         || '|' || case when merged_into is null then 'live' else 'merged' end from card order by id",
        "select e164 || '/' || ext || kind || (select count(*) from card k where k.id < p.card) \
         from card_phone p order by 1",
        "select call_key || '|' || (select count(*) from card k where k.id < c.card) from call c order by 1",
        "select coalesce(client, '') || '|' || coalesce(cast(person as text), '') || '|' || \
         (select count(*) from card k where k.id < t.card) from task t where done_at is null order by 1",
        "select client || (select count(*) from card k where k.id < o.card) from touch o order by 1",
    ] {
        all.push(rows(db, sql).await);
    }
    all
}

/// What must hold whatever people do: every call and task is where the client's number leads, owner and
/// first touch follow from the card's calls, and sums from all calls.
async fn holds(db: &Db, when: &str) {
    for (what, sql) in [
        (
            "calls elsewhere than their number",
            "select count(*) from call c where c.card is distinct from \
             (select p.card from card_phone p where p.e164 = c.client and p.kind = 'own')",
        ),
        (
            "tasks elsewhere than their call",
            "select count(*) from task t join call c on c.id = t.call where t.card is distinct from c.card",
        ),
        (
            "open tasks of somebody else than the owner",
            "select count(*) from task t join card k on k.id = t.card \
             where t.done_at is null and t.person is distinct from coalesce(k.owner, t.rung)",
        ),
        (
            "owners who did not answer first",
            "select count(*) from card k where k.merged_into is null and k.owner_since is distinct from \
             (select min(c.answered_at) from call c where c.card = k.id and c.answered_by is not null)",
        ),
        (
            "first touches that were not first",
            "select count(*) from card k where k.merged_into is null and k.first_at is distinct from \
             (select min(c.started_at) from call c where c.card = k.id and c.direction = 'in')",
        ),
        (
            "numbers of cards that are part of another",
            "select count(*) from card_phone p join card k on k.id = p.card where k.merged_into is not null",
        ),
    ] {
        assert_eq!(count(db, sql).await, 0, "{what}, {when}");
    }
    let checked = figures::check(db, false).await.unwrap();
    assert_eq!(checked.differences, [], "the doctor, {when}");
}

fn writer(db: &Db) -> Writer {
    let settings = Settings {
        cached_calls: 100,
        patience_ms: 60_000,
        ..Settings::default()
    };
    Writer::start(db.clone(), 1, &settings)
}

async fn tell(writer: &Writer, messages: Vec<Submission>) {
    for message in messages {
        assert!(!writer.commit(message).await.unwrap().dead_letter);
    }
}

fn lead<'a>(client: &'a str, at: Timestamp) -> NewTouch<'a> {
    NewTouch {
        id: Uuid::now_v7(),
        kind: "form",
        client,
        ext: "",
        at,
        name: "",
        company: "",
        email: "",
        words: "",
        source: "",
        page: "",
        person: None,
        due_at: at,
        token: None,
    }
}

/// Two clients: the first answered by Anna, the second missed twice, answered by Boris before, and with
/// a form that waits for its call.
async fn two_clients(base: &Base) -> (CardId, CardId) {
    let db = &base.db;
    people(db).await;
    let writer = writer(db);
    tell(&writer, Told::incoming("a", ONE, 100).answered("201")).await;
    tell(&writer, Told::incoming("b", TWO, 0).answered("202")).await;
    tell(&writer, Told::incoming("c", TWO, 300).missed("203")).await;
    tell(&writer, Told::incoming("d", ONE, 400).missed("203")).await;
    writer.close().await;
    touches::open(db, &lead(TWO, moment(500)), moment(500))
        .await
        .unwrap();
    let both = (card(db, ONE).await, card(db, TWO).await);
    cards::rename(db, both.0, None, "Nina", "", moment(600))
        .await
        .unwrap();
    cards::rename(db, both.1, None, "Nina S.", "Svet", moment(600))
        .await
        .unwrap();
    both
}

async fn a_merge_is_undone_exactly(base: Base) {
    let db = &base.db;
    let (one, two) = two_clients(&base).await;
    let before = stand(db).await;
    let moved = merging::merge(db, (one, two), None, deed()).await.unwrap();
    assert_eq!((moved.card, moved.calls.len()), (one, 2));
    holds(db, "merged").await;
    let merged = cards::card(db, one).await.unwrap().unwrap();
    assert_eq!(
        (merged.name.as_str(), merged.company.as_str(), merged.owner),
        ("Nina", "Svet", Some(2)),
        "own words stand, and Boris answered before Anna"
    );
    assert_eq!(cards::living(db, two).await.unwrap(), Some(one));
    for (what, sql) in [
        (
            "tasks",
            "select count(*) from task t where t.card = (select id from card where merged_into is null)",
        ),
        (
            "calls",
            "select count(*) from call t where t.card = (select id from card where merged_into is null)",
        ),
        (
            "touches",
            "select count(*) + 3 from touch t where t.card = (select id from card where merged_into is null)",
        ),
    ] {
        assert_eq!(
            count(db, sql).await,
            if what == "tasks" { 3 } else { 4 },
            "{what}"
        );
    }
    let history = cards::events(db, one, 20).await.unwrap();
    let kinds: Vec<&str> = history.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["merged", "renamed", "renamed", "touch"]);

    let moved = merging::part(db, two, deed()).await.unwrap();
    assert_eq!((moved.card, moved.calls.len()), (two, 2));
    holds(db, "parted").await;
    assert_eq!(stand(db).await, before);
    assert_eq!(
        count(
            db,
            "select count(*) from card_merge where undone_at is null"
        )
        .await,
        0
    );
}

async fn what_has_come_since_goes_by_its_number(base: Base) {
    let db = &base.db;
    let (one, two) = two_clients(&base).await;
    merging::merge(db, (one, two), None, deed()).await.unwrap();
    let writer = writer(db);
    // Earlier than all before: told late, of the loser's number.
    tell(&writer, Told::incoming("e", TWO, -50).answered("203")).await;
    tell(&writer, Told::incoming("f", ONE, 700).missed("201")).await;
    tell(&writer, Told::incoming("g", THREE, 710).missed("201")).await;
    holds(db, "after the merge").await;
    touches::open(db, &lead(TWO, moment(800)), moment(800))
        .await
        .unwrap();
    let three = card(db, THREE).await;
    merging::merge(db, (one, three), None, deed())
        .await
        .unwrap();
    // Renamed by hand since: that stays.
    cards::rename(db, one, None, "Nina Example", "Svet", moment(850))
        .await
        .unwrap();
    merging::part(db, two, deed()).await.unwrap();
    holds(db, "parted").await;
    assert_eq!(card(db, TWO).await, two);
    assert_eq!(card(db, THREE).await, one);
    let owner = async |id| cards::card(db, id).await.unwrap().unwrap().owner;
    assert_eq!((owner(one).await, owner(two).await), (Some(1), Some(3)));
    let left = cards::card(db, one).await.unwrap().unwrap();
    assert_eq!(
        (left.name.as_str(), left.company.as_str()),
        ("Nina Example", "")
    );
    assert_eq!(
        count(db, "select count(*) from touch o join card_phone p on p.card = o.card where p.e164 = o.client").await,
        2
    );

    // A number that was somebody else's.
    let phone = CardPhone {
        e164: THREE.to_owned(),
        ext: String::new(),
        kind: "own".to_owned(),
    };
    let moved = merging::part_number(db, one, &phone, None, deed())
        .await
        .unwrap();
    assert_eq!(card(db, THREE).await, moved.card);
    assert_ne!(moved.card, three, "a card of its own");
    holds(db, "a number parted").await;
    tell(&writer, Told::incoming("h", THREE, 900).answered("202")).await;
    assert_eq!(owner(moved.card).await, Some(2));
    // Its old card comes back without the number, which went elsewhere.
    merging::part(db, three, deed()).await.unwrap();
    holds(db, "all parted").await;
    assert_eq!(card(db, THREE).await, moved.card);
    writer.close().await;
}

async fn what_cannot_be_is_refused(base: Base) {
    let db = &base.db;
    let (one, two) = two_clients(&base).await;
    let writer = writer(db);
    tell(&writer, Told::incoming("g", THREE, 710).missed("201")).await;
    writer.close().await;
    let three = card(db, THREE).await;
    let merge = async |winner, loser| merging::merge(db, (winner, loser), None, deed()).await;
    let nobody = CardId(Uuid::now_v7());
    assert!(matches!(merge(one, one).await, Err(MergeError::Same)));
    assert!(matches!(merge(one, nobody).await, Err(MergeError::Unknown)));
    assert!(matches!(
        merging::part(db, two, deed()).await,
        Err(MergeError::NotMerged)
    ));
    let old = merging::merge(db, (one, two), Some((0, 0)), deed()).await;
    assert!(matches!(old, Err(MergeError::Changed)));
    merge(one, two).await.unwrap();
    for (winner, loser) in [(three, two), (two, three)] {
        let said = merge(winner, loser).await;
        assert!(matches!(said, Err(MergeError::AlreadyMerged)), "{said:?}");
    }
    merge(three, one).await.unwrap();
    assert_eq!(cards::living(db, two).await.unwrap(), Some(three));
    let said = merging::part(db, two, deed()).await;
    assert!(matches!(said, Err(MergeError::MergedFurther)), "{said:?}");
    merging::part(db, one, deed()).await.unwrap();
    let phones = cards::phones(db, three).await.unwrap();
    let said = merging::part_number(db, three, &phones[0], None, deed()).await;
    assert!(matches!(said, Err(MergeError::NoNumber)), "its only one");
    run(db, "delete from card_merge").await;
    let said = merging::part(db, two, deed()).await;
    assert!(matches!(said, Err(MergeError::Forgotten)), "{said:?}");
    holds(db, "in the end").await;
}

/// A number that both carry, each in another way.
async fn a_number_of_both_is_as_before_afterwards(base: Base) {
    let db = &base.db;
    let (one, two) = two_clients(&base).await;
    run(
        db,
        "insert into card_phone (e164, ext, card, kind) \
         select '+74950000011', '', card, 'shared' from card_phone where e164 = '+74950000012'",
    )
    .await;
    let before = stand(db).await;
    for both in [(one, two), (two, one)] {
        merging::merge(db, both, None, deed()).await.unwrap();
        let phones = cards::phones(db, both.0).await.unwrap();
        let kinds: Vec<&str> = phones.iter().map(|phone| phone.kind.as_str()).collect();
        assert_eq!(kinds, ["own", "own"]);
        merging::part(db, both.1, deed()).await.unwrap();
        assert_eq!(stand(db).await, before);
    }
}

/// The winner's own number is taken out of it before the cards are parted: nothing is left that it could say.
async fn what_a_card_said_by_calls_that_went_elsewhere_is_not_brought_back(base: Base) {
    let db = &base.db;
    let (one, two) = two_clients(&base).await;
    merging::merge(db, (one, two), None, deed()).await.unwrap();
    let phones = cards::phones(db, one).await.unwrap();
    let own = phones.iter().find(|phone| phone.e164 == ONE).unwrap();
    merging::part_number(db, one, own, None, deed())
        .await
        .unwrap();
    merging::part(db, two, deed()).await.unwrap();
    let bare = "select name || '/' || coalesce(cast(first_at as text), '') || '/' || \
        coalesce(cast(first_line as text), '') || '/' || coalesce(cast(owner as text), '') \
        from card where id not in (select card from card_phone)";
    assert_eq!(rows(db, bare).await, ["Nina///"]);
    holds(db, "parted").await;
}

/// A call that goes on while its card becomes a part of another one ends there, whatever the writer
/// remembers of it, and although another batch has gone in between.
async fn what_memory_held_is_not_written_back(base: Base) {
    let db = &base.db;
    let (one, two) = two_clients(&base).await;
    let writer = writer(db);
    let mut going_on = Told::incoming("x", TWO, 1_000).answered("202");
    let rest = going_on.split_off(1);
    tell(&writer, going_on).await;
    for key in ["y", "z"] {
        tell(&writer, Told::incoming(key, ONE, 1_010).answered("202")).await;
    }
    merging::merge(db, (one, two), None, deed()).await.unwrap();
    let with = "y".into();
    let same = event("z", 1_100, "", "same", Fact::SameCall { with });
    tell(&writer, vec![message(vec![same])]).await;
    // Answered and over at once: every column of the call is written.
    let rest = rest.into_iter().flat_map(|message| message.events);
    tell(&writer, vec![message(rest.collect())]).await;
    writer.close().await;
    holds(db, "after all").await;
}

/// Calls of both numbers come in while their cards are merged and parted again and again.
async fn calls_land_where_their_number_is(base: Base) {
    let db = &base.db;
    let (one, two) = two_clients(&base).await;
    let writer = writer(db);
    let numbers = [ONE, TWO];
    let keys: Vec<String> = (0..60).map(|n| format!("live-{n}")).collect();
    // The same few calls go on all the time: memory of them outlives each merge.
    let told: Vec<Vec<Submission>> = keys
        .iter()
        .enumerate()
        .map(|(n, key)| {
            let call = Told::incoming(key, numbers[n % 2], 1_000 + n as i64);
            if n % 3 == 0 {
                call.missed("201")
            } else {
                call.answered("202")
            }
        })
        .collect();
    let calls = async {
        for wave in told.chunks(6) {
            let longest = wave.iter().map(Vec::len).max().unwrap();
            for step in 0..longest {
                let next = wave.iter().filter_map(|call| call.get(step));
                let commits = next.map(|message| writer.commit(message.clone()));
                for receipt in futures_util::future::join_all(commits).await {
                    assert!(!receipt.unwrap().dead_letter);
                }
            }
        }
    };
    let tidying = async {
        for n in 0..24 {
            match n % 2 {
                0 => merging::merge(db, (one, two), None, deed()).await.unwrap(),
                _ => merging::part(db, two, deed()).await.unwrap(),
            };
            holds_somewhat(db).await;
        }
    };
    tokio::join!(calls, tidying);
    writer.close().await;
    holds(db, "parted at last").await;
    merging::merge(db, (one, two), None, deed()).await.unwrap();
    holds(db, "merged at last").await;
}

/// In the middle of everything one thing holds already: no call is on a card that is part of another.
async fn holds_somewhat(db: &Db) {
    let lost =
        "select count(*) from call c join card k on k.id = c.card where k.merged_into is not null";
    assert_eq!(count(db, lost).await, 0);
}
