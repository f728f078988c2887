//! The accounts of a seed: the PBX that is dialled, and some of those that post.

use ringcard::{
    model::{
        call::LegResult,
        event::{Cause, Direction},
    },
    simulator::{
        dice::Dice,
        ledger::Ledger,
        office::Account,
        played::{self, Opening, PLAYED, Played},
        story::{Outcome, Story},
    },
};

use super::rig::Place;

/// The account that we dial.
pub const OFFICE: &str = "office";
/// An account that is nothing but a description, of the words of [`DESCRIBED_AS`].
const DESCRIBED: &str = "described";
const DESCRIBED_AS: &str = "onlinepbx";
const DESCRIPTION: &str = include_str!("../../../config/webhook/onlinepbx.toml");

/// What the PBX that we dial asks of whoever logs in.
pub const SECRET: &str = "sim-secret-0123456789";

/// Played together and alone, and not here: of Zadarma's an answer that comes after the end may lose who it
/// was.
const UNTOLD: [&str; 2] = ["zadarma", "novofon"];

/// How many of those that post a seed has.
const POSTING: (i64, i64) = (2, 4);

/// An account of a seed.
pub struct Opened {
    /// Our name of it.
    pub name: &'static str,
    /// Who tells calls.
    pub account: Account,
    played: &'static Played,
}

/// Draws the accounts of a seed.
pub fn draw(dice: &mut Dice, seed: u64) -> Vec<Opened> {
    let mut posting: Vec<Opened> = PLAYED
        .iter()
        .filter(|played| !played.is_dialled && !UNTOLD.contains(&played.provider))
        .map(|played| open(played.provider, played, seed))
        .collect();
    let described = played::find(DESCRIBED_AS).expect("its words are known");
    posting.push(open(DESCRIBED, described, seed));
    dice.shuffle(&mut posting);
    posting.truncate(dice.between(POSTING.0, POSTING.1) as usize);
    let dialled = PLAYED.iter().filter(|played| played.is_dialled);
    posting.extend(dialled.map(|played| open(OFFICE, played, seed)));
    posting
}

fn open(name: &'static str, played: &'static Played, seed: u64) -> Opened {
    let opening = Opening {
        account: name.to_owned(),
        secret: SECRET.to_owned(),
        salt: played.any_salt(),
        run: seed,
    };
    Opened {
        name,
        account: (played.open)(opening),
        played,
    }
}

impl Opened {
    /// Its table in the configuration; `ami`: where the PBX that is dialled listens.
    pub fn table(&self, ami: std::net::SocketAddr, place: &Place) -> String {
        if self.name == DESCRIBED {
            return DESCRIPTION
                .replace("name = \"onlinepbx\"", &format!("name = \"{DESCRIBED}\""))
                .replace("env:ONLINEPBX_TOKEN", SECRET);
        }
        let mut table = self
            .played
            .table(self.name, SECRET, &self.played.any_salt());
        if self.played.is_dialled {
            table.push_str(&format!(
                "address = \"{ami}\"\nuser = \"ringcard\"\ncel = \"{}\"\n",
                place.cel().display()
            ));
        }
        table
    }
}

/// What a description tells otherwise than the adapter of the same words: who hung up only where the cause
/// says so, why a called client was not reached, and no passing-on
/// (`docs/providers/webhook.en.md`).
pub fn described(ledger: &mut Ledger, story: &Story) {
    if ledger.account != DESCRIBED {
        return;
    }
    if ledger.direction == Direction::In {
        ledger.hangup_by = None;
    }
    ledger.transfers.clear();
    let why = story.rings.last().map(|ring| ring.outcome);
    let own = ledger
        .phones
        .iter_mut()
        .filter(|phone| phone.answered_at.is_none());
    for phone in own {
        phone.result = LegResult::Failed(match why {
            Some(Outcome::Busy) => Cause::Busy,
            Some(Outcome::Cancelled) => Cause::Cancelled,
            _ => Cause::NoAnswer,
        });
    }
}

#[test]
fn a_hundred_seeds_have_every_account() {
    let mut names: Vec<&str> = (1..=100)
        .flat_map(|seed| draw(&mut Dice::new(seed), seed))
        .map(|opened| opened.name)
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), PLAYED.len() + 1 - UNTOLD.len(), "{names:?}");
}
