//! A test call watched live, and the troubles it shows in words.

use ringcard::model::event::Cause;

use super::office::{CLIENT, CLIENT_MASKED, CLIENT_SHOWN, Office, all, text};

fn standing(what: &str, standing: &str) -> String {
    format!("[data-step={what}][data-standing={standing}]")
}

/// Where the button leads: the page that watches.
async fn watched(office: &Office, place: &str) -> String {
    let adam = office.browser("adam").await;
    let begun = adam.get(&format!("{place}?watch=1")).await;
    assert_eq!(begun.status, 303);
    let to = begun.headers["location"].to_str().unwrap();
    to.split('#').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_test_call_is_told_step_by_step_with_its_troubles() {
    let office = Office::open_with_pbx().await;
    let adam = office.browser("adam").await;
    // A call from before is none of this.
    let before = office.call("c0", CLIENT);
    before.rings(&["202"], 1).await;
    before.ends(2).await;
    // Ids of calls tell milliseconds.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let page = watched(&office, "/accounts/office").await;
    let first = adam.page(&page).await;
    for what in ["event", "call", "rung", "card", "pop"] {
        assert_eq!(all(&first, &standing(what, "waits")).len(), 1, "{what}");
    }
    let stream = page.replace("?", "/trace?");
    let mut stream = adam.pieces(&stream).await;

    // A message that is not let in is told before there is any call.
    let knock = office.gateway.post("/hooks/office?sign=bad", "ping").await;
    assert_eq!(knock.status, 401);
    let piece = stream
        .piece("refused", |piece| {
            !all(piece, &standing("refused", "wrong")).is_empty()
        })
        .await;
    assert!(text(&piece, "[data-step=refused]").contains("signature does not fit: 1"));

    let call = office.call("c1", CLIENT);
    call.rings(&["201", "299"], 1).await;
    let piece = stream
        .piece("nobody sees the card", |piece| {
            !all(piece, &standing("pop", "wrong")).is_empty()
        })
        .await;
    let told = text(&piece, "[data-step=call]");
    assert!(
        told.contains(CLIENT_MASKED) && !told.contains(CLIENT_SHOWN),
        "{told}"
    );
    let phones = all(&piece, "[data-step=rung]");
    assert!(
        phones[0].contains("Anna") && phones.len() == 2,
        "{phones:?}"
    );
    assert!(phones[1].contains("299 belongs to nobody"), "{phones:?}");
    let remedy = "[data-step=rung] a[href='/setup/office?extension=299#people']";
    assert_eq!(all(&piece, remedy).len(), 1);
    assert_eq!(all(&piece, &standing("line", "done")).len(), 1);
    assert_eq!(all(&piece, &standing("card", "done")).len(), 1);
    assert!(text(&piece, "[data-step=pop]").contains("Anna has no page open"));

    // She signs in: the card is there, and seen.
    let anna = office.browser("anna").await;
    let mut live = anna.live("", None).await;
    let (_, frame) = live.next().await;
    assert_eq!(frame["kind"], "sync", "{frame}");
    let id = office.id("c1").await.0.to_string();
    let painted = anna.post("/live/painted", &[("call", &id)]).await;
    assert_eq!(painted.status, 204, "{}", painted.text);
    let piece = stream
        .piece("the card is on the screen", |piece| {
            all(piece, "[data-step=pop]")
                .iter()
                .any(|text| text.contains("Anna has the card on the screen"))
        })
        .await;
    assert_eq!(all(&piece, &standing("pop", "wrong")).len(), 0);
    // Without script the same stands on the page.
    let again = adam.page(&page).await;
    assert_eq!(all(&again, &standing("pop", "done")).len(), 1);

    // Another call, to a number that is no line, at which no phone is anybody's.
    call.ends(5).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let page = watched(&office, "/setup/office").await;
    let lost = office.call("c2", CLIENT).on("+74950000098");
    lost.rings(&["298"], 1).await;
    lost.leaves("298", 3, Cause::NoAnswer).await;
    lost.ends(3).await;
    let shown = adam.page(&page).await;
    assert!(text(&shown, &standing("line", "wrong")).contains("+74950000098"));
    assert!(text(&shown, &standing("rung", "wrong")).contains("298"));
    assert_eq!(all(&shown, &standing("pop", "wrong")).len(), 1);
    office.close().await;
}
