//! Clients who called and were never reached.

use super::office::{CLIENT, Office, all, text};

const OTHER: &str = "+74950000022";
const THIRD: &str = "+74950000033";

async fn story(office: Office) {
    let call = |key, client, minutes| office.call(key, client).minutes_ago(minutes);
    // Reached later; missed twice; missed by another department; missed and closed by hand.
    call("c1", CLIENT, 300).missed_by("201").await;
    call("c2", CLIENT, 200).answered_by("202").await;
    call("c3", OTHER, 3_000).missed_by("201").await;
    call("c4", OTHER, 10).missed_by("201").await;
    call("c5", THIRD, 90).missed_by("203").await;
    let closed = "+74950000044";
    call("c6", closed, 120).missed_by("201").await;
    let anna = office.browser("anna").await;
    let task: (i64,) = ringcard::on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select id from task where client = $1")
            .bind(closed)
            .fetch_one(pool)
            .await
    })
    .unwrap();
    let form = format!("/tasks/{}/close", task.0);
    assert_eq!(
        anna.post(&form, &[("reason", "wrong number")]).await.status,
        303
    );

    let olga = office.browser("olga").await;
    let page = olga.page("/lost").await;
    assert_eq!(text(&page, "[data-total=lost]"), "3");
    let of_age = |age: &str| all(&page, &format!("table[data-age='{age}'] tbody tr"));
    let old = of_age("day");
    assert_eq!(old.len(), 1);
    assert!(
        old[0].starts_with("+7 495 000-00-22") && old[0].ends_with(" 2 Site Anna"),
        "{old:?}"
    );
    let fresh = of_age("hour");
    assert_eq!(fresh.len(), 2, "{fresh:?}");
    assert!(
        fresh[0].starts_with("+7 495 000-00-44") && fresh[0].ends_with("! closed by hand"),
        "{fresh:?}"
    );
    assert!(
        fresh[1].starts_with("+7 495 000-00-33") && fresh[1].ends_with("Site Ivan"),
        "{fresh:?}"
    );

    // Helen leads Anna and not Ivan.
    let helen = office.browser("helen").await;
    let page = helen.page("/lost").await;
    assert_eq!(text(&page, "[data-total=lost]"), "2");
    assert!(!all(&page, "table.lost tbody tr").concat().contains("Ivan"));

    // Whoever is reached is lost no more, whichever way the call went.
    call("c7", closed, 5).answered_by("203").await;
    call("c8", OTHER, 4).answered_by("203").await;
    assert!(all(&helen.page("/lost").await, "table.lost").is_empty());
    assert_eq!(text(&olga.page("/lost").await, "[data-total=lost]"), "1");
    office.close().await;
}

#[tokio::test]
async fn clients_never_reached_are_told_by_age_with_who_should_have() {
    story(Office::open().await).await;
}

#[tokio::test]
async fn clients_never_reached_are_told_by_age_with_who_should_have_on_postgres() {
    story(Office::open_on_postgres().await).await;
}
