//! Spam and blocked numbers at their pages, and what routing makes of them; overdue call-backs at the
//! desk of the head; and how the outside hears of it.

use super::office::{CLIENT, Office, all, attribute, text};
use crate::{outside::story::Receiver, support::scripted::eventually};

/// How many phones routing names when the client calls Anna's line, and why.
async fn answer(office: &Office, key: &str) -> (usize, String) {
    office.gateway.gateway().desk().refresh_now().await;
    let (targets, reason) = office.routed(key).await;
    (targets.len(), reason)
}

#[tokio::test]
async fn who_is_blocked_is_not_put_through_until_the_mark_is_taken_off() {
    let office = Office::open().await;
    office
        .call("1", CLIENT)
        .minutes_ago(30)
        .answered_by("201")
        .await;
    office
        .call("2", CLIENT)
        .minutes_ago(20)
        .missed_by("201")
        .await;
    assert_eq!(answer(&office, "a").await, (1, "owner".to_owned()));
    let page = format!("/calls/{}", office.id("2").await);
    let anna = office.browser("anna").await;
    let form = attribute(&anna.page(&page).await, ".mark form", "action");
    // A mark needs a reason; others may not set it.
    assert_eq!(anna.post(&form, &[("mark", "blocked")]).await.status, 422);
    let wanted = [("mark", "blocked"), ("reason", "threatens")];
    assert_eq!(
        office
            .browser("ivan")
            .await
            .post(&form, &wanted)
            .await
            .status,
        403
    );
    assert_eq!(anna.post(&form, &wanted).await.status, 303);
    assert_eq!(text(&anna.page(&page).await, "[data-mark]"), "blocked");
    assert!(all(&anna.page("/").await, ".task-list li").is_empty());
    assert_eq!(answer(&office, "b").await, (0, "blocked".to_owned()));
    assert_eq!(anna.post(&form, &[("mark", "")]).await.status, 303);
    assert_eq!(answer(&office, "c").await, (1, "owner".to_owned()));
    assert_eq!(office.audit("mark").await.len(), 1);
    assert_eq!(office.audit("unmark").await.len(), 1);

    // The card can be marked as a whole; its history says so.
    let card = attribute(&anna.page(&page).await, "a.client", "href");
    let wanted = [("mark", "blocked"), ("reason", "threatens")];
    assert_eq!(
        anna.post(&format!("{card}/mark"), &wanted).await.status,
        303
    );
    assert_eq!(text(&anna.page(&card).await, "[data-mark]"), "blocked");
    assert_eq!(answer(&office, "d").await, (0, "blocked".to_owned()));
    office.close().await;
}

#[tokio::test]
async fn an_overdue_call_back_stands_on_the_heads_desk_and_the_outside_hears_of_it() {
    let office = Office::open_with(|settings| {
        settings.overdue.every_ms = 50;
        settings.delivery.poll_ms = 20;
        settings.delivery.private_hosts = vec!["127.0.0.1".to_owned()];
    })
    .await;
    let receiver = Receiver::saying(|_| 200).await;
    let added = [
        ("name", "CRM"),
        ("address", receiver.url.as_str()),
        ("event", "task.created"),
        ("event", "task.escalated"),
        ("event", "task.done"),
    ];
    let adam = office.browser("adam").await;
    assert_eq!(adam.post("/outside", &added).await.status, 200);
    office
        .call("1", CLIENT)
        .minutes_ago(90)
        .missed_by("201")
        .await;
    let helen = office.browser("helen").await;
    eventually("it is handed on", async || {
        !all(&helen.page("/").await, ".escalated li").is_empty()
    })
    .await;
    let line = text(&helen.page("/").await, ".escalated li");
    assert!(line.contains("Anna"), "{line}");
    office
        .call("2", CLIENT)
        .minutes_ago(5)
        .answered_by("201")
        .await;
    assert!(all(&helen.page("/").await, ".escalated li").is_empty());
    eventually("all is heard", async || receiver.heard().len() == 3).await;
    let heard = receiver.heard();
    let kinds: Vec<&str> = heard.iter().map(|one| one.kind()).collect();
    assert_eq!(kinds, ["task.created", "task.escalated", "task.done"]);
    let (handed_on, done) = (&heard[1].body["data"], &heard[2].body["data"]);
    assert_eq!(handed_on["escalated_to"]["name"], "Helen");
    assert_eq!(done["outcome"], "client_called_again");
    assert_eq!(done["done_by_call"], office.id("2").await.to_string());
    office.close().await;
}
