//! A backup taken under load and brought back elsewhere, with the real binary.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ringcard::{
    flow, on_read, on_write,
    simulator::{
        connection::Connection,
        dice::Dice,
        mango::Mango,
        message::Post,
        office::{Account, Draw, Told},
        story::{Plot, Tempo, World},
    },
    store::Db,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{task::JoinSet, time::Instant};

use super::place::{Folder, Place};
use crate::support::{gateway::TestGateway, scripted::eventually};

const EVENTS_PER_SECOND: f64 = 500.0;
/// Senders at once: each waits for its commit.
const SENDERS: usize = 8;

/// What the simulator tells of so many calls.
pub fn messages(calls: u64) -> Vec<Post> {
    let account = Mango {
        account: "cloud".to_owned(),
        key: "a-key".to_owned(),
        salt: "a-salt".to_owned(),
        run: 1,
    };
    let draw = Draw {
        accounts: vec![Account::Mango(account)],
        world: World::company(6, 40),
        plots: Plot::ALL.to_vec(),
        calls,
        from: flow::now().plus_millis(-3_600_000),
        pause_ms: 500,
        tempo: Tempo::NATURAL,
        records: false,
        star: None,
    };
    let calls = draw.calls(&mut Dice::new(11));
    let mut sent: Vec<_> = calls.into_iter().flat_map(|call| call.told).collect();
    sent.sort_by_key(|sent| sent.at);
    let posts = sent.into_iter().filter_map(|sent| match sent.what {
        Told::Post(post) => Some(post),
        Told::Said(_) => None,
    });
    posts.collect()
}

/// Posts everything over several connections, `pause` between two messages; each must be taken.
pub async fn post(
    gateway: &TestGateway,
    posts: Vec<Post>,
    pause: Duration,
    told: &Arc<AtomicUsize>,
) {
    let (address, began) = (gateway.gateway().address(), Instant::now());
    let posts = Arc::new(posts);
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let (posts, told) = (Arc::clone(&posts), Arc::clone(told));
        senders.spawn(async move {
            let mut connection = Connection::open(address).await.unwrap();
            for (n, post) in posts.iter().enumerate().skip(sender).step_by(SENDERS) {
                tokio::time::sleep_until(began + pause * n as u32).await;
                let status = connection
                    .exchange(&post.bytes("/hooks/cloud", "gateway"))
                    .await;
                assert_eq!(status.unwrap(), 200);
                told.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended.unwrap();
    }
}

/// Three kept recordings of calls that are there.
async fn keep_recordings(place: &Place, db: &Db) -> Vec<String> {
    let mut names = Vec::new();
    for n in 0..3_u8 {
        let sound = vec![n; 10_000];
        let name = hex::encode(Sha256::digest(&sound));
        let file = place
            .recordings()
            .join(&name[..2])
            .join(&name[2..4])
            .join(&name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, &sound).unwrap();
        on_write!(db, pool => {
            sqlx::query(
                "insert into recording (call, account, recording, state, sha256, size, created_at) \
                 select id, account, $1, 'kept', $2, 10000, 1 from call order by id limit 1",
            )
            .bind(format!("recording-{n}"))
            .bind(&name)
            .execute(pool)
            .await
            .unwrap();
        });
        names.push(name);
    }
    names.sort();
    names
}

/// Everything that is derived from messages, without the ids of rows.
async fn derived(db: &Db) -> BTreeMap<&'static str, Vec<String>> {
    let mut derived = BTreeMap::new();
    for (what, sql) in [
        (
            "calls",
            "select call_key || '|' || coalesce(direction, '') || '|' || coalesce(result, '') || '|' \
             || coalesce(client, '') || '|' || coalesce(did, '') || '|' || started_at || '|' \
             || coalesce(answered_at, 0) || '|' || coalesce(ended_at, 0) || '|' \
             || coalesce(talk_ms, 0) || '|' || coalesce(wait_ms, 0) from call",
        ),
        (
            "figures",
            "select quarter || '|' || direction || '|' || sum(calls) || '|' || sum(answered) || '|' \
             || sum(missed) || '|' || sum(talk_ms) || '|' || sum(wait_ms) from rollup \
             group by quarter, direction having sum(calls) > 0",
        ),
        (
            "clients",
            "select day || '|' || client || '|' || calls from rollup_client where calls > 0",
        ),
        (
            "cards",
            "select e164 || '|' || ext || '|' || kind from card_phone",
        ),
    ] {
        let rows: Vec<(String,)> =
            on_read!(db, pool => sqlx::query_as(sql).fetch_all(pool).await.unwrap());
        let mut rows: Vec<String> = rows.into_iter().map(|(row,)| row).collect();
        rows.sort();
        derived.insert(what, rows);
    }
    derived
}

/// The journal up to a row: number and content of each.
async fn journal(db: &Db, to: i64) -> Vec<(i64, String)> {
    let rows: Vec<(i64, Vec<u8>)> = on_read!(db, pool => {
        sqlx::query_as("select id, body from raw where id <= $1 order by id")
            .bind(to)
            .fetch_all(pool)
            .await
            .unwrap()
    });
    rows.into_iter()
        .map(|(id, body)| (id, String::from_utf8(body).unwrap()))
        .collect()
}

/// Told to an empty gateway, the messages of a journal make what stands beside that journal.
async fn told_again(
    folder: &Path,
    journal: &[(i64, String)],
) -> BTreeMap<&'static str, Vec<String>> {
    let place = Place::sqlite(folder);
    let gateway = place.gateway().await;
    let posts = journal.iter().map(|(_, kept)| {
        let kept: Value = serde_json::from_str(kept).unwrap();
        Post {
            method: "POST",
            target: kept["path"].as_str().unwrap().to_owned(),
            body: kept["body"].as_str().unwrap().to_owned(),
            signature: None,
        }
    });
    let told = Arc::new(AtomicUsize::new(0));
    post(&gateway, posts.collect(), Duration::ZERO, &told).await;
    let derived = derived(gateway.db()).await;
    gateway.stop().await;
    derived
}

async fn a_backup_under_load(here: Place, there: Place, folder: &Path) {
    let gateway = here.gateway().await;
    let posts = messages(600);
    let all = posts.len();
    let told = Arc::new(AtomicUsize::new(0));
    let pause = Duration::from_secs_f64(1.0 / EVENTS_PER_SECOND);
    let backups = folder.join("backups");
    let to = backups.display().to_string();
    let began = Instant::now();
    let watch = async {
        eventually("a third has been told", async || {
            told.load(Ordering::SeqCst) > all / 3
        })
        .await;
        let names = keep_recordings(&here, gateway.db()).await;
        let before = told.load(Ordering::SeqCst);
        let made = here.tell(&["backup", &to]).await;
        (names, before, told.load(Ordering::SeqCst), made)
    };
    let ((), (names, before, after, made)) =
        tokio::join!(post(&gateway, posts, pause, &told), watch);
    let rate = all as f64 / began.elapsed().as_secs_f64();
    println!("{all} events at {rate:.0}/s; the backup went from {before} to {after}");
    // The pace is told, not asked for: how much of it is taken is the machine's. What matters is that
    // messages were taken before, while and after the backup was made.
    assert!(
        before < after && after < all,
        "the backup went from {before} to {after} of {all}"
    );
    assert_eq!(
        (&made["recordings"], &made["recordings_missing"]),
        (&3.into(), &0.into())
    );

    let told = there.tell(&["restore", "--verify", &to]).await;
    assert_eq!(told["restored"], false);
    there.tell(&["restore", &to]).await;
    let restored = there.open().await;

    // What was acknowledged before the backup began is in it, and the journal is that of the source.
    let kept = journal(&restored, i64::MAX).await;
    assert!(
        (before..all).contains(&kept.len()),
        "{} messages",
        kept.len()
    );
    let last = kept.last().unwrap().0;
    assert_eq!(journal(gateway.db(), last).await, kept);
    // Calls, figures and cards are those of exactly these messages.
    assert_eq!(
        derived(&restored).await,
        told_again(&folder.join("again"), &kept).await
    );
    assert!(made["calls"].as_u64().unwrap() > 100);
    // Recordings are what their names say.
    for name in &names {
        let file = there
            .recordings()
            .join(&name[..2])
            .join(&name[2..4])
            .join(name);
        assert_eq!(hex::encode(Sha256::digest(fs::read(file).unwrap())), *name);
    }

    // A gateway goes on with it.
    restored.close().await;
    let second = there.gateway().await;
    let more = messages(605).split_off(all);
    post(&second, more, Duration::ZERO, &Arc::default()).await;
    let calls = derived(second.db()).await["calls"].len() as u64;
    assert!(calls > made["calls"].as_u64().unwrap());
    second.stop().await;

    let complaint = there.refuse(&["restore", &to]).await;
    assert!(complaint.contains("is not empty"), "{complaint}");
    thinned_out(&here, gateway.db(), &backups).await;
    damage_is_found(&there, &backups).await;
    gateway.stop().await;
}

/// A later backup takes only new recordings; older ones and what only they had go.
async fn thinned_out(here: &Place, db: &Db, backups: &Path) {
    let to = backups.display().to_string();
    on_write!(db, pool => {
        let sql = "delete from recording where recording = 'recording-0'";
        sqlx::query(sql).execute(pool).await.unwrap();
    });
    let made = here.tell(&["backup", &to, "--keep", "1"]).await;
    assert_eq!(
        (&made["new_recordings"], &made["recordings"]),
        (&0.into(), &2.into())
    );
    assert_eq!(made["removed"].as_array().unwrap().len(), 1);
    let name = hex::encode(Sha256::digest(vec![0; 10_000]));
    let gone = backups
        .join("recordings")
        .join(&name[..2])
        .join(&name[2..4]);
    assert!(!gone.join(&name).exists());
    here.tell(&["restore", "--verify", &to]).await;
}

/// A changed byte, a lost recording and a cut list are all told.
async fn damage_is_found(there: &Place, backups: &Path) {
    let to = backups.display().to_string();
    let backup = fs::read_dir(backups)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("manifest.json").exists())
        .unwrap();
    let name = hex::encode(Sha256::digest(vec![1; 10_000]));
    let sound = backups
        .join("recordings")
        .join(&name[..2])
        .join(&name[2..4])
        .join(&name);
    for file in [
        fs::read_dir(backup.join("database"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path(),
        backup.join("recordings.sha256"),
        sound,
    ] {
        let whole = fs::read(&file).unwrap();
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        fs::write(&file, damaged).unwrap();
        let complaint = there.refuse(&["restore", "--verify", &to]).await;
        let told = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(complaint.contains(&told), "{told}: {complaint}");
        fs::write(&file, whole).unwrap();
    }
    there.tell(&["restore", "--verify", &to]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_on_sqlite() {
    let folder = Folder::new();
    let here = Place::sqlite(&folder.0.join("here"));
    let there = Place::sqlite(&folder.0.join("there"));
    a_backup_under_load(here, there, &folder.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_on_postgres() {
    let folder = Folder::new();
    let here = Place::postgres(&folder.0.join("here")).await;
    let there = Place::postgres(&folder.0.join("there")).await;
    a_backup_under_load(here, there, &folder.0).await;
}

#[tokio::test]
async fn the_configuration_goes_along_and_secrets_only_if_wanted() {
    let folder = Folder::new();
    let place = Place::sqlite(&folder.0);
    fs::write(folder.0.join("token"), "hush-hush").unwrap();
    fs::write(
        folder.0.join("ringcard.toml"),
        "[ops]\ntoken = 'file:token'\n",
    )
    .unwrap();
    assert!(
        place
            .refuse(&["backup", "backups"])
            .await
            .contains("there is no database")
    );
    // An account that a page has set up.
    let accounts = folder.0.join("accounts.d");
    fs::create_dir(&accounts).unwrap();
    fs::write(accounts.join("cloud.token"), "larch-token_0123456789").unwrap();
    fs::write(
        accounts.join("cloud.toml"),
        "[[pbx]]\nname = 'cloud'\ntype = 'sipuni'\ntoken = 'file:accounts.d/cloud.token'\n",
    )
    .unwrap();
    place.run(&["migrate"]).await;
    let plain = place.tell(&["backup", "backups"]).await;
    let backup = folder.0.join(plain["backup"].as_str().unwrap());
    let config = fs::read_to_string(backup.join("ringcard.toml")).unwrap();
    assert!(config.contains("file:token"));
    let account = fs::read_to_string(backup.join("accounts.d/cloud.toml")).unwrap();
    assert!(account.contains("cloud.token"));
    assert!(!backup.join("accounts.d/cloud.token").exists());
    assert!(!backup.join("secrets").exists());
    let whole = place.tell(&["backup", "backups", "--with-secrets"]).await;
    let backup = folder.0.join(whole["backup"].as_str().unwrap());
    assert_eq!(
        fs::read_to_string(backup.join("secrets/token")).unwrap(),
        "hush-hush"
    );
    assert_eq!(
        fs::read_to_string(backup.join("secrets/accounts.d__cloud.token")).unwrap(),
        "larch-token_0123456789"
    );
    place.tell(&["restore", "--verify", "backups"]).await;
}
