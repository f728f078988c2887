//! One call, one card: facts, masked numbers, notes, and listening.

use ringcard::{
    model::{
        call::CallResult,
        event::{Cause, Direction},
        ids::Extension,
    },
    on_read, on_write,
    store::journal,
};
use scraper::Html;

use super::office::{CLIENT, CLIENT_MASKED, CLIENT_SHOWN, Office, all, text};
use crate::support::gateway::answer;

async fn card_of(office: &Office, key: &str) -> uuid::Uuid {
    let row: (uuid::Uuid,) = on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select card from call where call_key = $1").bind(key).fetch_one(pool).await
    })
    .unwrap();
    row.0
}

#[tokio::test]
async fn a_call_is_told_whole() {
    let office = Office::open().await;
    let call = office.call("c1", CLIENT).minutes_ago(30);
    call.rings(&["201", "202"], 2).await;
    call.answers("201", 7).await;
    call.leaves("202", 7, Cause::AnsweredElsewhere).await;
    call.leaves("201", 67, Cause::Normal).await;
    call.ends(67).await;
    let id = office.id("c1").await;
    let anna = office.browser("anna").await;
    let page = anna.page(&format!("/calls/{id}")).await;
    assert_eq!(text(&page, "[data-tile=wait]"), "0:07");
    assert_eq!(text(&page, "[data-tile=ring]"), "0:05");
    assert_eq!(text(&page, "[data-tile=talk]"), "1:00");
    let legs = all(&page, "table.legs tbody tr");
    assert_eq!(legs.len(), 2, "{legs:?}");
    assert!(
        legs[0].contains("Anna (201)") && legs[0].contains("talked"),
        "{legs:?}"
    );
    assert!(
        legs[1].contains("Boris (202)") && legs[1].contains("answered elsewhere"),
        "{legs:?}"
    );
    let facts = all(&page, ".facts-list li");
    assert_eq!(facts.len(), 9, "{facts:?}");
    assert!(
        facts
            .iter()
            .any(|fact| fact.ends_with("talks with c1/201 +7 495 000-00-11")),
        "{facts:?}"
    );
    // Ivan had nothing to do with it.
    let ivan = office.browser("ivan").await;
    assert_eq!(ivan.get(&format!("/calls/{id}")).await.status, 403);
    assert_eq!(
        anna.get("/calls/00000000-0000-0000-0000-000000000000")
            .await
            .status,
        404
    );
    office.close().await;
}

#[tokio::test]
async fn a_number_is_masked_until_it_is_uncovered_with_a_trace() {
    let office = Office::open().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(30)
        .answered_by("201")
        .await;
    let id = office.id("c1").await;
    let card = card_of(&office, "c1").await;
    let quinn = office.browser("quinn").await;
    for (path, object) in [
        (format!("/calls/{id}"), format!("call:{id}")),
        (format!("/cards/{card}"), format!("card:{card}")),
    ] {
        let got = quinn.get(&path).await.text;
        assert!(
            got.contains(CLIENT_MASKED) && !got.contains(CLIENT_SHOWN) && !got.contains(CLIENT),
            "{path}"
        );
        let uncovered = quinn.post(&format!("{path}/reveal"), &[]).await;
        assert!(uncovered.text.contains(CLIENT_SHOWN), "{path}");
        let (_, last) = office.audit("reveal").await.pop().unwrap();
        assert_eq!(last, object);
    }
    // A marketer never learns it, nor who it is.
    office.run("update card set name = 'Vera Client'").await;
    let mark = office.browser("mark").await;
    let got = mark.get(&format!("/calls/{id}")).await;
    assert!(got.text.contains(CLIENT_MASKED) && !got.text.contains("Vera"));
    assert_eq!(
        mark.post(&format!("/calls/{id}/reveal"), &[]).await.status,
        403
    );
    assert_eq!(office.audit("reveal").await.len(), 2);
    office.close().await;
}

#[tokio::test]
async fn notes_and_names_are_written_by_those_who_may() {
    let office = Office::open().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(30)
        .answered_by("201")
        .await;
    let card = card_of(&office, "c1").await;
    let path = format!("/cards/{card}");
    let anna = office.browser("anna").await;
    let hostile = "<script>alert(1)</script>";
    assert_eq!(
        anna.post(&format!("{path}/notes"), &[("note", hostile)])
            .await
            .status,
        303
    );
    let name = [("name", "Vera Client"), ("company", "Roga & Co")];
    assert_eq!(anna.post(&format!("{path}/name"), &name).await.status, 303);
    let got = anna.get(&path).await;
    let page = Html::parse_document(&got.text);
    assert!(text(&page, "h1").starts_with("Vera Client Roga & Co"));
    assert!(text(&page, ".timeline li.note").contains(hostile));
    assert!(!got.text.contains(hostile)); // escaped
    let boris = office.browser("boris").await;
    for form in ["notes", "name"] {
        let fields = [("note", "x"), ("name", "x"), ("company", "x")];
        assert_eq!(
            boris.post(&format!("{path}/{form}"), &fields).await.status,
            403
        );
    }
    let long = "x".repeat(5_000);
    assert_eq!(
        anna.post(&format!("{path}/notes"), &[("note", &long)])
            .await
            .status,
        422
    );
    assert_eq!(office.audit("change").await.len(), 2);
    office.close().await;
}

#[tokio::test]
async fn clients_are_found_by_name_and_by_the_end_of_the_number() {
    let office = Office::open().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(30)
        .answered_by("201")
        .await;
    office
        .call("c2", "+74950000022")
        .minutes_ago(20)
        .answered_by("203")
        .await;
    let vera = card_of(&office, "c1").await;
    for sql in [
        "update card set name = 'Вера Сергеева' where owner = 1",
        "update card set name = 'Глеб 100%' where owner = 3",
    ] {
        office.run(sql).await;
    }
    let olga = office.browser("olga").await;
    let by_number = olga.get("/cards?q=0011").await;
    assert_eq!(by_number.headers["location"], format!("/cards/{vera}"));
    for (q, expected) in [
        ("вера", 1),
        ("СЕРГЕЕВА", 1),
        ("Глеб 100%25", 1),
        ("Глеб 1%25", 0),
        ("Никто", 0),
    ] {
        let page = olga.page(&format!("/cards?q={q}")).await;
        assert_eq!(all(&page, "main table tbody tr").len(), expected, "{q}");
    }
    // Quality sees masked numbers: an ending finds nothing out, the whole number still leads there.
    let quinn = office.browser("quinn").await;
    let page = quinn.page("/cards?q=0011").await;
    assert_eq!(all(&page, "main table tbody tr").len(), 2);
    assert_eq!(all(&page, "main p.hint").len(), 1);
    let whole = quinn.get("/cards?q=8 495 000-00-11").await;
    assert_eq!(whole.headers["location"], format!("/cards/{vera}"));
    let ivan = office.browser("ivan").await;
    let page = ivan.page("/cards").await;
    let rows = all(&page, "main table tbody tr");
    assert!(rows.len() == 1 && rows[0].contains("Глеб"), "{rows:?}");
    office.close().await;
}

/// Puts a file of ten bytes into the vault as the recording of a call.
async fn recorded(office: &Office, key: &str, state: &str) -> i64 {
    let id = office.id(key).await;
    let vault = &office.gateway.gateway().site().vault;
    let name = "aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899";
    let file = vault.incoming();
    std::fs::write(file.path(), b"0123456789").unwrap();
    vault.keep(file.path(), name, 10).await.unwrap();
    let row: (i64,) = on_write!(office.gateway.db(), pool => {
        sqlx::query_as(
            "insert into recording (call, account, recording, state, reason, sha256, size, format,
                duration_ms, channels, sample_rate, peaks, measures, created_at)
             values ($1, 'office', $3, $2, case when $2 = 'refused' then 'web_page' else '' end, $4,
                10, 'mp3', 60000, 2, 8000, $5, $6, 0) returning id",
        )
        .bind(id.0)
        .bind(state)
        .bind(format!("rec-{state}"))
        .bind(name)
        .bind(vec![100u8; 2_000])
        .bind(r#"{"sides":[{"talk_share":0.25,"silence_share":0.75,"longest_silence_ms":9000},{"talk_share":0.5,"silence_share":0.5,"longest_silence_ms":4000}],"overlap_share":0.1,"nobody_share":0.35,"pauses":[]}"#)
        .fetch_one(pool)
        .await
    })
    .unwrap();
    row.0
}

#[tokio::test]
async fn a_recording_is_played_in_parts_by_those_who_may_and_each_listen_is_kept() {
    let office = Office::open().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(30)
        .answered_by("201")
        .await;
    let recording = recorded(&office, "c1", "kept").await;
    let id = office.id("c1").await;
    let anna = office.browser("anna").await;
    let page = anna.page(&format!("/calls/{id}")).await;
    assert_eq!(all(&page, "[data-player] svg.waveform path").len(), 2);
    let shares = text(&page, "dl.shares");
    assert!(
        shares.starts_with("client 25 % employee 50 % both at once 10 %"),
        "{shares}"
    );
    let url = office
        .gateway
        .url(&format!("/recordings/{recording}/audio"));
    let part = async |range: &str| {
        let request = office.gateway.client.get(&url).header("range", range);
        answer(request.header("cookie", &anna.cookie)).await
    };
    // Whatever part comes first and however it is spelt, it is a listen.
    assert_eq!(part("Bytes=,1-2").await.text, "12");
    assert_eq!(office.audit("listen").await.len(), 1);
    let first = part("bytes=0-3").await;
    assert_eq!((first.status, first.text.as_str()), (206, "0123"));
    assert_eq!(first.headers["content-range"], "bytes 0-3/10");
    assert_eq!(first.headers["content-type"], "audio/mpeg");
    let later = part("bytes=8-").await;
    assert_eq!((later.status, later.text.as_str()), (206, "89"));
    assert_eq!(part("bytes=20-").await.status, 416);
    assert_eq!(
        office.audit("listen").await,
        [(Some(office.anna.0), format!("recording:{recording}"))]
    );
    // A manager may not take it away; quality may; Boris may not even listen.
    assert_eq!(
        anna.get(&format!("/recordings/{recording}/file"))
            .await
            .status,
        403
    );
    let quinn = office.browser("quinn").await;
    let file = quinn.get(&format!("/recordings/{recording}/file")).await;
    assert!(
        file.headers["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );
    assert_eq!(office.audit("download").await.len(), 1);
    let boris = office.browser("boris").await;
    assert_eq!(
        boris
            .get(&format!("/recordings/{recording}/audio"))
            .await
            .status,
        403
    );
    office.close().await;
}

#[tokio::test]
async fn a_recording_that_cannot_be_played_says_why() {
    let office = Office::open().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(30)
        .answered_by("201")
        .await;
    let id = office.id("c1").await;
    let anna = office.browser("anna").await;
    for (state, words) in [
        ("waiting", "Waiting for the recording"),
        ("refused", "A web page came instead of audio."),
        ("no_player", "cannot be played here"),
        ("absent", "says that there is no recording"),
    ] {
        recorded(&office, "c1", state).await;
        let page = anna.page(&format!("/calls/{id}")).await;
        let said = text(&page, &format!(".recording[data-state={state}]"));
        assert!(said.contains(words), "{state}: {said}");
        assert!(all(&page, ".recording audio").is_empty());
    }
    office.close().await;
}

#[tokio::test]
async fn click_to_call_takes_no_number_from_the_page() {
    let office = Office::open().await;
    office
        .call("c1", CLIENT)
        .minutes_ago(30)
        .answered_by("201")
        .await;
    let card = card_of(&office, "c1").await;
    let anna = office.browser("anna").await;
    // This gateway has no account, so the command ends at the door of the PBX, with words.
    let refused = anna
        .post(&format!("/cards/{card}/call"), &[("phone", "0")])
        .await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("cannot place calls"));
    assert_eq!(
        office.audit("call").await,
        [(Some(office.anna.0), format!("card:{card}"))]
    );
    assert_eq!(
        anna.post(&format!("/cards/{card}/call"), &[("phone", "7")])
            .await
            .status,
        422
    );
    let boris = office.browser("boris").await;
    assert_eq!(
        boris
            .post(&format!("/cards/{card}/call"), &[("phone", "0")])
            .await
            .status,
        403
    );
    office.close().await;
}

#[tokio::test]
async fn a_click_that_nobody_takes_is_one_outgoing_call() {
    let office = Office::open_with_pbx().await;
    let told = office.call("c1", CLIENT).minutes_ago(30);
    told.answered_by("201").await;
    let card = card_of(&office, "c1").await;
    let anna = office.browser("anna").await;
    let clicked = anna
        .post(&format!("/cards/{card}/call"), &[("phone", "0")])
        .await;
    assert_eq!(clicked.status, 303);
    let (command,): (String,) = on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select key from call_key where key <> 'c1'").fetch_one(pool).await
    })
    .unwrap();
    // The PBX tells of the employee's own phone under a name of its own, and that of our command.
    let first = office.call("pbx-7", CLIENT);
    first.of_command(&command, "201").await;
    let id = office.id("pbx-7").await;
    assert_eq!(id, office.id(&command).await, "one call");
    first.leaves("201", 20, Cause::NoAnswer).await;
    let page = journal::call(office.gateway.db(), id)
        .await
        .unwrap()
        .unwrap();
    let call = page.call;
    assert_eq!(call.direction, Some(Direction::Out));
    assert_eq!(call.result, Some(CallResult::Abandoned));
    assert_eq!(
        call.client.as_ref().and_then(|client| client.e164()),
        Some(CLIENT)
    );
    assert_eq!(call.extensions(), [&Extension::from("201")]);
    assert_eq!(page.row.card, Some(card), "the client's card");
    office.close().await;
}
