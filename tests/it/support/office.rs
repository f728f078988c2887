//! A gateway beside a real Asterisk, with five managers at their desks, and the one check that every
//! story ends with.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use ringcard::{
    flow,
    model::{
        call::{Call, Phase},
        ids::PersonId,
        time::Timestamp,
    },
    on_write,
    rules::recorded::LineRule,
    store::{self, Db},
    web::auth,
};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::{
    asterisk::{ACCOUNT, Ari, BESIDE, BRANCH, Lab, SECRET, Wishes},
    beside,
    cel::{self, Logged},
    desk::{Desk, Shown},
    journal::Case,
    popped::{self, Expected},
    postgres,
    process::Process,
    proxy::Proxy,
    scripted::eventually,
    sound,
    stall::{self, held_up_us},
    witness::{Heard, Witness},
};

/// How long after a call's last event the journal may take to say what the log says.
const PROMPT_US: i64 = 1_000_000;
/// How long after a return, when the log is read.
const CATCHES_UP_US: i64 = 5_000_000;
/// How long Asterisk may take to end the calls of a story whose scenarios are over.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long recordings and the last frames may take.
const SETTLES: Duration = Duration::from_secs(10);

/// Managers 1 to 5 with phones 101 to 105 (104 is 101 at the branch), and the owner, who has no phone and watches nobody. 102 stands
/// in for 101, whose client is +74950000077.
const COMPANY: [&str; 5] = [
    "insert into person (id, login, name, role, deputy, created_at) values \
     (2, 'boris', 'Boris Orlov', 'manager', null, 0), (1, 'anna', 'Anna Lebedeva', 'manager', 2, 0), \
     (3, 'vera', 'Vera Sokolova', 'manager', null, 0), (4, 'gleb', 'Gleb Zaitsev', 'manager', null, 0), \
     (5, 'daria', 'Daria Belova', 'manager', null, 0), (6, 'olga', 'Olga Gromova', 'owner', null, 0)",
    "insert into person_extension (account, extension, person) \
     select 'office', cast(100 + id as text), id from person where id <= 5",
    "insert into person_extension (account, extension, person) values ('branch', '101', 4)",
    "insert into card (id, name, owner, created_at, updated_at) \
     select $1, 'Client One', 1, 0, 0",
    "insert into card_phone (e164, ext, card, kind) values ('+74950000077', '', $1, 'own')",
];
const LOGINS: [&str; 6] = ["anna", "boris", "vera", "gleb", "daria", "olga"];
/// Some of them.
type People = Vec<&'static str>;

/// Gateway, Asterisk, the wire between them, and everybody's open page.
pub struct Office {
    pub lab: Lab,
    pub desks: Vec<Desk>,
    /// The card of Anna's client.
    pub card: uuid::Uuid,
    gateway: Process,
    /// To the manager interface and to the REST interface.
    wires: [Proxy; 2],
    pub witness: Witness,
    /// The other Asterisk, if there are two, and who hears it past the gateway.
    pub branch: Option<(Lab, Witness)>,
    boots: usize,
    db: Db,
    folder: PathBuf,
    /// When the gateway could not hear Asterisk, in microseconds.
    away: Vec<(i64, i64)>,
    /// When Asterisk was killed.
    killed: Vec<i64>,
}

/// A call as the log and the journal have it.
pub struct Kept {
    pub log: Logged,
    pub heard: Heard,
    /// The line of the export.
    pub line: Value,
    /// Who has seen its pop, or would have, had the machine not stood still.
    pub popped: People,
}

impl Kept {
    /// A word of the export.
    pub fn word(&self, name: &str) -> &str {
        self.line[name].as_str().unwrap_or_default()
    }

    /// When the phone began to ring, on Asterisk's clock, in microseconds.
    pub fn rang(&self, extension: &str) -> i64 {
        let phone = self.log.phones.iter().find(|of| of.extension == extension);
        self.heard.rang[&phone.expect("it was called").unique]
    }
}

impl Office {
    /// Starts everything on SQLite and waits until events flow.
    pub async fn open() -> Self {
        Self::open_with(Wishes::default()).await
    }

    /// The same on PostgreSQL.
    pub async fn open_on_postgres() -> Self {
        let postgres = true;
        Self::open_with(Wishes {
            postgres,
            ..Wishes::default()
        })
        .await
    }

    /// The same with Asterisk heard over ARI, and over AMI beside it.
    pub async fn open_over_ari() -> Self {
        Self::open_hearing(Ari::First).await
    }

    /// The same with Asterisk heard over ARI in this way.
    pub async fn open_hearing(ari: Ari) -> Self {
        Self::open_with(Wishes {
            ari,
            ..Wishes::default()
        })
        .await
    }

    /// Starts everything as wished; `make test-full` tells every story once more on PostgreSQL.
    pub async fn open_with(mut wishes: Wishes) -> Self {
        let on = std::env::var("RINGCARD_STORIES_ON");
        wishes.postgres |= on.is_ok_and(|store| store == "postgres");
        // Whichever story comes first installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        stall::watch();
        let mut lab = Lab::plan(ACCOUNT, wishes);
        let mut branch = wishes.branch.then(|| Lab::plan(BRANCH, wishes));
        let folder = std::env::temp_dir().join(format!("ringcard-office-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).expect("a folder for the gateway");
        let store = match wishes.postgres {
            true => postgres::new_database().await,
            false => format!("sqlite:{}", folder.join("ringcard.db").display()),
        };
        let [ami, http] = lab.reached();
        let wires = [Proxy::start(ami).await, Proxy::start(http).await];
        let mut accounts = lab.config(wires[0].port(), wires[1].port());
        if let Some(branch) = &branch {
            accounts.push_str(&{
                let [ami, http] = branch.reached();
                branch.config(ami, http)
            });
        }
        let mut gateway = Process::plan(&folder, &store, &accounts);
        lab.boot(&gateway.url("/hooks/office"));
        let witness = Witness::start(lab.ami());
        if let Some(branch) = &mut branch {
            branch.boot(&gateway.url("/hooks/branch"));
        }
        let card = uuid::Uuid::now_v7();
        let db = company(&store, card).await;
        gateway.start();
        gateway.until_linked(ACCOUNT).await;
        gateway.until_linked(BESIDE).await;
        witness.listens(1).await;
        let branch = match branch {
            Some(branch) => {
                let witness = Witness::start(branch.ami());
                gateway.until_linked(BRANCH).await;
                witness.listens(1).await;
                Some((branch, witness))
            }
            None => None,
        };
        let mut office = Self {
            lab,
            branch,
            desks: Vec::new(),
            card,
            gateway,
            wires,
            witness,
            boots: 1,
            db,
            folder,
            away: Vec::new(),
            killed: Vec::new(),
        };
        for (id, login) in (1..).zip(LOGINS) {
            office.sit_down(PersonId(id), login).await;
        }
        office
    }

    async fn sit_down(&mut self, person: PersonId, login: &'static str) {
        let hour = Duration::from_secs(3_600);
        let token = auth::issue_link(&self.db, person, hour, flow::now()).await;
        let token = token.expect("a person can be let in");
        let desk = Desk::open(&self.gateway.url(""), login, &token).await;
        self.desks.push(desk);
    }

    /// Somebody's desk.
    pub fn desk(&self, login: &str) -> &Desk {
        let mut desks = self.desks.iter();
        desks
            .find(|desk| desk.login == login)
            .expect("they work here")
    }

    /// Cuts the wire between gateway and Asterisk.
    pub fn cut(&mut self) {
        self.leave();
        self.wires.iter().for_each(Proxy::cut);
    }

    /// Mends the wire and waits until events flow again.
    pub async fn mend(&mut self) {
        self.wires.iter().for_each(Proxy::mend);
        self.come_back().await;
    }

    /// Kills the gateway as the kernel would.
    pub async fn kill_gateway(&mut self) {
        self.leave();
        self.gateway.kill().await;
    }

    /// Starts the gateway again on the same data.
    pub async fn start_gateway(&mut self) {
        self.gateway.start();
        self.come_back().await;
    }

    /// Stops the gateway in good order and starts it again.
    pub async fn restart_gateway(&mut self) {
        self.leave();
        self.gateway.stop().await;
        self.start_gateway().await;
    }

    /// Kills Asterisk as a power cut would, and starts it again.
    pub async fn kill_asterisk(&mut self) {
        self.leave();
        self.killed.push(now_us());
        self.lab.kill().await;
        self.lab.boot(&self.gateway.url("/hooks/office"));
        self.boots += 1;
        self.witness.listens(self.boots).await;
        self.come_back().await;
    }

    /// Has this number put through no more, and waits until the gateway knows.
    pub async fn blocks(&self, number: &str) {
        let sql = "insert into number_mark (e164, mark, created_at) values ($1, 'blocked', 0)";
        on_write!(&self.db, pool => sqlx::query(sql).bind(number).execute(pool).await.map(drop))
            .expect("a number can be marked");
        let question = self.gateway.url("/hooks/office/route");
        eventually("the number is blocked", async || {
            let asked = reqwest::Client::new()
                .get(&question)
                .query(&[("from", number)])
                .bearer_auth(SECRET)
                .send()
                .await;
            let answer = asked.expect("the gateway runs").text().await;
            answer.is_ok_and(|answer| answer == "block=busy")
        })
        .await;
    }

    /// Waits until the gateway knows that exactly these phones cannot be rung, and why.
    pub async fn rings_all_but(&self, phones: Value) {
        eventually("it knows its phones", async || {
            self.gateway.readiness().await["pbx"][ACCOUNT]["phones_not_rung"] == phones
        })
        .await;
    }

    /// Has an own number of a new client of this person's.
    pub async fn has_client(&self, person: i64, number: &str) {
        let card = uuid::Uuid::now_v7();
        for sql in [
            "insert into card (id, name, owner, created_at, updated_at) \
             select $1, 'Another Client', $2, 0, 0 where $3 <> ''",
            "insert into card_phone (e164, ext, card, kind) \
             select $3, '', $1, 'own' where $2 > 0",
        ] {
            on_write!(&self.db, pool => {
                let query = sqlx::query(sql).bind(card).bind(person).bind(number);
                query.execute(pool).await.map(drop)
            })
            .expect("a card can be written");
        }
    }

    /// Why calls were routed as they were: reason and explanation of every decision, by time.
    pub async fn decisions(&self) -> Vec<(String, String)> {
        let sql = "select reason, explain from decision order by at, id";
        ringcard::on_read!(&self.db, pool => sqlx::query_as(sql).fetch_all(pool).await)
            .expect("decisions can be read")
    }

    fn leave(&mut self) {
        self.away.push((now_us(), i64::MAX));
    }

    async fn come_back(&mut self) {
        // The old connection may be believed in for a moment.
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.gateway.until_linked(ACCOUNT).await;
        self.gateway.until_linked(BESIDE).await;
        if let Some((_, until)) = self.away.last_mut() {
            *until = now_us();
        }
    }

    /// Waits until Asterisk's log has a call that was answered.
    pub async fn until_answered(&self) {
        let answered = async || {
            let logged = cel::read(&self.lab.log());
            let is_answered = logged.iter().any(|log| log.answered().is_some());
            is_answered
                .then_some(())
                .ok_or_else(|| format!("{logged:#?}"))
        };
        self.settles("an answer", answered).await;
    }

    /// The check. Waits until Asterisk's log has so many calls, all over, and the gateway says of each
    /// what the log says: journal, recordings and pops. Gives the calls by their start.
    pub async fn check(&self, calls: usize) -> Vec<Kept> {
        let logged = logged(&self.lab, calls, |log| self.is_lost(log)).await;
        let lines = self.journal(&logged).await;
        let folder = self.lab.recordings();
        let recordings = async || {
            let lines = self.lines(ACCOUNT).await;
            logged
                .iter()
                .try_for_each(|log| sound::check(log, line_of(log, &lines)?, &folder))
        };
        self.settles("recordings", recordings).await;
        let elsewhere = self.lines(BRANCH).await;
        let id = |line: &Value| line["id"].as_str().unwrap_or_default().to_owned();
        let elsewhere: Vec<String> = elsewhere.iter().map(id).collect();
        let pops = || self.pops(&logged, &lines, &elsewhere);
        self.settles("pops", async || pops().map(drop)).await;
        let popped = pops().expect("it was just so");
        let (popped, excused): (Vec<_>, Vec<_>) = popped.into_iter().unzip();
        // The time of a pop is written a moment after it.
        let timed = async || {
            let lines = self.lines(ACCOUNT).await;
            logged.iter().zip(&popped).try_for_each(|(log, popped)| {
                let line = line_of(log, &lines)?;
                match line["pop_ms"].is_number() != popped.is_empty() {
                    true => Ok(()),
                    false => Err(format!("seen by {popped:?}: {line}")),
                }
            })
        };
        self.settles("pop_ms", timed).await;
        self.settles("both ways", async || self.beside(&logged).await)
            .await;
        let lines = self.lines(ACCOUNT).await;
        let heard = self.witness.heard();
        let kept = logged.into_iter().zip(popped.into_iter().zip(excused));
        let kept = kept.map(|(log, (mut popped, excused))| {
            popped.extend(excused);
            popped
                .sort_unstable_by_key(|login| self.desks.iter().position(|it| it.login == *login));
            Kept {
                line: line_of(&log, &lines).expect("it was just there").clone(),
                heard: heard.clone(),
                log,
                popped,
            }
        });
        kept.collect()
    }

    /// Whether the account that hears in the other way says of each call what the first one says.
    async fn beside(&self, logged: &[Logged]) -> Result<(), String> {
        let lines = self.lines(ACCOUNT).await;
        let others = self.lines(BESIDE).await;
        if others.len() != lines.len() {
            return Err(format!("{} and {} calls", lines.len(), others.len()));
        }
        logged.iter().try_for_each(|log| {
            let (line, other) = (line_of(log, &lines)?, line_of(log, &others)?);
            let told = |wrong| format!("{:?}: {wrong}\n{line}\n{other}", log.keys);
            let is_click = log.keys.iter().any(|key| key.starts_with("ringcard-"));
            beside::the_same(line, other, is_click).map_err(told)
        })
    }

    /// The check of the branch's calls: journal and log say the same. Gives the lines by their start.
    pub async fn check_branch(&self, calls: usize) -> Vec<Value> {
        let (lab, witness) = self.branch.as_ref().expect("there is a branch");
        let logged = logged(lab, calls, |_| false).await;
        let says_the_same = async || {
            let (lines, heard) = (self.lines(BRANCH).await, witness.heard());
            logged.iter().try_for_each(|log| {
                let case = Case {
                    account: BRANCH,
                    log,
                    heard: &heard,
                    line: line_of(log, &lines)?,
                    away: &Vec::new(),
                    is_lost: false,
                };
                case.check()
            })
        };
        self.settles("the branch", says_the_same).await;
        let lines = self.lines(BRANCH).await;
        let line = |log| line_of(log, &lines).expect("it was just there").clone();
        logged.iter().map(line).collect()
    }

    /// What the gateway exports of an account.
    async fn lines(&self, account: &str) -> Vec<Value> {
        let mut lines = self.gateway.export().await;
        lines.retain(|line| line["account"] == account);
        lines
    }

    /// Asterisk was killed in the middle of this call.
    fn is_lost(&self, log: &Logged) -> bool {
        log.ended_at.is_none() && self.killed.iter().any(|at| *at > log.started_at)
    }

    /// The export as soon as it says what the log says, which must be soon.
    async fn journal(&self, logged: &[Logged]) -> Vec<Value> {
        let ends = logged.iter().filter_map(|log| log.ended_at);
        let ended = ends.chain([now_us()]).max().unwrap_or_default();
        let back = self.away.last().map_or(0, |(_, to)| to + CATCHES_UP_US);
        let due = (ended + PROMPT_US).max(back);
        loop {
            let asked = now_us();
            let lines = self.lines(ACCOUNT).await;
            match self.compare(logged, &lines) {
                Ok(()) => return lines,
                Err(wrong) if asked > due + held_up_us(ended, asked) => panic!(
                    "journal and log differ: {wrong}\n{logged:#?}\n{lines:#?}\n{}\n{}",
                    std::fs::read_to_string(self.lab.log()).unwrap_or_default(),
                    self.gateway.log()
                ),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    fn compare(&self, logged: &[Logged], lines: &[Value]) -> Result<(), String> {
        if lines.len() != logged.len() {
            return Err(format!("{} calls instead of {}", lines.len(), logged.len()));
        }
        let heard = self.witness.heard();
        for log in logged {
            let case = Case {
                account: ACCOUNT,
                log,
                heard: &heard,
                line: line_of(log, lines)?,
                away: &self.away,
                is_lost: self.is_lost(log),
            };
            let told = |wrong| format!("{:?}: {wrong}", log.keys);
            case.check().map_err(told)?;
        }
        Ok(())
    }

    /// Who has seen the pop of each call, if it is exactly who should have, and whom the machine has kept from
    /// it by standing still; calls with the ids `elsewhere` are the branch's.
    fn pops(
        &self,
        logged: &[Logged],
        lines: &[Value],
        elsewhere: &[String],
    ) -> Result<Vec<(People, People)>, String> {
        let heard = self.witness.heard();
        let desks: Vec<(&str, BTreeMap<String, Shown>)> = self
            .desks
            .iter()
            .map(|desk| (desk.login, desk.shown()))
            .collect();
        let mut popped = Vec::new();
        let mut known = Vec::new();
        for log in logged {
            let id = line_of(log, lines)?["id"].as_str().unwrap_or_default();
            let expected = Expected {
                log,
                heard: &heard,
                away: &self.away,
            };
            let (mut people, mut excused) = (Vec::new(), Vec::new());
            for (login, shown) in &desks {
                match expected.check(login, shown.get(id))? {
                    true => people.push(*login),
                    false if expected.held_up(login) => excused.push(*login),
                    false => {}
                }
            }
            popped.push((people, excused));
            known.push(id);
        }
        known.extend(elsewhere.iter().map(String::as_str));
        popped::strangers(&desks, &known)?;
        Ok(popped)
    }

    /// Waits until it is so.
    async fn settles(&self, what: &str, check: impl AsyncFn() -> Result<(), String>) {
        let began = Instant::now();
        while let Err(wrong) = check().await {
            assert!(
                began.elapsed() < SETTLES,
                "{what}: {wrong}\n{}",
                self.gateway.log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the page of accounts says that Asterisk's log has brought.
    pub async fn brought(&self) -> flow::reconcile::Brought {
        let standing = flow::reconcile::standing(&self.db, &"office".into()).await;
        let standing = standing.expect("the database can be read");
        standing.expect("the log has been read").brought
    }

    /// Gives a number of ours this rule of recording, and waits until answers to the dialplan hold this.
    pub async fn rule_of_recording(&self, did: &str, rule: &LineRule, holds: &str) {
        // Its id is the database's choice: others of this database come later.
        let sql = "insert into line (account, did, name) values ('office', '+' || $1, 'Main') \
             returning id";
        let made: Result<(i64,), _> =
            on_write!(&self.db, pool => sqlx::query_as(sql).bind(did).fetch_one(pool).await);
        let (line,) = made.expect("a line can be made");
        store::recorded::put(&self.db, line, rule, Timestamp::from_micros(0))
            .await
            .expect("a rule can be made");
        let client = reqwest::Client::new();
        let url = self
            .gateway
            .url(&format!("/hooks/{ACCOUNT}/route?did={did}&attempt=1"));
        eventually("the rule is answered", async || {
            let asked = client.get(&url).bearer_auth(SECRET).send().await;
            let answer = asked.expect("an answer").text().await;
            answer.expect("a text").contains(holds)
        })
        .await;
    }

    /// The call that somebody talks in now, as derived, once it is so.
    pub async fn talking(&self) -> (uuid::Uuid, Call) {
        let found = std::cell::RefCell::new(None);
        eventually("somebody talks", async || {
            let mut calls = self.derived().await;
            calls.retain(|(_, call)| call.phase == Phase::Talking);
            *found.borrow_mut() = calls.pop();
            found.borrow().is_some()
        })
        .await;
        found.into_inner().expect("it was just there")
    }

    /// Every call as derived.
    pub async fn derived(&self) -> Vec<(uuid::Uuid, Call)> {
        type Row = (uuid::Uuid, String, Option<Vec<u8>>);
        let rows: Vec<Row> = ringcard::on_read!(&self.db, pool => {
            let sql = "select id, derived, facts from call where account = 'office' \
                       order by started_at";
            sqlx::query_as(sql).fetch_all(pool).await
        })
        .expect("calls can be read");
        let read = |(id, text, facts): Row| {
            let call = store::derived::read(id, &text, facts.as_deref());
            (id, call.expect("our own"))
        };
        rows.into_iter().map(read).collect()
    }

    /// Where the recordings stand.
    pub async fn recording_states(&self) -> Vec<String> {
        let rows: Vec<(String,)> = ringcard::on_read!(&self.db, pool => {
            let sql = "select state from recording where account = 'office' order by id";
            sqlx::query_as(sql).fetch_all(pool).await
        })
        .expect("recordings can be read");
        rows.into_iter().map(|(state,)| state).collect()
    }

    /// What a player would draw of the only recording.
    pub async fn picture(&self) -> (i64, Vec<u8>) {
        ringcard::on_read!(&self.db, pool => {
            let sql = "select duration_ms, peaks from recording where account = 'office'";
            sqlx::query_as(sql).fetch_one(pool).await
        })
        .expect("there is one recording")
    }

    /// How many cards there are.
    pub async fn cards(&self) -> usize {
        let (cards,): (i64,) = ringcard::on_read!(&self.db, pool => {
            sqlx::query_as("select count(*) from card").fetch_one(pool).await
        })
        .expect("rows can be counted");
        usize::try_from(cards).expect("not fewer than none")
    }

    /// Ends the story.
    pub async fn close(mut self) {
        self.gateway.stop().await;
        self.db.close().await;
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Asterisk's log as soon as it has so many calls that are all over, or lost.
async fn logged(lab: &Lab, calls: usize, is_lost: impl Fn(&Logged) -> bool) -> Vec<Logged> {
    let began = Instant::now();
    loop {
        let logged = cel::read(&lab.log());
        let is_over = |log: &Logged| log.ended_at.is_some() || is_lost(log);
        if logged.len() == calls && logged.iter().all(is_over) {
            return logged;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "Asterisk has {} calls of {calls}, or not over: {logged:#?}\n{}",
            logged.len(),
            std::fs::read_to_string(lab.log()).unwrap_or_default()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The only line whose key is one of the call's.
fn line_of<'l>(log: &Logged, lines: &'l [Value]) -> Result<&'l Value, String> {
    let key = |line: &Value| line["call_key"].as_str().unwrap_or_default().to_owned();
    let found: Vec<&Value> = lines
        .iter()
        .filter(|line| log.keys.contains(&key(line)))
        .collect();
    match found.as_slice() {
        [one] => Ok(one),
        found => Err(format!("{:?} are {} calls", log.keys, found.len())),
    }
}

/// A fresh database with everybody in it.
async fn company(store: &str, card: uuid::Uuid) -> Db {
    let settings = store::Settings {
        url: store.to_owned(),
        acquire_timeout_ms: 30_000,
        ..store::Settings::default()
    };
    let db = Db::open(&settings).await.expect("a new database");
    db.migrate().await.expect("a new database takes its schema");
    for sql in COMPANY {
        on_write!(&db, pool => {
            let query = sqlx::query(AssertSqlSafe(sql));
            let query = match sql.contains("$1") {
                true => query.bind(card),
                false => query,
            };
            query.execute(pool).await.map(drop)
        })
        .expect("a fresh database takes its people");
    }
    db
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
