//! The journal, its filters and its file.

use ringcard::flow;

use super::office::{CLIENT, CLIENT_MASKED, CLIENT_SHOWN, Office, all, attribute, text};

const OTHER: &str = "+74950000022";

/// Anna answered one call and missed another; Ivan answered one. All within the last two hours.
async fn with_calls() -> Office {
    let office = Office::open().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(100)
        .answered_by("201")
        .await;
    office
        .call("c2", OTHER)
        .minutes_ago(80)
        .missed_by("201")
        .await;
    office
        .call("c3", CLIENT)
        .minutes_ago(60)
        .answered_by("203")
        .await;
    office
}

/// A period that holds the last hours whatever the time of day.
fn period() -> String {
    let zone = jiff::tz::TimeZone::get("Europe/Moscow").unwrap();
    let today = jiff::Timestamp::from_microsecond(flow::now().as_micros())
        .unwrap()
        .to_zoned(zone)
        .date();
    format!("from={}&to={today}", today.yesterday().unwrap())
}

#[tokio::test]
async fn filters_in_the_address_decide_what_is_listed_and_summed() {
    let office = with_calls().await;
    let olga = office.browser("olga").await;
    let period = period();
    for (filter, expected) in [
        ("", 3),
        ("&direction=in", 3),
        ("&direction=out", 0),
        ("&result=answered", 2),
        ("&result=unreached", 1),
        ("&result=open", 1),
        ("&result=missed", 1),
        ("&result=busy", 0),
        ("&line=1", 3),
        ("&line=2", 0),
        ("&q=0011", 2),
        ("&q=8 495 000-00-22", 1),
        ("&q=7777", 0),
    ] {
        let page = olga.page(&format!("/calls?{period}{filter}")).await;
        let rows = all(&page, "main > .scroll table.calls tbody tr");
        assert_eq!(rows.len(), expected, "{filter}: {rows:?}");
        let total = text(&page, "[data-total=calls]");
        assert!(
            total.starts_with(&expected.to_string()),
            "{filter}: {total}"
        );
    }
    // Mark sees masked numbers: endings are not looked for, in the list or in the file.
    let mark = office.browser("mark").await;
    for (q, expected) in [("0011", 3), ("7777", 3), ("8 495 000-00-22", 1)] {
        let page = mark.page(&format!("/calls?{period}&q={q}")).await;
        assert_eq!(
            text(&page, "[data-total=calls]").split(' ').next(),
            Some(expected.to_string().as_str())
        );
        assert_eq!(
            all(&page, "main p.hint").len(),
            usize::from(expected == 3),
            "{q}"
        );
        let file = mark.get(&format!("/calls.csv?{period}&q={q}")).await;
        assert_eq!(file.text.lines().count(), expected + 1, "{q}");
    }
    let by_ivan = format!("/calls?{period}&person={}", office.ivan.0);
    let page = olga.page(&by_ivan).await;
    assert_eq!(all(&page, "main > .scroll table.calls tbody tr").len(), 1);
    let empty = olga.page(&format!("/calls?{period}&result=busy")).await;
    assert_eq!(text(&empty, ".nothing"), "No calls fit these filters.");
    office.close().await;
}

#[tokio::test]
async fn everybody_sees_the_calls_within_reach_and_numbers_by_right() {
    let office = with_calls().await;
    let period = period();
    for (login, rows, number) in [
        ("anna", 2, CLIENT_SHOWN),
        ("ivan", 1, CLIENT_SHOWN),
        ("boris", 0, ""),
        ("helen", 2, CLIENT_SHOWN),
        ("olga", 3, CLIENT_SHOWN),
        ("mark", 3, CLIENT_MASKED),
        ("quinn", 3, CLIENT_MASKED),
        ("adam", 3, CLIENT_MASKED),
    ] {
        let browser = office.browser(login).await;
        let got = browser.get(&format!("/calls?{period}")).await;
        let page = scraper::Html::parse_document(&got.text);
        let found = all(&page, "main > .scroll table.calls tbody tr");
        assert_eq!(found.len(), rows, "{login}");
        assert!(rows == 0 || got.text.contains(number), "{login}");
        let digits = CLIENT.trim_start_matches('+');
        let whole = got.text.contains(CLIENT_SHOWN) || got.text.contains(digits);
        assert_eq!(whole, number == CLIENT_SHOWN, "{login}");
    }
    office.close().await;
}

#[tokio::test]
async fn a_hidden_number_cannot_be_found_by_trying() {
    let office = with_calls().await;
    let period = period();
    let mark = office.browser("mark").await;
    let mut statuses = Vec::new();
    for n in 0..30 {
        let number = format!("8 495 000-01-{n:02}");
        let path = ["/calls", "/calls.csv"][n % 2];
        let got = mark.get(&format!("{path}?{period}&q={number}")).await;
        statuses.push(got.status);
    }
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!((9..=10).contains(&refused), "{statuses:?}");
    let searches = office.audit("search").await;
    assert_eq!(searches.len(), 30 - refused);
    let details = ringcard::on_read!(office.gateway.db(), pool => {
        sqlx::query_as::<_, (String,)>("select detail from audit where action = 'search'")
            .fetch_all(pool)
            .await
    });
    assert_eq!(details.unwrap()[7].0, "••••••••07");
    // Other pages, filters and the file of a search that was let in are the same search.
    let quinn = office.browser("quinn").await;
    for n in 0..30 {
        let filter = ["", "&direction=in", "&result=open"][n % 3];
        let got = quinn
            .get(&format!("/calls?{period}{filter}&q=8 495 000-01-77"))
            .await;
        assert_eq!(got.status, 200, "{n}");
    }
    assert_eq!(office.audit("search").await.len(), searches.len() + 1);
    let searches = office.audit("search").await;
    // Lists without a number, and people who see numbers anyway, are not held up.
    assert_eq!(mark.get(&format!("/calls?{period}")).await.status, 200);
    let olga = office.browser("olga").await;
    for _ in 0..30 {
        let got = olga.get(&format!("/calls?{period}&q=84950000022")).await;
        assert_eq!(got.status, 200);
    }
    assert_eq!(office.audit("search").await.len(), searches.len());
    office.close().await;
}

#[tokio::test]
async fn who_called_a_client_in_vain_finds_it_in_the_journal() {
    let office = Office::open().await;
    let call = office.call("out", CLIENT).minutes_ago(30);
    call.goes_out_in_vain("201").await;
    let period = period();
    for (login, rows) in [("anna", 1), ("ivan", 0)] {
        let browser = office.browser(login).await;
        let page = browser.page(&format!("/calls?{period}")).await;
        let found = all(&page, "main > .scroll table.calls tbody tr");
        assert_eq!(found.len(), rows, "{login}");
    }
    let id = office.id("out").await;
    let page = office
        .browser("anna")
        .await
        .page(&format!("/calls/{id}"))
        .await;
    let legs = all(&page, "table.legs tbody tr");
    assert!(legs[0].contains("← Anna (201)"), "{legs:?}");
    office.close().await;
}

#[tokio::test]
async fn paging_shows_every_call_once() {
    let office = Office::open().await;
    let keys: Vec<String> = (0..120).map(|n| format!("c{n}")).collect();
    for (n, key) in keys.iter().enumerate() {
        // Three calls begin in the same second each time: ties are ordered by id.
        let ago = 10 + n as i64 / 3;
        office.call(key, CLIENT).minutes_ago(ago).ends(5).await;
    }
    office.run("insert into call_person (call, person, started_at, rang, talked) select id, 1, started_at, 1, 0 from call").await;
    for login in ["olga", "anna"] {
        let browser = office.browser(login).await;
        let mut seen = Vec::new();
        let mut address = format!("/calls?{}", period());
        let mut pages = 0;
        loop {
            pages += 1;
            let page = browser.page(&address).await;
            let rows = scraper::Selector::parse("main > .scroll tr[data-call]").unwrap();
            seen.extend(
                page.select(&rows)
                    .map(|row| row.value().attr("data-call").unwrap().to_owned()),
            );
            if all(&page, "a[rel=next]").is_empty() {
                break;
            }
            address = attribute(&page, "a[rel=next]", "href");
        }
        assert_eq!(pages, 3, "{login}");
        let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (120, 120), "{login}");
    }
    office.close().await;
}

#[tokio::test]
async fn calls_going_on_stand_on_top() {
    let office = with_calls().await;
    office.call("c4", CLIENT).rings(&["201"], 0).await;
    let olga = office.browser("olga").await;
    let page = olga.page(&format!("/calls?{}", period())).await;
    let live = all(&page, ".live-calls tbody tr");
    assert_eq!(live.len(), 1);
    assert!(live[0].contains("ringing"), "{live:?}");
    let listed = all(&page, "main > .scroll table.calls tbody tr");
    assert_eq!(listed.len(), 3, "what goes on stands once: {listed:?}");
    // It ends, and stays until the list below is loaded anew.
    let again = attribute(
        &page,
        "[data-lists][data-refresh^='/calls/live']",
        "data-refresh",
    );
    office.call("c4", CLIENT).ends(1).await;
    let top = scraper::Html::parse_document(&olga.get(&again).await.text);
    let ended = all(&top, ".live-calls tbody tr");
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert!(!ended[0].contains("ringing"), "{ended:?}");
    assert_eq!(text(&top, ".count"), "0");
    let page = olga.page(&format!("/calls?{}", period())).await;
    assert_eq!(all(&page, ".live-calls").len(), 0);
    assert_eq!(all(&page, "main > .scroll table.calls tbody tr").len(), 4);
    let boris = office.browser("boris").await;
    assert!(!boris.get("/calls/live").await.text.contains("ringing"));
    office.close().await;
}

#[tokio::test]
async fn the_list_as_a_file_keeps_to_rights_and_leaves_a_trace() {
    let office = with_calls().await;
    office.run("update card set name = '=HYPERLINK(1)'").await;
    let period = period();
    let olga = office.browser("olga").await;
    let file = olga
        .get(&format!("/calls.csv?{period}&result=answered"))
        .await;
    assert_eq!(file.status, 200);
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    let lines: Vec<&str> = file.text.trim_start_matches('\u{feff}').lines().collect();
    assert_eq!(lines.len(), 3, "{}", file.text);
    assert!(
        lines[1].contains("\"'=HYPERLINK(1)\",\"+7 495 000-00-11\""),
        "{}",
        lines[1]
    );
    let mark = office.browser("mark").await;
    let masked = mark.get(&format!("/calls.csv?{period}")).await.text;
    assert!(masked.contains(CLIENT_MASKED) && !masked.contains(CLIENT_SHOWN));
    assert!(!masked.contains("HYPERLINK"));
    assert_eq!(office.audit("export").await.len(), 2);
    office.close().await;
}

#[tokio::test]
async fn a_client_who_called_twice_waits_on_one_line_and_is_closed_whole() {
    let office = Office::open().await;
    for (key, minutes) in [("c1", 60), ("c2", 30)] {
        let call = office.call(key, CLIENT).minutes_ago(minutes);
        call.missed_by("201").await;
    }
    let call = office.call("c3", "+74950000022").minutes_ago(20);
    call.missed_by("201").await;
    let anna = office.browser("anna").await;
    let desk = anna.page("/").await;
    let lines = all(&desk, ".task-list li");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains("contacts: 2") && !lines[1].contains("contacts"),
        "{lines:?}"
    );
    assert_eq!(text(&desk, "#tasks-title .count"), "2");
    let form = attribute(&desk, ".task-list form[action$='/close']", "action");
    let why = [("reason", "wrote that all is settled")];
    assert_eq!(anna.post(&form, &why).await.status, 303);
    // The other client still waits.
    let lines = all(&anna.page("/").await, ".task-list li");
    assert!(
        lines.len() == 1 && lines[0].contains("000-00-22"),
        "{lines:?}"
    );
    assert_eq!(office.audit("close_task").await.len(), 2);
    office.close().await;
}

#[tokio::test]
async fn missed_calls_wait_on_the_desk_with_a_clock() {
    let office = with_calls().await;
    let anna = office.browser("anna").await;
    let desk = anna.page("/").await;
    let task = text(&desk, ".task-list li");
    assert!(
        task.contains("late by") && task.contains("+7 495 000-00-22"),
        "{task}"
    );
    let form = attribute(&desk, ".task-list form[action$='/close']", "action");
    // Another manager may not close it.
    let ivan = office.browser("ivan").await;
    assert_eq!(ivan.post(&form, &[]).await.status, 403);
    // That it is done only a call can say; a person may say that none is needed, and why.
    assert_eq!(anna.post(&form, &[("reason", " ")]).await.status, 422);
    let why = [("reason", "a wrong number")];
    assert_eq!(anna.post(&form, &why).await.status, 303);
    let desk = anna.page("/").await;
    assert!(all(&desk, ".task-list li").is_empty());
    assert_eq!(
        text(&desk, ".tasks .nothing"),
        "You have nobody to call back."
    );
    office.close().await;
}
