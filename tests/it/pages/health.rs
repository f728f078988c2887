//! What the doctor says on its page.

use ringcard::flow;
use scraper::Html;

use super::office::{CLIENT, Office, all, text};
use crate::support::gateway::TestGateway;

const ACCOUNT: &str = "[[pbx]]\nname = \"cloud\"\ntype = \"mango\"\n\
    vpbx_api_key = \"larch-office\"\nvpbx_api_salt = \"key-of-the-lab\"\n";

fn rows(page: &Html, check: &str) -> Vec<String> {
    all(page, &format!("tr[data-check='{check}']"))
}

async fn story(gateway: TestGateway) {
    let office = Office::staffed(gateway).await;
    let call = office.call("c1", CLIENT).minutes_ago(5);
    call.rings(&["201", "299"], 1).await;
    call.leaves("201", 20, ringcard::model::event::Cause::NoAnswer)
        .await;
    call.ends(20).await;
    office
        .run("update line_channel set valid_to = 900000000")
        .await;
    // Somebody whose signature does not fit knocks three times.
    for _ in 0..3 {
        let body = "vpbx_api_key=larch-office&sign=0000&json={}";
        let knocked = office.gateway.post("/hooks/cloud/events/call", body).await;
        assert_eq!(knocked.status, 401, "{}", knocked.text);
    }
    let adam = office.browser("adam").await;
    let page = adam.page("/health?all=1").await;
    assert_eq!(
        rows(&page, "extension"),
        ["! look at it phone of nobody office/299"]
    );
    assert_eq!(
        rows(&page, "number"),
        ["! look at it number of no channel office/+74950000099"]
    );
    let refused = rows(&page, "refused");
    assert!(refused[0].contains("cloud/signature 3, "), "{refused:?}");
    // Nobody has heard of the cloud yet.
    assert_eq!(rows(&page, "account"), ["! look at it account heard cloud"]);
    assert_eq!(rows(&page, "integrity"), ["✓ good database whole"]);
    assert_eq!(rows(&page, "migrations").len(), 1);
    assert!(!rows(&page, "disk").is_empty());
    assert_eq!(text(&page, "p.totals"), "Nothing needs anybody.");
    // Written once, not again with every look.
    let again = rows(&adam.page("/health").await, "refused");
    assert!(again[0].contains("cloud/signature 3, "), "{again:?}");
    assert!(rows(&adam.page("/health").await, "integrity").is_empty());

    // A job nobody does needs somebody.
    let long_ago = flow::now().plus_millis(-7_200_000).as_micros();
    let sql = format!(
        "insert into outbox (kind, target, lane, body, created_at, due_at)
         values ('post', 'x', 'x', '', {long_ago}, {})",
        i64::MAX / 2
    );
    office.run(&sql).await;
    let page = adam.page("/health").await;
    assert_eq!(text(&page, "p.totals"), "1 thing needs somebody.");
    let jobs = rows(&page, "outbox");
    assert!(
        jobs[0].starts_with("✕ wrong jobs waiting, the oldest post 1, "),
        "{jobs:?}"
    );
    office.close().await;
}

#[tokio::test]
async fn what_goes_wrong_quietly_is_found() {
    story(TestGateway::start_with(ACCOUNT, |_| {}).await).await;
}

#[tokio::test]
async fn what_goes_wrong_quietly_is_found_on_postgres() {
    let url = crate::support::postgres::new_database().await;
    story(TestGateway::start_with(ACCOUNT, |settings| settings.store.url = url).await).await;
}
