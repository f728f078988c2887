//! Tells those who keep something current (open browsers, who is busy, counters) what each commit
//! changed, and brings them up to date when they cannot have heard of all.
//!
//! Always in this order: subscribe, then read how things stand, then hear what changed. Whatever is
//! committed after subscribing is heard; whatever was committed before stands in what is read, for a
//! commit is durable before it is told. What is both read and heard is known by its version, and the
//! older of two is passed over. So nothing is missed at the start, after a panic of this task, or when
//! changes came faster than they could be told; in the latter case what was missed is not told at all.

use std::{sync::Arc, time::Duration};

use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::counters::Counters;
use crate::{
    flow::{self, enquiry::Desk},
    live::Hub,
    model::call::Change,
    store::Db,
    web,
};

/// Pause before how things stand is read again.
const RETRY: Duration = Duration::from_secs(1);

/// Those who are told.
#[derive(Clone)]
pub(super) struct Listeners {
    pub(super) db: Db,
    pub(super) hub: Arc<Hub>,
    pub(super) desk: Arc<Desk>,
}

/// Tells them until the writer ends.
pub(super) async fn tell(
    listeners: Listeners,
    subscribe: impl Fn() -> Receiver<Arc<Change>>,
    mut counters: Counters,
) {
    loop {
        let mut changes = subscribe();
        while let Err(error) = listeners.catch_up().await {
            tracing::warn!(%error, "calls that go on could not be read");
            tokio::time::sleep(RETRY).await;
        }
        loop {
            match changes.recv().await {
                Ok(change) => {
                    listeners.hub.publish(&change, flow::now());
                    listeners.desk.note(&change);
                    counters.note(&change).await;
                }
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "changes came faster than they could be told");
                    break;
                }
                Err(RecvError::Closed) => return,
            }
        }
    }
}

impl Listeners {
    /// Reads how things stand, so that no call whose end was missed stays for ever.
    async fn catch_up(&self) -> Result<(), web::Error> {
        self.desk.refresh_now().await;
        self.desk.rebuild().await?;
        web::pops::catch_up(&self.db, &self.hub).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicI64, Ordering::Relaxed},
    };

    use tokio::sync::broadcast::{self, Sender};

    use super::*;
    use crate::{
        flow::Flow,
        live,
        model::{
            event::{CallEvent, Clock, Direction, Fact, Party},
            ids::{AccountName, FactId, LegKey, PersonId},
            phone::Number,
            time::Timestamp,
        },
        on_write,
        pbx::Enquiry,
        store::writer::{self, Writer},
    };

    const CLIENT: &str = "+74950000011";

    /// One manager with phone 101, who answers a line; nobody is told anything yet.
    struct Office {
        listeners: Listeners,
        flow: Flow,
        folder: std::path::PathBuf,
        /// Every change of the writer, kept by the test and told when it wants.
        heard: Receiver<Arc<Change>>,
        told: Sender<Arc<Change>>,
        /// Questions asked of routing so far.
        asked: AtomicI64,
    }

    impl Office {
        async fn open() -> Self {
            let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
            std::fs::create_dir_all(&folder).unwrap();
            let db = Db::open(&crate::store::Settings {
                url: format!("sqlite:{}", folder.join("t.db").display()),
                ..Default::default()
            })
            .await
            .unwrap();
            db.migrate().await.unwrap();
            for sql in [
                "insert into person (id, login, name, role, created_at) \
                 values (1, 'a', 'A', 'manager', 0)",
                "insert into person_extension values ('office', '101', 1)",
                "insert into ring_group values (7, 'sales', 'round_robin')",
                "insert into ring_group_member values (7, 1, 1)",
                "insert into line (account, did, name, grp) \
                 values ('office', '+74950000001', 'Site', 7)",
            ] {
                on_write!(&db, pool => sqlx::query(sql).execute(pool).await.map(|_| ())).unwrap();
            }
            let flow = Flow::new(Writer::start(db.clone(), 1, &writer::Settings::default()));
            let desk = Desk::open(db.clone(), Default::default(), Default::default())
                .await
                .unwrap();
            let (hub, _) = Hub::new(live::Settings::default(), flow::now());
            web::pops::refresh_people(&db, &hub).await.unwrap();
            Self {
                heard: flow.writer().changes(),
                listeners: Listeners { db, hub, desk },
                flow,
                folder,
                // Two at most wait: the third one makes a listener lag.
                told: broadcast::channel(2).0,
                asked: AtomicI64::new(1),
            }
        }

        /// Starts to tell; `at_subscription` happens the moment before the first subscription.
        fn start(&self, at_subscription: Vec<Arc<Change>>) -> tokio::task::JoinHandle<()> {
            let (told, first) = (self.told.clone(), Mutex::new(at_subscription));
            let subscribe = move || {
                for change in first.lock().unwrap().drain(..) {
                    // Nobody hears it: that is the point.
                    let _ = told.send(change);
                }
                told.subscribe()
            };
            let counters = Counters::new(self.listeners.db.clone());
            tokio::spawn(tell(self.listeners.clone(), subscribe, counters))
        }

        /// One more fact of the call; gives the change that it made.
        async fn fact(&mut self, call: &str, leg: &str, what: &str, fact: Fact) -> Arc<Change> {
            let event = CallEvent {
                account: AccountName::from("office"),
                call: call.into(),
                leg: (!leg.is_empty()).then(|| LegKey::from(leg)),
                at: flow::now(),
                clock: Clock::Exact,
                id: FactId::from(format!("{call}/{leg}/{what}")),
                fact,
            };
            let told = self
                .flow
                .tell("office".into(), "story", vec![event], flow::now());
            told.await.unwrap();
            self.heard.recv().await.unwrap()
        }

        /// The client calls and 101 talks: gives the change.
        async fn talks(&mut self, call: &str) -> Arc<Change> {
            let client = Number::E164 {
                e164: CLIENT.to_owned(),
                ext: None,
            };
            let parties = Fact::Parties {
                direction: Some(Direction::In),
                client: Some(client.clone()),
                client_name: None,
                did: None,
            };
            self.fact(call, "", "parties", parties).await;
            let with = Party::Client(client);
            let leg = Fact::Leg {
                party: Party::Person("101".into()),
                with: Some(with.clone()),
                initiator: false,
            };
            self.fact(call, "101", "leg", leg).await;
            self.fact(call, "101", "rings", Fact::Rings).await;
            self.fact(call, "101", "talks", Fact::Talks { with }).await
        }

        async fn ends(&mut self, call: &str) -> Arc<Change> {
            self.fact(call, "", "over", Fact::Over { by: None }).await
        }

        /// Whether 101 has the pop and is left alone by routing, at once and in agreement.
        async fn is_busy(&self) -> bool {
            let enquiry = Enquiry {
                account: "office".into(),
                call: Some(uuid::Uuid::now_v7().to_string().into()),
                client: None,
                did: Some(Number::E164 {
                    e164: "+74950000001".to_owned(),
                    ext: None,
                }),
                attempt: 1,
                is_it: None,
                digits: String::new(),
                rung: Vec::new(),
                // Long after the phone given out to the question before.
                at: flow::now().plus_millis(60_000 * self.asked.fetch_add(1, Relaxed)),
            };
            let answer = self.listeners.desk.enquire(&enquiry).await.answer;
            answer.targets.is_empty()
        }

        fn pops(&self) -> usize {
            let pops = self.listeners.hub.pops(PersonId(1));
            let live = |pop: &&live::Shown| pop.stage != live::Stage::WrapUp;
            pops.iter().filter(live).count()
        }

        async fn until(&self, busy: bool, pops: usize) {
            for _ in 0..500 {
                if self.is_busy().await == busy && self.pops() == pops {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            panic!("busy {}, {} pops", self.is_busy().await, self.pops());
        }

        async fn close(self) {
            self.flow.writer().close().await;
            self.listeners.db.close().await;
            std::fs::remove_dir_all(self.folder).unwrap();
        }
    }

    #[tokio::test]
    async fn what_was_committed_before_the_first_subscription_is_known() {
        let mut office = Office::open().await;
        let talks = office.talks("c1").await;
        office.listeners.hub.publish(&talks, flow::now());
        office.listeners.desk.note(&talks);
        office.until(true, 1).await;
        // It ends after everything was read at the start and before anybody listens.
        let ends = office.ends("c1").await;
        let telling = office.start(vec![ends]);
        office.until(false, 0).await;
        telling.abort();
        office.close().await;
    }

    #[tokio::test]
    async fn a_listener_that_lags_knows_in_the_end_what_it_missed() {
        let mut office = Office::open().await;
        let telling = office.start(Vec::new());
        let talks = office.talks("c1").await;
        office.told.send(Arc::clone(&talks)).unwrap();
        office.until(true, 1).await;
        let ends = office.ends("c1").await;
        let other = office.talks("c2").await;
        let other_ends = office.ends("c2").await;
        // Nothing runs between these, so the end of the first call is pushed out of the queue, and so is
        // everything but the last word on the second.
        for change in [&ends, &other, &other_ends, &other_ends] {
            office.told.send(Arc::clone(change)).unwrap();
        }
        office.until(false, 0).await;
        telling.abort();
        office.close().await;
    }

    #[tokio::test]
    async fn what_is_older_than_what_was_read_is_passed_over() {
        let mut office = Office::open().await;
        let talks = office.talks("c1").await;
        let telling = office.start(Vec::new());
        office.until(true, 1).await;
        // An older word on the same call comes late: nobody had rung yet.
        let mut older = Change::clone(&talks);
        older.version -= 1;
        older.call = Arc::new(crate::model::call::Call {
            heard_at: Timestamp::from_micros(0),
            ..Default::default()
        });
        office.told.send(Arc::new(older)).unwrap();
        while !office.told.is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(office.is_busy().await && office.pops() == 1);
        telling.abort();
        office.close().await;
    }
}
