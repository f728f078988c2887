//! All dialects together: one gateway with an account at every PBX that can be played, and
//! `ringcard simulate` for each of them at once, a thousand calls a minute in all. What each says must be
//! found stands in the journal.
//!
//! `RINGCARD_TOGETHER_S` says for how many seconds; `make test-full` takes two minutes.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ringcard::{
    bench::cluster::Cluster,
    model::call::Call,
    on_read,
    pbx::PROVIDERS,
    simulator::{
        ledger::Ledger,
        played::{PLAYED, Played},
    },
    store::{Db, derived},
};
use uuid::Uuid;

use crate::{
    check::{Told, differences},
    program,
    whole::{rig::Place, tables},
};

/// Calls of all accounts together.
const CALLS_A_MINUTE: u64 = 1_000;
const CHAOS: &str = "duplicates,reorder,loss,late-summary";
const SECRET: &str = "together-secret-0123456789";
/// How long what came over a socket may be on its way into the journal.
const PATIENCE: Duration = Duration::from_secs(30);

/// Providers that nobody plays, and why.
const UNPLAYED: &[(&str, &str)] = &[
    (
        "webhook",
        "has no words of its own: what it is sent stands in the description of an account",
    ),
    (
        "calltouch",
        "tells of visits that led to calls of other accounts, and of no call of its own",
    ),
];

#[test]
fn every_provider_is_played_or_it_is_said_why_not() {
    for provider in PROVIDERS {
        let plays = PLAYED.iter().any(|played| played.provider == provider.name);
        let excused = UNPLAYED.iter().any(|(name, _)| *name == provider.name);
        assert!(plays != excused, "{}: played {plays}", provider.name);
    }
}

#[test]
fn all_dialects_together_on_sqlite() {
    all_together(None);
}

#[test]
fn all_dialects_together_on_postgres() {
    let cluster = Cluster::start("").expect("PostgreSQL is installed: `make test` does it");
    all_together(Some(&cluster));
}

fn all_together(cluster: Option<&Cluster>) {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let place = runtime.block_on(Place::new(0, cluster));
    let gateway = program::free_address();
    let mut players: Vec<Player> = PLAYED
        .iter()
        .map(|played| Player::plan(played, gateway, &place))
        .collect();
    let dialled = |player: &&mut Player| player.played.is_dialled;
    players.iter_mut().filter(dialled).for_each(Player::begin);
    let mut serving = serve(&place, gateway, &players);
    let begun = Instant::now();
    players.iter_mut().for_each(Player::begin);
    let ledgers: Vec<Ledger> = players.into_iter().flat_map(Player::ledgers).collect();
    let (played, took) = (ledgers.len(), begun.elapsed().as_secs_f64());
    println!("{played} calls of {} dialects in {took:.1} s", PLAYED.len());
    let wrong = runtime.block_on(compare(&place, &ledgers));
    program::kill(&mut serving);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        first(&wrong)
    );
    assert_eq!(played as u64, calls_of_each() * PLAYED.len() as u64);
    runtime.block_on(place.remove());
}

fn first(wrong: &[String]) -> String {
    wrong[..wrong.len().min(30)].join("\n")
}

fn seconds() -> u64 {
    crate::number("RINGCARD_TOGETHER_S").unwrap_or(6)
}

fn calls_of_each() -> u64 {
    (CALLS_A_MINUTE * seconds()).div_ceil(60 * PLAYED.len() as u64)
}

/// A gateway with all the accounts.
fn serve(place: &Place, address: SocketAddr, players: &[Player]) -> Child {
    let tables: String = players.iter().map(|player| player.table.as_str()).collect();
    let text = format!(
        "[server]\nlisten = \"{address}\"\n[store]\nurl = \"{}\"\n[log]\nlevel = \"error\"\n\
         [ops]\nmin_free_mib = 1\n[recordings]\nfolder = \"{}\"\n{tables}",
        place.url,
        place.folder.join("recordings").display()
    );
    let config = place.folder.join("ringcard.toml");
    std::fs::write(&config, text).expect("the folder can be written");
    let mut command = program::ringcard();
    command.arg("--config").arg(&config).arg("serve");
    command.env("SECRET", SECRET);
    for player in players {
        command.env(salt_of(player.played), player.played.any_salt());
    }
    program::serve(command, address).expect("the gateway starts")
}

/// The variable with an account's second setting.
fn salt_of(played: &Played) -> String {
    format!("SALT_{}", played.provider.to_uppercase())
}

/// One PBX that is played by `ringcard simulate`.
struct Player {
    played: &'static Played,
    command: Command,
    child: Option<Child>,
    /// The account at the gateway.
    table: String,
}

impl Player {
    fn plan(played: &'static Played, gateway: SocketAddr, place: &Place) -> Self {
        let mut command = program::ringcard();
        command.args(["simulate", "--provider", played.provider]);
        command.args(["--account", played.provider, "--chaos", CHAOS]);
        command.args(["--calls", &calls_of_each().to_string()]);
        let rate = CALLS_A_MINUTE as f64 / 60.0 / PLAYED.len() as f64;
        command.args(["--rate", &rate.to_string()]);
        command.args(["--gateway", &gateway.to_string()]);
        command.env("RINGCARD_SIMULATE_SECRET", SECRET);
        command.env("RINGCARD_SIMULATE_SALT", played.any_salt());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let salt = format!("env:{}", salt_of(played));
        let mut table = played.table(played.provider, "env:SECRET", &salt);
        if played.is_dialled {
            let log = place.folder.join(format!("{}.csv", played.provider));
            std::fs::write(&log, "").expect("the folder can be written");
            command.args(["--listen", "127.0.0.1:0"]);
            command.arg("--cel").arg(&log).stderr(Stdio::piped());
            table += &format!("user = \"ringcard\"\ncel = \"{}\"\n", log.display());
        }
        Self {
            played,
            command,
            child: None,
            table,
        }
    }

    /// Begins, if it has not yet. Who is dialled says where.
    fn begin(&mut self) {
        if self.child.is_some() {
            return;
        }
        let mut child = self.command.spawn().expect("the program was built");
        if let Some(said) = child.stderr.take() {
            let mut line = String::new();
            BufReader::new(said)
                .read_line(&mut line)
                .expect("it says where it listens");
            let address = line.trim().rsplit(' ').next().unwrap_or_default();
            self.table += &format!("address = \"{address}\"\n");
        }
        self.child = Some(child);
    }

    /// What must be found, when all is told.
    fn ledgers(self) -> Vec<Ledger> {
        let child = self.child.expect("it has begun");
        let output = child.wait_with_output().expect("it is our own child");
        let name = self.played.provider;
        assert!(
            output.status.success(),
            "{name} ends with {}",
            output.status
        );
        let lines = String::from_utf8(output.stdout).expect("a ledger is text");
        let read = |line: &str| serde_json::from_str(line).expect("a line is a ledger");
        lines.lines().map(read).collect()
    }
}

/// Everything in which journal and ledgers differ, as soon as they agree or patience has run out.
async fn compare(place: &Place, ledgers: &[Ledger]) -> Vec<String> {
    let db = place.open().await;
    let patience = Instant::now() + PATIENCE;
    let mut wrong = calls(&db, ledgers).await;
    while !wrong.is_empty() && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(200)).await;
        wrong = calls(&db, ledgers).await;
    }
    tables::dead_letters(&db, &mut wrong).await;
    tables::doctor(&db, &mut wrong).await;
    db.close().await;
    wrong
}

async fn calls(db: &Db, ledgers: &[Ledger]) -> Vec<String> {
    type Row = (String, String, Uuid, String, Option<Vec<u8>>);
    const SQL: &str = "select account, call_key, id, derived, facts from call";
    let rows: Vec<Row> = on_read!(db, pool => sqlx::query_as(SQL).fetch_all(pool).await)
        .expect("the journal can be read");
    let mut found: BTreeMap<(String, String), Call> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (account, key, id, text, facts) in rows {
        let call = derived::read(id, &text, facts.as_deref()).expect("a call can be read");
        let name = format!("{account} {key}");
        if found.insert((account, key), call).is_some() {
            wrong.push(format!("{name}: twice in the journal"));
        }
    }
    for ledger in ledgers {
        let name = format!("{} {} {:?}", ledger.account, ledger.call_key, ledger.plot);
        let told = match ledger.maimed {
            true => Told::Maimed,
            false => Told::All,
        };
        match found.remove(&(ledger.account.clone(), ledger.call_key.clone())) {
            Some(call) => {
                let differences = differences(ledger, &call, told).into_iter();
                wrong.extend(differences.map(|what| format!("{name} ({told:?}): {what}")));
            }
            None if ledger.maimed => {}
            None => wrong.push(format!("{name}: not in the journal")),
        }
    }
    let nobodys = found.keys();
    wrong.extend(nobodys.map(|(account, key)| format!("{account} {key}: a call nobody made")));
    wrong
}
