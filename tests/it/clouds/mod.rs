//! Cloud PBXes whose APIs we ask, against emulators that check every question of ours: orders to call,
//! files, past calls after an outage, and who should ring.

mod alike;
mod calltouch;
mod described;
mod family;
mod host;
mod itoolabs;
mod mango;
mod onlinepbx;
mod outage;
mod ring;
mod sipgate;
mod sipuni;
mod trouble;
mod twilio;
mod uis;
mod visitors;
mod zadarma;
mod zammad;

use ringcard::{
    model::{call::Call, recording::RecordingState},
    on_read, on_write,
    store::derived,
};
use uuid::Uuid;

use crate::{
    pages::office::{CLIENT, Office},
    support::{gateway::TestGateway, scripted::eventually},
};

/// An office with these accounts, which is told nothing yet.
async fn office(settings: &str) -> Office {
    let gateway = TestGateway::start_with(settings, |settings| {
        settings.recordings.poll_ms = 20;
        settings.http.answer_timeout_ms = 1_500;
    });
    Office::staffed(gateway.await).await
}

/// Every call in the journal: key, and the call.
async fn calls(office: &Office) -> Vec<(String, Call)> {
    type Row = (String, Uuid, String, Option<Vec<u8>>);
    const SQL: &str = "select call_key, id, derived, facts from call";
    let rows: Vec<Row> = on_read!(office.gateway.db(), pool => {
        sqlx::query_as(SQL).fetch_all(pool).await.unwrap()
    });
    let read = |(key, id, text, facts): Row| {
        let call = derived::read(id, &text, facts.as_deref());
        (key, call.unwrap())
    };
    rows.into_iter().map(read).collect()
}

/// State and reason of every recording.
async fn recordings(office: &Office) -> Vec<(RecordingState, String)> {
    let rows: Vec<(String, String)> = on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select state, reason from recording").fetch_all(pool).await.unwrap()
    });
    let state = |word: &str| RecordingState::parse(word).unwrap();
    rows.iter()
        .map(|(word, why)| (state(word), why.clone()))
        .collect()
}

/// Does not wait for the pauses between attempts.
async fn hurry_recordings(office: &Office) {
    on_write!(office.gateway.db(), pool => {
        sqlx::query("update outbox set due_at = 1 where state = 'waiting'")
            .execute(pool)
            .await
            .unwrap();
    });
}

/// Anna, whose phone is 201 at this account, calls the client of a card by a click.
async fn anna_clicks(office: &Office, account: &str) -> u16 {
    for sql in [
        "delete from person_extension".to_owned(),
        format!(
            "insert into person_extension (account, extension, person) values ('{account}', '201', {})",
            office.anna.0
        ),
    ] {
        office.run(&sql).await;
    }
    let card = uuid::Uuid::now_v7();
    on_write!(office.gateway.db(), pool => {
        sqlx::query(
            "insert into card (id, name, owner, created_at, updated_at) values ($1, 'Roza', $2, 0, 0)",
        )
        .bind(card)
        .bind(office.anna.0)
        .execute(pool)
        .await
        .unwrap();
        sqlx::query("insert into card_phone (e164, card, kind) values ($1, $2, 'own')")
            .bind(CLIENT)
            .bind(card)
            .execute(pool)
            .await
            .unwrap();
    });
    let anna = office.browser("anna").await;
    anna.post(&format!("/cards/{card}/call"), &[("phone", "0")])
        .await
        .status
}

/// Anna marks Roza's number as blocked.
async fn block_roza(office: &Office) {
    let rows: Vec<(uuid::Uuid,)> = on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select id from card where name = 'Roza'").fetch_all(pool).await.unwrap()
    });
    let anna = office.browser("anna").await;
    let mark = [("mark", "blocked"), ("reason", "threatens")];
    let page = format!("/cards/{}/mark", rows[0].0);
    assert_eq!(anna.post(&page, &mark).await.status, 303);
}

/// Has past calls of an account read now, by the button of the page, and waits for how it goes.
async fn read_now(office: &Office, account: &str) -> ringcard::flow::reconcile::Standing {
    let since = ringcard::flow::now();
    let adam = office.browser("adam").await;
    let asked = adam.post(&format!("/accounts/{account}/read"), &[]).await;
    assert_eq!(asked.status, 303);
    eventually("past calls are read", async || {
        let standing = standing(office, account).await;
        let failed_anew = standing.failing_since.is_some() && standing.tried_at > Some(since);
        standing.read_at > Some(since) || failed_anew
    })
    .await;
    standing(office, account).await
}

/// How the reading of an account's past calls stands.
async fn standing(office: &Office, account: &str) -> ringcard::flow::reconcile::Standing {
    ringcard::flow::reconcile::standing(office.gateway.db(), &account.into())
        .await
        .unwrap()
        .unwrap_or_default()
}

/// Waits until past calls have been read once, at the start.
async fn first_reading(office: &Office, account: &str) {
    eventually("past calls are read at the start", async || {
        standing(office, account).await.read_at.is_some()
    })
    .await;
}
