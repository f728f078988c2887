//! A company with accounts at several providers: draws calls and has them told, each in its own words.

use super::{
    ami::{self, Asterisk, Said},
    dice::Dice,
    itoolabs::{self, Itoolabs},
    ledger::Ledger,
    mango::{self, Mango},
    message::{Post, Sent},
    onlinepbx::{self, OnlinePbx},
    push,
    sipgate::{self, Sipgate},
    sipuni::{self, Sipuni},
    story::{Plot, Story, Tempo, World},
    twilio::{self, Twilio},
    uis::{self, Uis},
    zadarma::{self, Zadarma},
    zammad::Zammad,
};
use crate::model::time::Timestamp;

/// An account at one provider.
#[derive(Clone, Debug)]
pub enum Account {
    /// Mango Office.
    Mango(Mango),
    /// Sipuni.
    Sipuni(Sipuni),
    /// UIS.
    Uis(Uis),
    /// Zadarma, or Novofon's first API.
    Zadarma(Zadarma),
    /// The ITooLabs family.
    Itoolabs(Itoolabs),
    /// OnlinePBX.
    OnlinePbx(OnlinePbx),
    /// Twilio.
    Twilio(Twilio),
    /// A PBX that speaks to Zammad.
    Zammad(Zammad),
    /// sipgate.
    Sipgate(Sipgate),
    /// Asterisk.
    Asterisk(Asterisk),
}

/// What an account sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A webhook request.
    Post(Post),
    /// Something on the manager socket or in the CEL file.
    Said(Said),
}

impl Account {
    /// The account's name with us.
    pub fn name(&self) -> &str {
        match self {
            Self::Mango(account) => &account.account,
            Self::Sipuni(account) => &account.account,
            Self::Uis(account) => &account.account,
            Self::Zadarma(account) => &account.account,
            Self::Itoolabs(account) => &account.account,
            Self::OnlinePbx(account) => &account.account,
            Self::Twilio(account) => &account.account,
            Self::Zammad(account) => &account.account,
            Self::Sipgate(account) => &account.account,
            Self::Asterisk(account) => &account.account,
        }
    }

    /// The stories it has words for.
    pub fn plots(&self) -> &'static [Plot] {
        match self {
            Self::Mango(_) => &mango::PLOTS,
            Self::Sipuni(_) => &sipuni::PLOTS,
            Self::Uis(_) => &uis::PLOTS,
            Self::Zadarma(_) => &zadarma::PLOTS,
            Self::Itoolabs(_) => &itoolabs::PLOTS,
            Self::OnlinePbx(_) => &onlinepbx::PLOTS,
            Self::Twilio(_) => &twilio::PLOTS,
            Self::Zammad(_) => &push::PLOTS,
            Self::Sipgate(_) => &sipgate::PLOTS,
            Self::Asterisk(_) => &ami::PLOTS,
        }
    }

    /// Everything it sends about a story.
    pub fn tell(&self, story: &Story, dice: &mut Dice) -> Vec<Sent<Told>> {
        fn wrap<T>(sent: Vec<Sent<T>>, told: impl Fn(T) -> Told) -> Vec<Sent<Told>> {
            let wrapped = sent.into_iter().map(|sent| Sent {
                at: sent.at,
                story: sent.story,
                what: told(sent.what),
            });
            wrapped.collect()
        }
        match self {
            Self::Mango(account) => wrap(account.tell(story), Told::Post),
            Self::Sipuni(account) => wrap(account.tell(story, dice), Told::Post),
            Self::Uis(account) => wrap(account.tell(story), Told::Post),
            Self::Zadarma(account) => wrap(account.tell(story), Told::Post),
            Self::Itoolabs(account) => wrap(account.tell(story), Told::Post),
            Self::OnlinePbx(account) => wrap(account.tell(story), Told::Post),
            Self::Twilio(account) => wrap(account.tell(story), Told::Post),
            Self::Zammad(account) => wrap(account.tell(story), Told::Post),
            Self::Sipgate(account) => wrap(account.tell(story), Told::Post),
            Self::Asterisk(account) => wrap(account.tell(story), Told::Said),
        }
    }

    /// Its question who should ring, as the story begins; `None`: it has none over HTTP, or its dialplan asks.
    pub fn question(&self, story: &Story) -> Option<Post> {
        match self {
            Self::Sipuni(account) => Some(account.question(story)),
            Self::Uis(account) => Some(account.question(story)),
            Self::Zadarma(account) => Some(account.question(story)),
            Self::Itoolabs(account) => Some(account.question(story)),
            Self::OnlinePbx(account) => Some(account.question(story)),
            Self::Twilio(account) => Some(account.voice(story)),
            Self::Zammad(account) => Some(account.question(story)),
            Self::Sipgate(account) => Some(account.question(story)),
            Self::Mango(_) | Self::Asterisk(_) => None,
        }
    }

    /// What must be found of it.
    pub fn ledger(&self, story: &Story) -> Ledger {
        match self {
            Self::Mango(account) => account.ledger(story),
            Self::Sipuni(account) => account.ledger(story),
            Self::Uis(account) => account.ledger(story),
            Self::Zadarma(account) => account.ledger(story),
            Self::Itoolabs(account) => account.ledger(story),
            Self::OnlinePbx(account) => account.ledger(story),
            Self::Twilio(account) => account.ledger(story),
            Self::Zammad(account) => account.ledger(story),
            Self::Sipgate(account) => account.ledger(story),
            Self::Asterisk(account) => account.ledger(story),
        }
    }
}

/// One call: who tells it, what happens, what must be found.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which of the accounts tells it.
    pub account: usize,
    /// What happens.
    pub story: Story,
    /// What must be found.
    pub ledger: Ledger,
    /// All that is sent about it, in order.
    pub told: Vec<Sent<Told>>,
}

/// How a run of calls is drawn.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Accounts; each call picks one.
    pub accounts: Vec<Account>,
    /// Who takes part.
    pub world: World,
    /// Kinds of stories; those an account has no words for are drawn again.
    pub plots: Vec<Plot>,
    /// How many calls.
    pub calls: u64,
    /// When the first may begin.
    pub from: Timestamp,
    /// Longest pause between the beginnings of two calls, in milliseconds.
    pub pause_ms: i64,
    /// How long people talk.
    pub tempo: Tempo,
    /// Whether calls are recorded, as chance decides; otherwise never.
    pub records: bool,
    /// Somebody whose phone rings first in most calls: whoever is watched.
    pub star: Option<String>,
}

impl Draw {
    /// Draws the calls, in the order of their beginnings.
    pub fn calls(&self, dice: &mut Dice) -> Vec<Call> {
        let mut start = self.from;
        let mut calls = Vec::new();
        for number in 0..self.calls {
            start = start.plus_millis(dice.between(0, self.pause_ms));
            calls.push(self.call(dice, number, start));
        }
        calls
    }

    /// Draws one call.
    pub fn call(&self, dice: &mut Dice, number: u64, start: Timestamp) -> Call {
        let account = dice.below(self.accounts.len() as u64) as usize;
        let known = self.accounts[account].plots();
        let plots: Vec<Plot> = self
            .plots
            .iter()
            .copied()
            .filter(|plot| known.contains(plot))
            .collect();
        let plot = *dice.pick(&plots);
        let mut story = Story::draw(dice, &self.world, plot, number, start, self.tempo);
        story.recorded &= self.records;
        if let Some(star) = &self.star
            && dice.chance(70)
        {
            story.cast(star);
        }
        let told = self.accounts[account].tell(&story, dice);
        Call {
            account,
            ledger: self.accounts[account].ledger(&story),
            told,
            story,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_repeated_by_its_seed() {
        let draw = Draw {
            accounts: vec![Account::Sipuni(Sipuni {
                account: "lossy".to_owned(),
                token: "t".to_owned(),
                records: "https://records.invalid/record".to_owned(),
                run: 1,
            })],
            world: World::company(5, 10),
            plots: Plot::ALL.to_vec(),
            calls: 20,
            from: Timestamp::from_seconds(1_773_728_100),
            pause_ms: 5_000,
            tempo: Tempo::NATURAL,
            records: true,
            star: None,
        };
        let ledgers = |calls: Vec<Call>| -> Vec<Ledger> {
            calls.into_iter().map(|call| call.ledger).collect()
        };
        let one = ledgers(draw.calls(&mut Dice::new(9)));
        assert_eq!(one, ledgers(draw.calls(&mut Dice::new(9))));
        assert_ne!(one, ledgers(draw.calls(&mut Dice::new(10))));
        assert_eq!(one.len(), 20);
    }
}
