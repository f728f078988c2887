//! Clouds that misbehave: everything ends in a state that people see, and no file and no call is lost.

use ringcard::{
    model::recording::RecordingState,
    on_read,
    simulator::{
        dice::Dice,
        story::{Plot, Story, Tempo, World},
    },
};

use super::{
    alike::past_calls_come, anna_clicks, calls, first_reading, host::Fault, hurry_recordings,
    mango, office, read_now, recordings, sipuni, uis,
};
use crate::{
    pages::office::{Office, attribute, text},
    support::scripted::eventually,
};

/// Meets these faults one after the other, each seen when its attempt is over, and keeps the file in the
/// end.
pub(super) async fn kept_in_the_end(office: &Office, faults: usize, is_well: impl Fn() -> bool) {
    let mut seen = Vec::new();
    for fault in 1..=faults {
        eventually("the fault is seen", async || {
            let told = recordings(office).await;
            attempts_over(office).await >= fault
                && matches!(told.as_slice(), [(RecordingState::Waiting, why)] if !why.is_empty())
        })
        .await;
        seen.extend(recordings(office).await);
        hurry_recordings(office).await;
    }
    eventually("the file is kept", async || {
        hurry_recordings(office).await;
        matches!(
            recordings(office).await.as_slice(),
            [(RecordingState::Kept, _)]
        )
    })
    .await;
    assert!(is_well(), "faults that nobody met; seen: {seen:?}");
}

/// How many attempts to fetch the recording are over.
async fn attempts_over(office: &Office) -> usize {
    let jobs: Vec<(i64,)> = on_read!(office.gateway.db(), pool => {
        sqlx::query_as(
            "select case when claimed_until is null then attempts else attempts - 1 end from outbox
             where kind = 'recording' and state = 'waiting'",
        )
        .fetch_all(pool)
        .await
        .unwrap()
    });
    match jobs.as_slice() {
        [(attempts,)] => *attempts as usize,
        _ => 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_recording_of_mango_is_lost_whatever_it_answers() {
    let cloud = mango::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/office"));
    // 420: not ready, or a request it does not like; 401: blocked for two minutes after such a one.
    cloud
        .host
        .fail("recording", &[Fault::Status(420), Fault::Status(401)]);
    cloud.host.fail("link", &[Fault::Mute]); // expired on the way
    cloud.host.fail("file", &[Fault::Page]);
    assert_eq!(anna_clicks(&office, "office").await, 303);
    kept_in_the_end(&office, 4, || cloud.host.is_well()).await;
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_recording_of_sipuni_is_lost_whatever_it_answers() {
    let cloud = sipuni::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/lossy"));
    let faults = [
        Fault::Status(503),
        Fault::TooMany,
        Fault::Half,
        Fault::Slow(2_500),
    ];
    cloud.host.fail("link", &faults);
    assert_eq!(anna_clicks(&office, "lossy").await, 303);
    kept_in_the_end(&office, 4, || cloud.host.is_well()).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_recording_of_uis_is_lost_whatever_it_answers() {
    let cloud = uis::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/uis"));
    let faults = [
        Fault::Status(410), // the link has expired, or is not there yet
        Fault::Page,
        Fault::Half,
        Fault::TooMany,
    ];
    cloud.host.fail("file", &faults);
    assert_eq!(anna_clicks(&office, "uis").await, 303);
    kept_in_the_end(&office, 4, || cloud.host.is_well()).await;
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

/// A call of half an hour ago.
pub(super) fn past_call(number: u64) -> Story {
    let world = World::company(6, 20);
    let start = ringcard::flow::now().plus_millis(-1_800_000 - 1_000 * number as i64);
    let mut dice = Dice::new(number);
    let mut story = Story::draw(
        &mut dice,
        &world,
        Plot::Answered,
        number,
        start,
        Tempo::DEMO,
    );
    story.recorded = false;
    story
}

/// Reading fails, says so on the page, and brings everything once the cloud is well again.
pub(super) async fn fails_and_comes_right(
    office: &Office,
    account: &'static str,
    fault: Fault,
    found: u64,
) {
    let standing = read_now(office, account).await;
    assert!(standing.failing_since.is_some(), "{fault:?}: {standing:?}");
    assert!(!standing.why.is_empty());
    let adam = office.browser("adam").await;
    let page = adam.page("/accounts").await;
    let own = format!("tr[data-account={account}]");
    assert!(
        text(&page, &format!("{own} .badge.bad")).contains('✕'),
        "{fault:?}"
    );
    let standing = read_now(office, account).await;
    assert_eq!(
        (standing.failing_since, standing.brought.found),
        (None, found),
        "{fault:?}"
    );
    let page = adam.page("/accounts").await;
    let shown = attribute(&page, &format!("{own} [data-found]"), "data-found");
    assert_eq!(shown, found.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_calls_of_mango_come_whatever_went_wrong_before() {
    let cloud = mango::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    first_reading(&office, "office").await;
    let faults = [
        ("order", Fault::Status(420)),
        ("order", Fault::TooMany),
        ("order", Fault::Half),
        ("result", Fault::Status(500)),
        ("result", Fault::Page),
        ("result", Fault::Slow(2_500)),
    ];
    let remember = |story: &Story| cloud.remember(story);
    past_calls_come((&office, "office"), &cloud.host, &faults, remember).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_mango_that_comes_again_is_not_taken_for_the_end() {
    let cloud = mango::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    first_reading(&office, "office").await;
    for number in 0..510 {
        cloud.remember(&past_call(number));
    }
    cloud.host.fail("order", &[Fault::Slow(0), Fault::Mute]); // the second order gives the first page
    fails_and_comes_right(&office, "office", Fault::Mute, 510).await;
    assert_eq!(calls(&office).await.len(), 510);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_calls_of_sipuni_come_whatever_went_wrong_before() {
    let cloud = sipuni::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    first_reading(&office, "lossy").await;
    let faults = [
        Fault::Status(502),
        Fault::TooMany,
        Fault::Page,
        Fault::Half,
        Fault::Slow(2_500),
    ];
    let faults = faults.map(|fault| ("export", fault));
    let remember = |story: &Story| cloud.remember(story);
    past_calls_come((&office, "lossy"), &cloud.host, &faults, remember).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_calls_of_uis_come_whatever_went_wrong_before() {
    let cloud = uis::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    first_reading(&office, "uis").await;
    let faults = [
        ("report", Fault::Status(502)),
        ("report", Fault::TooMany),
        ("report", Fault::Page),
        ("report", Fault::Half),
        ("report", Fault::Shape),
        ("employees", Fault::Status(500)),
        ("report", Fault::Slow(2_500)),
    ];
    let remember = |story: &Story| cloud.remember(story);
    past_calls_come((&office, "uis"), &cloud.host, &faults, remember).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_uis_that_comes_again_is_not_taken_for_the_end() {
    let cloud = uis::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    first_reading(&office, "uis").await;
    for number in 0..1_005 {
        cloud.remember(&past_call(number));
    }
    cloud.host.fail("report", &[Fault::Slow(0), Fault::Mute]); // the second page is the first again
    fails_and_comes_right(&office, "uis", Fault::Mute, 1_005).await;
    assert_eq!(calls(&office).await.len(), 1_005);
    office.close().await;
}

/// The report knows where visitors came from, some minutes after the call was told whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_visitors_came_from_is_read_with_past_calls_of_uis() {
    let cloud = uis::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/uis"));
    first_reading(&office, "uis").await;
    let story = past_call(1);
    for sent in cloud.product().tell(&story) {
        cloud.deliver(&sent.what).await;
    }
    let visit = serde_json::json!({"utm_source": "larch-ads", "ym_client_id": 16_900});
    cloud.remember_with(&story, &visit);
    let standing = read_now(&office, "uis").await;
    assert_eq!(standing.failing_since, None, "{}", standing.why);
    assert_eq!((standing.brought.found, standing.brought.repaired), (0, 0));
    let calls = calls(&office).await;
    let [(_, call)] = calls.as_slice() else {
        panic!("{calls:#?}");
    };
    let wanted = [("utm_source", "larch-ads"), ("yandex_client_id", "16900")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(call.tracking, wanted);
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_calls_can_be_read_from_the_command_line() {
    let cloud = mango::Cloud::start().await;
    (0..3).for_each(|number| cloud.remember(&past_call(number)));
    let folder = machine(&cloud);
    let run = async |account| command(&folder, &["reconcile", account]).await;
    for found in [3, 0] {
        let output = run("office").await;
        let said: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(
            (&said["brought"]["found"], &said["brought"]["read"]),
            (&found.into(), &3.into())
        );
    }
    cloud.host.fail("order", &[Fault::Status(503)]);
    for account in ["office", "nobody"] {
        assert!(!run(account).await.status.success(), "{account}");
    }
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    std::fs::remove_dir_all(folder).unwrap();
}

/// A folder with the configuration of an account there.
fn machine(cloud: &mango::Cloud) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("ringcard-cloud-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = referring(&cloud.settings(), (mango::KEY, mango::SALT));
    std::fs::write(folder.join("ringcard.toml"), config).unwrap();
    folder
}

/// The configuration with references for its two secrets.
fn referring(settings: &str, (key, salt): (&str, &str)) -> String {
    let quoted = |text: &str| format!("\"{text}\"");
    settings
        .replace(&quoted(key), "\"env:CLOUD_KEY\"")
        .replace(&quoted(salt), "\"env:CLOUD_SALT\"")
}

async fn command(folder: &std::path::Path, words: &[&str]) -> std::process::Output {
    command_of(folder, words, (mango::KEY, mango::SALT)).await
}

pub(super) async fn command_of(
    folder: &std::path::Path,
    words: &[&str],
    (key, salt): (&'static str, &'static str),
) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringcard"));
    command.args(words).current_dir(folder);
    command.envs([("CLOUD_KEY", key), ("CLOUD_SALT", salt)]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    output.await.unwrap()
}

/// What is printed can be brought in as it is, and then there is nothing more to bring in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn employees_of_mango_become_people_without_typing() {
    let cloud = mango::Cloud::start().await;
    let folder = machine(&cloud);
    let listed = command(&folder, &["employees", "office"]).await;
    let text = String::from_utf8(listed.stdout).unwrap();
    let read: toml::Table = text.parse().unwrap();
    let people = read["person"].as_array().unwrap();
    let names: Vec<&str> = people
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["Anna \"Larch\" Larina", "Boris Orlov"]);
    std::fs::write(folder.join("people.toml"), &text).unwrap();
    let taken = command(&folder, &["import", "office", "people.toml"]).await;
    assert!(taken.status.success(), "{taken:?}");
    let again = command(&folder, &["employees", "office"]).await;
    let text = String::from_utf8(again.stdout).unwrap();
    assert!(text.starts_with("# 0 of 2 employees"), "{text}");
    assert!(!text.contains("[[person]]"), "{text}");
    cloud.host.fail("users", &[Fault::Half]);
    assert!(
        !command(&folder, &["employees", "office"])
            .await
            .status
            .success()
    );
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn employees_of_uis_are_listed_by_their_extensions() {
    let cloud = uis::Cloud::start().await;
    let folder = std::env::temp_dir().join(format!("ringcard-uis-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    let secrets = (uis::TOKEN, uis::ACCESS);
    let config = referring(&cloud.settings(), secrets);
    std::fs::write(folder.join("ringcard.toml"), config).unwrap();
    let listed = command_of(&folder, &["employees", "uis"], secrets).await;
    let text = String::from_utf8(listed.stdout).unwrap();
    let read: toml::Table = text.parse().unwrap();
    let people = read["person"].as_array().unwrap();
    let names = people.iter().filter_map(|one| one["name"].as_str());
    let wanted = [
        "Anna Larina",
        "Boris Orlov",
        "Vera",
        "Gleb",
        "Daria",
        "Egor",
    ];
    assert_eq!(names.collect::<Vec<_>>(), wanted);
    assert!(text.contains("\"206\""), "{text}");
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    std::fs::remove_dir_all(folder).unwrap();
}
