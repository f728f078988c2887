//! Channels on their page: who gives a number to which channel and when, what they cost, and the trace
//! each change leaves. A change of the past moves figures.

use ringcard::flow;

use super::{
    lines::period,
    office::{Browser, CLIENT, Office, all, attribute, text},
};

fn day(days_ago: i64) -> String {
    let zone = jiff::tz::TimeZone::get("Europe/Moscow").unwrap();
    let today = jiff::Timestamp::from_microsecond(flow::now().as_micros())
        .unwrap()
        .to_zoned(zone)
        .date();
    today
        .checked_sub(jiff::Span::new().days(days_ago))
        .unwrap()
        .to_string()
}

/// Posts a form and gives the word with which the page answers.
async fn said(browser: &Browser<'_>, path: &str, fields: &[(&str, &str)]) -> String {
    let answer = browser.post(path, fields).await;
    assert_eq!(answer.status, 303, "{path}: {}", answer.text);
    let to = answer.headers["location"].to_str().unwrap();
    to.rsplit_once('=').map_or("", |(_, said)| said).to_owned()
}

async fn calls_of(browser: &Browser<'_>, channel: &str) -> String {
    let page = browser.page(&format!("/lines?{}", period())).await;
    let figure = format!("tr[data-channel='{channel}'] [data-figure=calls] a");
    all(&page, &figure).concat()
}

async fn story(office: Office) {
    if office.gateway.db().engine() == "postgres" {
        office
            .run("alter table channel alter column id restart with 2")
            .await;
    }
    office
        .call("c1", CLIENT)
        .minutes_ago(10)
        .missed_by("201")
        .await;
    let mark = office.browser("mark").await;
    assert_eq!(calls_of(&mark, "1").await, "1");
    assert_eq!(
        said(&mark, "/channels", &[("name", " Maps ")]).await,
        "saved"
    );
    assert_eq!(
        said(&mark, "/channels", &[("name", "Maps")]).await,
        "exists"
    );
    assert_eq!(
        said(&mark, "/channels", &[("name", " ")]).await,
        "unreadable"
    );

    // The number has been maps' since the day before yesterday: the call of today moves.
    let since = day(2);
    let put = [("act", "put"), ("channel", "2"), ("from", since.as_str())];
    assert_eq!(said(&mark, "/lines/1/channel", &put).await, "saved");
    assert_eq!(
        (calls_of(&mark, "1").await, calls_of(&mark, "2").await),
        ("".into(), "1".into())
    );
    let page = mark.page("/channels").await;
    let rows = all(&page, "fieldset[data-line='1'] form input[name=take]");
    assert_eq!(rows.len(), 2, "search ads ended where maps begin");

    // The same days cannot be given twice, nor an end before the begin.
    let (from, to) = (day(1), day(3));
    let taken = [
        ("act", "put"),
        ("channel", "1"),
        ("from", from.as_str()),
        ("to", from.as_str()),
    ];
    assert_eq!(said(&mark, "/lines/1/channel", &taken).await, "taken");
    let empty = [
        ("act", "put"),
        ("channel", "1"),
        ("from", from.as_str()),
        ("to", to.as_str()),
    ];
    assert_eq!(said(&mark, "/lines/1/channel", &empty).await, "empty");
    let nowhere = [("act", "put"), ("channel", "77"), ("from", "")];
    assert_eq!(
        said(&mark, "/lines/1/channel", &nowhere).await,
        "unreadable"
    );

    // Ended yesterday: the call of today belongs to no channel, and comes back when that is undone.
    let take = attribute(
        &page,
        "fieldset[data-line='1'] form:nth-of-type(2) input[name=take]",
        "value",
    );
    let ended = [
        ("act", "put"),
        ("take", take.as_str()),
        ("channel", "2"),
        ("from", since.as_str()),
        ("to", from.as_str()),
    ];
    assert_eq!(said(&mark, "/lines/1/channel", &ended).await, "saved");
    assert_eq!(
        (calls_of(&mark, "2").await, calls_of(&mark, "0").await),
        ("".into(), "1".into())
    );
    let removed = [("act", "remove"), ("take", take.as_str())];
    assert_eq!(said(&mark, "/lines/1/channel", &removed).await, "saved");
    assert_eq!(calls_of(&mark, "0").await, "1");

    // What a target call is.
    let rule = |talk_s: &'static str, to: &'static str| {
        [
            ("name", "Maps"),
            ("talk_s", talk_s),
            ("from", "09:00"),
            ("to", to),
            ("day0", "1"),
            ("first", "1"),
        ]
    };
    assert_eq!(
        said(&mark, "/channels/2", &rule("30", "00:00")).await,
        "saved"
    );
    assert_eq!(
        said(&mark, "/channels/2", &rule("30", "09:00")).await,
        "impossible"
    );
    assert_eq!(
        said(&mark, "/channels/2", &rule("long", "18:00")).await,
        "impossible"
    );
    assert_eq!(
        mark.post("/channels/99", &rule("30", "18:00")).await.status,
        404
    );
    let page = mark.page("/channels").await;
    let form = "form[data-channel='2']";
    assert_eq!(
        attribute(&page, &format!("{form} input[name=talk_s]"), "value"),
        "30"
    );
    assert_eq!(
        attribute(&page, &format!("{form} input[name=to]"), "value"),
        "00:00"
    );
    assert_eq!(
        all(&page, &format!("{form} input[type=checkbox][checked]")).len(),
        2
    );

    // Who did it stands in the audit, what was and is in the log of changes.
    assert_eq!(office.audit("change").await.len(), 5);
    let adam = office.browser("adam").await;
    let log = adam.page("/changes").await;
    let rows = all(&log, "table.changes tbody tr");
    let by_mark = rows.iter().filter(|row| row.contains(" Mark ")).count();
    assert_eq!(by_mark, 6, "{rows:#?}");
    let found = rows.iter().filter(|row| row.contains(" found ")).count();
    assert_eq!(
        found,
        rows.len() - 6,
        "the company was set up past the pages"
    );
    assert!(
        rows[0].contains("Mark channel Maps talk=60") && rows[0].contains("talk=30"),
        "{}",
        rows[0]
    );
    assert!(
        rows.iter()
            .any(|row| row.contains("number's channel office/+74950000099 since ever"))
    );
    office.close().await;
}

#[tokio::test]
async fn a_change_of_the_past_moves_figures_and_leaves_a_trace() {
    story(Office::open().await).await;
}

#[tokio::test]
async fn a_change_of_the_past_moves_figures_and_leaves_a_trace_on_postgres() {
    story(Office::open_on_postgres().await).await;
}

async fn spend_story(office: Office) {
    for (key, client, ago) in [
        ("c1", CLIENT, 30),
        ("c2", CLIENT, 20),
        ("c3", "+74950000022", 10),
    ] {
        office
            .call(key, client)
            .minutes_ago(ago)
            .answered_by("201")
            .await;
    }
    let mark = office.browser("mark").await;
    let (from, to) = (day(9), day(0));
    let csv = format!(
        "channel;from;to;amount;currency\nsearch ads;{from};{to};1 000,00;rub\nNothing;{from};{to};5;RUB\n"
    );
    let page = mark.post("/spend", &[("csv", &csv)]).await;
    assert_eq!(page.status, 200);
    let page = scraper::Html::parse_document(&page.text);
    assert_eq!(
        text(&page, "[data-fared=done]"),
        "New amounts: 1, replaced: 0."
    );
    assert_eq!(
        all(&page, ".refused li"),
        ["Line 3: there is no such channel"]
    );

    // Yesterday and today are two of its ten days: 200 for 3 calls of 2 clients.
    let figure = async |name: &str| {
        let page = mark.page(&format!("/lines?{}", period())).await;
        text(&page, &format!("tr[data-channel='1'] [data-figure={name}]"))
    };
    assert_eq!(figure("spend").await, "200 ₽");
    assert_eq!(figure("per-call").await, "66.67 ₽");
    assert_eq!(figure("per-client").await, "100 ₽");
    assert_eq!(figure("per-target").await, "66.67 ₽");
    let file = mark.get(&format!("/lines.csv?{}", period())).await.text;
    assert!(
        file.lines()
            .nth(1)
            .unwrap()
            .ends_with("\"200\",\"66.67\",\"100\",\"66.67\""),
        "{file}"
    );

    // The same file again replaces; days in common are refused; columns are checked.
    let corrected = csv.replace("1 000,00", "2000");
    let page = mark.post("/spend", &[("csv", &corrected)]).await.text;
    assert!(page.contains("New amounts: 0, replaced: 1."), "{page}");
    assert_eq!(figure("spend").await, "400 ₽");
    let part = format!("channel,from,to,amount,currency\nSearch ads,{to},{to},9,RUB\n");
    let page = mark.post("/spend", &[("csv", &part)]).await.text;
    assert!(page.contains("another amount of this channel"), "{page}");
    let wrong = mark.post("/spend", &[("csv", "a,b\n1,2\n")]).await.text;
    assert!(wrong.contains("data-fared=\"columns\""), "{wrong}");
    assert_eq!(figure("spend").await, "400 ₽");

    let page = mark.page("/spend").await;
    let value = |name: &str| {
        attribute(
            &page,
            &format!("form[action='/spend/remove'] input[name={name}]"),
            "value",
        )
    };
    let which = [
        ("channel", value("channel")),
        ("from", value("from")),
        ("to", value("to")),
    ];
    let which: Vec<(&str, &str)> = which.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(mark.post("/spend/remove", &which).await.status, 303);
    let page = mark.page(&format!("/lines?{}", period())).await;
    assert!(all(&page, "[data-figure=spend]").is_empty());
    office.close().await;
}

#[tokio::test]
async fn spend_is_shared_out_by_days_and_never_doubled() {
    spend_story(Office::open().await).await;
}

#[tokio::test]
async fn spend_is_shared_out_by_days_and_never_doubled_on_postgres() {
    spend_story(Office::open_on_postgres().await).await;
}
