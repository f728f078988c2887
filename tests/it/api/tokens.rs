//! Tokens: made on a page, shown once, good for what they are for and until they end.

use ringcard::{flow, model::people::Role, on_read, store::tokens::Holder, web::auth};

use super::client::{ALL, Api};
use crate::pages::office::{CLIENT, Office, all, text};

#[tokio::test]
async fn a_token_is_made_on_a_page_shown_once_and_revoked_there() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    let typed = [("name", "Site"), ("days", "30"), ("calls:read", "on")];
    let made = anna.post("/tokens", &typed).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let page = scraper::Html::parse_document(&made.text);
    let token = text(&page, "code[data-token]");
    assert!(token.starts_with("rc_") && token.len() > 40, "{token}");

    let rows: Vec<(Vec<u8>, String)> = on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select token_hash, hint from api_token").fetch_all(pool).await
    })
    .unwrap();
    assert_eq!(rows, [(auth::token_hash(&token), token[..8].to_owned())]);
    let again = anna.get("/tokens").await;
    assert!(!again.text.contains(&token), "it is shown once");
    assert!(again.text.contains("calls:read"));

    let api = Api::holding(&office, token);
    assert_eq!(api.get("/calls").await.status, 200);
    let boris = office.browser("boris").await;
    assert!(!boris.get("/tokens").await.text.contains("Site"));
    assert_eq!(boris.post("/tokens/1/revoke", &[]).await.status, 403);
    assert_eq!(api.get("/calls").await.status, 200);

    let adam = office.browser("adam").await;
    assert!(adam.get("/tokens").await.text.contains("Site"));
    assert_eq!(adam.post("/tokens/1/revoke", &[]).await.status, 303);
    let refused = api.get("/calls").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    let page = anna.page("/tokens").await;
    assert_eq!(all(&page, "tr[data-token='1'] .badge"), ["revoked"]);
    let deeds = office.audit("change").await;
    let of_token: Vec<_> = deeds.iter().filter(|(_, what)| what == "token:1").collect();
    assert_eq!(of_token.len(), 2, "{deeds:?}");
    office.close().await;
}

#[tokio::test]
async fn nobody_makes_a_service_that_may_more_than_they() {
    let office = Office::open().await;
    let service = |role: &'static str| {
        [
            ("name", "Site"),
            ("days", "90"),
            ("touches:write", "on"),
            ("service", role),
        ]
    };
    for (login, role, expected) in [
        ("olga", "owner", 200),
        ("adam", "administrator", 200),
        ("adam", "owner", 403),
        ("adam", "marketer", 403),
        ("helen", "marketer", 403),
        ("anna", "manager", 403),
        ("olga", "manager", 403),
        ("olga", "nobody", 403),
    ] {
        let browser = office.browser(login).await;
        let made = browser.post("/tokens", &service(role)).await;
        assert_eq!(made.status, expected, "{login} {role}");
    }
    let anna = office.browser("anna").await;
    for wrong in [
        &[("name", ""), ("days", "30"), ("numbers", "on")][..],
        &[("name", "x"), ("days", "30")],
        &[("name", "x"), ("days", "3000"), ("numbers", "on")],
    ] {
        assert_eq!(anna.post("/tokens", wrong).await.status, 422);
    }
    office.close().await;
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_with_its_person() {
    let office = Office::open().await;
    let now = flow::now();
    let anna = Holder::Person(office.anna);
    let over = Api::with(&office, anna, &ALL, Some(now.plus_millis(-1))).await;
    assert_eq!(over.get("/calls").await.status, 401);
    let api = Api::with(&office, anna, &ALL, Some(now.plus_millis(60_000))).await;
    assert_eq!(api.get("/calls").await.status, 200);
    office
        .run("update person set active = 0 where login = 'anna'")
        .await;
    assert_eq!(api.get("/calls").await.status, 401);
    let nobody = Api::holding(&office, "rc_nothing".to_owned());
    assert_eq!(nobody.get("/calls").await.status, 401);
    office.close().await;
}

#[tokio::test]
async fn a_token_that_asks_too_often_is_told_when_to_come_back() {
    let office = Office::open_with(|settings| {
        settings.api.burst = 3;
        settings.api.per_second = 1;
    })
    .await;
    let api = Api::of(&office, "olga", &ALL).await;
    for _ in 0..3 {
        assert_eq!(api.get("/calls").await.status, 200);
    }
    let refused = api.get("/calls").await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    let other = Api::of(&office, "olga", &ALL).await;
    assert_eq!(other.get("/calls").await.status, 200);
    office.close().await;
}

#[tokio::test]
async fn reading_a_list_is_an_export_with_the_token_in_the_audit() {
    let office = Office::open().await;
    office.call("c1", CLIENT).answered_by("201").await;
    let service = Api::service(&office, Role::Owner, &["calls:read"]).await;
    service.read("/calls?limit=1").await;
    service.read("/calls").await;
    let rows: Vec<(Option<i64>, Option<i64>, String)> = on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select person, token, object from audit where action = 'export'")
            .fetch_all(pool)
            .await
    })
    .unwrap();
    assert_eq!(rows, [(None, Some(1), "calls".to_owned())]);
    office.close().await;
}
