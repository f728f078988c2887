//! Why something does not work is said in the language of whoever reads it.

use ringcard::{flow, on_write, pbx::DecodeError, simulator::ami_server::AmiServer};

use super::office::{Browser, Office, all, text};
use crate::support::{gateway::TestGateway, scripted::eventually};

/// An account whose PBX nobody has switched on, and one whose PBX knows another secret.
fn accounts(refusing: &AmiServer) -> String {
    format!(
        "[[pbx]]\nname = 'away'\ntype = 'asterisk'\naddress = '127.0.0.1:1'\nsecret = 'invented'\n\
         [[pbx]]\nname = 'office'\ntype = 'asterisk'\naddress = '{}'\nsecret = 'not-theirs'\n",
        refusing.address()
    )
}

/// What stands at this place of a page, once it says this.
async fn until_said(browser: &Browser<'_>, path: &str, place: &str, said: &str) {
    eventually(&format!("{path} says {said:?}"), async || {
        all(&browser.page(path).await, place)
            .concat()
            .contains(said)
    })
    .await;
}

async fn letter(office: &Office, reason: &str) -> i64 {
    let (id,): (i64,) = on_write!(office.gateway.db(), pool => {
        sqlx::query_as(
            "insert into raw (account, received_at, source, body, outcome, reason)
             values ('office', $1, 'webhook', $2, 'undecodable', $3) returning id",
        )
        .bind(flow::now().as_micros())
        .bind("{".as_bytes())
        .bind(reason)
        .fetch_one(pool)
        .await
    })
    .unwrap();
    id
}

#[tokio::test]
async fn why_nothing_comes_is_said_in_the_readers_language() {
    let (ami, _clicks) = AmiServer::start("127.0.0.1:0", "ringcard", "invented")
        .await
        .expect("a port");
    let gateway = TestGateway::start_with(&accounts(&ami), |settings| {
        settings.dial.retry_longest_ms = 100;
    })
    .await;
    let office = Office::staffed(gateway).await;
    let adam = office.browser("adam").await;
    adam.post("/me/language", &[("language", "ru")]).await;

    let (away, denied) = (
        "соединиться не удалось: там никто не слушает",
        "АТС не впустила: Authentication failed",
    );
    until_said(&adam, "/accounts", "tr[data-account=away] small", away).await;
    until_said(&adam, "/accounts", "tr[data-account=office] small", denied).await;
    let links = all(&adam.page("/health").await, "tr[data-check=link]").concat();
    assert!(links.contains(away) && links.contains(denied), "{links}");
    until_said(&adam, "/accounts/away?since=0", "[data-step=link]", away).await;

    // Operations read English, whoever asks.
    let ready = office.gateway.get("/readyz").await.text;
    assert!(
        ready.contains("the PBX refused us: Authentication failed"),
        "{ready}"
    );
    office.close().await;
}

#[tokio::test]
async fn why_a_message_was_not_read_is_said_in_the_readers_language() {
    let office = Office::open_with_pbx().await;
    let malformed = |what: &str| DecodeError::Malformed(what.to_owned()).to_string();
    let letters = [
        (
            malformed("JSON Eof error at line 1 column 1"),
            "не читается: JSON обрывается",
        ),
        (
            DecodeError::Field("call_id").to_string(),
            "поле call_id отсутствует или негодно",
        ),
        (malformed("words of another day"), "не читается"),
        // Whatever has no kind that is known is shown as it was kept.
        ("an old version".to_owned(), "an old version"),
    ];
    let mut ids = Vec::new();
    for (kept, _) in &letters {
        ids.push(letter(&office, kept).await);
    }
    let adam = office.browser("adam").await;
    adam.post("/me/language", &[("language", "ru")]).await;
    let shown = all(&adam.page("/dead-letters").await, "tbody td[data-why]");
    let newest_first: Vec<&str> = letters.iter().rev().map(|(_, said)| *said).collect();
    assert_eq!(shown, newest_first);

    // Beside the message stands what was kept, word by word.
    for (id, (kept, said)) in ids.iter().zip(&letters) {
        let page = adam.page(&format!("/dead-letters/{id}")).await;
        assert_eq!(text(&page, "dd[data-why] span"), *said);
        assert_eq!(text(&page, "dd[data-why] code"), *kept);
    }
    office.close().await;
}
