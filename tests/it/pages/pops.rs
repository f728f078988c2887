//! Whose screens show a call, from the fact in the PBX to the frame on the socket.

use ringcard::{model::event::Cause, on_read};
use scraper::Html;

use super::office::{Browser, CLIENT, CLIENT_SHOWN, Office, WITHHELD, attribute, text};
use crate::support::scripted::eventually;

#[tokio::test]
async fn a_pop_reaches_exactly_those_who_ring_and_goes_when_somebody_answers() {
    let office = Office::open().await;
    let (anna, boris) = (office.browser("anna").await, office.browser("boris").await);
    let (ivan, helen) = (office.browser("ivan").await, office.browser("helen").await);
    let olga = office.browser("olga").await;
    let mut at_anna = anna.live("", None).await;
    let mut at_boris = boris.live("", None).await;
    let mut at_ivan = ivan.live("", None).await;
    let mut at_helen = helen.live("watch=1", None).await;
    let mut at_olga = olga.live("", None).await; // an owner who does not watch
    for live in [
        &mut at_anna,
        &mut at_boris,
        &mut at_ivan,
        &mut at_helen,
        &mut at_olga,
    ] {
        let (_, first) = live.next().await;
        assert_eq!(
            (
                first["kind"].as_str(),
                first["pops"].as_array().map(Vec::len)
            ),
            (Some("sync"), Some(0))
        );
    }

    let call = office.call("c1", CLIENT);
    call.rings(&["201", "202"], 1).await;
    let id = office.id("c1").await.to_string();
    for (live, reason) in [
        (&mut at_anna, "rung"),
        (&mut at_boris, "rung"),
        (&mut at_helen, "supervises"),
    ] {
        let (_, pop) = live.next().await;
        assert_eq!(pop["kind"], "pop");
        assert_eq!(pop["call"], id.as_str());
        assert_eq!(
            (pop["stage"].as_str(), pop["reason"].as_str()),
            (Some("ringing"), Some(reason))
        );
    }
    at_ivan.is_quiet().await;
    at_olga.is_quiet().await;

    call.answers("201", 6).await;
    let (_, talks) = at_anna.next().await;
    assert_eq!(
        (talks["kind"].as_str(), talks["stage"].as_str()),
        (Some("pop"), Some("talking"))
    );
    for live in [&mut at_boris, &mut at_helen] {
        let (_, gone) = live.next().await;
        assert_eq!(
            (gone["kind"].as_str(), gone["why"].as_str()),
            (Some("withdraw"), Some("answered_elsewhere"))
        );
    }

    call.ends(60).await;
    let (_, wraps_up) = at_anna.next().await;
    assert_eq!(wraps_up["stage"], "wrap_up");
    at_boris.is_quiet().await;
    at_ivan.is_quiet().await;
    office.close().await;
}

#[tokio::test]
async fn a_call_nobody_answers_is_withdrawn_everywhere() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    let (mut one, mut two) = (anna.live("", None).await, anna.live("", None).await);
    let call = office.call("c1", CLIENT);
    for live in [&mut one, &mut two] {
        live.next().await;
    }
    call.rings(&["201"], 1).await;
    for live in [&mut one, &mut two] {
        assert_eq!(live.next().await.1["kind"], "pop");
    }
    call.leaves("201", 21, Cause::NoAnswer).await;
    call.ends(22).await;
    for live in [&mut one, &mut two] {
        assert_eq!(live.next().await.1["kind"], "withdraw");
    }
    assert!(
        office
            .gateway
            .gateway()
            .site()
            .hub
            .pops(office.anna)
            .is_empty()
    );
    office.close().await;
}

#[tokio::test]
async fn a_page_that_was_away_goes_on_where_it_stopped() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    let mut live = anna.live("", None).await;
    let (start, _) = live.next().await;
    drop(live);
    let call = office.call("c1", CLIENT);
    call.rings(&["201"], 1).await;
    let id = office.id("c1").await.to_string();

    // Back with the id of the last frame: exactly what was missed.
    let mut live = anna.live("", Some(&start)).await;
    let (seen, pop) = live.next().await;
    assert_eq!(
        (pop["kind"].as_str(), pop["call"].as_str()),
        (Some("pop"), Some(id.as_str()))
    );
    drop(live);
    let mut live = anna.live("", Some(&seen)).await;
    live.is_quiet().await;
    drop(live);

    // Back with an id of an earlier process: the whole state, nothing more.
    let mut live = anna.live("", Some("1-7")).await;
    let (_, sync) = live.next().await;
    assert_eq!(sync["kind"], "sync");
    assert_eq!(sync["pops"][0]["call"], id.as_str());
    live.is_quiet().await;
    office.close().await;
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_call_takes_no_pop_away() {
    let mut office = Office::open().await;
    office.call("c1", CLIENT).rings(&["201"], 0).await;
    let id = office.id("c1").await.to_string();
    office.gateway.restart().await;
    let anna = office.browser("anna").await;
    let (_, sync) = anna.live("", None).await.next().await;
    assert_eq!(sync["pops"][0]["call"], id.as_str());
    assert_eq!(sync["pops"][0]["stage"], "ringing");
    let boris = office.browser("boris").await;
    let (_, sync) = boris.live("", None).await.next().await;
    assert_eq!(sync["pops"].as_array().map(Vec::len), Some(0));
    office.close().await;
}

#[tokio::test]
async fn the_panel_says_who_calls_and_why_it_came_here() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    office
        .call("c0", CLIENT)
        .minutes_ago(90)
        .answered_by("201")
        .await;
    let call = office.call("c1", CLIENT);
    call.rings(&["201"], 1).await;
    let id = office.id("c1").await;
    let got = anna.get(&format!("/pops/{id}")).await;
    let pop = Html::parse_fragment(&got.text);
    assert_eq!(attribute(&pop, "article.pop", "data-call"), id.to_string());
    assert_eq!(text(&pop, ".stage"), "Calling");
    assert_eq!(text(&pop, "h2"), CLIENT_SHOWN);
    assert_eq!(attribute(&pop, "[data-copy]", "data-copy"), CLIENT);
    let facts = text(&pop, "dl.facts");
    for expected in [
        "Search ads → Site",
        "Responsible you",
        "Why you",
        "Known by own number",
    ] {
        assert!(facts.contains(expected), "{facts}");
    }
    assert!(text(&pop, "ul.last").contains("answered Anna"));
    assert_eq!(
        attribute(&pop, "article.pop", "data-say"),
        format!("{CLIENT_SHOWN} is calling")
    );
    // The same panel stands on the desk before any script runs.
    let desk = anna.page("/").await;
    assert_eq!(text(&desk, "#pops .pop h2"), CLIENT_SHOWN);
    // Boris was not rung: neither his desk nor the panel's address shows it.
    let boris = office.browser("boris").await;
    assert_eq!(boris.get(&format!("/pops/{id}")).await.status, 204);
    office.close().await;
}

#[tokio::test]
async fn the_panel_names_who_passed_the_client_on_and_claims_nothing_of_a_withheld_number() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    let call = office.call("c1", CLIENT);
    call.rings(&["202"], 1).await;
    call.answers("202", 4).await;
    call.passes_on("202", "201", 9).await;
    let pop = pop_of(&office, &anna, "c1").await;
    let why = text(&pop, "dl.facts");
    assert!(why.contains("Why you transferred by Boris"), "{why}");
    assert!(text(&pop, ".phone").contains("first call"));
    let call = office.call("c2", WITHHELD);
    call.rings(&["201"], 1).await;
    let pop = pop_of(&office, &anna, "c2").await;
    assert_eq!(text(&pop, "h2"), "number withheld");
    assert!(!text(&pop, ".phone").contains("first call"));
    office.close().await;
}

async fn pop_of(office: &Office, browser: &Browser<'_>, key: &str) -> Html {
    let id = office.id(key).await;
    Html::parse_fragment(&browser.get(&format!("/pops/{id}")).await.text)
}

#[tokio::test]
async fn whoever_rings_may_see_the_card_until_wrap_up_ends_and_leaves_a_trace() {
    let office = Office::open().await;
    // Boris's client.
    office
        .call("c0", CLIENT)
        .minutes_ago(90)
        .answered_by("202")
        .await;
    let card = card_of(&office, "c0").await;
    let anna = office.browser("anna").await;
    let path = format!("/cards/{card}");
    assert_eq!(anna.get(&path).await.status, 403);
    let call = office.call("c1", CLIENT);
    call.rings(&["201"], 1).await;
    assert_eq!(anna.get(&path).await.status, 200);
    let seen = office.audit("see_by_ring").await;
    assert_eq!(seen, [(Some(office.anna.0), format!("card:{card}"))]);
    call.answers("201", 5).await;
    call.ends(20).await;
    assert_eq!(anna.get(&path).await.status, 200);
    // Wrap-up is long over.
    office
        .run("update call set ended_at = ended_at - 3600000000 where call_key = 'c1'")
        .await;
    let hub = &office.gateway.gateway().site().hub;
    hub.finish(office.anna, office.id("c1").await, ringcard::flow::now());
    assert_eq!(anna.get(&path).await.status, 403);
    office.close().await;
}

#[tokio::test]
async fn wrap_up_keeps_the_result_and_ends_the_panel() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    let mut live = anna.live("", None).await;
    live.next().await;
    let call = office.call("c1", CLIENT);
    call.answered_by("201").await;
    let id = office.id("c1").await;
    for stage in ["ringing", "talking"] {
        assert_eq!(live.next().await.1["stage"], stage);
    }
    while live.next().await.1["stage"] != "wrap_up" {}
    let written = [("result", "agreed"), ("note", "Comes on Monday")];
    let done = anna.post(&format!("/pops/{id}/done"), &written).await;
    assert_eq!(done.status, 303);
    let (_, gone) = live.next().await;
    assert_eq!(
        (gone["kind"].as_str(), gone["why"].as_str()),
        (Some("withdraw"), Some("done"))
    );
    let card = card_of(&office, "c1").await;
    let page = anna.page(&format!("/cards/{card}")).await;
    let note = text(&page, ".timeline li.result");
    assert!(
        note.contains("Agreed Comes on Monday") && note.contains("Anna"),
        "{note}"
    );
    office.close().await;
}

#[tokio::test]
async fn the_way_of_a_pop_is_timed_and_shown() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    let mut live = anna.live("", None).await;
    live.next().await;
    office
        .call("c1", CLIENT)
        .rings(&["201", "202", "205"], 1)
        .await;
    live.next().await;
    let id = office.id("c1").await;
    let painted = [("call", id.to_string())];
    let painted: Vec<(&str, &str)> = painted.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(anna.post("/live/painted", &painted).await.status, 204);
    let timed = async || {
        let row: (Option<i64>, Option<i64>) = on_read!(office.gateway.db(), pool => {
            sqlx::query_as(
                "select c.pop_ms, p.painted_at from call c join pop p on p.call = c.id
                 where c.call_key = 'c1' and p.delivered_at is not null",
            )
            .fetch_optional(pool)
            .await
        })
        .unwrap()
        .unwrap_or_default();
        row.0.is_some_and(|ms| ms < 5_000) && row.1.is_some()
    };
    eventually("the pop is timed", timed).await;
    let olga = office.browser("olga").await;
    let page = olga.page(&format!("/calls/{id}")).await;
    let chain = text(
        &page,
        &format!("table.pops tr[data-person='{}']", office.anna.0),
    );
    assert!(
        chain.contains("phone rang") && chain.matches("ms").count() == 3,
        "{chain}"
    );
    let reasons = text(&page, "ul.chain");
    assert!(
        reasons.contains("Extension 205 belongs to nobody"),
        "{reasons}"
    );
    assert!(reasons.contains("Boris: no page was open"), "{reasons}");
    office.close().await;
}

async fn card_of(office: &Office, key: &str) -> uuid::Uuid {
    let row: (uuid::Uuid,) = on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select card from call where call_key = $1").bind(key).fetch_one(pool).await
    })
    .unwrap();
    row.0
}
