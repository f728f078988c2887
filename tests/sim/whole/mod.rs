//! The whole flow by seed: HTTP handlers and manager socket, the real writer, a real database.
//!
//! A seed decides everything: who calls whom, how it is told, what is lost, repeated, late, in which
//! bursts it comes and where the gateway is killed. Messages that were not acknowledged come again,
//! as a provider's would; after the last one the database must say what the ledger says.

mod accounts;
mod cards;
mod found;
mod heard;
mod play;
pub mod rig;
pub mod tables;
mod tasks;
mod touches;
mod witness;

use std::collections::BTreeSet;

use ringcard::{
    bench::cluster::Cluster,
    model::time::Timestamp,
    simulator::{
        ami::Said,
        chaos::Chaos,
        dice::Dice,
        message::{Post, Sent},
        office::{Call, Draw, Told},
        story::{Plot, Tempo, World},
    },
};

use self::{
    accounts::Opened,
    cards::Tidier,
    rig::{Place, Rig},
};

/// Runs one seed; every line is something that must not be.
pub fn run(seed: u64, cluster: Option<&Cluster>) -> Vec<String> {
    let mut dice = Dice::new(seed);
    let plan = Plan::draw(&mut dice, seed);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads can be started");
    runtime.block_on(async {
        let place = Place::new(seed, cluster).await;
        let mut rig = Rig::start(&place, &plan).await;
        let mut tidier = Tidier::new(Dice::new(!seed));
        let mut wrong = play::all(&plan, &mut rig, &mut dice, &mut tidier).await;
        rig.settle(&plan).await;
        wrong.extend(play::afterwards(&plan, &mut rig, &mut dice).await);
        rig.witness.settle().await;
        rig.stop(&mut wrong).await;
        wrong.extend(rig.witness.check(&plan));
        wrong.extend(found::check(&plan, &tidier, &place).await);
        place.remove().await;
        wrong
    })
}

/// A webhook request and the account it is for.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The account.
    pub account: String,
    /// Which call it tells of.
    pub story: u64,
    /// What is sent.
    pub post: Post,
}

/// What a seed has decided before anything is sent.
pub struct Plan {
    /// Who tells calls.
    pub accounts: Vec<Opened>,
    /// Who takes part.
    pub world: World,
    /// What happens and what must be found.
    pub calls: Vec<Call>,
    /// What arrives by webhook, in order.
    pub posts: Vec<Hook>,
    /// How many of `posts` come only when the facts of all ended calls have been sealed.
    pub late: usize,
    /// Whether every webhook comes once more at the end, in another order.
    pub echo: bool,
    /// What the PBX says on its own socket and writes to its log, in order. What happens within one
    /// millisecond of a call is said at once: nobody ever sees a state in between.
    pub said: Vec<Vec<Said>>,
    /// Calls that lost messages.
    pub maimed: BTreeSet<u64>,
    /// Before which of the posts the gateway is killed.
    pub crashes: Vec<usize>,
    /// From which of `said` on, and for how many, the connection is cut.
    pub deaf: Option<(usize, usize)>,
    /// Whether the calls are of the last minutes; only those open pops.
    pub is_fresh: bool,
    /// Whether everything comes once, in order, and no sooner than what was told before is committed.
    pub calm: bool,
    /// Whether people merge and part cards meanwhile.
    pub tidied: bool,
}

/// Conversations of calls that all end within minutes.
const SHORT: Tempo = Tempo {
    talk_ms: (5_000, 50_000),
};
/// How long ago the first call of a fresh run begins: the last one is over by now.
const FRESH_MS: i64 = 250_000;

impl Plan {
    fn draw(dice: &mut Dice, seed: u64) -> Self {
        let world = World::company(dice.between(5, 8) as usize, dice.between(2, 12) as usize);
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() as i64);
        let is_fresh = dice.chance(60);
        let ago_ms = match is_fresh {
            true => FRESH_MS,
            // Any time of the day, and no longer ago than a log is read back.
            false => dice.between(3_000, 70_000) * 1_000,
        };
        let accounts = accounts::draw(dice, seed);
        let draw = Draw {
            accounts: accounts
                .iter()
                .map(|opened| opened.account.clone())
                .collect(),
            world: world.clone(),
            plots: Plot::ALL.to_vec(),
            calls: dice.between(3, 12) as u64,
            from: Timestamp::from_seconds(now).plus_millis(-ago_ms),
            pause_ms: if is_fresh { 7_000 } else { 20_000 },
            tempo: if is_fresh { SHORT } else { Tempo::NATURAL },
            records: true,
            star: None,
        };
        let mut calls = draw.calls(dice);
        for call in &mut calls {
            accounts::described(&mut call.ledger, &call.story);
        }
        let chaos = Chaos::draw(dice);
        let (webhooks, said) = in_order(&draw, &calls);
        let (arrived, maimed) = chaos.apply(dice, webhooks);
        let posts: Vec<_> = arrived.into_iter().map(|sent| sent.what).collect();
        let crashes = chaos.crash_points(dice, posts.len());
        let deaf = (!said.is_empty() && dice.chance(15)).then(|| {
            let from = dice.below(said.len() as u64) as usize;
            (from, 1 + dice.below(25) as usize)
        });
        let late = match dice.chance(15) {
            true => dice.below(posts.len() as u64 / 2 + 1) as usize,
            false => 0,
        };
        Self {
            accounts,
            world,
            calls,
            late,
            echo: dice.chance(20),
            said,
            maimed: maimed.into_iter().collect(),
            calm: chaos == Chaos::NONE && deaf.is_none() && late == 0,
            posts,
            crashes,
            deaf,
            is_fresh,
            tidied: Dice::new(!seed).chance(35),
        }
    }

    /// Our numbers as they are written down: id of the line, account, number.
    pub fn lines(&self) -> impl Iterator<Item = (i64, &'static str, &str)> {
        let accounts = self.accounts.iter();
        let numbers = accounts.flat_map(|account| {
            let dids = self.world.dids.iter();
            dids.map(|did| (account.name, did.as_str()))
        });
        (1..)
            .zip(numbers)
            .map(|(id, (account, did))| (id, account, did))
    }

    /// Whether events of the manager socket may have gone past us, so that live channels and the log
    /// have to fill the gap.
    pub fn deaf_for_a_while(&self) -> bool {
        self.deaf.is_some() || !self.crashes.is_empty()
    }

    /// Whether the phone of a person rang in a call, and whether the person talked; `None`: had no
    /// part in it. People are numbered from 1.
    pub fn phone_of(&self, call: &Call, person: usize) -> Option<(bool, bool)> {
        let extension = &self.world.people[person - 1];
        let phones = call.ledger.phones.iter();
        phones
            .filter(|phone| phone.extension == *extension)
            .map(|phone| (phone.rang_at.is_some(), phone.answered_at.is_some()))
            .reduce(|one, other| (one.0 || other.0, one.1 || other.1))
    }
}

/// Everything that is told, in the order of its times: webhooks, and what the manager socket and the
/// log say.
fn in_order(draw: &Draw, calls: &[Call]) -> (Vec<Sent<Hook>>, Vec<Vec<Said>>) {
    let mut sent: Vec<_> = calls
        .iter()
        .flat_map(|call| {
            let account = draw.accounts[call.account].name();
            call.told.iter().map(move |told| (account, told.clone()))
        })
        .collect();
    sent.sort_by_key(|(_, sent)| sent.at);
    let mut webhooks = Vec::new();
    let mut said: Vec<Vec<Said>> = Vec::new();
    let mut moment = None;
    for (account, sent) in sent {
        match sent.what {
            Told::Post(post) => webhooks.push(Sent {
                at: sent.at,
                story: sent.story,
                what: Hook {
                    account: account.to_owned(),
                    story: sent.story,
                    post,
                },
            }),
            Told::Said(what) => {
                let now = Some((sent.at.as_millis(), sent.story));
                match said.last_mut() {
                    Some(together) if moment == now => together.push(what),
                    _ => said.push(vec![what]),
                }
                moment = now;
            }
        }
    }
    (webhooks, said)
}
