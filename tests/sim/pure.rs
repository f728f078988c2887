//! Stories through decoders and tracker alone, without sockets or store: shows that the simulator and
//! the ledger speak the same language as the code under test, thousands of calls a second.

use ringcard::{
    http,
    model::{ids::AccountName, phone::NumberingPlan, time::Timestamp},
    pbx::{self, Decoded, Input, Pbx, Request, Tools},
    simulator::{
        ami::Said,
        chaos::Chaos,
        dice::Dice,
        message::{Post, Sent},
        office::{Account, Draw, Told},
        played::{Opening, PLAYED, Played},
        story::{Plot, Tempo, World},
    },
    tracker::{self, Facts},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use crate::check::{Told as Heard, differences};

const SECRET: &str = "sim-secret-0123456789";

/// Opens an account by its table in the configuration.
fn open(provider: &str, table: &str) -> Arc<dyn Pbx> {
    let known = pbx::PROVIDERS.iter().find(|known| known.name == provider);
    let known = known.unwrap_or_else(|| panic!("{provider} is played and no provider"));
    let whole: toml::Table = table.parse().expect("an account's table is TOML");
    let account = whole["pbx"].get(0).and_then(toml::Value::as_table);
    let mut account = account.expect("it is one account").clone();
    assert_eq!(account.remove("type"), Some(provider.into()));
    account.remove("name");
    static HTTP: LazyLock<http::Client> = LazyLock::new(|| {
        http::Client::new(&http::Settings::default()).expect("a client needs nothing")
    });
    let tools = Tools {
        plan: NumberingPlan::default(),
        http: HTTP.clone(),
    };
    let opened = (known.open)(AccountName::from(provider), account, tools);
    opened.unwrap_or_else(|error| panic!("{provider}: {error}"))
}

fn request(post: &Post) -> Request {
    let (path, query) = post.target.split_once('?').unwrap_or((&post.target, ""));
    let signature = post.signature.iter();
    let headers = signature.map(|(name, value)| (name.to_lowercase(), value.clone()));
    Request {
        method: post.method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.collect(),
        body: post.body.clone().into(),
        remote: "127.0.0.1".to_owned(),
    }
}

/// Feeds what arrives and derives the calls, by story. Nothing arrives before what came before it.
fn derive_all(pbx: &dyn Pbx, arrived: &[Sent<Told>]) -> BTreeMap<u64, Facts> {
    let mut decoder = pbx.decoder();
    let mut now = Timestamp::from_seconds(0);
    let mut facts: BTreeMap<u64, Facts> = BTreeMap::new();
    for sent in arrived {
        let mut out = Decoded::default();
        now = now.max(sent.at);
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

fn run(
    account: Account,
    pbx: &dyn Pbx,
    chaos: impl Fn(&mut Dice) -> Chaos,
    seeds: u64,
) -> Option<String> {
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
            let chaos = chaos(&mut dice);
            let calm = chaos == Chaos::NONE;
            let (arrived, maimed) = chaos.apply(&mut dice, sent);
            let facts = derive_all(pbx, &arrived);
            for call in &calls {
                let number = call.story.number;
                let Some(facts) = facts.get(&number) else {
                    assert!(maimed.contains(&number), "seed {seed} {plot:?}: no facts");
                    continue;
                };
                let found = tracker::derive(facts);
                let heard = match (maimed.contains(&number), calm) {
                    (true, _) => Heard::Maimed,
                    (false, true) => Heard::InTime,
                    (false, false) => Heard::All,
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
    let (name, first) = (account.name(), first?);
    Some(format!("{name}: {failures:#?}\n{first}\n"))
}

/// An account of each PBX that can be played.
fn accounts() -> impl Iterator<Item = (&'static Played, Account, Arc<dyn Pbx>)> {
    PLAYED.iter().map(|played| {
        let opening = Opening {
            account: played.provider.to_owned(),
            secret: SECRET.to_owned(),
            salt: played.any_salt(),
            run: 1,
        };
        let address = match played.is_dialled {
            true => "address = \"127.0.0.1:5038\"\n",
            false => "",
        };
        let table = played.table(played.provider, SECRET, &played.any_salt()) + address;
        (
            played,
            (played.open)(opening),
            open(played.provider, &table),
        )
    })
}

#[test]
fn stories_are_understood_in_order() {
    let wrong =
        accounts().filter_map(|(_, account, pbx)| run(account, pbx.as_ref(), |_| Chaos::NONE, 40));
    let wrong: String = wrong.collect();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn stories_are_understood_under_chaos() {
    // A socket that is dialled keeps the order.
    let posting = accounts().filter(|(played, ..)| !played.is_dialled);
    let wrong =
        posting.filter_map(|(_, account, pbx)| run(account, pbx.as_ref(), Chaos::draw, 120));
    let wrong: String = wrong.collect();
    assert!(wrong.is_empty(), "{wrong}");
}
