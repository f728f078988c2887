//! What an owner decides: holds, and erasing a person from the page of the card.

use super::office::{CLIENT, Office, all, attribute, text};

#[tokio::test]
async fn a_hold_wants_a_reason_shows_and_is_lifted_with_traces() {
    let office = Office::open().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(30)
        .answered_by("201")
        .await;
    let id = office.id("c1").await;
    let olga = office.browser("olga").await;
    let path = format!("/calls/{id}");
    let none = olga.post(&format!("{path}/hold"), &[("reason", " ")]).await;
    assert_eq!(none.status, 422);
    let set = olga
        .post(&format!("{path}/hold"), &[("reason", "a claim")])
        .await;
    assert_eq!(set.status, 303);
    let page = olga.page(&path).await;
    assert!(text(&page, "section.keep p.hold").contains("a claim"));
    assert_eq!(office.audit("hold").await.len(), 1);
    let anna = office.browser("anna").await;
    assert!(all(&anna.page(&path).await, "section.keep").is_empty());

    olga.post(&format!("{path}/release"), &[]).await;
    assert!(all(&olga.page(&path).await, "section.keep p.hold").is_empty());
    assert_eq!(office.audit("release").await.len(), 1);
    office.close().await;
}

#[tokio::test]
async fn an_owner_erases_a_client_and_sees_the_proof() {
    let office = Office::open().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(30)
        .answered_by("201")
        .await;
    let olga = office.browser("olga").await;
    let list = olga.page("/cards").await;
    let card = attribute(&list, "main table tbody a[href^='/cards/']", "href");
    let claim = [("reason", "a claim")];
    olga.post(&format!("{card}/hold"), &claim).await;
    let erase = format!("{card}/erase");
    let asked = [("reason", "at their request"), ("sure", "yes")];
    let status = async |asked: &[(&str, &str)]| olga.post(&erase, asked).await.status;
    assert_eq!(status(&asked).await, 422, "a hold is on it");
    olga.post(&format!("{card}/release"), &[]).await;
    assert_eq!(status(&asked[..1]).await, 422, "not sure");
    let names = [("reason", CLIENT), ("sure", "yes")];
    assert_eq!(status(&names).await, 422, "the reason names them");

    let done = olga.post(&erase, &asked).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let proof = scraper::Html::parse_document(&done.text);
    let rows = all(&proof, "table.proof tbody tr");
    let numbers = rows.iter().any(|row| row.starts_with("card_phone"));
    assert!(numbers, "{rows:?}");
    assert!(!done.text.contains(&CLIENT[2..]), "the proof names nobody");
    assert_eq!(olga.get(&card).await.status, 404);
    let calls = olga.page("/calls?from=2020-01-01&to=2100-01-01").await;
    let total = text(&calls, "[data-total=calls]");
    assert!(total.starts_with('1'), "figures stay: {total}");
    assert!(!calls.html().contains(&CLIENT[2..]));
    assert_eq!(office.audit("erase").await.len(), 1);
    office.close().await;
}
