//! Channels and numbers: every figure equals the list of calls it opens, on both stores, also when a
//! number changes its channel within the period.

use ringcard::{flow, model::event::Fact, store::export};
use scraper::{Html, Selector};

use super::office::{Browser, CLIENT, Office, all, attribute, text};

const OTHER: &str = "+74950000022";
const THIRD: &str = "+74950000033";
const SHOP: &str = "+74950000098";
const QUARTER_US: i64 = 900_000_000;

/// A period that holds the last hours whatever the time of day.
pub fn period() -> String {
    let zone = jiff::tz::TimeZone::get("Europe/Moscow").unwrap();
    let today = jiff::Timestamp::from_microsecond(flow::now().as_micros())
        .unwrap()
        .to_zoned(zone)
        .date();
    format!("from={}&to={today}", today.yesterday().unwrap())
}

/// Line 1 belonged to search ads until three hours ago, and to maps since; the shop's line to none.
async fn two_channels(office: &Office) {
    let change = (flow::now().as_micros() - 180 * 60_000_000) / QUARTER_US * QUARTER_US;
    if office.gateway.db().engine() == "postgres" {
        // The company's line was given its id; the next one must get another.
        office
            .run("alter table line alter column id restart with 1000")
            .await;
    }
    for sql in [
        "insert into channel (id, name, target_first) values (2, 'Maps', 1)".to_owned(),
        format!("update line_channel set valid_to = {change} where line = 1"),
        format!("insert into line_channel (line, channel, valid_from) values (1, 2, {change})"),
        format!(
            "insert into line (id, account, did, name) values (500, 'office', '{SHOP}', 'Shop')"
        ),
    ] {
        office.run(&sql).await;
    }
}

async fn with_calls(office: &Office) {
    two_channels(office).await;
    let call = |key, client, minutes| office.call(key, client).minutes_ago(minutes);
    call("c1", CLIENT, 300).answered_by("201").await;
    call("c2", OTHER, 280).missed_by("201").await;
    call("c3", CLIENT, 270).answered_by("202").await;
    call("c4", CLIENT, 60).answered_by("201").await;
    call("c5", THIRD, 50).answered_by("201").await;
    call("c6", OTHER, 40).on(SHOP).missed_by("202").await;
    let short = call("c7", "+74950000044", 30).on(SHOP);
    short.rings(&["201"], 1).await;
    short.answers("201", 5).await;
    short
        .leaves("201", 15, ringcard::model::event::Cause::Normal)
        .await;
    short.ends(15).await;
    call("c8", CLIENT, 20)
        .on("+74950000097")
        .missed_by("201")
        .await;
}

/// Follows every figure of the table to its calls.
async fn figures_equal_their_calls(browser: &Browser<'_>, page: &Html) -> usize {
    let links = Selector::parse("table.figures td[data-figure] a").unwrap();
    let mut followed = 0;
    for link in page.select(&links) {
        let shown: String = link.text().collect();
        let address = link.value().attr("href").unwrap();
        let list = browser.page(address).await;
        let rows = all(&list, "main > .scroll table.calls tbody tr").len();
        let total = text(&list, "[data-total=calls]");
        if shown.contains(':') {
            assert!(
                text(&list, "[data-total=talk]").ends_with(&shown),
                "{address}"
            );
        } else {
            assert_eq!(shown, rows.to_string(), "{address}");
            assert_eq!(total.split(' ').next(), Some(shown.as_str()), "{address}");
        }
        followed += 1;
    }
    followed
}

/// The figures of a row that are numbers.
fn figures(page: &Html, row: &str) -> String {
    [
        "calls", "unique", "first", "reached", "missed", "open", "target",
    ]
    .map(|name| text(page, &format!("{row} [data-figure={name}] a")))
    .join(" ")
}

async fn story(office: Office) {
    with_calls(&office).await;
    let mark = office.browser("mark").await;
    let page = mark.page(&format!("/lines?{}", period())).await;
    // Three channels (one of them none) with four numbers between them, and the total: 8 figures each.
    assert_eq!(
        figures_equal_their_calls(&mark, &page).await,
        (3 + 4 + 1) * 8
    );
    let figures = |row: &str| figures(&page, row);
    assert_eq!(figures("tr[data-channel='1']"), "3 2 2 2 1 1 2");
    assert_eq!(figures("tr[data-line='1'][data-of='1']"), "3 2 2 2 1 1 2");
    // Of maps only first-time callers are target calls.
    assert_eq!(figures("tr[data-channel='2']"), "2 2 1 2 0 0 1");
    assert_eq!(figures("tr[data-line='500'][data-of='0']"), "2 2 1 1 1 1 0");
    assert_eq!(figures("tr[data-channel='0']"), "3 3 1 1 2 2 0");
    assert_eq!(figures("tr.total"), "8 4 4 5 3 3 3");
    assert_eq!(all(&page, ".formulas dt").len(), 9);
    assert!(
        all(&page, "[data-figure=spend]").is_empty(),
        "nothing cost anything"
    );

    // The day before yesterday and the day before that: nothing to see, nothing to compare with.
    assert!(
        all(&page, "small.change")
            .iter()
            .all(|change| change == "–")
    );
    let file = mark.get(&format!("/lines.csv?{}", period())).await;
    assert_eq!(file.status, 200);
    let lines: Vec<&str> = file.text.lines().collect();
    assert_eq!(lines.len(), 1 + 3 + 4 + 1, "{}", file.text);
    assert!(
        lines[1].starts_with("\"Maps\",\"\",\"\",\"2\",\"2\",\"1\",\"2\""),
        "{}",
        lines[1]
    );
    assert_eq!(office.audit("export").await.len(), 1);
    let quinn = office.browser("quinn").await;
    assert_eq!(
        quinn.get(&format!("/lines.csv?{}", period())).await.status,
        403
    );
    office.close().await;
}

#[tokio::test]
async fn every_figure_equals_the_calls_it_opens() {
    story(Office::open().await).await;
}

#[tokio::test]
async fn every_figure_equals_the_calls_it_opens_on_postgres() {
    story(Office::open_on_postgres().await).await;
}

#[tokio::test]
async fn a_period_is_compared_with_the_one_before() {
    let office = Office::open().await;
    let day = 24 * 60;
    for (key, ago) in [("a", 0), ("b", 0), ("c", 0), ("d", 2 * day), ("e", 2 * day)] {
        office
            .call(key, CLIENT)
            .minutes_ago(ago + 5)
            .missed_by("201")
            .await;
    }
    let mark = office.browser("mark").await;
    let page = mark.page(&format!("/lines?{}", period())).await;
    assert_eq!(text(&page, "tr.total [data-figure=calls] a"), "3");
    assert_eq!(text(&page, "tr.total [data-figure=calls] .change"), "+50 %");
    let title = attribute(&page, "tr.total [data-figure=calls] .change", "title");
    assert_eq!(title, "before: 2");
    office.close().await;
}

#[tokio::test]
async fn a_target_call_keeps_to_the_hours_and_days_of_its_channel() {
    let office = Office::open().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(10)
        .answered_by("201")
        .await;
    let mark = office.browser("mark").await;
    let begun = jiff::Timestamp::from_microsecond(flow::now().as_micros() - 600_000_000)
        .unwrap()
        .to_zoned(jiff::tz::TimeZone::get("Europe/Moscow").unwrap());
    let minute = i64::from(begun.hour()) * 60 + i64::from(begun.minute());
    let weekday = begun.weekday().to_monday_zero_offset() as usize;
    let mut only_then = "0000000".to_owned();
    only_then.replace_range(weekday..=weekday, "1");
    let never_then: String = only_then
        .chars()
        .map(|c| if c == '1' { '0' } else { '1' })
        .collect();
    for (days, from, to, talk_s, expected) in [
        ("1111111", 0, 1_440, 60, "1"),
        (only_then.as_str(), minute, minute + 1, 60, "1"),
        (never_then.as_str(), 0, 1_440, 60, "0"),
        ("1111111", minute + 1, 1_441, 60, "0"),
        ("1111111", 0, minute, 60, "0"),
        ("1111111", 0, 1_440, 61, "0"),
    ] {
        let sql = format!(
            "update channel set target_days = '{days}', target_from_min = {from},
                    target_to_min = {to}, target_talk_s = {talk_s}"
        );
        office.run(&sql).await;
        let page = mark.page(&format!("/lines?{}", period())).await;
        let shown = text(&page, "tr.total [data-figure=target] a");
        assert_eq!(shown, expected, "{days} {from}..{to} {talk_s}");
        figures_equal_their_calls(&mark, &page).await;
    }
    office.close().await;
}

/// A rule of the page; the fields not named are empty.
async fn rule(browser: &Browser<'_>, fields: &[(&str, &str)]) {
    let answer = browser.post("/channels/rules", fields).await;
    let to = answer.headers["location"].to_str().unwrap();
    assert_eq!(to, "/channels?said=saved", "{fields:?}");
}

/// Where the client of a call came from, told when the call is long over.
async fn came_from(office: &Office, key: &str, client: &str, source: &str, medium: &str) {
    let fields = [("utm_medium", medium), ("utm_source", source)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let fields = fields.into();
    let call = office.call(key, client);
    call.also("", "tracking", 0, Fact::Tracking { fields })
        .await;
}

async fn ruled_story(office: Office) {
    with_calls(&office).await;
    office
        .run("insert into channel (id, name) values (3, 'Social')")
        .await;
    let mark = office.browser("mark").await;
    let of_line = [
        ("source", "Larch*"),
        ("medium", "cpc"),
        ("line", "1"),
        ("channel", "2"),
    ];
    for fields in [&[("source", " VK "), ("channel", "3")][..], &of_line] {
        let added = [fields, &[("act", "add")]].concat();
        rule(&mark, &added).await;
    }
    // Without a visit nothing moves; visits move their calls, whatever their numbers' channels are.
    let before = mark.page(&format!("/lines?{}", period())).await;
    assert_eq!(figures(&before, "tr[data-channel='1']"), "3 2 2 2 1 1 2");
    for key in ["c1", "c4", "c8"] {
        came_from(&office, key, CLIENT, "vk", "social").await;
    }
    came_from(&office, "c3", CLIENT, "larch-ads", "cpc").await;
    came_from(&office, "c5", THIRD, "larch-ads", "organic").await;
    came_from(&office, "c6", OTHER, "larch-ads", "cpc").await;

    let page = mark.page(&format!("/lines?{}", period())).await;
    // Four channels (one of them none) with five numbers between them, and the total.
    let followed = figures_equal_their_calls(&mark, &page).await;
    assert_eq!(followed, (4 + 5 + 1) * 8);
    assert_eq!(figures(&page, "tr[data-channel='1']"), "1 1 1 0 1 1 0");
    assert_eq!(figures(&page, "tr[data-channel='2']"), "2 2 1 2 0 0 1");
    assert_eq!(figures(&page, "tr[data-channel='3']"), "3 1 1 2 1 1 2");
    assert_eq!(
        figures(&page, "tr[data-line='1'][data-of='3']"),
        "2 1 1 2 0 0 2"
    );
    assert_eq!(all(&page, "tr[data-of='3']").len(), 2);
    assert_eq!(figures(&page, "tr[data-channel='0']"), "2 2 1 1 1 1 0");
    assert_eq!(figures(&page, "tr.total"), "8 4 4 5 3 3 3");
    let all_calls = export::Wanted::default();
    let exported = export::page(
        office.gateway.db(),
        &all_calls,
        export::After::start(flow::now().plus_millis(-86_400_000)),
        flow::now(),
    );
    let (exported, _) = exported.await.unwrap();
    let channel = |key: &str| {
        let call = exported.iter().find(|call| call.call_key == key);
        call.unwrap().channel.clone()
    };
    assert_eq!(channel("c1").as_deref(), Some("Social"));
    assert_eq!(
        (channel("c3").as_deref(), channel("c6")),
        (Some("Maps"), None)
    );

    let file = mark.get(&format!("/calls.csv?{}", period())).await.text;
    let ends = |end: &str| file.lines().filter(|line| line.ends_with(end)).count();
    assert_eq!(ends(r#","Social","vk","social","","""#), 3, "{file}");
    assert_eq!(ends(r#","","larch-ads","cpc","","""#), 1, "{file}");
    assert_eq!(ends(r#","Maps","larch-ads","cpc","","""#), 1, "{file}");

    // Whole days come from roll-ups: of two calls of a client on one day, one stays with the number.
    for (key, minutes) in [("d1", 2 * 1_440 + 2), ("d2", 2 * 1_440 + 1)] {
        let call = office.call(key, THIRD).minutes_ago(minutes);
        call.answered_by("201").await;
    }
    came_from(&office, "d2", THIRD, "vk", "").await;
    // The only call of another client there is not the number's at all.
    const FIFTH: &str = "+74950000055";
    let call = office.call("d3", FIFTH).minutes_ago(2 * 1_440 + 3);
    call.answered_by("201").await;
    came_from(&office, "d3", FIFTH, "vk", "").await;
    let week = jiff::Timestamp::from_microsecond(flow::now().as_micros() - 5 * 86_400_000_000);
    let week = week.unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
    let to = period();
    let (_, to) = to.split_once('&').unwrap();
    let page = mark.page(&format!("/lines?from={week}&{to}")).await;
    figures_equal_their_calls(&mark, &page).await;
    let both = |channel: u8| figures(&page, &format!("tr[data-channel='{channel}']"));
    assert!(both(1).starts_with("2 2 "), "{}", both(1));
    assert!(both(3).starts_with("5 3 "), "{}", both(3));

    // The first rule that fits counts; a rule that is gone gives its calls back.
    rule(&mark, &[("act", "add"), ("source", "v*"), ("channel", "1")]).await;
    let ids = |page: &Html| -> Vec<String> {
        let rows = Selector::parse("table.rules tr[data-rule]").unwrap();
        let id = |row: scraper::ElementRef<'_>| row.value().attr("data-rule").unwrap().to_owned();
        page.select(&rows).map(id).collect()
    };
    let rules = ids(&mark.page("/channels").await);
    for _ in 0..2 {
        rule(&mark, &[("act", "raise"), ("id", &rules[2])]).await;
    }
    let wanted = [&rules[2], &rules[0], &rules[1]];
    assert_eq!(
        ids(&mark.page("/channels").await)
            .iter()
            .collect::<Vec<_>>(),
        wanted
    );
    let page = mark.page(&format!("/lines?{}", period())).await;
    assert_eq!(figures(&page, "tr[data-channel='1']"), "4 2 2 2 2 2 2");
    figures_equal_their_calls(&mark, &page).await;
    for id in &rules {
        rule(&mark, &[("act", "remove"), ("id", id)]).await;
    }
    let page = mark.page(&format!("/lines?{}", period())).await;
    assert_eq!(figures(&page, "tr[data-channel='1']"), "3 2 2 2 1 1 2");

    // What asks nothing of a visit, or is of no channel, is no rule.
    for wrong in [
        &[("act", "add"), ("line", "1"), ("channel", "1")][..],
        &[("act", "add"), ("source", "vk"), ("channel", "9")],
        &[
            ("act", "add"),
            ("source", "vk"),
            ("channel", "1"),
            ("line", "9"),
        ],
        &[("act", "raise"), ("id", "1")],
    ] {
        let answer = mark.post("/channels/rules", wrong).await;
        let to = answer.headers["location"].to_str().unwrap();
        assert_eq!(to, "/channels?said=unreadable", "{wrong:?}");
    }
    assert_eq!(office.audit("change").await.len(), 3 + 2 + 3);
    office.close().await;
}

#[tokio::test]
async fn a_rule_gives_calls_their_channel_by_where_clients_came_from() {
    ruled_story(Office::open().await).await;
}

#[tokio::test]
async fn a_rule_gives_calls_their_channel_by_where_clients_came_from_on_postgres() {
    ruled_story(Office::open_on_postgres().await).await;
}
