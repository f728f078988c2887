//! A gateway beside a real Asterisk, with five managers, and the comparison of its journal with the
//! PBX's own log.

use std::time::{Duration, Instant};

use ringcard::{
    model::{
        call::{Call, Leg},
        ids::CallId,
        phone::Number,
    },
    on_write,
    store::{journal, pops, recordings::Recording},
};

use super::{
    asterisk::{ACCOUNT, Lab},
    cel::{self, Logged},
    gateway::TestGateway,
    postgres,
    proxy::Proxy,
    scripted::eventually,
};

/// How far the journal may be from the log.
const TOLERANCE_US: i64 = 1_000_000;
/// How long after the last event of a call the journal may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Managers 1 to 5 with phones 101 to 105; 102 stands in for 101, whose client is +74950000077.
const PEOPLE: &str = "insert into person (id, login, name, role, deputy, created_at) values \
    (2, 'boris', 'Boris Orlov', 'manager', null, 0), (1, 'anna', 'Anna Lebedeva', 'manager', 2, 0), \
    (3, 'vera', 'Vera Sokolova', 'manager', null, 0), (4, 'gleb', 'Gleb Zaitsev', 'manager', null, 0), \
    (5, 'daria', 'Daria Belova', 'manager', null, 0)";

/// Gateway, Asterisk, and the wire between them.
pub struct Office {
    pub lab: Lab,
    pub gateway: TestGateway,
    pub wire: Proxy,
}

/// A call as the journal has it.
pub struct Kept {
    pub id: CallId,
    pub call: Call,
}

impl Office {
    /// Starts everything on SQLite and waits until events flow.
    pub async fn open() -> Self {
        Self::open_on(None).await
    }

    /// The same on PostgreSQL.
    pub async fn open_on_postgres() -> Self {
        Self::open_on(Some(postgres::new_database().await)).await
    }

    async fn open_on(store: Option<String>) -> Self {
        let mut office = Self::beside(Lab::plan(), store).await;
        let route_url = office.gateway.url("/hooks/office");
        office.lab.boot(&route_url);
        office.until_linked().await;
        office
    }

    /// Starts a gateway beside an Asterisk that runs, or will.
    pub async fn beside(lab: Lab, store: Option<String>) -> Self {
        let wire = Proxy::start(lab.ami()).await;
        let gateway = TestGateway::start_with(&lab.config(wire.port()), |settings| {
            settings.dial.retry_first_ms = 100;
            settings.dial.retry_longest_ms = 500;
            settings.dial.reconcile_every_ms = 2_000;
            settings.store.url = store.unwrap_or(settings.store.url.clone());
        })
        .await;
        seed(&gateway).await;
        Self { lab, gateway, wire }
    }

    /// Waits until events flow.
    pub async fn until_linked(&self) {
        eventually("events flow from Asterisk", async || self.is_linked().await).await;
    }

    /// Whether the gateway says that events flow.
    pub async fn is_linked(&self) -> bool {
        let ready = self.gateway.get("/readyz").await;
        let report: serde_json::Value = serde_json::from_str(&ready.text).expect("a report");
        report["pbx"][ACCOUNT]["up"] == true
    }

    /// Waits until the journal says of every call what Asterisk's log says; gives the calls.
    pub async fn agrees(&self, calls: usize) -> Vec<Kept> {
        let began = Instant::now();
        loop {
            let logged = cel::read(&self.lab.log());
            let over = logged.len() == calls && logged.iter().all(|call| call.ended_at.is_some());
            let wrong = match over {
                true => match self.differences(&logged).await {
                    Ok(kept) => return kept,
                    Err(wrong) => wrong,
                },
                false => format!(
                    "{} calls are in the log, or not over: {logged:#?}",
                    logged.len()
                ),
            };
            assert!(
                began.elapsed() < PATIENCE,
                "journal and log differ: {wrong}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The same, and soon: a second after the last channel has gone.
    pub async fn agrees_at_once(&self, calls: usize) -> Vec<Kept> {
        let kept = self.agrees(calls).await;
        let now = jiff::Timestamp::now().as_microsecond();
        let last = cel::read(&self.lab.log())
            .iter()
            .filter_map(|call| call.ended_at)
            .max();
        let late_ms = (now - last.expect("every call is over")) / 1_000;
        assert!(
            late_ms <= 1_000,
            "{late_ms} ms after the end of the last call"
        );
        kept
    }

    async fn differences(&self, logged: &[Logged]) -> Result<Vec<Kept>, String> {
        let mut kept = Vec::new();
        for log in logged {
            let mut ids = Vec::new();
            for key in &log.keys {
                let id = journal::by_key(self.gateway.db(), ACCOUNT, key).await;
                ids.extend(id.expect("the journal can be read"));
            }
            ids.dedup();
            let [id] = ids.as_slice() else {
                return Err(format!("{:?} are {} calls", log.keys, ids.len()));
            };
            let page = journal::call(self.gateway.db(), *id).await;
            let page = page
                .expect("the journal can be read")
                .ok_or("a call without a row")?;
            compare(log, &page.call)?;
            kept.push(Kept {
                id: *id,
                call: page.call,
            });
        }
        match self.calls().await {
            all if all == logged.len() => Ok(kept),
            all => Err(format!(
                "{all} calls in the journal, {} in the log",
                logged.len()
            )),
        }
    }

    /// Waits until the journal's only call is over.
    pub async fn until_over(&self) -> Call {
        let only = async || {
            let (id,): (uuid::Uuid,) = ringcard::on_read!(self.gateway.db(), pool => {
                sqlx::query_as("select id from call").fetch_one(pool).await
            })
            .expect("there is a call");
            let page = journal::call(self.gateway.db(), CallId(id)).await;
            page.expect("the journal can be read")
                .expect("the call is there")
                .call
        };
        eventually("the call is over", async || only().await.is_over()).await;
        only().await
    }

    /// Waits until the journal has so many calls.
    pub async fn until_calls(&self, calls: usize) {
        eventually("every call is in the journal", async || {
            self.calls().await == calls
        })
        .await;
    }

    /// How many calls the journal has.
    pub async fn calls(&self) -> usize {
        count(&self.gateway, "select count(*) from call").await
    }

    /// How many cards there are.
    pub async fn cards(&self) -> usize {
        count(&self.gateway, "select count(*) from card").await
    }

    /// Who got a pop of the call, by number.
    pub async fn popped(&self, call: &Kept) -> Vec<i64> {
        let pops = pops::of_call(self.gateway.db(), call.id).await;
        let mut people: Vec<i64> = pops
            .expect("pops can be read")
            .iter()
            .filter(|pop| pop.reason == "rung")
            .map(|pop| pop.person)
            .collect();
        people.sort_unstable();
        people.dedup();
        people
    }

    /// Waits until the call's only recording is kept.
    pub async fn recording(&self, call: &Kept) -> Recording {
        let of_call = async || {
            let found = ringcard::store::recordings::of_call(self.gateway.db(), call.id).await;
            found.expect("recordings can be read")
        };
        eventually(
            "the recording is kept",
            async || matches!(of_call().await.as_slice(), [one] if one.sha256.is_some()),
        )
        .await;
        of_call().await.remove(0)
    }

    /// Ends the story.
    pub async fn close(self) {
        self.gateway.stop().await;
    }
}

async fn seed(gateway: &TestGateway) {
    let extensions = "insert into person_extension (account, extension, person) \
        select 'office', cast(100 + id as text), id from person";
    let card = "insert into card (id, name, owner, created_at, updated_at) \
        values ($1, 'Client One', 1, 0, 0)";
    let phone = "insert into card_phone (e164, ext, card, kind) select '+74950000077', '', id, 'own' from card where name = 'Client One'";
    for sql in [PEOPLE, extensions, card, phone] {
        on_write!(gateway.db(), pool => {
            let query = sqlx::query(sql);
            let query = match sql == card {
                true => query.bind(uuid::Uuid::now_v7()),
                false => query,
            };
            query.execute(pool).await.map(drop)
        })
        .expect("a fresh database takes its people");
    }
    gateway.gateway().desk().refresh_now().await;
    let site = gateway.gateway().site();
    ringcard::web::pops::refresh_people(&site.db, &site.hub)
        .await
        .expect("people can be read");
}

async fn count(gateway: &TestGateway, sql: &'static str) -> usize {
    let (count,): (i64,) = ringcard::on_read!(gateway.db(), pool => {
        sqlx::query_as(sql).fetch_one(pool).await
    })
    .expect("rows can be counted");
    usize::try_from(count).expect("not fewer than none")
}

/// What is wrong with the journal's call, if the log is right.
fn compare(log: &Logged, call: &Call) -> Result<(), String> {
    let near = |what: &str, log_at: Option<i64>, call_at: Option<i64>| match (log_at, call_at) {
        (Some(log), Some(call)) if (log - call).abs() <= TOLERANCE_US => Ok(()),
        (None, None) => Ok(()),
        _ => Err(format!("{what} is {call_at:?} and should be {log_at:?}")),
    };
    let same = |what: &str, log: Option<&str>, call: Option<&str>| match log == call {
        true => Ok(()),
        false => Err(format!("{what} is {call:?} and should be {log:?}")),
    };
    let micros = |at: Option<ringcard::model::time::Timestamp>| at.map(|at| at.as_micros());
    near(
        "start",
        Some(log.started_at),
        Some(call.started_at.as_micros()),
    )?;
    near(
        "answer",
        log.answered.as_ref().map(|(at, _)| *at),
        micros(call.answered_at),
    )?;
    near("end", log.ended_at, micros(call.ended_at))?;
    let answered_by = log.answered.as_ref().map(|(_, by)| by.as_str());
    same(
        "answered by",
        answered_by,
        call.answered_by.as_ref().map(|by| by.as_str()),
    )?;
    same(
        "direction",
        Some(&log.direction),
        call.direction.map(|way| way.as_str()),
    )?;
    same("client", log.client.as_deref(), client(call).as_deref())?;
    let called: std::collections::BTreeSet<String> = call
        .legs
        .iter()
        .filter_map(Leg::extension)
        .map(ToString::to_string)
        .collect();
    match log.called.is_subset(&called) {
        true => Ok(()),
        false => Err(format!(
            "phones are {called:?} and should be {:?}",
            log.called
        )),
    }
}

/// The number as the log writes it.
fn client(call: &Call) -> Option<String> {
    match call.client.as_ref()? {
        Number::E164 { e164, .. } => Some(e164.trim_start_matches('+').to_owned()),
        Number::Withheld => Some("anonymous".to_owned()),
        Number::Service(text) | Number::Other(text) => Some(text.clone()),
    }
}
