//! What is no longer needed goes by class, is counted, and stays while somebody holds it.

use ringcard::{
    flow,
    keeping::retention::{self, Settings},
    model::{call::Call, event::ConsentSaid, ids::CardId, time::Timestamp},
    on_read, on_write,
    recordings::vault::Vault,
    store::{
        Db, cards, hold,
        merging::{self, Deed},
    },
};
use uuid::Uuid;

use super::place::{Folder, Place};

const DAY_MS: i64 = 86_400_000;
const CALLS: &str = "select call_key from call order by call_key";
const RECORDINGS: &str =
    "select recording || ' ' || state || ' ' || reason from recording order by recording";
const PURGED: &str = "select rule || ' ' || what || ' ' || gone from purge order by id";

struct Story<'a> {
    db: &'a Db,
    now: Timestamp,
}

impl Story<'_> {
    /// A call of so many days ago with a card of its own and a recording of this sound.
    async fn call(&self, key: &str, days: i64, sound: &str) -> Uuid {
        let (call, card) = (Uuid::now_v7(), Uuid::now_v7());
        let at = self.now.plus_millis(-days * DAY_MS).as_micros();
        let e164 = format!("+749500000{days:02}");
        on_write!(self.db, pool => {
            sqlx::query("insert into card (id, created_at, updated_at) values ($1, $2, $2)")
                .bind(card)
                .bind(at)
                .execute(pool)
                .await
                .unwrap();
            sqlx::query("insert into card_phone (e164, card, kind) values ($1, $2, 'own')")
                .bind(&e164)
                .bind(card)
                .execute(pool)
                .await
                .unwrap();
            sqlx::query(
                "insert into call (id, account, call_key, version, phase, ended, card, client, \
                 started_at, heard_at, derived, recording) values ($1, 'cloud', $2, 1, 'ended', \
                 'hung_up', $3, $4, $5, $5, '{}', 'kept')",
            )
            .bind(call)
            .bind(key)
            .bind(card)
            .bind(&e164)
            .bind(at)
            .execute(pool)
            .await
            .unwrap();
            sqlx::query("insert into call_key (account, key, call) values ('cloud', $1, $2)")
                .bind(key)
                .bind(call)
                .execute(pool)
                .await
                .unwrap();
            sqlx::query(
                "insert into recording (call, account, recording, state, sha256, size, created_at) \
                 values ($1, 'cloud', $2, 'kept', $3, 1, 1)",
            )
            .bind(call)
            .bind(key)
            .bind(sound)
            .execute(pool)
            .await
            .unwrap();
            sqlx::query(
                "insert into task (kind, call, card, created_at, due_at, done_at) \
                 values ('call_back', $1, $2, 1, 1, 1)",
            )
            .bind(call)
            .bind(card)
            .execute(pool)
            .await
            .unwrap();
        });
        call
    }

    async fn words(&self, sql: &'static str) -> Vec<String> {
        let rows: Vec<(String,)> = on_read!(self.db, pool => {
            sqlx::query_as(sql).fetch_all(pool).await.unwrap()
        });
        rows.into_iter().map(|(word,)| word).collect()
    }

    /// Lets go by these periods.
    async fn goes(&self, vault: &Vault, recording: i64, call: i64, card: i64) {
        let settings = Settings {
            recording_days: recording,
            call_days: call,
            card_days: card,
            ..Settings::default()
        };
        retention::once(self.db, vault, &settings, self.now)
            .await
            .unwrap();
    }
}

/// Lays a file of this name into the vault.
async fn keep(vault: &Vault, name: &str) {
    let incoming = vault.incoming();
    std::fs::write(incoming.path(), b"x").unwrap();
    vault.keep(incoming.path(), name, 1).await.unwrap();
}

async fn it_goes_by_class_and_not_under_a_hold(place: Place) {
    place.run(&["migrate"]).await;
    let db = place.open().await;
    let vault = Vault::open(&place.recordings()).unwrap();
    let (own, shared) = ("a".repeat(64), "b".repeat(64));
    for name in [&own, &shared] {
        keep(&vault, name).await;
    }
    let there = |name: &str| {
        let folder = place.recordings().join(&name[..2]).join(&name[2..4]);
        folder.join(name).exists()
    };
    let story = Story {
        db: &db,
        now: flow::now(),
    };
    story.call("old", 50, &own).await;
    let held = story.call("held", 51, &shared).await;
    story.call("older", 52, &shared).await;
    story.call("young", 5, &shared).await;
    let object = format!("call:{held}");
    hold::set(&db, &object, "a claim", None, story.now)
        .await
        .unwrap();

    story.goes(&vault, 0, 0, 0).await;
    assert_eq!(story.words(CALLS).await.len(), 4, "for ever");
    story.goes(&vault, 30, 0, 0).await;
    assert_eq!(
        story.words(RECORDINGS).await,
        [
            "held kept ",
            "old absent expired",
            "older absent expired",
            "young kept "
        ]
    );
    assert!(!there(&own) && there(&shared), "what others have stays");
    assert_eq!(
        story.words(PURGED).await,
        ["recordings recording 2", "recordings files 1"]
    );

    story.goes(&vault, 0, 30, 30).await;
    assert_eq!(story.words(CALLS).await, ["held", "young"]);
    let keys = story.words("select key from call_key order by key").await;
    assert_eq!(keys, ["held", "young"]);
    let numbers = story.words("select e164 from card_phone").await;
    assert_eq!(numbers.len(), 2, "cards without calls went: {numbers:?}");
    assert_eq!(
        story.words(PURGED).await[2..],
        ["calls call 2", "cards card 2"]
    );

    hold::lift(&db, &object, None, story.now).await.unwrap();
    story.goes(&vault, 0, 30, 30).await;
    assert_eq!(story.words(CALLS).await, ["young"]);
    assert!(there(&shared));
    // The same day's line counts on.
    assert_eq!(
        story.words(PURGED).await[2..],
        ["calls call 3", "cards card 3"]
    );
    db.close().await;
}

/// Recordings that wait for consent: the late one goes, the young one waits, the one that has got it in the
/// meantime is free, and a hold keeps its own.
async fn it_waits_for_consent(place: Place) {
    place.run(&["migrate"]).await;
    let db = place.open().await;
    let vault = Vault::open(&place.recordings()).unwrap();
    let story = Story {
        db: &db,
        now: flow::now(),
    };
    on_write!(&db, pool => {
        for sql in [
            "insert into line (id, account, did, name) values (1, 'cloud', '+74950000099', 'Main')",
            "insert into line_recording (line, valid_from, kept, notice, prompt, consent) \
             values (1, 0, 1, 'none', '', 'asked')",
        ] {
            sqlx::query(sql).execute(pool).await.unwrap();
        }
    });
    let call = Call::default();
    let given = Call {
        consent: Some(ConsentSaid::Given),
        ..Call::default()
    };
    for (key, days, call) in [
        ("late", 20, &call),
        ("held", 21, &call),
        ("free", 22, &given),
        ("young", 3, &call),
    ] {
        let id = story.call(key, days, &"c".repeat(64)).await;
        if key == "held" {
            hold::set(&db, &format!("call:{id}"), "a claim", None, story.now)
                .await
                .unwrap();
        }
        let kept_at = story.now.plus_millis(-days * DAY_MS).as_micros();
        on_write!(&db, pool => {
            sqlx::query("update call set line = 1, derived = $2 where id = $1")
                .bind(id)
                .bind(serde_json::to_string(call).unwrap())
                .execute(pool)
                .await
                .unwrap();
            sqlx::query("update recording set state = 'withheld', kept_at = $2 where call = $1")
                .bind(id)
                .bind(kept_at)
                .execute(pool)
                .await
                .unwrap();
        });
    }
    story.goes(&vault, 0, 0, 0).await;
    assert_eq!(
        story.words(RECORDINGS).await,
        [
            "free no_player ",
            "held withheld ",
            "late absent consent_missing",
            "young withheld "
        ]
    );
    assert_eq!(
        story.words(PURGED).await,
        ["consent_missing recording 1"],
        "others have the same file"
    );
    db.close().await;
}

#[tokio::test]
async fn it_waits_for_consent_on_sqlite() {
    let folder = Folder::new();
    it_waits_for_consent(Place::sqlite(&folder.0)).await;
}

#[tokio::test]
async fn it_waits_for_consent_on_postgres() {
    let folder = Folder::new();
    it_waits_for_consent(Place::postgres(&folder.0).await).await;
}

#[tokio::test]
async fn it_goes_by_class_on_sqlite() {
    let folder = Folder::new();
    it_goes_by_class_and_not_under_a_hold(Place::sqlite(&folder.0)).await;
}

#[tokio::test]
async fn it_goes_by_class_on_postgres() {
    let folder = Folder::new();
    it_goes_by_class_and_not_under_a_hold(Place::postgres(&folder.0).await).await;
}

async fn merged_cards_stay_and_go_together(place: Place) {
    place.run(&["migrate"]).await;
    let db = place.open().await;
    let vault = Vault::open(&place.recordings()).unwrap();
    let story = Story {
        db: &db,
        now: flow::now(),
    };
    let card = async |call: Uuid| {
        let (card,): (Uuid,) = on_read!(&db, pool => {
            sqlx::query_as("select card from call where id = $1")
                .bind(call)
                .fetch_one(pool)
                .await
                .unwrap()
        });
        CardId(card)
    };
    let sound = "a".repeat(64);
    keep(&vault, &sound).await;
    let one = card(story.call("one", 50, &sound).await).await;
    let two = card(story.call("two", 51, &sound).await).await;
    let other = card(story.call("other", 52, &sound).await).await;
    let deed = Deed {
        person: None,
        at: story.now.plus_millis(-49 * DAY_MS),
    };
    let object = format!("card:{two}");
    hold::set(&db, &object, "a claim", None, story.now)
        .await
        .unwrap();
    // The held card becomes a part of another one, and that of a third.
    for both in [(one, two), (other, one)] {
        merging::merge(&db, both, None, deed).await.unwrap();
    }
    story.goes(&vault, 30, 30, 30).await;
    assert_eq!(story.words(CALLS).await, ["one", "other", "two"]);
    assert_eq!(story.words("select name from card").await.len(), 3);
    hold::lift(&db, &object, None, story.now).await.unwrap();
    story.goes(&vault, 30, 30, 0).await;
    assert!(story.words(CALLS).await.is_empty());
    // What has been written since on the card that stays keeps those that are part of it.
    cards::add_note(&db, other, None, "note", "called", story.now)
        .await
        .unwrap();
    story.goes(&vault, 30, 30, 30).await;
    const CARDS: &str = "select kind from card_event order by id";
    assert_eq!(story.words(CARDS).await.len(), 5, "with their history");
    on_write!(&db, pool => {
        sqlx::query("update card set updated_at = 0").execute(pool).await.unwrap();
    });
    story.goes(&vault, 30, 30, 30).await;
    for left in [
        "select name from card",
        "select body from card_merge",
        CARDS,
    ] {
        assert_eq!(story.words(left).await.len(), 0, "{left}");
    }
    db.close().await;
}

#[tokio::test]
async fn merged_cards_stay_and_go_together_on_sqlite() {
    let folder = Folder::new();
    merged_cards_stay_and_go_together(Place::sqlite(&folder.0)).await;
}

#[tokio::test]
async fn merged_cards_stay_and_go_together_on_postgres() {
    let folder = Folder::new();
    merged_cards_stay_and_go_together(Place::postgres(&folder.0).await).await;
}
