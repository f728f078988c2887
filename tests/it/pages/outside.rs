//! Webhooks at their page: subscribed, watched, told again, signed anew, removed.

use scraper::Html;

use super::office::{CLIENT, Office, all, attribute, text};
use crate::{outside::story::Receiver, support::scripted::eventually};

#[tokio::test]
async fn a_webhook_is_subscribed_heard_and_told_again() {
    let office = Office::open_with(|settings| {
        settings.delivery.private_hosts = vec!["127.0.0.1".to_owned()];
        settings.delivery.poll_ms = 20;
    })
    .await;
    let receiver = Receiver::saying(|_| 200).await;
    let browser = office.browser("adam").await;
    let added = browser
        .post(
            "/outside",
            &[
                ("name", "CRM"),
                ("address", &receiver.url),
                ("event", "call.missed"),
                ("event", "call.ended"),
            ],
        )
        .await;
    assert_eq!(added.status, 200, "{}", added.text);
    let secret = text(&Html::parse_document(&added.text), "#secret");
    assert!(secret.starts_with("whsec_"));
    let list = browser.page("/outside").await;
    assert!(!list.html().contains(&secret), "shown once");
    assert!(
        !list.html().contains("/hook"),
        "an address may carry access"
    );
    let page = attribute(&list, "tr[data-subscription] a", "href");

    office
        .call("1", CLIENT)
        .minutes_ago(5)
        .missed_by("201")
        .await;
    eventually("both are heard", async || receiver.heard().len() == 2).await;
    let heard = receiver.heard();
    assert_eq!(
        (heard[0].kind(), heard[1].kind()),
        ("call.ended", "call.missed")
    );
    assert!(heard.iter().all(|one| one.is_signed_by(&secret)));
    assert_eq!(heard[1].body["data"]["line"]["name"], "Site");
    eventually("both are written down", async || {
        let log = browser.page(&page).await;
        all(&log, "tr[data-message] .badge.good").len() == 2
    })
    .await;

    let log = browser.page(&page).await;
    let again = attribute(&log, "tr[data-message] form", "action");
    assert_eq!(browser.post(&again, &[]).await.status, 303);
    eventually("it is heard again", async || receiver.heard().len() == 3).await;
    assert_eq!(receiver.heard()[2].id, heard[1].id);
    let one = attribute(&log, "tr[data-message] a", "href");
    assert!(browser.page(&one).await.html().contains("call.missed"));
    assert_eq!(office.audit("reveal").await.len(), 1, "numbers stand in it");

    let rotated = browser.post(&format!("{page}/rotate"), &[]).await;
    let next = text(&Html::parse_document(&rotated.text), "#secret");
    assert_ne!(next, secret);
    office
        .call("2", CLIENT)
        .minutes_ago(2)
        .missed_by("201")
        .await;
    eventually("told again", async || receiver.heard().len() == 5).await;
    let last = receiver.heard().pop().unwrap();
    assert!(last.is_signed_by(&next) && last.is_signed_by(&secret));

    assert_eq!(
        browser.post(&format!("{page}/disable"), &[]).await.status,
        303
    );
    let stopped = browser.page(&page).await;
    assert_eq!(all(&stopped, "dl .badge.bad").len(), 1);
    assert_eq!(
        browser.post(&format!("{page}/remove"), &[]).await.status,
        303
    );
    assert_eq!(browser.get(&page).await.status, 404);
    for action in [
        "subscribe",
        "rotate_secret",
        "disable_subscription",
        "unsubscribe",
    ] {
        assert_eq!(office.audit(action).await.len(), 1, "{action}");
    }
    office.close().await;
}

#[tokio::test]
async fn what_cannot_be_told_is_not_subscribed() {
    let office = Office::open().await;
    let browser = office.browser("olga").await;
    for (name, address) in [
        ("", "https://crm.example"),
        ("CRM", "crm.example"),
        ("CRM", "mailto:x"),
    ] {
        let got = browser
            .post("/outside", &[("name", name), ("address", address)])
            .await;
        assert_eq!(got.status, 422, "{name} {address}");
    }
    office.close().await;
}
