//! An office run from its page: people come, change and leave, and nobody gets more than they are let.

use super::office::{CLIENT, Office, all, attribute, text};
use crate::api::client::{ALL, Api};

const OTHER: &str = "+74950000022";

#[tokio::test]
async fn somebody_comes_gets_a_phone_and_another_role() {
    let office = Office::open_with_pbx().await;
    let olga = office.browser("olga").await;
    let page = olga.page("/people").await;
    assert_eq!(all(&page, "table.people tbody tr").len(), 8);
    let vera = [
        ("login", "vera"),
        ("name", "Vera"),
        ("role", "manager"),
        ("department", "Export"),
    ];
    let made = olga.post("/people", &vera).await;
    assert_eq!(made.status, 200);
    let made = scraper::Html::parse_document(&made.text);
    let link = text(&made, "[data-link]");
    let path = link.split_once("//").unwrap().1.split_once('/').unwrap().1;
    assert_eq!(olga.post("/people", &vera).await.status, 422, "taken");
    // A new link makes the one before worthless.
    let person = attribute(
        &made,
        "table.people tr:last-child a, [data-person] a[href$='/9']",
        "href",
    );
    assert_eq!(person, "/people/9");
    let again = olga.post("/people/9/link", &[]).await;
    assert_eq!(again.status, 200);
    let old = office.gateway.post(&format!("/{path}"), "").await;
    assert!(!old.headers.contains_key("set-cookie"));
    office.browser("vera").await.page("/").await;

    // Boris's phone is not to be had, a free one is, and it counts at once.
    let phone = |extension: &'static str| [("account", "office"), ("extension", extension)];
    assert_eq!(
        olga.post("/people/9/phones", &phone("202")).await.status,
        422
    );
    assert_eq!(
        olga.post("/people/9/phones", &phone("204")).await.status,
        303
    );
    let changed = [
        ("name", "Vera Orlova"),
        ("role", "head"),
        ("department", "Sales"),
        ("deputy", "2"),
    ];
    assert_eq!(olga.post("/people/9", &changed).await.status, 303);
    let page = olga.page("/people").await;
    let row = text(&page, "tr[data-person='9']");
    for part in ["Vera Orlova", "Head of department", "Sales", "204"] {
        assert!(row.contains(part), "{part}: {row}");
    }
    let log = text(&olga.page("/changes").await, "table.changes");
    assert!(
        log.contains("role=head") && log.contains("office/204"),
        "{log}"
    );
    assert_eq!(
        olga.post("/people/9/phones/remove", &phone("204"))
            .await
            .status,
        303
    );
    assert!(!text(&olga.page("/people/9").await, ".columns").contains("204"));
    office.close().await;
}

#[tokio::test]
async fn somebody_leaves_and_is_out_at_once() {
    let office = Office::open_with_pbx().await;
    office
        .call("1", CLIENT)
        .minutes_ago(60)
        .answered_by("201")
        .await;
    office
        .call("2", OTHER)
        .minutes_ago(30)
        .missed_by("201")
        .await;
    let anna = office.browser("anna").await;
    let mut live = anna.live("", None).await;
    live.next().await;
    let token = Api::of(&office, "anna", &ALL).await;
    assert_eq!(token.get("/calls").await.status, 200);
    let olga = office.browser("olga").await;
    olga.page("/people").await;
    let page = olga.page("/people/1/leave?to=person:2&off=1").await;
    assert_eq!(text(&page, "[data-clients]"), "1 client");
    assert_eq!(text(&page, "[data-call-backs]"), "1 open call-back");
    assert!(text(&page, "table.takers tbody").contains("Boris"));
    assert!(office.audit("hand_over").await.is_empty(), "only looked");

    let wanted = [("to", "person:2"), ("off", "1")];
    let done = olga.post("/people/1/leave", &wanted).await;
    assert_eq!(done.status, 200, "{}", done.text);
    live.ends().await;
    assert_eq!(anna.get("/").await.status, 303, "signed out");
    assert_eq!(token.get("/calls").await.status, 401);
    assert_eq!(
        office.routed("a").await,
        (vec!["202".to_owned()], "owner".to_owned())
    );
    let boris = office.browser("boris").await;
    assert_eq!(all(&boris.page("/").await, ".task-list li").len(), 1);
    let call = office.id("1").await;
    let card = attribute(
        &boris.page(&format!("/calls/{call}")).await,
        "a.client",
        "href",
    );
    let history = text(&boris.page(&card).await, ".timeline");
    assert!(history.contains("Anna → Boris"), "{history}");
    assert_eq!(office.audit("hand_over").await.len(), 1);
    assert_eq!(office.audit("switch_off").await.len(), 1);

    // Back again: a new way in, and nothing of the old.
    assert_eq!(olga.post("/people/1/on", &[]).await.status, 303);
    assert_eq!(anna.get("/").await.status, 303);
    assert_eq!(token.get("/calls").await.status, 401);
    assert_eq!(office.browser("anna").await.get("/").await.status, 200);
    office.close().await;
}

#[tokio::test]
async fn nobody_makes_anybody_more_than_they_are_let() {
    let office = Office::open().await;
    let (helen, adam) = (office.browser("helen").await, office.browser("adam").await);
    let olga = office.browser("olga").await;
    let page = helen.page("/people").await;
    let names = text(&page, "table.people tbody");
    assert!(names.contains("Anna") && names.contains("Helen"), "{names}");
    assert!(
        !names.contains("Ivan") && !names.contains("Adam"),
        "{names}"
    );
    let as_role = |role: &'static str| [("name", "Anna"), ("role", role)];
    let new = |role: &'static str| [("name", "New"), ("login", "new"), ("role", role)];
    // Rows by id: 1 anna, 2 boris, 3 ivan, 4 helen, 5 mark, 6 quinn, 7 olga, 8 adam.
    let refused = [
        (&helen, "/people/1", &as_role("administrator")[..], 403),
        (&helen, "/people/1", &as_role("head"), 403),
        (&helen, "/people/4", &as_role("owner"), 403),
        (&helen, "/people/3", &as_role("manager"), 403),
        (&helen, "/people/3/link", &[], 403),
        (&helen, "/people", &new("administrator"), 403),
        (&helen, "/people/1/leave", &[("to", "person:3")], 404),
        (&adam, "/people/7/link", &[], 403),
        (&adam, "/people/1", &as_role("owner"), 403),
        (&adam, "/people/8", &as_role("owner"), 422),
        (&adam, "/people", &new("owner"), 403),
        (&adam, "/people/7/leave", &[("off", "1")], 403),
        (&olga, "/people/7/leave", &[("off", "1")], 422),
        (
            &olga,
            "/people/7",
            &[("name", "Olga"), ("role", "manager")],
            422,
        ),
    ];
    for (browser, path, fields, expected) in refused {
        let got = browser.post(path, fields).await;
        assert_eq!(got.status, expected, "{path} {fields:?}");
    }
    assert_eq!(adam.get("/people/7").await.status, 200);
    // What they may: a head takes a manager on, who is of the department.
    assert_eq!(helen.post("/people", &new("manager")).await.status, 200);
    let page = helen.page("/people/9").await;
    assert!(text(&page, "aside").contains("Sales"));
    assert!(all(&page, "select[name=role], input[name=department]").is_empty());
    let leave = [("off", "1"), ("to", "department")];
    assert_eq!(helen.post("/people/1/leave", &leave).await.status, 200);
    assert_eq!(
        office.audit("switch_off").await,
        [(Some(4), "person:1".to_owned())]
    );
    office.close().await;
}
