//! Recordings for programs: what is known, and the sound in parts.

use reqwest::Method;
use ringcard::on_write;
use sha2::{Digest, Sha256};

use super::client::{ALL, Api};
use crate::pages::office::{CLIENT, Office};

const SOUND: &[u8] = b"0123456789";

/// A kept recording of the call `c1`; gives its row.
async fn kept(office: &Office) -> i64 {
    office
        .call("c1", CLIENT)
        .minutes_ago(60)
        .answered_by("201")
        .await;
    let call = office.id("c1").await;
    let name = hex::encode(Sha256::digest(SOUND));
    let file = office.gateway.folder().join("sound");
    std::fs::write(&file, SOUND).unwrap();
    let vault = &office.gateway.gateway().site().vault;
    vault.keep(&file, &name, SOUND.len() as u64).await.unwrap();
    let (id,): (i64,) = on_write!(office.gateway.db(), pool => {
        sqlx::query_as(
            "insert into recording (call, account, recording, state, sha256, size, format, created_at)
             values ($1, 'office', 'r1', 'kept', $2, 10, 'mp3', 0) returning id",
        )
        .bind(call.0)
        .bind(&name)
        .fetch_one(pool)
        .await
    })
    .unwrap();
    id
}

#[tokio::test]
async fn a_recording_is_fetched_whole_and_in_parts_and_heard_in_the_audit() {
    let office = Office::open().await;
    let id = kept(&office).await;
    let olga = Api::of(&office, "olga", &ALL).await;
    let call = office.id("c1").await;
    let list = olga.read(&format!("/calls/{call}/recordings")).await;
    assert_eq!(list["items"][0]["id"], id);
    let known = olga.read(&format!("/recordings/{id}")).await;
    assert_eq!(
        (&known["state"], &known["size"]),
        (&"kept".into(), &10.into())
    );
    let audio = format!("/recordings/{id}/audio");
    let whole = olga.get(&audio).await;
    assert_eq!((whole.status, whole.bytes.as_slice()), (200, SOUND));
    let part = [("range", "bytes=2-4")];
    let part = olga.ask(Method::GET, &audio, &part, None).await;
    assert_eq!((part.status, part.bytes.as_slice()), (206, &b"234"[..]));
    assert_eq!(part.headers["content-range"], "bytes 2-4/10");
    let beyond = [("range", "bytes=20-")];
    let beyond = olga.ask(Method::GET, &audio, &beyond, None).await;
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.headers["content-range"], "bytes */10");
    assert_eq!(office.audit("listen").await.len(), 1, "one listen in parts");
    let file = olga.get(&format!("/recordings/{id}/file")).await;
    assert_eq!(file.bytes, SOUND);
    assert_eq!(office.audit("download").await.len(), 1);

    let anna = Api::of(&office, "anna", &ALL).await;
    assert_eq!(anna.get(&audio).await.status, 200, "her own call");
    assert_eq!(
        anna.get(&format!("/recordings/{id}/file")).await.status,
        403
    );
    let ivan = Api::of(&office, "ivan", &ALL).await;
    assert_eq!(ivan.get(&audio).await.status, 403);
    assert_eq!(olga.get("/recordings/999/audio").await.status, 404);
    office.close().await;
}
