//! Who did what, read by those who may: by person, deed, object and time, and as a file.

use super::office::{CLIENT, Office, all, attribute, text};

const ALL_TIME: &str = "from=2020-01-01&to=2100-01-01";

#[tokio::test]
async fn deeds_are_found_by_person_kind_object_and_page() {
    let office = Office::open().await;
    office
        .call("1", CLIENT)
        .minutes_ago(60)
        .answered_by("201")
        .await;
    let call = office.id("1").await;
    let quinn = office.browser("quinn").await;
    assert_eq!(
        quinn
            .post(&format!("/calls/{call}/reveal"), &[])
            .await
            .status,
        200
    );
    let anna = office.browser("anna").await;
    let page = anna.page(&format!("/calls/{call}")).await;
    let card = attribute(&page, "a.client", "href");
    let noted = anna
        .post(
            &format!("{card}/name"),
            &[("name", "Vera"), ("company", "")],
        )
        .await;
    assert_eq!(noted.status, 303);
    let adam = office.browser("adam").await;
    let rows = async |query: &str| {
        let page = adam.page(&format!("/audit?{query}")).await;
        let rows = all(&page, "table.audit tbody tr");
        rows.into_iter()
            .filter(|row| !row.contains("signed in"))
            .collect::<Vec<_>>()
    };
    assert_eq!(rows("").await.len(), 2, "today is within the week");
    for (query, expected) in [
        ("action=reveal", "Quinn"),
        ("kind=card", "Anna"),
        ("person=6", "uncovered a number"),
        (&format!("object=https://calls.example{card}"), "changed"),
        (&format!("object=call:{call}"), "Quinn"),
    ] {
        let found = rows(query).await;
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        assert!(found[0].contains(expected), "{query}: {found:?}");
    }
    assert!(rows("to=2021-01-01&from=2020-01-01").await.is_empty());
    assert_eq!(rows("person=nobody").await.len(), 0);
    let link = adam.page("/audit?action=reveal").await;
    assert_eq!(
        attribute(&link, "table.audit td a", "href"),
        format!("/calls/{call}")
    );
    office.close().await;
}

#[tokio::test]
async fn the_list_goes_on_page_by_page_and_as_a_file_that_leaves_its_trace() {
    let office = Office::open().await;
    // One every hour; the times between are nobody's.
    office
        .run(
            "with recursive n (i) as (select 0 union all select i + 1 from n where i < 249)
             insert into audit (at, person, action, object, detail, remote)
             select 1700000000000000 + i * 3600000000, 1, 'listen', 'recording:' || i, '', '::1' from n",
        )
        .await;
    let olga = office.browser("olga").await;
    let listens = format!("/audit?{ALL_TIME}&action=listen");
    let mut page = olga.page(&listens).await;
    let mut seen = Vec::new();
    loop {
        seen.extend(all(&page, "table.audit tbody td:nth-child(4)"));
        let older = all(&page, "a[rel=next]");
        if older.is_empty() {
            break;
        }
        page = olga.page(&attribute(&page, "a[rel=next]", "href")).await;
    }
    let expected: Vec<String> = (0..250).rev().map(|i| format!("recording {i}")).collect();
    assert_eq!(seen, expected);
    // 1700000000 is the evening of 14 November 2023; in Moscow a day is 24 of them.
    let day = olga
        .page("/audit?from=2023-11-16&to=2023-11-16&action=listen")
        .await;
    assert_eq!(all(&day, "table.audit tbody tr").len(), 24);

    let file = olga
        .get(&format!("/audit.csv?{ALL_TIME}&action=listen"))
        .await;
    assert_eq!(file.text.lines().count(), 251);
    assert_eq!(
        office.audit("export").await,
        [(Some(7), "audit".to_owned())]
    );
    let page = olga.page("/audit?action=export").await;
    assert!(text(&page, "table.audit tbody tr").contains("Olga"));
    let helen = office.browser("helen").await;
    assert_eq!(helen.get("/audit").await.status, 403);
    assert_eq!(helen.get("/audit.csv").await.status, 403);
    office.close().await;
}
