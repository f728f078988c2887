//! Dead letters: what could not be read is taken in again after an update, once.

use ringcard::{
    flow,
    model::{
        event::{CallEvent, Clock, Fact},
        ids::{AccountName, FactId},
    },
    on_read, on_write,
    store::raw,
};

use super::office::{Office, all, attribute, text};

/// Puts a dead letter into the journal as an older version would have left it.
async fn letter(office: &Office, source: &str, body: &str) -> i64 {
    let now = flow::now().as_micros();
    let (id,): (i64,) = on_write!(office.gateway.db(), pool => {
        sqlx::query_as(
            "insert into raw (account, received_at, source, body, outcome, reason)
             values ('office', $1, $2, $3, 'undecodable', 'an old version') returning id",
        )
        .bind(now)
        .bind(source)
        .bind(body.as_bytes())
        .fetch_one(pool)
        .await
    })
    .unwrap();
    id
}

async fn calls(office: &Office) -> i64 {
    let (calls,): (i64,) = on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select count(*) from call").fetch_one(pool).await
    })
    .unwrap();
    calls
}

async fn letters(office: &Office) -> usize {
    let letters = raw::dead_letters(office.gateway.db(), i64::MAX, 100).await;
    letters.unwrap().len()
}

const POSTED: &str = r#"{"method":"POST","path":"/","query":"sign=good","body":"start c9"}"#;

#[tokio::test]
async fn a_letter_that_can_be_read_now_leaves_the_list_and_is_told_once() {
    let office = Office::open_with_pbx().await;
    let id = letter(&office, "webhook", POSTED).await;
    let adam = office.browser("adam").await;
    let page = adam.page("/dead-letters").await;
    let action = attribute(&page, "tbody form", "action");
    assert_eq!(action, format!("/dead-letters/{id}/replay"));
    let done = adam.post(&action, &[]).await;
    assert_eq!((done.status, calls(&office).await), (303, 1));
    let to = done.headers["location"].to_str().unwrap().to_owned();
    let page = adam.page(&to).await;
    assert_eq!(
        text(&page, "[data-fate=applied]"),
        "The message has been applied."
    );
    assert!(all(&page, "tbody tr").is_empty());
    assert_eq!(
        adam.post(&action, &[]).await.status,
        404,
        "it is none any more"
    );
    // The same message once more, as a provider would repeat it.
    let repeated = letter(&office, "webhook", POSTED).await;
    let done = adam
        .post(&format!("/dead-letters/{repeated}/replay"), &[])
        .await;
    assert_eq!((done.status, calls(&office).await), (303, 1));
    let audit = office.audit("replay").await;
    let objects: Vec<&str> = audit.iter().map(|(_, object)| object.as_str()).collect();
    let (first, second) = (format!("raw:{id}"), format!("raw:{repeated}"));
    assert_eq!(objects, [&first, &first, &second]);
    office.close().await;
}

#[tokio::test]
async fn messages_of_streams_records_and_facts_of_our_own_can_be_read_again() {
    let office = Office::open_with_pbx().await;
    let fact = CallEvent {
        account: AccountName::from("office"),
        call: "c3".into(),
        leg: None,
        at: flow::now(),
        clock: Clock::Exact,
        id: FactId::from("c3/digits"),
        fact: Fact::Digits {
            digits: "1".to_owned(),
        },
    };
    let facts = serde_json::to_string(&[fact]).unwrap();
    let adam = office.browser("adam").await;
    for (n, (source, body)) in [
        ("scripted", "start c1"),
        ("history", "start c2"),
        ("timer", facts.as_str()),
    ]
    .into_iter()
    .enumerate()
    {
        let id = letter(&office, source, body).await;
        let done = adam.post(&format!("/dead-letters/{id}/replay"), &[]).await;
        assert_eq!(done.headers["location"], "/dead-letters?said=applied");
        assert_eq!(calls(&office).await, n as i64 + 1, "{source}");
    }
    assert_eq!(letters(&office).await, 0);
    office.close().await;
}

#[tokio::test]
async fn a_letter_that_still_cannot_be_read_stays_the_one_letter_it_is() {
    let office = Office::open_with_pbx().await;
    let unread = POSTED.replace("start c9", "gibberish");
    let adam = office.browser("adam").await;
    let others = facts_of_another_account();
    for (source, body) in [
        ("webhook", unread.as_str()),
        ("webhook", "no request"),
        ("scripted", "gibberish"),
        ("timer", "gibberish"),
        ("timer", others.as_str()),
    ] {
        let id = letter(&office, source, body).await;
        let done = adam.post(&format!("/dead-letters/{id}/replay"), &[]).await;
        assert_eq!(done.headers["location"], "/dead-letters?said=unread");
    }
    assert_eq!((letters(&office).await, calls(&office).await), (5, 0));
    // Without the page's token, or without the right, nothing is read.
    let id = letter(&office, "webhook", POSTED).await;
    let path = format!("/dead-letters/{id}/replay");
    let request = office.gateway.client.post(office.gateway.url(&path));
    let forged = request
        .header("cookie", &adam.cookie)
        .form(&[("csrf", "x")]);
    assert_eq!(forged.send().await.unwrap().status(), 403);
    let helen = office.browser("helen").await;
    assert_eq!(helen.post(&path, &[]).await.status, 403);
    assert_eq!((letters(&office).await, calls(&office).await), (6, 0));
    office.close().await;
}

fn facts_of_another_account() -> String {
    r#"[{"account":"other","call":"c","at":1,"clock":"exact","id":"c/x","fact":{"kind":"rings"}}]"#
        .to_owned()
}
