//! "Where shall this call go?", answered at once.
//!
//! An enquiry never waits for the writer: people, groups and lines are in memory, who is busy follows
//! from the changes the writer tells, and the caller's card is one read with a deadline. If the
//! database is away or late, the answer is worked out without the card. The answer given is itself a
//! fact ([`RouteAnswered`](crate::model::event::Fact::RouteAnswered)) that the asker sends the ordinary
//! way, and a row of the decision log.

mod caller;
mod log;

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

use self::{
    caller::{caller_of, fact_of},
    log::Log,
};
use super::phones::Phones;
use crate::{
    model::{
        call::{Call, Change},
        event::CallEvent,
        ids::{AccountName, CallId, CallKey, Extension, PersonId},
        phone::Number,
        time::Timestamp,
    },
    pbx::{Enquiry, Recorded, RouteAnswer},
    rules::{
        recorded::{Consent, Notice},
        routing::{self, Decision, Now, Policy, Question, Reason, Tables},
    },
    store::{Db, StoreError, open, routing::KnownBy},
};

/// How long a phone just given out counts as busy before its ringing has been heard of.
const RESERVED_MS: i64 = 3_000;
/// How soon the same question of the same call counts as repeated. Later it is a new round: the call
/// has come back from a transfer or a menu.
const REPEATED_MS: i64 = 5_000;
/// Calls whose earlier answers are remembered.
const REMEMBERED_CALLS: usize = 20_000;
/// How long earlier answers of a call are remembered.
const REMEMBERED_MS: i64 = 10 * 60_000;

/// Deadlines of an answer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long the caller's card may be looked for, in milliseconds.
    pub answer_timeout_ms: u64,
    /// How often people, groups and lines are read again, in milliseconds.
    pub refresh_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            answer_timeout_ms: 300,
            refresh_ms: 5_000,
        }
    }
}

/// Answers enquiries.
pub struct Desk {
    db: Db,
    rules: ArcSwap<(Policy, Settings)>,
    tables: ArcSwap<Tables>,
    state: Mutex<State>,
    phones: Arc<Phones>,
    log: Log,
}

/// An answer, and what has to be told the ordinary way.
#[derive(Clone, Debug)]
pub struct Answered {
    /// For the PBX.
    pub answer: RouteAnswer,
    /// The answer as a fact, where the question named its call.
    pub event: Option<CallEvent>,
    /// Why, for counters.
    pub reason: Reason,
}

#[derive(Default)]
struct State {
    /// People each open call keeps busy, as of this version of the call.
    engaged: HashMap<CallId, (i64, Vec<PersonId>)>,
    last_talk: BTreeMap<PersonId, Timestamp>,
    last_turn: BTreeMap<i64, PersonId>,
    /// Phones given out whose ringing has not been heard of yet.
    reserved: HashMap<PersonId, Reservation>,
    calls: HashMap<CallName, Remembered>,
    order: VecDeque<(Timestamp, CallName)>,
}

/// What an asking call is known by: its key, or else caller and line.
type CallName = (AccountName, String);

struct Reservation {
    until: Timestamp,
    by: CallName,
}

#[derive(Default)]
struct Remembered {
    tried: Vec<PersonId>,
    answers: Vec<Given>,
}

/// An answer given.
#[derive(Clone)]
struct Given {
    at: Timestamp,
    attempt: u32,
    did: Option<Number>,
    answer: RouteAnswer,
    reason: Reason,
}

impl Remembered {
    /// Whether this question begins anew: a first question, long after the first one was answered.
    fn is_new_round(&self, enquiry: &Enquiry) -> bool {
        let first = self.answers.iter().find(|given| given.attempt == 1);
        enquiry.attempt == 1
            && first.is_some_and(|given| enquiry.at.millis_since(given.at) > REPEATED_MS)
    }
}

impl Desk {
    /// Reads the tables and the open calls, and starts the task that keeps decisions.
    pub async fn open(db: Db, policy: Policy, settings: Settings) -> Result<Arc<Self>, StoreError> {
        let tables = crate::store::routing::tables(&db).await?;
        let log = Log::open(db.clone());
        let desk = Self {
            db,
            rules: ArcSwap::from_pointee((policy, settings)),
            tables: ArcSwap::from_pointee(tables),
            state: Mutex::default(),
            phones: Arc::default(),
            log,
        };
        desk.rebuild().await?;
        Ok(Arc::new(desk))
    }

    /// Ends keeping decisions, once those that wait are kept.
    pub async fn close(&self) {
        self.log.close().await;
    }

    /// Goes on under other rules and deadlines.
    pub fn adopt(&self, policy: Policy, settings: Settings) {
        self.rules.store(Arc::new((policy, settings)));
    }

    /// Where connections tell which phones can be rung.
    pub fn phones(&self) -> &Arc<Phones> {
        &self.phones
    }

    /// Reads anew who is busy: at start, and when changes were missed.
    pub async fn rebuild(&self) -> Result<(), StoreError> {
        let calls = open::calls(&self.db).await?;
        let open: HashSet<CallId> = calls.iter().map(|call| call.id).collect();
        self.lock().engaged.retain(|id, _| open.contains(id));
        for open in &calls {
            self.note_call((open.id, open.version), &open.account, &open.call);
        }
        Ok(())
    }

    /// How often people, groups and lines are read again although nothing says that they changed.
    pub fn refresh_pause(&self) -> Duration {
        Duration::from_millis(self.rules.load().1.refresh_ms.max(100))
    }

    /// Reads people, groups and lines again.
    pub async fn refresh_now(&self) {
        match crate::store::routing::tables(&self.db).await {
            Ok(tables) => self.tables.store(Arc::new(tables)),
            // The last tables go on serving; readiness tells that the database is away.
            Err(error) => tracing::warn!(%error, "people and lines could not be read again"),
        }
    }

    /// Takes note of what a commit changed: who is busy now.
    pub fn note(&self, change: &Change) {
        self.note_call((change.id, change.version), &change.account, &change.call);
        let mut state = self.lock();
        for gone in &change.merged {
            state.engaged.remove(gone);
        }
    }

    /// Takes note of a call as of one of its versions; an older one than known is passed over.
    fn note_call(&self, (id, version): (CallId, i64), account: &AccountName, call: &Call) {
        let tables = self.tables.load();
        let people = |extensions: &[Extension]| -> Vec<PersonId> {
            extensions
                .iter()
                .filter_map(|phone| tables.holder(account, phone))
                .collect()
        };
        let ringing = people(&call.ringing);
        let talking = people(&call.talking);
        let mut state = self.lock();
        if state
            .engaged
            .get(&id)
            .is_some_and(|(known, _)| *known > version)
        {
            return;
        }
        for person in &talking {
            let last = state.last_talk.entry(*person).or_insert(call.heard_at);
            *last = (*last).max(call.heard_at);
        }
        if call.is_over() || (ringing.is_empty() && talking.is_empty()) {
            state.engaged.remove(&id);
        } else {
            state
                .engaged
                .insert(id, (version, [ringing, talking].concat()));
        }
    }

    /// Whether the PBX has asked about this call itself.
    pub fn was_asked(&self, account: &AccountName, key: &CallKey) -> bool {
        let name = (account.clone(), key.as_str().to_owned());
        self.lock().calls.contains_key(&name)
    }

    /// What the line's rule of recording asks of the PBX, from memory: also where no answer comes in time.
    pub fn recorded(&self, enquiry: &Enquiry) -> Recorded {
        recorded(enquiry, &self.tables.load())
    }

    /// Answers one enquiry. Never fails: what cannot be known in time is left out of the decision.
    pub async fn enquire(&self, enquiry: &Enquiry) -> Answered {
        let began = Instant::now();
        let name = name_of(enquiry);
        if let Some(given) = self.repeated(&name, enquiry) {
            return Answered {
                event: fact_of(enquiry, &given.answer, given.at),
                answer: given.answer,
                reason: given.reason,
            };
        }
        let (known, trouble) = self.look_up(enquiry).await;
        let caller = caller_of(&known, enquiry);
        let decision = self.decide(enquiry, &name, caller.and_then(|card| card.owner));
        let reason = match decision.reason {
            Reason::Blocked => Reason::Blocked,
            other => trouble.unwrap_or(other),
        };
        let answer = RouteAnswer {
            targets: decision
                .targets
                .iter()
                .map(|(_, phone)| phone.clone())
                .collect(),
            ring_ms: decision.ring_ms,
            together: decision.targets.len() > 1,
            display_name: caller
                .map(|card| card.name.clone())
                .filter(|name| !name.is_empty()),
            reason: reason.as_str().to_owned(),
            recorded: self.recorded(enquiry),
        };
        self.remember(enquiry, name, &decision, &answer, reason);
        self.log
            .keep(enquiry, &decision, &answer, reason, began.elapsed());
        Answered {
            event: fact_of(enquiry, &answer, enquiry.at),
            answer,
            reason,
        }
    }

    /// The same question asked again at once gets the same answer.
    fn repeated(&self, name: &CallName, enquiry: &Enquiry) -> Option<Given> {
        if enquiry.is_it.is_some() {
            return None;
        }
        let state = self.lock();
        let mut answers = state.calls.get(name)?.answers.iter();
        let same = |given: &&Given| {
            given.attempt == enquiry.attempt
                && given.did == enquiry.did
                && enquiry.at.millis_since(given.at) <= REPEATED_MS
        };
        answers.find(same).cloned()
    }

    async fn look_up(&self, enquiry: &Enquiry) -> (Vec<KnownBy>, Option<Reason>) {
        let Some(e164) = enquiry.client.as_ref().and_then(|number| number.e164()) else {
            return (Vec::new(), None);
        };
        let deadline = Duration::from_millis(self.rules.load().1.answer_timeout_ms);
        let search = crate::store::routing::known_by(&self.db, e164);
        match tokio::time::timeout(deadline, search).await {
            Ok(Ok(known)) => (known, None),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the caller's card could not be read for a routing answer");
                (Vec::new(), Some(Reason::StoreAway))
            }
            Err(_) => (Vec::new(), Some(Reason::Timeout)),
        }
    }

    fn decide(&self, enquiry: &Enquiry, name: &CallName, owner: Option<PersonId>) -> Decision {
        let tables = self.tables.load();
        let rules = self.rules.load();
        let policy = &rules.0;
        let phones = self.phones.troubled(&enquiry.account);
        let state = self.lock();
        let now = Now {
            phones,
            ..state.now(enquiry.at, name)
        };
        let tried = match state.calls.get(name) {
            Some(remembered) if remembered.is_new_round(enquiry) => Vec::new(),
            Some(remembered) => remembered.tried.clone(),
            // Asked before a restart of ours: as if the first candidates had been tried in order.
            None => tried_in_order(enquiry, owner, &tables, &now, policy),
        };
        let question = question(enquiry, &tables, owner, (enquiry.attempt, &tried));
        let mut decision = routing::decide(&question, &tables, &now, policy);
        if let Some(asked) = &enquiry.is_it {
            decision.targets.retain(|(_, phone)| phone == asked);
        }
        decision
    }

    fn remember(
        &self,
        enquiry: &Enquiry,
        name: CallName,
        decision: &Decision,
        answer: &RouteAnswer,
        reason: Reason,
    ) {
        if decision.targets.is_empty() && enquiry.is_it.is_some() {
            return; // "Not this one" gives nobody the call.
        }
        let mut state = self.lock();
        if let (Some(group), Some((person, _))) = (decision.turn_of, decision.targets.first()) {
            state.last_turn.insert(group, *person);
        }
        let until = enquiry.at.plus_millis(RESERVED_MS);
        for (person, _) in &decision.targets {
            state.reserved.insert(
                *person,
                Reservation {
                    until,
                    by: name.clone(),
                },
            );
        }
        if !state.calls.contains_key(&name) {
            state.order.push_back((enquiry.at, name.clone()));
        }
        let remembered = state.calls.entry(name).or_default();
        if remembered.is_new_round(enquiry) {
            *remembered = Remembered::default();
        }
        remembered
            .tried
            .extend(decision.targets.iter().map(|(person, _)| *person));
        remembered.answers.push(Given {
            at: enquiry.at,
            attempt: enquiry.attempt,
            did: enquiry.did.clone(),
            answer: answer.clone(),
            reason,
        });
        state.forget(enquiry.at);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it holds the lock; if it ever did, the state is still usable.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn now(&self, at: Timestamp, asking: &CallName) -> Now {
        let engaged = self
            .engaged
            .values()
            .flat_map(|(_, people)| people)
            .copied();
        let reserved = self
            .reserved
            .iter()
            .filter(|(_, held)| held.until > at && held.by != *asking);
        let busy: HashSet<PersonId> = engaged.chain(reserved.map(|(person, _)| *person)).collect();
        Now {
            busy: busy.into_iter().collect(),
            last_talk: self.last_talk.clone(),
            last_turn: self.last_turn.clone(),
            phones: BTreeMap::new(),
        }
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.order.front() {
            let old = now.millis_since(*at) > REMEMBERED_MS;
            if !old && self.order.len() <= REMEMBERED_CALLS {
                break;
            }
            if let Some((_, name)) = self.order.pop_front() {
                self.calls.remove(&name);
            }
        }
        self.reserved.retain(|_, held| held.until > now);
    }
}

fn name_of(enquiry: &Enquiry) -> CallName {
    let name = match &enquiry.call {
        Some(key) => key.as_str().to_owned(),
        None => format!("{:?}>{:?}", enquiry.client, enquiry.did),
    };
    (enquiry.account.clone(), name)
}

/// What the rule of the line asks of the PBX: not to record at every attempt, for each may begin a recording of
/// its own; the rest once a call, before anybody's phone rings.
fn recorded(enquiry: &Enquiry, tables: &Tables) -> Recorded {
    let did = enquiry.did.as_ref().and_then(|number| number.e164());
    let rule = did.and_then(|did| {
        let line = (enquiry.account.clone(), did.to_owned());
        tables.recorded.get(&line)
    });
    let Some(rule) = rule else {
        return Recorded::default();
    };
    let is_said = rule.kept && rule.notice == Notice::Prompt && enquiry.attempt == 1;
    let prompt = is_said.then(|| rule.prompt.clone());
    Recorded {
        never: !rule.kept,
        asks: prompt.is_some() && rule.consent == Consent::Asked,
        prompt,
    }
}

fn question<'a>(
    enquiry: &'a Enquiry,
    tables: &Tables,
    owner: Option<PersonId>,
    (attempt, tried): (u32, &'a [PersonId]),
) -> Question<'a> {
    let client = enquiry.client.as_ref().and_then(|number| number.e164());
    Question {
        is_blocked: client.is_some_and(|client| tables.blocked.contains(client)),
        account: &enquiry.account,
        did: enquiry.did.as_ref().and_then(|number| number.e164()),
        owner,
        attempt,
        tried,
        rung: &enquiry.rung,
        at: enquiry.at,
    }
}

fn tried_in_order(
    enquiry: &Enquiry,
    owner: Option<PersonId>,
    tables: &Tables,
    now: &Now,
    policy: &Policy,
) -> Vec<PersonId> {
    let mut tried = Vec::new();
    for attempt in 1..enquiry.attempt.min(policy.max_attempts + 1) {
        let question = question(enquiry, tables, owner, (attempt, &tried));
        let decision = routing::decide(&question, tables, now, policy);
        tried.extend(decision.targets.iter().map(|(person, _)| *person));
    }
    tried
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_write;

    const AT: Timestamp = Timestamp::from_seconds(1_773_728_100);

    struct Office {
        desk: Arc<Desk>,
        db: Db,
        folder: std::path::PathBuf,
    }

    impl Office {
        /// Three managers 101 to 103 in a round-robin group; the client ...11 belongs to 101.
        async fn open() -> Self {
            let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
            std::fs::create_dir_all(&folder).unwrap();
            let url = format!("sqlite:{}", folder.join("t.db").display());
            let settings = crate::store::Settings {
                url,
                ..Default::default()
            };
            let db = Db::open(&settings).await.unwrap();
            db.migrate().await.unwrap();
            for sql in [
                "insert into person (id, login, name, role, created_at) values \
                 (1, 'a', 'A', 'manager', 0), (2, 'b', 'B', 'manager', 0), (3, 'c', 'C', 'manager', 0)",
                "insert into person_extension values ('office', '101', 1), ('office', '102', 2), ('office', '103', 3)",
                "insert into ring_group values (7, 'sales', 'round_robin')",
                "insert into ring_group_member values (7, 1, 1), (7, 2, 2), (7, 3, 3)",
                "insert into line (account, did, name, grp) values ('office', '+74950000001', 'Site', 7)",
                "insert into card (id, name, owner, created_at, updated_at) \
                 values (x'018f0000000070008000000000000001', 'Client One', 1, 0, 0)",
                "insert into card_phone select '+74950000011', '', id, 'own' from card",
            ] {
                on_write!(&db, pool => sqlx::query(sql).execute(pool).await.map(|_| ())).unwrap();
            }
            let desk = Desk::open(db.clone(), Policy::default(), Settings::default())
                .await
                .unwrap();
            Self { desk, db, folder }
        }

        async fn ask(&self, call: &str, client: &str, attempt: u32, after_ms: i64) -> Answered {
            self.desk
                .enquire(&enquiry(call, client, attempt, AT.plus_millis(after_ms)))
                .await
        }

        async fn close(self) {
            self.db.close().await;
            std::fs::remove_dir_all(self.folder).unwrap();
        }
    }

    fn enquiry(call: &str, client: &str, attempt: u32, at: Timestamp) -> Enquiry {
        let number = |text: &str| Number::E164 {
            e164: text.to_owned(),
            ext: None,
        };
        Enquiry {
            account: "office".into(),
            call: Some(call.into()),
            client: Some(number(client)),
            did: Some(number("+74950000001")),
            attempt,
            is_it: None,
            digits: String::new(),
            rung: Vec::new(),
            at,
        }
    }

    fn phones(answered: &Answered) -> Vec<&str> {
        answered
            .answer
            .targets
            .iter()
            .map(Extension::as_str)
            .collect()
    }

    #[test]
    fn the_callers_card_is_the_one_that_the_call_will_have() {
        let known = |n: u128, kind: &str, ext: &str, owner: Option<i64>| KnownBy {
            card: crate::model::ids::CardId(uuid::Uuid::from_u128(n)),
            name: n.to_string(),
            owner: owner.map(PersonId),
            kind: kind.to_owned(),
            ext: ext.to_owned(),
        };
        let chosen = |known: &[KnownBy], ext: Option<&str>| {
            let mut asked = enquiry("c", "+74950000011", 1, AT);
            asked.client = Some(Number::E164 {
                e164: "+74950000011".to_owned(),
                ext: ext.map(str::to_owned),
            });
            caller_of(known, &asked).map(|card| card.name.clone())
        };
        // Several owners behind a company's line: the older card, as the journal will say.
        let company = [
            known(2, "company", "", Some(2)),
            known(1, "company", "", Some(1)),
        ];
        assert_eq!(chosen(&company, None).as_deref(), Some("1"));
        // Another extension is another person's.
        let people = [
            known(1, "own", "12", Some(1)),
            known(2, "shared", "", Some(2)),
        ];
        assert_eq!(chosen(&people, Some("12")).as_deref(), Some("1"));
        assert_eq!(chosen(&people, Some("13")).as_deref(), Some("2"));
        assert_eq!(chosen(&people, None).as_deref(), Some("2"));
        assert_eq!(chosen(&people[..1], None), None);
    }

    #[tokio::test]
    async fn a_known_client_goes_to_the_owner_then_to_the_next() {
        let office = Office::open().await;
        let first = office.ask("c1", "+74950000011", 1, 0).await;
        assert_eq!((phones(&first), first.reason), (vec!["101"], Reason::Owner));
        assert_eq!(first.answer.display_name.as_deref(), Some("Client One"));
        let again = office.ask("c1", "+74950000011", 1, 10).await;
        assert_eq!(
            phones(&again),
            ["101"],
            "the same question gets the same answer"
        );
        let second = office.ask("c1", "+74950000011", 2, 9_600).await;
        assert_eq!(
            (phones(&second), second.reason),
            (vec!["102"], Reason::Group)
        );
        office.close().await;
    }

    #[tokio::test]
    async fn a_line_that_is_not_recorded_is_so_at_every_attempt() {
        let office = Office::open().await;
        const RULE: &str = "insert into line_recording \
             (line, valid_from, kept, notice, prompt, consent) \
             select id, $1, $1, $2, 'p', 'asked' from line";
        for (kept, notice, prompts) in [
            (0i64, "none", [false, false]),
            (1i64, "prompt", [true, false]),
        ] {
            let never = kept == 0;
            on_write!(&office.db, pool => {
                sqlx::query(RULE).bind(kept).bind(notice).execute(pool).await.map(|_| ())
            })
            .unwrap();
            office.desk.refresh_now().await;
            for (attempt, prompted) in (1..).zip(prompts) {
                let call = format!("c{never}");
                let answered = office.ask(&call, "+74950000011", attempt, 0).await;
                let told = answered.answer.recorded;
                let asked = (told.never, told.prompt.is_some(), told.asks);
                assert_eq!(asked, (never, prompted, prompted), "attempt {attempt}");
            }
        }
        office.close().await;
    }

    #[tokio::test]
    async fn a_call_that_comes_back_is_asked_about_anew() {
        let office = Office::open().await;
        let first = office.ask("c1", "+74950000011", 1, 0).await;
        let talk = Call {
            talking: vec!["101".into()],
            ..Call::default()
        };
        office
            .desk
            .note_call((CallId(uuid::Uuid::now_v7()), 1), &"office".into(), &talk);
        let back = office.ask("c1", "+74950000011", 1, 60_000).await;
        assert_eq!(phones(&back), ["102"], "the owner talks now");
        assert_ne!(first.event.unwrap().id, back.event.unwrap().id);
        office.close().await;
    }

    #[tokio::test]
    async fn sixty_calls_at_once_spread_over_the_group() {
        let office = Office::open().await;
        let mut given = Vec::new();
        for call in 0..60 {
            let answered = office
                .ask(&format!("c{call}"), "+74950000099", 1, call)
                .await;
            given.extend(phones(&answered).into_iter().map(str::to_owned));
        }
        assert_eq!(
            given,
            ["101", "102", "103"],
            "each free phone once, then the PBX's queue"
        );
        office.close().await;
    }

    #[tokio::test]
    async fn who_talks_is_left_alone_until_the_call_is_over() {
        let office = Office::open().await;
        let mut call = Call {
            talking: vec!["101".into()],
            ..Call::default()
        };
        let id = CallId(uuid::Uuid::now_v7());
        office.desk.note_call((id, 1), &"office".into(), &call);
        assert_eq!(
            phones(&office.ask("c1", "+74950000011", 1, 0).await),
            ["102"]
        );
        call.talking.clear();
        call.phase = crate::model::call::Phase::Ended;
        office.desk.note_call((id, 1), &"office".into(), &call);
        assert_eq!(
            phones(&office.ask("c2", "+74950000011", 1, 1).await),
            ["101"]
        );
        office.close().await;
    }

    #[tokio::test]
    async fn a_call_whose_end_was_missed_keeps_nobody_busy() {
        let office = Office::open().await;
        let call = Call {
            talking: vec!["101".into()],
            ..Call::default()
        };
        let id = CallId(uuid::Uuid::now_v7());
        office.desk.note_call((id, 1), &"office".into(), &call);
        office.desk.rebuild().await.unwrap();
        assert_eq!(
            phones(&office.ask("c1", "+74950000011", 1, 0).await),
            ["101"]
        );
        office.close().await;
    }

    #[tokio::test]
    async fn a_decision_is_kept_when_the_database_is_back() {
        let office = Office::open().await;
        for sql in ["alter table decision rename to away", "delete from away"] {
            on_write!(&office.db, pool => sqlx::query(sql).execute(pool).await.map(|_| ()))
                .unwrap();
        }
        office.ask("c1", "+74950000011", 1, 0).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let sql = "alter table away rename to decision";
        on_write!(&office.db, pool => sqlx::query(sql).execute(pool).await.map(|_| ())).unwrap();
        let mut kept = 0i64;
        for _ in 0..100 {
            kept = crate::on_read!(&office.db, pool => {
                sqlx::query_scalar("select count(*) from decision").fetch_one(pool).await
            })
            .unwrap();
            if kept > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(kept, 1);
        office.close().await;
    }

    #[tokio::test]
    async fn a_second_question_after_a_restart_is_not_answered_with_the_first_name() {
        let office = Office::open().await;
        let answered = office.ask("c1", "+74950000011", 2, 0).await;
        assert_eq!(phones(&answered), ["102"]);
        office.close().await;
    }

    #[tokio::test]
    async fn without_the_database_the_group_still_rings_and_the_reason_says_so() {
        let office = Office::open().await;
        office.db.close().await;
        let answered = office.ask("c1", "+74950000011", 1, 0).await;
        assert_eq!(
            (phones(&answered), answered.reason),
            (vec!["101"], Reason::StoreAway)
        );
        assert_eq!(answered.answer.display_name, None);
        std::fs::remove_dir_all(&office.folder).unwrap();
    }

    #[tokio::test]
    async fn a_yes_or_no_question_is_yes_only_for_the_one_who_would_ring() {
        let office = Office::open().await;
        for (phone, wanted) in [("102", 0), ("101", 1)] {
            let mut asked = enquiry("c1", "+74950000011", 1, AT);
            asked.call = None;
            asked.is_it = Some(phone.into());
            assert_eq!(
                office.desk.enquire(&asked).await.answer.targets.len(),
                wanted,
                "{phone}"
            );
        }
        office.close().await;
    }

    #[tokio::test]
    async fn the_answer_is_a_fact_and_a_row_of_the_log() {
        let office = Office::open().await;
        let answered = office.ask("c1", "+74950000011", 1, 0).await;
        let event = answered.event.unwrap();
        assert_eq!(event.id.as_str(), "c1/route/1773728100000/1");
        // Whoever closes waits for what is not written yet.
        office.desk.close().await;
        let rows: Vec<(String, String)> = crate::on_read!(&office.db, pool => {
            sqlx::query_as("select reason, targets from decision").fetch_all(pool).await
        })
        .unwrap();
        assert_eq!(rows, [("owner".to_owned(), r#"["101"]"#.to_owned())]);
        office.close().await;
    }
}
