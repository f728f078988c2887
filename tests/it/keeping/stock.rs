//! The stock of recordings: compared with the database, mended, and brought under another key.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use ringcard::{on_read, on_write, store::Db};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::place::{Folder, Place};

const DAY: Duration = Duration::from_secs(86_400);

fn name_of(sound: &[u8]) -> String {
    hex::encode(Sha256::digest(sound))
}

fn file_of(place: &Place, name: &str) -> PathBuf {
    place
        .recordings()
        .join(&name[..2])
        .join(&name[2..4])
        .join(name)
}

/// Puts a file where a recording of this name lies, as if a day ago.
fn put(place: &Place, name: &str, bytes: &[u8]) {
    write_old(&file_of(place, name), bytes);
}

fn write_old(file: &PathBuf, bytes: &[u8]) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_modified(SystemTime::now() - DAY).unwrap();
}

/// A call with recordings of these names; the second can be fetched again.
async fn call_with(db: &Db, names: &[&str]) {
    let call = uuid::Uuid::now_v7();
    on_write!(db, pool => {
        sqlx::query(
            "insert into call (id, account, call_key, version, phase, started_at, heard_at, derived, \
             recording) values ($1, 'cloud', 'k', 1, 'ended', 1, 1, '{}', 'kept')",
        )
        .bind(call)
        .execute(pool)
        .await
        .unwrap();
        for (n, name) in names.iter().enumerate() {
            sqlx::query(
                "insert into recording (call, account, recording, source, state, sha256, size, \
                 created_at) values ($1, 'cloud', $2, $3, 'kept', $4, 1, 1)",
            )
            .bind(call)
            .bind(format!("r{n}"))
            .bind((n == 1).then_some("{\"link\":\"https://records.invalid/r1\"}"))
            .bind(name)
            .execute(pool)
            .await
            .unwrap();
        }
    });
}

async fn states(db: &Db) -> Vec<(String, String, Option<String>)> {
    on_read!(db, pool => {
        sqlx::query_as("select state, reason, sha256 from recording order by recording")
            .fetch_all(pool)
            .await
            .unwrap()
    })
}

async fn jobs(db: &Db) -> i64 {
    let (jobs,): (i64,) = on_read!(db, pool => {
        sqlx::query_as("select count(*) from outbox where state = 'waiting'")
            .fetch_one(pool)
            .await
            .unwrap()
    });
    jobs
}

/// Runs what finds problems, and reads the line it prints all the same.
async fn found(place: &Place, arguments: &[&str]) -> Value {
    let output = place.run(arguments).await;
    assert_eq!(output.status.code(), Some(1));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn what_does_not_fit_is_found_and_mended(place: Place) {
    place.run(&["migrate"]).await;
    let db = place.open().await;
    let [sound, changed, lost, orphan] =
        [b"sound".as_slice(), b"will change", b"lost", b"orphan"].map(name_of);
    call_with(&db, &[&sound, &changed, &lost]).await;
    put(&place, &sound, b"sound");
    put(&place, &changed, b"has changed");
    put(&place, &orphan, b"orphan");
    let left = place.recordings().join(".incoming/left");
    let staged = file_of(&place, &sound).with_file_name(format!("{sound}#1"));
    write_old(&left, b"half");
    write_old(&staged, b"half");
    // Just come in, and its row is not written yet.
    let young = name_of(b"young");
    put(&place, &young, b"young");
    let file = fs::File::options()
        .write(true)
        .open(file_of(&place, &young));
    file.unwrap().set_modified(SystemTime::now()).unwrap();

    let told = found(&place, &["recordings", "fsck"]).await;
    assert_eq!(told["files"], 4);
    assert_eq!(told["without_row"], serde_json::json!([orphan]));
    assert_eq!(told["without_file"], serde_json::json!([lost]));
    assert_eq!(told["changed"], serde_json::json!([changed]));
    // What is left of fetching goes at every start, too.
    assert_eq!(told["left_over"], serde_json::json!([staged]));
    assert!(!left.exists());
    assert!(
        file_of(&place, &orphan).exists() && staged.exists(),
        "only looked at"
    );

    let mended = place.tell(&["recordings", "fsck", "--repair"]).await;
    let repaired = serde_json::json!(
        {"fetched_again": 1, "lost": 1, "removed": 2, "set_aside": 1}
    );
    assert_eq!(mended["repaired"], repaired);
    assert!(!file_of(&place, &orphan).exists() && !staged.exists());
    let aside = place.recordings().join(".damaged").join(&changed);
    assert_eq!(fs::read(aside).unwrap(), b"has changed");
    let state = |state: &str, reason: &str, name: Option<&String>| {
        (state.to_owned(), reason.to_owned(), name.cloned())
    };
    assert_eq!(
        states(&db).await,
        [
            state("kept", "", Some(&sound)),
            state("waiting", "changed", None),
            state("failed", "gone", None),
        ]
    );
    assert_eq!(jobs(&db).await, 1);
    let clean = place.tell(&["recordings", "fsck"]).await;
    assert_eq!(clean["files"], 2);
    db.close().await;
}

#[tokio::test]
async fn what_does_not_fit_is_found_on_sqlite() {
    let folder = Folder::new();
    what_does_not_fit_is_found_and_mended(Place::sqlite(&folder.0)).await;
}

#[tokio::test]
async fn what_does_not_fit_is_found_on_postgres() {
    let folder = Folder::new();
    what_does_not_fit_is_found_and_mended(Place::postgres(&folder.0).await).await;
}

#[tokio::test]
async fn recordings_come_under_a_new_key_and_out_again() {
    let folder = Folder::new();
    let place = Place::sqlite(&folder.0);
    place.run(&["migrate"]).await;
    let db = place.open().await;
    let sound: Vec<u8> = (0..200_000_u32).map(|at| (at % 241) as u8).collect();
    let name = name_of(&sound);
    call_with(&db, &[&name]).await;
    put(&place, &name, &sound);
    let on_disk = || fs::read(file_of(&place, &name)).unwrap();
    for file in ["first", "second"] {
        let output = place.run(&["recordings", "new-key"]).await;
        fs::write(folder.0.join(file), output.stdout).unwrap();
    }
    let config = |current: &str, former: &str| {
        let text = format!(
            "[recordings]\nencryption_secret = '{current}'\nformer_encryption_secrets = [{former}]\n"
        );
        fs::write(folder.0.join("ringcard.toml"), text).unwrap();
    };

    config("file:first", "");
    let told = place.tell(&["recordings", "rekey"]).await;
    assert_eq!((&told["files"], &told["rewritten"]), (&1.into(), &1.into()));
    let first = on_disk();
    assert!(memchr::memmem::find(&first, &sound[1_000..1_016]).is_none());
    place.tell(&["recordings", "fsck"]).await;
    let earlier = place.tell(&["backup", "backups"]).await;
    assert_eq!(earlier["new_recordings"], 1);

    // The second key alone opens nothing, and damages nothing.
    config("file:second", "");
    let told = found(&place, &["recordings", "rekey"]).await;
    assert_eq!(told["left"][0][0], name);
    let told = found(&place, &["recordings", "fsck", "--repair"]).await;
    assert_eq!(told["locked"], serde_json::json!([name]));
    assert_eq!(on_disk(), first);

    config("file:second", "'file:first'");
    place.tell(&["recordings", "rekey"]).await;
    config("file:second", "");
    place.tell(&["recordings", "fsck"]).await;
    assert_ne!(on_disk(), first);
    // A backup notices that it lies differently now.
    let later = place.tell(&["backup", "backups"]).await;
    assert_eq!(later["new_recordings"], 1);
    for backup in [&earlier, &later] {
        let backup = backup["backup"].as_str().unwrap();
        place.tell(&["restore", "--verify", backup]).await;
    }
    assert_eq!(
        place.tell(&["backup", "backups"]).await["new_recordings"],
        0
    );

    config("", "'file:second'");
    place.tell(&["recordings", "rekey"]).await;
    assert_eq!(on_disk(), sound);
    db.close().await;
}
