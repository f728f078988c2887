//! The configuration is read anew while the gateway runs: what is taken over, what waits, and that a
//! wrong file changes nothing.

use std::{path::PathBuf, sync::Arc};

use ringcard::{
    app::{Source, settings::Settings},
    config,
    flow::dial::Link,
    pbx::Intake,
    simulator::ami_server::AmiServer,
    store::changes::{self, By},
    telemetry,
};

use crate::{
    pages::office::{Office, all, text},
    support::{gateway::TestGateway, process::Process, scripted::eventually},
};

const SECRET: &str = "alder-secret";
const TOKEN: &str = "Birch-token_0123456789";

/// A file, and the environment its secrets come from.
struct File(PathBuf);

impl File {
    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).expect("the folder can be written");
    }

    fn source(&self) -> Source {
        let path = self.0.clone();
        Arc::new(move || {
            let env = [("AMI_SECRET", SECRET), ("HOOK_TOKEN", TOKEN)];
            let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
            config::load::<Settings>(Some(&path), env)
        })
    }
}

fn asterisk(address: impl std::fmt::Display) -> String {
    format!(
        "[[pbx]]\nname = 'office'\ntype = 'asterisk'\naddress = '{address}'\nuser = 'ringcard'\n\
         secret = 'env:AMI_SECRET'\n"
    )
}

fn sipuni(name: &str) -> String {
    format!("[[pbx]]\nname = '{name}'\ntype = 'sipuni'\ntoken = 'env:HOOK_TOKEN'\n")
}

/// A gateway that was started from this file.
async fn started(file: &File) -> TestGateway {
    let loaded = file.source()().expect("a file");
    assert_eq!(loaded.problems, []);
    let gateway = TestGateway::start_with("", |settings| {
        let (store, server) = (settings.store.clone(), settings.server.clone());
        let folder = settings.recordings.folder.clone();
        *settings = loaded.settings;
        settings.store = store;
        settings.server = server;
        settings.recordings.folder = folder;
    })
    .await;
    gateway.gateway().reads_from(file.source());
    gateway
}

fn file() -> File {
    File(std::env::temp_dir().join(format!("ringcard-reload-{}.toml", uuid::Uuid::now_v7())))
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Tells an account of Sipuni something that makes no call.
async fn hook(gateway: &TestGateway, account: &str) -> u16 {
    let path = format!("/hooks/{account}/{TOKEN}?event=9&call_id=1.1");
    gateway.get(&path).await.status
}

fn up_since(gateway: &TestGateway, account: &str) -> Option<ringcard::model::time::Timestamp> {
    let accounts = gateway.gateway().site().accounts.all();
    let account = accounts.iter().find(|one| one.name.as_str() == account)?;
    match &*account.link.as_ref()?.borrow() {
        Link::Up { since } => Some(*since),
        Link::Down { .. } => None,
    }
}

#[tokio::test]
async fn accounts_come_and_go_while_a_connection_stands() {
    let (ami, _clicks) = AmiServer::start("127.0.0.1:0", "ringcard", SECRET)
        .await
        .expect("a port");
    let file = file();
    file.write(&(asterisk(ami.address()) + &sipuni("branch")));
    let gateway = started(&file).await;
    eventually("events flow", async || {
        up_since(&gateway, "office").is_some()
    })
    .await;
    let since = up_since(&gateway, "office");
    assert_eq!(hook(&gateway, "branch").await, 200);
    assert_eq!(hook(&gateway, "shop").await, 404);

    file.write(&format!(
        "[routing]\nrings_before_next = 3\n[writer]\ncall_back_ms = 60000\n{}{}",
        asterisk(ami.address()),
        sipuni("shop")
    ));
    let read = gateway.gateway().reload(By::Command).await;
    assert_eq!(read.problems, []);
    assert_eq!(read.accounts, ["shop", "branch"]);
    assert_eq!(hook(&gateway, "shop").await, 200);
    assert_eq!(hook(&gateway, "branch").await, 404);
    assert_eq!(up_since(&gateway, "office"), since, "it was left alone");
    assert_eq!(ami.logins(), 1);
    assert!(gateway.gateway().account("branch").is_none());
    let told = changes::page(gateway.db(), None, 10).await.unwrap();
    let told: Vec<(&str, &str, bool)> = told
        .iter()
        .map(|one| {
            (
                one.origin.as_str(),
                one.object.as_str(),
                one.after.is_some(),
            )
        })
        .collect();
    assert!(told.contains(&("command", "shop", true)), "{told:?}");
    assert!(told.contains(&("command", "branch", false)), "{told:?}");

    // Its own table has changed: the old connection ends, the new one begins.
    let (other, _clicks) = AmiServer::start("127.0.0.1:0", "ringcard", SECRET)
        .await
        .expect("a port");
    file.write(&(asterisk(other.address()) + &sipuni("shop")));
    let read = gateway.gateway().reload(By::Command).await;
    assert_eq!(read.accounts, ["office"]);
    let office = gateway.gateway().account("office").expect("it is there");
    let address = other.address().to_string();
    assert_eq!(office.intake(), Intake::Dial { address, tls: None });
    eventually("the new one is dialled", async || other.listeners() == 1).await;
    eventually("the old one is left", async || ami.listeners() == 0).await;
    assert_eq!(hook(&gateway, "shop").await, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_is_told_everywhere() {
    let file = file();
    file.write(&sipuni("branch"));
    let office = Office::staffed(started(&file).await).await;
    let gateway = &office.gateway;
    let adam = office.browser("adam").await;
    file.write(
        "[routing]\nrings_before_next = 'two'\n[[pbx]]\nname = 'shop'\ntype = 'sipunni'\n\
         token = 'env:NO_SUCH'\n",
    );
    let answer = adam.post("/configuration/reload", &[]).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(hook(gateway, "branch").await, 200);
    assert_eq!(hook(gateway, "shop").await, 404);
    let page = adam.page("/accounts").await;
    let told = text(&page, "[data-reload=refused]");
    for part in [
        "routing.rings_before_next",
        "pbx.shop.type",
        "sipuni",
        "NO_SUCH",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let health = adam.page("/health").await;
    let finding = all(&health, "tr[data-check=configuration][data-verdict=wrong]");
    assert!(finding[0].contains("rings_before_next"), "{finding:?}");
    assert!(telemetry::metrics_text().contains("ringcard_reload_total{outcome=\"refused\"}"));

    // Mended: taken over, and what has to wait is named.
    file.write(&format!(
        "[web]\ntime_zone = 'Europe/Berlin'\n{}",
        sipuni("shop")
    ));
    let answer = adam.post("/configuration/reload", &[]).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let page = adam.page("/accounts").await;
    let told = text(&page, "[data-reload=taken]");
    assert!(told.contains("web.time_zone"), "{told}");
    assert!(
        told.contains("store.url") && told.contains("shop"),
        "{told}"
    );
    assert_eq!(hook(gateway, "shop").await, 200);
    assert_eq!(hook(gateway, "branch").await, 404);
    let health = adam.page("/health").await;
    assert_eq!(
        all(&health, "tr[data-check=configuration][data-verdict=remark]").len(),
        1
    );
    let log = adam.page("/changes").await;
    let rows = all(&log, "tr[data-kind=account]");
    assert!(
        rows.iter()
            .any(|row| row.contains("shop") && row.contains("Adam")),
        "{rows:?}"
    );
    office.close().await;
}

#[tokio::test]
async fn people_and_lines_are_known_at_once_whoever_changes_them() {
    // Nothing but the change itself could have them read again.
    let office = Office::open_with(|settings| settings.enquiry.refresh_ms = 3_600_000).await;
    office
        .run("insert into ring_group (id, name, strategy) values (7, 'sales', 'round_robin')")
        .await;
    let member = format!(
        "insert into ring_group_member (grp, person, position) values (7, {}, 1)",
        office.anna.0
    );
    office.run(&member).await;
    office.run("update line set grp = 7 where id = 1").await;
    let asked = async |key: &str| {
        let enquiry = ringcard::pbx::Enquiry {
            account: "office".into(),
            call: Some(key.into()),
            client: None,
            did: Some(ringcard::model::phone::Number::E164 {
                e164: "+74950000099".to_owned(),
                ext: None,
            }),
            attempt: 1,
            is_it: None,
            digits: String::new(),
            rung: Vec::new(),
            at: ringcard::flow::now(),
        };
        let answered = office.gateway.gateway().desk().enquire(&enquiry).await;
        answered.answer.targets.first().map(|one| one.to_string())
    };
    let n = std::sync::atomic::AtomicU32::new(0);
    let fresh = || {
        n.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
            .to_string()
    };
    eventually("her group is known", async || {
        asked(&fresh()).await.as_deref() == Some("201")
    })
    .await;
    office
        .run("update person_extension set extension = '277' where extension = '201'")
        .await;
    eventually("her new phone is known", async || {
        asked(&fresh()).await.as_deref() == Some("277")
    })
    .await;
    office.close().await;
}

#[tokio::test]
async fn the_command_and_the_signal_reach_the_process() {
    let folder = std::env::temp_dir().join(format!("ringcard-reload-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let store = format!("sqlite:{}", folder.join("ringcard.db").display());
    let mut process = Process::plan(&folder, &store, "");
    process.start();
    let hook = async |account: &str| {
        let url = process.url(&format!("/hooks/{account}/{TOKEN}?event=9&call_id=1.1"));
        let answer = reqwest::get(url).await;
        answer
            .map(|answer| answer.status().as_u16())
            .unwrap_or_default()
    };
    eventually("it listens", async || hook("one").await == 404).await;
    std::fs::write(folder.join("token"), TOKEN).expect("the folder can be written");
    let account = |name: &str| {
        let token = folder.join("token").display().to_string();
        format!("[[pbx]]\nname = '{name}'\ntype = 'sipuni'\ntoken = 'file:{token}'\n")
    };
    process.configure(&account("one"));
    let (code, said) = process.beside(&["reload"]).await;
    assert_eq!(
        (code, said.contains("accounts: one")),
        (Some(0), true),
        "{said}"
    );
    assert_eq!(hook("one").await, 200);

    process.configure(&account("two"));
    process.signal("-HUP").await;
    eventually("the second one is known", async || hook("two").await == 200).await;

    process.configure("[[pbx]]\nname = 'three'\ntype = 'nobody'\n");
    let (code, said) = process.beside(&["reload"]).await;
    assert_eq!(
        (code, said.contains("pbx.three.type")),
        (Some(3), true),
        "{said}"
    );
    process.signal("-HUP").await;
    eventually("the log says what is wrong", async || {
        process.log().contains("pbx.three.type")
    })
    .await;
    assert_eq!((hook("one").await, hook("two").await), (200, 200));
    process.stop().await;
    let _ = std::fs::remove_dir_all(&folder);
}
