//! The whole flow by seed: HTTP handlers and manager socket, the real writer, a real database.
//!
//! A seed decides everything: who calls whom, how it is told, what is lost, repeated, late, in which
//! bursts it comes and where the gateway is killed. Messages that were not acknowledged come again,
//! as a provider's would; after the last one the database must say what the ledger says.

mod found;
mod play;
mod rig;

use std::collections::BTreeSet;

use ringcard::{
    bench::cluster::Cluster,
    model::time::Timestamp,
    simulator::{
        ami::Said,
        chaos::Chaos,
        dice::Dice,
        office::{Call, Draw, Told},
        story::{Plot, Tempo, World},
    },
};

use self::rig::{Place, Rig};

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
        let mut rig = Rig::start(&place, &plan.world).await;
        let mut wrong = play::all(&plan, &mut rig, &mut dice).await;
        rig.settle(&plan).await;
        rig.stop().await;
        wrong.extend(found::check(&plan, &place).await);
        place.remove().await;
        wrong
    })
}

/// What a seed has decided before anything is sent.
pub struct Plan {
    /// Who takes part.
    pub world: World,
    /// What happens and what must be found.
    pub calls: Vec<Call>,
    /// What arrives by webhook, in order, with the account's name.
    pub posts: Vec<(String, ringcard::simulator::message::Post)>,
    /// What the PBX says on its own socket and writes to its log, in order. What happens within one
    /// millisecond of a call is said at once: nobody ever sees a state in between.
    pub said: Vec<Vec<Said>>,
    /// Calls that lost messages.
    pub maimed: BTreeSet<u64>,
    /// Before which of the posts the gateway is killed.
    pub crashes: Vec<usize>,
    /// Before which of `said` the connection is cut.
    pub cuts: BTreeSet<usize>,
}

impl Plan {
    fn draw(dice: &mut Dice, seed: u64) -> Self {
        let world = World::company(dice.between(5, 8) as usize, dice.between(2, 12) as usize);
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() as i64);
        let draw = Draw {
            accounts: rig::accounts(seed),
            world: world.clone(),
            plots: Plot::ALL.to_vec(),
            calls: dice.between(3, 12) as u64,
            from: Timestamp::from_seconds(now - 3_000),
            pause_ms: 20_000,
            tempo: Tempo::NATURAL,
            records: true,
            star: None,
        };
        let calls = draw.calls(dice);
        let chaos = Chaos::draw(dice);
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
            match &sent.what {
                Told::Post(post) => webhooks.push(ringcard::simulator::message::Sent {
                    at: sent.at,
                    story: sent.story,
                    what: (account.to_owned(), post.clone()),
                }),
                Told::Said(what) => {
                    let now = Some((sent.at.as_millis(), sent.story));
                    match said.last_mut() {
                        Some(together) if moment == now => together.push(what.clone()),
                        _ => said.push(vec![what.clone()]),
                    }
                    moment = now;
                }
            }
        }
        let (arrived, maimed) = chaos.apply(dice, webhooks);
        let posts: Vec<_> = arrived.into_iter().map(|sent| sent.what).collect();
        let crashes = chaos.crash_points(dice, posts.len());
        let mut cuts = BTreeSet::new();
        if !said.is_empty() && dice.chance(15) {
            cuts.insert(dice.below(said.len() as u64) as usize);
        }
        Self {
            world,
            calls,
            posts,
            said,
            maimed: maimed.into_iter().collect(),
            crashes,
            cuts,
        }
    }

    /// Whether events of the manager socket went past us, so that live channels and the log have to
    /// fill the gap.
    pub fn deaf_for_a_while(&self) -> bool {
        !self.cuts.is_empty() || !self.crashes.is_empty()
    }
}
