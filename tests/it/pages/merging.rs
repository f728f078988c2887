//! Two cards of one client at the pages: found, looked at, merged beside a ringing phone, parted again.

use super::office::{Browser, CLIENT, Office, all, attribute, text};
use crate::{outside::story::Receiver, support::scripted::eventually};

const OTHER: &str = "+74950000022";

/// Anna's client under two numbers; the paths of both cards.
async fn twice(office: &Office) -> (String, String) {
    for (key, client, ago) in [("1", CLIENT, 90), ("2", OTHER, 80)] {
        let call = office.call(key, client).minutes_ago(ago);
        call.answered_by("201").await;
    }
    let missed = office.call("3", OTHER).minutes_ago(20);
    missed.missed_by("201").await;
    let anna = office.browser("anna").await;
    let mut cards = Vec::new();
    for key in ["1", "2"] {
        let page = anna.page(&format!("/calls/{}", office.id(key).await)).await;
        cards.push(attribute(&page, "a.client", "href"));
    }
    for (card, company) in [(&cards[0], ""), (&cards[1], "Svet")] {
        let names = [("name", "Nina"), ("company", company)];
        let renamed = anna.post(&format!("{card}/name"), &names).await;
        assert_eq!(renamed.status, 303);
    }
    let second = cards.pop().unwrap();
    (cards.pop().unwrap(), second)
}

fn id(card: &str) -> &str {
    card.rsplit('/').next().unwrap()
}

/// Looks at what would come of it and presses the button.
async fn merge(browser: &Browser<'_>, winner: &str, loser: &str) {
    let page = browser
        .page(&format!("{winner}/merge?with={}", id(loser)))
        .await;
    let form = "main form[action$='/merge']";
    let value = |name: &str| attribute(&page, &format!("{form} input[name={name}]"), "value");
    let (other, seen, other_seen) = (value("other"), value("seen"), value("other_seen"));
    let fields = [
        ("other", other.as_str()),
        ("seen", &seen),
        ("other_seen", &other_seen),
    ];
    let done = browser
        .post(&attribute(&page, form, "action"), &fields)
        .await;
    assert_eq!(done.status, 303, "{}", done.text);
    // Who pressed the button of an older page is told.
    let again = browser.post(&format!("{winner}/merge"), &fields).await;
    assert_eq!(again.status, 422);
}

async fn told_at_the_pages(office: Office) {
    let (one, two) = twice(&office).await;
    let anna = office.browser("anna").await;
    // Of the same name: likely the same client.
    let page = anna.page(&format!("{one}/merge")).await;
    let likely = attribute(&page, ".choices a", "href");
    assert_eq!(likely, format!("{one}/merge?with={}", id(&two)));
    let page = anna.page(&format!("{one}/merge?q=0022")).await;
    assert_eq!(all(&page, ".choices li").len(), 1, "and by number");
    let page = anna.page(&likely).await;
    let after = |what: &str| text(&page, &format!("[data-after={what}]"));
    assert_eq!(
        (after("name"), after("company")),
        ("Nina".into(), "Svet".into())
    );
    assert_eq!(
        (after("owner"), after("calls")),
        ("Anna".into(), "2".into())
    );
    assert_eq!(
        (after("phones"), after("tasks")),
        ("+7 495 000-00-22".into(), "1".into())
    );

    let ivan = office.browser("ivan").await;
    assert_eq!(ivan.get(&likely).await.status, 403);
    let fields = [("other", id(&two)), ("seen", "1"), ("other_seen", "1")];
    let path = format!("{one}/merge");
    assert_eq!(ivan.post(&path, &fields).await.status, 403);

    // Beside a phone that rings with the client whose card goes.
    let mut live = anna.live("", None).await;
    live.next().await;
    let call = office.call("4", OTHER);
    call.rings(&["201"], 1).await;
    let (_, rings) = live.next().await;
    merge(&anna, &one, &two).await;
    let (_, moved) = live.next().await;
    assert_eq!(
        (&moved["kind"], &moved["call"]),
        (&rings["kind"], &rings["call"])
    );
    assert!(moved["version"].as_i64() > rings["version"].as_i64());
    let pop = anna
        .page(&format!("/pops/{}", rings["call"].as_str().unwrap()))
        .await;
    assert_eq!(attribute(&pop, "h2 a", "href"), one);
    // What is told of the call afterwards goes on from there.
    call.answers("201", 6).await;
    assert_eq!(live.next().await.1["stage"], "talking");
    call.ends(30).await;

    let there = anna.get(&two).await;
    assert_eq!(
        (there.status, there.headers["location"].to_str().unwrap()),
        (303, one.as_str())
    );
    // A page that was open meanwhile means the winner.
    assert_eq!(
        anna.post(&format!("{two}/notes"), &[("note", "comes on Monday")])
            .await
            .status,
        303
    );
    let page = anna.page(&one).await;
    assert_eq!(all(&page, ".phones li").len(), 2);
    assert_eq!(all(&page, "table.calls tbody tr").len(), 4);
    let events = all(&page, ".timeline li").join("\n");
    assert!(
        events.contains("another card became a part of this one"),
        "{events}"
    );
    assert!(events.contains("comes on Monday"), "{events}");
    assert!(
        all(&anna.page("/").await, ".task-list li").is_empty(),
        "both have talked"
    );
    let listed = all(&anna.page("/cards").await, "tbody tr");
    assert_eq!(listed.len(), 1, "{listed:?}");

    // Back: from the card itself.
    let form = ".parts form";
    assert!(text(&page, ".parts li").contains("Nina"));
    let part = attribute(&page, &format!("{form} input[name=part]"), "value");
    let action = attribute(&page, form, "action");
    assert_eq!(
        ivan.post(&action, &[("part", part.as_str())]).await.status,
        403
    );
    let parted = anna.post(&action, &[("part", part.as_str())]).await;
    assert_eq!(parted.status, 303, "{}", parted.text);
    let page = anna.page(&two).await;
    assert_eq!(
        all(&page, "table.calls tbody tr").len(),
        3,
        "the new call went by its number"
    );
    assert_eq!(
        anna.post(&action, &[("part", part.as_str())]).await.status,
        422
    );
    for (deed, objects) in [("merge", 1), ("merged", 1), ("part", 1), ("parted", 1)] {
        let audit = office.audit(deed).await;
        assert_eq!(audit.len(), objects, "{deed}");
        assert!(
            audit
                .iter()
                .all(|(person, _)| *person == Some(office.anna.0))
        );
    }
    office.close().await;
}

#[tokio::test]
async fn two_cards_become_one_beside_a_ringing_phone_and_part_again() {
    told_at_the_pages(Office::open().await).await;
}

#[tokio::test]
async fn two_cards_become_one_and_part_again_on_postgres() {
    told_at_the_pages(Office::open_on_postgres().await).await;
}

#[tokio::test]
async fn a_number_that_is_somebody_elses_leaves_the_card() {
    let office = Office::open().await;
    let (one, two) = twice(&office).await;
    let anna = office.browser("anna").await;
    merge(&anna, &one, &two).await;
    anna.post("/me/language", &[("language", "ru")]).await;
    let page = anna.page(&one).await;
    assert!(text(&page, ".parts h2").contains("Вошли в эту карточку"));
    let form = ".phones li:nth-child(2) form[action$='/part-number']";
    assert_eq!(
        text(&page, &format!("{form} button")),
        "В отдельную карточку"
    );
    let seen = attribute(&page, &format!("{form} input[name=seen]"), "value");
    let phone = attribute(&page, &format!("{form} input[name=phone]"), "value");
    let action = attribute(&page, form, "action");
    let stale = [("phone", phone.as_str()), ("seen", "1")];
    assert_eq!(anna.post(&action, &stale).await.status, 422);
    let fields = [("phone", phone.as_str()), ("seen", &seen)];
    let parted = anna.post(&action, &fields).await;
    assert_eq!(parted.status, 303, "{}", parted.text);
    let new = parted.headers["location"].to_str().unwrap();
    let page = anna.page(new).await;
    assert_eq!(all(&page, ".phones li").len(), 1);
    assert_eq!(all(&page, "table.calls tbody tr").len(), 2);
    let page = anna.page(&one).await;
    assert!(
        all(&page, "form[action$='/part-number']").is_empty(),
        "its only number stays"
    );
    office.close().await;
}

#[tokio::test]
async fn the_outside_hears_which_card_became_part_of_which() {
    let office = Office::open_with(|settings| {
        settings.delivery.poll_ms = 20;
        settings.delivery.private_hosts = vec!["127.0.0.1".to_owned()];
    })
    .await;
    let receiver = Receiver::saying(|_| 200).await;
    let (one, two) = twice(&office).await;
    let added = [
        ("name", "CRM"),
        ("address", receiver.url.as_str()),
        ("event", "card.merged"),
        ("event", "card.parted"),
    ];
    let adam = office.browser("adam").await;
    assert_eq!(adam.post("/outside", &added).await.status, 200);
    let anna = office.browser("anna").await;
    merge(&anna, &one, &two).await;
    eventually("the merge is heard", async || receiver.heard().len() == 1).await;
    let merged = &receiver.heard()[0];
    assert_eq!((merged.kind(), merged.subject()), ("card.merged", id(&two)));
    assert_eq!(merged.body["data"]["merged_into"], id(&one));
    anna.post(&format!("{one}/part"), &[("part", id(&two))])
        .await;
    eventually("and the parting", async || receiver.heard().len() == 2).await;
    let parted = &receiver.heard()[1];
    assert_eq!((parted.kind(), parted.subject()), ("card.parted", id(&two)));
    assert_eq!(parted.body["data"]["merged_into"], serde_json::Value::Null);
    assert_eq!(parted.body["data"]["numbers"][0], OTHER);
    office.close().await;
}
