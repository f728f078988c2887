//! The pages on PostgreSQL: every query that pages make runs there and gives the same as on SQLite.

use ringcard::{flow, on_read};

use super::office::{CLIENT, CLIENT_SHOWN, Office, all, attribute, text};
use crate::support::scripted::eventually;

#[tokio::test]
async fn the_pages_stand_on_postgres_too() {
    let office = Office::open_on_postgres().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(100)
        .answered_by("201")
        .await;
    office
        .call("c2", "+74950000022")
        .minutes_ago(80)
        .missed_by("201")
        .await;
    let olga = office.browser("olga").await;
    let week = "from=2020-01-01&to=2100-01-01";

    let page = olga.page(&format!("/calls?{week}")).await;
    let rows = all(&page, "main > .scroll table.calls tbody tr");
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(text(&page, "[data-total=calls]").starts_with('2'));
    for (filter, expected) in [
        ("&result=open", 1),
        ("&q=0011", 1),
        ("&line=1&direction=in", 2),
    ] {
        let page = olga.page(&format!("/calls?{week}{filter}")).await;
        let rows = all(&page, "main > .scroll table.calls tbody tr");
        assert_eq!(rows.len(), expected, "{filter}");
    }
    let file = olga.get(&format!("/calls.csv?{week}")).await;
    assert_eq!(file.text.lines().count(), 3);

    let page = olga.page(&format!("/lines?{week}")).await;
    let figure = |name: &str| text(&page, &format!("tr[data-line='1'] [data-figure={name}] a"));
    assert_eq!(
        (figure("calls"), figure("unique"), figure("open")),
        ("2".into(), "2".into(), "1".into())
    );
    assert_eq!(text(&page, "tr.total [data-figure=unique] a"), "2");

    for login in ["anna", "helen", "mark", "quinn", "adam"] {
        let browser = office.browser(login).await;
        browser.page("/").await;
        browser.page(&format!("/calls?{week}")).await;
    }
    for path in [
        "/accounts",
        "/dead-letters",
        "/cards",
        "/cards?q=Vera",
        "/me",
        "/people",
        "/people/1",
        "/people/1/leave?to=department&off=1",
        "/audit",
        "/audit?person=1&action=listen&kind=card&object=card:1",
    ] {
        olga.page(path).await;
    }
    office.close().await;
}

#[tokio::test]
async fn pops_cards_and_traces_stand_on_postgres_too() {
    let office = Office::open_on_postgres().await;
    let anna = office.browser("anna").await;
    let mut live = anna.live("", None).await;
    live.next().await;
    let call = office.call("c1", CLIENT);
    call.rings(&["201"], 1).await;
    let (_, pop) = live.next().await;
    assert_eq!(pop["kind"], "pop");
    let id = office.id("c1").await;
    let fields = [("call", id.to_string())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(anna.post("/live/painted", &fields).await.status, 204);
    let timed = async || {
        let row: Option<(Option<i64>, Option<i64>)> = on_read!(office.gateway.db(), pool => {
            sqlx::query_as(
                "select c.pop_ms, p.painted_at from call c join pop p on p.call = c.id
                 where c.call_key = 'c1'",
            )
            .fetch_optional(pool)
            .await
        })
        .unwrap();
        matches!(row, Some((Some(_), Some(_))))
    };
    eventually("the pop is timed", timed).await;
    call.answers("201", 3).await;
    call.ends(30).await;
    let written = [("result", "agreed"), ("note", "Comes on Monday")];
    assert_eq!(
        anna.post(&format!("/pops/{id}/done"), &written)
            .await
            .status,
        303
    );
    let page = anna.page(&format!("/calls/{id}")).await;
    assert_eq!(text(&page, "[data-tile=talk]"), "0:27");
    let card = attribute(&page, "a.client", "href");
    let page = anna.page(&card).await;
    assert!(text(&page, ".phones li").starts_with(CLIENT_SHOWN));
    assert!(text(&page, ".timeline li.result").contains("Comes on Monday"));
    let name = [("name", "Vera"), ("company", "")];
    assert_eq!(anna.post(&format!("{card}/name"), &name).await.status, 303);
    let found = anna.get("/cards?q=0011").await;
    assert_eq!(found.headers["location"].to_str().unwrap(), card);
    let quinn = office.browser("quinn").await;
    assert_eq!(quinn.post(&format!("{card}/reveal"), &[]).await.status, 200);
    assert_eq!(office.audit("reveal").await.len(), 1);
    let hub = &office.gateway.gateway().site().hub;
    hub.expire(flow::now().plus_millis(3_600_000));
    let boris = office.browser("boris").await;
    assert_eq!(boris.get(&card).await.status, 403);
    office.close().await;
}
