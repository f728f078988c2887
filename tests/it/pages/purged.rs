//! What has gone, and what must stay, on one page.

use ringcard::{
    flow,
    store::{hold, purge},
};

use super::office::{CLIENT, Office, all, text};

#[tokio::test]
async fn what_has_gone_is_listed_by_rule_and_holds_are_for_owners() {
    let office = Office::open().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(30)
        .answered_by("201")
        .await;
    let db = office.gateway.db();
    let object = format!("call:{}", office.id("c1").await);
    hold::set(db, &object, "a claim", None, flow::now())
        .await
        .unwrap();
    let adam = office.browser("adam").await;
    let none = adam.page("/purged").await;
    assert!(all(&none, "table.purged").is_empty());
    for (rule, what, gone) in [("recordings", "files", 1_200), ("calls", "call", 3)] {
        purge::by_age(db, rule, what, gone, flow::now(), flow::now())
            .await
            .unwrap();
    }
    let page = adam.page("/purged").await;
    let rules = all(&page, "table.purged tbody td:nth-child(2)");
    assert_eq!(rules, ["calls", "recordings"], "the newest first");
    let gone = text(&page, "tr[data-rule=recordings] td.number");
    assert!(gone.starts_with('1') && gone.ends_with("200"), "{gone}");
    assert!(all(&page, "section.holds").is_empty());

    let olga = office.browser("olga").await;
    let page = olga.page("/purged").await;
    assert!(text(&page, "section.holds tbody").contains("a claim"));
    office.close().await;
}
