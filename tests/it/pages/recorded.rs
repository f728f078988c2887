//! Rules of recording by line, the consent that a recording waits for, and the pause while a call goes on.

use ringcard::{
    model::{
        event::{ConsentSaid, Fact, RecordingSource, RecordingStage},
        ids::CallId,
    },
    on_write, store,
};
use scraper::Html;

use super::office::{Browser, CLIENT, Office, all, text};

const SOUND: &[u8] = b"0123456789";
const NAME: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

/// What the lane writes when it has fetched a recording of this call that waits for consent.
async fn withheld(office: &Office, call: CallId) -> i64 {
    let file = office.gateway.folder().join("sound");
    std::fs::write(&file, SOUND).unwrap();
    let vault = &office.gateway.gateway().site().vault;
    vault.keep(&file, NAME, SOUND.len() as u64).await.unwrap();
    let (id,): (i64,) = on_write!(office.gateway.db(), pool => {
        sqlx::query_as(
            "insert into recording (call, account, recording, state, sha256, size, format, peaks,
                 duration_ms, channels, measures, created_at, kept_at)
             values ($1, 'office', 'r1', 'withheld', $2, 10, 'mp3', $3, 60000, 1, '{}', 0, 0)
             returning id",
        )
        .bind(call.0)
        .bind(NAME)
        .bind(vec![1_u8; 1_000])
        .fetch_one(pool)
        .await
    })
    .unwrap();
    id
}

async fn says(browser: &Browser<'_>, rule: &[(&str, &str)]) -> Html {
    let set = browser.post("/lines/1/recording", rule).await;
    assert_eq!(set.status, 303);
    let place = set.headers["location"].to_str().unwrap().to_owned();
    browser.page(&place).await
}

#[tokio::test]
async fn a_rule_of_a_line_is_made_checked_and_stands_in_the_log_of_changes() {
    let office = Office::open().await;
    let adam = office.browser("adam").await;
    let page = adam.page("/lines/recording").await;
    assert!(text(&page, "fieldset.recorded[data-line='1']").contains("Nobody has made a rule"));
    let prompt = [("kept", "1"), ("notice", "prompt"), ("consent", "asked")];
    let page = says(&adam, &[&prompt[..], &[("prompt", "a,b")]].concat()).await;
    assert!(text(&page, "[data-said]").contains("Name the file"));
    let silent = [("kept", "1"), ("notice", "none"), ("consent", "announced")];
    let page = says(&adam, &silent).await;
    assert!(text(&page, "[data-said]").contains("needs a notice"));
    let named = [&prompt[..], &[("prompt", "custom/recorded")]].concat();
    let page = says(&adam, &named).await;
    assert_eq!(text(&page, "[data-said]"), "Saved.");
    let chosen = all(&page, "fieldset[data-line='1'] option[selected]");
    assert_eq!(chosen.len(), 2, "{chosen:?}");
    assert!(chosen[1].contains("by a key or to the employee"));

    let log = all(&adam.page("/changes").await, "tr[data-kind=recording]");
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains("consent=asked"), "{log:?}");
    let db = office.gateway.db();
    let rules = store::recorded::by_number(db).await.unwrap();
    assert_eq!(rules.len(), 1);
    office.close().await;
}

#[tokio::test]
async fn a_recording_waits_until_the_employee_notes_the_consent() {
    let office = Office::open().await;
    waits_for_consent(office).await;
}

#[tokio::test]
async fn a_recording_waits_for_consent_on_postgres() {
    waits_for_consent(Office::open_on_postgres().await).await;
}

async fn waits_for_consent(office: Office) {
    let adam = office.browser("adam").await;
    let asked = [("kept", "1"), ("notice", "none"), ("consent", "asked")];
    says(&adam, &asked).await;
    office.run("update line_recording set valid_from = 0").await;
    let anna = office.browser("anna").await;
    let mut rows = Vec::new();
    for key in ["c1", "c2"] {
        let call = office.call(key, CLIENT).minutes_ago(30);
        call.answered_by("201").await;
        let id = office.id(key).await;
        rows.push((id, withheld(&office, id).await));
    }
    let lines = adam.page("/lines/recording").await;
    assert!(text(&lines, "[data-withheld]").starts_with("2 "));
    let (agreed, recording) = rows[0];
    let audio = format!("/recordings/{recording}/audio");
    assert_eq!(anna.get(&audio).await.status, 422, "nobody may hear it");
    let page = anna.page(&format!("/calls/{agreed}")).await;
    assert!(text(&page, ".recording[data-state=withheld]").contains("nobody may hear it"));
    assert!(all(&page, "audio").is_empty());

    let word = format!("/calls/{agreed}/consent");
    assert_eq!(anna.post(&word, &[("said", "perhaps")]).await.status, 422);
    assert_eq!(anna.post(&word, &[("said", "given")]).await.status, 303);
    let page = anna.page(&format!("/calls/{agreed}")).await;
    assert!(text(&page, "[data-consent]").contains("has agreed"));
    assert_eq!(all(&page, ".recording[data-state=kept] audio").len(), 1);
    assert_eq!(anna.get(&audio).await.text.as_bytes(), SOUND);

    let (refused, recording) = rows[1];
    let word = format!("/calls/{refused}/consent");
    assert_eq!(anna.post(&word, &[("said", "refused")]).await.status, 303);
    let page = anna.page(&format!("/calls/{refused}")).await;
    let gone = text(&page, ".recording[data-state=absent]");
    assert!(gone.contains("did not agree"), "{gone}");
    let gone = anna.get(&format!("/recordings/{recording}/audio")).await;
    assert_eq!(gone.status, 404);
    let kept = anna.get(&audio).await;
    assert_eq!(kept.status, 200, "the other call has the same file");
    assert_eq!(office.audit("consent").await.len(), 2);
    let log = all(&adam.page("/purged").await, "tr[data-rule=consent_refused]");
    assert_eq!(log.len(), 1, "{log:?}");
    let lines = adam.page("/lines/recording").await;
    assert!(text(&lines, "[data-left]").starts_with("1 "));
    office.close().await;
}

#[tokio::test]
async fn who_talks_pauses_the_recording_and_the_page_shows_when() {
    let office = Office::open_with_pbx().await;
    let call = office.call("c1", CLIENT);
    call.rings(&["201"], 0).await;
    call.answers("201", 1).await;
    let id = office.id("c1").await;
    let anna = office.browser("anna").await;
    let path = format!("/calls/{id}/recording");
    let early = anna.post(&path, &[("act", "pause")]).await;
    assert_eq!(early.status, 422, "it is not being recorded");
    let begins = Fact::Recording {
        recording: "r1".to_owned(),
        stage: RecordingStage::Started,
        source: Some(RecordingSource::File("r1.wav".to_owned())),
    };
    call.also("201", "records", 1, begins).await;
    assert_eq!(anna.post(&path, &[("act", "pause")]).await.status, 303);
    assert_eq!(office.audit("pause").await.len(), 1);
    call.also("201", "pauses", 10, Fact::RecordingPauses).await;
    call.also("201", "resumes", 22, Fact::RecordingResumes)
        .await;
    call.also("201", "pauses again", 30, Fact::RecordingPauses)
        .await;
    let heard = Fact::Consents {
        said: ConsentSaid::Heard,
    };
    call.also("", "consents", 1, heard).await;
    let page = anna.page(&format!("/calls/{id}")).await;
    let pauses = all(&page, "ul.pauses li");
    assert_eq!(pauses.len(), 2, "{pauses:?}");
    assert!(pauses[0].contains("0:12"), "{pauses:?}");
    assert!(pauses[1].contains("to the end"), "{pauses:?}");
    assert!(text(&page, "[data-consent]").contains("heard the notice"));
    // The PBX of this story is of no known kind.
    assert!(text(&page, "[data-no-pause]").contains("cannot pause"));
    let ivan = office.browser("ivan").await;
    let foreign = ivan.post(&path, &[("act", "pause")]).await;
    assert_eq!(foreign.status, 403);
    office.close().await;
}
