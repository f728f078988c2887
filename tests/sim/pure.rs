//! Stories through decoders and tracker alone, without sockets or store: shows that the simulator and
//! the ledger speak the same language as the code under test, thousands of calls a second.

use ringcard::{
    http,
    model::{ids::AccountName, phone::NumberingPlan, time::Timestamp},
    pbx::{self, Decoded, Input, Pbx, Request, Tools},
    simulator::{
        ami::{Asterisk, Said},
        chaos::Chaos,
        dice::Dice,
        mango::Mango,
        message::{Post, Sent},
        office::{Account, Draw, Told},
        sipuni::Sipuni,
        story::{Plot, Tempo, World},
        uis::Uis,
    },
    tracker::{self, Facts},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use crate::check::{Told as Heard, differences};

const KEY: &str = "sim-key";
const SALT: &str = "sim-salt";
const TOKEN: &str = "sim-token-0123456789";

fn open(provider: &str, account: &str, settings: &str) -> Arc<dyn Pbx> {
    let provider = pbx::PROVIDERS
        .iter()
        .find(|known| known.name == provider)
        .expect("the registry has this provider");
    static HTTP: LazyLock<http::Client> = LazyLock::new(|| {
        http::Client::new(&http::Settings::default()).expect("a client needs nothing")
    });
    let tools = Tools {
        plan: NumberingPlan::default(),
        http: HTTP.clone(),
    };
    let table = settings.parse().expect("settings of the test are TOML");
    (provider.open)(AccountName::from(account), table, tools).expect("settings of the test fit")
}

fn request(post: &Post) -> Request {
    let (path, query) = post.target.split_once('?').unwrap_or((&post.target, ""));
    Request {
        method: post.method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: Vec::new(),
        body: post.body.clone().into(),
        remote: "127.0.0.1".to_owned(),
    }
}

/// Feeds what arrives and derives the calls, by story.
fn derive_all(pbx: &dyn Pbx, arrived: &[Sent<Told>], now: Timestamp) -> BTreeMap<u64, Facts> {
    let mut decoder = pbx.decoder();
    let mut facts: BTreeMap<u64, Facts> = BTreeMap::new();
    for sent in arrived {
        let mut out = Decoded::default();
        match &sent.what {
            Told::Post(post) => {
                let request = request(post);
                pbx.verify(&request, now)
                    .expect("the simulator signs what it sends");
                decoder
                    .feed(Input::Request(&request), now, &mut out)
                    .expect("the simulator sends what can be read");
            }
            Told::Said(Said::Ami(block)) => decoder
                .feed(Input::Bytes(block.as_bytes()), now, &mut out)
                .expect("the simulator sends what can be read"),
            Told::Said(Said::Cel(_)) => {}
        }
        let streamed = out.messages.into_iter().flat_map(|message| message.events);
        for event in out.events.into_iter().chain(streamed) {
            facts.entry(sent.story).or_default().insert(event);
        }
    }
    facts
}

fn run(account: Account, pbx: &dyn Pbx, chaos: impl Fn(&mut Dice) -> Chaos, seeds: u64) {
    let now = Timestamp::from_seconds(1_773_730_000);
    let mut failures = BTreeMap::new();
    let mut first = None;
    for plot in Plot::ALL {
        if !account.plots().contains(&plot) {
            continue;
        }
        for seed in 0..seeds {
            let mut dice = Dice::new(seed);
            let draw = Draw {
                accounts: vec![account.clone()],
                world: World::company(6, 30),
                plots: vec![plot],
                calls: 3,
                from: Timestamp::from_seconds(1_773_728_100),
                pause_ms: 20_000,
                tempo: Tempo::NATURAL,
                records: true,
                star: None,
            };
            let calls = draw.calls(&mut dice);
            let mut sent: Vec<Sent<Told>> = calls.iter().flat_map(|c| c.told.clone()).collect();
            sent.sort_by_key(|sent| sent.at);
            let (arrived, maimed) = chaos(&mut dice).apply(&mut dice, sent);
            let facts = derive_all(pbx, &arrived, now);
            for call in &calls {
                let number = call.story.number;
                let Some(facts) = facts.get(&number) else {
                    assert!(maimed.contains(&number), "seed {seed} {plot:?}: no facts");
                    continue;
                };
                let found = tracker::derive(facts);
                let heard = match maimed.contains(&number) {
                    true => Heard::Maimed,
                    false => Heard::All,
                };
                let wrong = differences(&call.ledger, &found, heard);
                for difference in &wrong {
                    let what = difference.split(':').next().unwrap_or_default();
                    let kind = failures
                        .entry(format!("{plot:?} {what}"))
                        .or_insert_with(|| (0, format!("seed {seed} call {number} {difference}")));
                    kind.0 += 1;
                }
                if !wrong.is_empty() && first.is_none() {
                    let told: Vec<String> = arrived
                        .iter()
                        .filter(|sent| sent.story == number)
                        .map(|sent| format!("{} {:?}", sent.at, sent.what))
                        .collect();
                    first = Some(format!(
                        "seed {seed} {plot:?} call {number}:\n{}\n{}\n{}",
                        wrong.join("\n"),
                        told.join("\n"),
                        serde_json::to_string_pretty(&found).unwrap(),
                    ));
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{failures:#?}\n{}",
        first.unwrap_or_default()
    );
}

fn mango() -> (Account, Arc<dyn Pbx>) {
    let account = Account::Mango(Mango {
        account: "cloud".to_owned(),
        key: KEY.to_owned(),
        salt: SALT.to_owned(),
        run: 1,
    });
    let settings = format!("vpbx_api_key = \"{KEY}\"\nvpbx_api_salt = \"{SALT}\"");
    (account, open("mango", "cloud", &settings))
}

fn sipuni() -> (Account, Arc<dyn Pbx>) {
    let account = Account::Sipuni(Sipuni {
        account: "lossy".to_owned(),
        token: TOKEN.to_owned(),
        records: "https://records.invalid/record".to_owned(),
        run: 1,
    });
    (
        account,
        open("sipuni", "lossy", &format!("token = \"{TOKEN}\"")),
    )
}

#[test]
fn mango_stories_are_understood_in_order() {
    let (account, pbx) = mango();
    run(account, pbx.as_ref(), |_| Chaos::NONE, 40);
}

#[test]
fn mango_stories_are_understood_under_chaos() {
    let (account, pbx) = mango();
    run(account, pbx.as_ref(), Chaos::draw, 120);
}

#[test]
fn sipuni_stories_are_understood_in_order() {
    let (account, pbx) = sipuni();
    run(account, pbx.as_ref(), |_| Chaos::NONE, 40);
}

#[test]
fn sipuni_stories_are_understood_under_chaos() {
    let (account, pbx) = sipuni();
    run(account, pbx.as_ref(), Chaos::draw, 120);
}

fn uis() -> (Account, Arc<dyn Pbx>) {
    let account = Account::Uis(Uis {
        account: "uis".to_owned(),
        token: TOKEN.to_owned(),
        records: "https://records.invalid/talk".to_owned(),
        run: 1,
    });
    (account, open("uis", "uis", &format!("token = \"{TOKEN}\"")))
}

#[test]
fn uis_stories_are_understood_in_order() {
    let (account, pbx) = uis();
    run(account, pbx.as_ref(), |_| Chaos::NONE, 40);
}

#[test]
fn uis_stories_are_understood_under_chaos() {
    let (account, pbx) = uis();
    run(account, pbx.as_ref(), Chaos::draw, 120);
}

fn asterisk() -> (Account, Arc<dyn Pbx>) {
    let account = Account::Asterisk(Asterisk {
        account: "office".to_owned(),
        trunk: "trunk".to_owned(),
        recordings: "/var/spool/asterisk/monitor".to_owned(),
        run: 1,
    });
    let settings = "address = \"127.0.0.1:5038\"\nsecret = \"sim\"";
    (account, open("asterisk", "office", settings))
}

#[test]
fn asterisk_stories_are_understood_in_order() {
    let (account, pbx) = asterisk();
    run(account, pbx.as_ref(), |_| Chaos::NONE, 40);
}
