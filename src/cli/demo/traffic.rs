//! The calls of the demo: a week of the past in a few seconds, then one every few seconds for ever.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use super::{
    MANGO_KEY, MANGO_SALT, PBX_RECORDINGS, SIPUNI_TOKEN,
    company::{self, ACCOUNTS, CLIENTS, EXTENSIONS},
    now,
};
use crate::{
    model::{event::Side, time::Timestamp},
    simulator::{
        ami::{Asterisk, Said},
        ami_server::{AmiServer, Originate},
        connection::Connection,
        dice::Dice,
        mango::Mango,
        message::Post,
        office::{Account, Draw, Told},
        sipuni::Sipuni,
        story::{Outcome, Plot, Ring, Story, Tempo, World, invented_number},
        voices,
    },
};

/// Calls of a past day.
const CALLS_A_DAY: u64 = 26;
/// Past days.
const DAYS: i64 = 7;
/// Conversations of the past.
const PAST: Tempo = Tempo {
    talk_ms: (10_000, 60_000),
};
/// The shortest and the longest pause between two live calls.
const PAUSE_MS: (i64, i64) = (2_500, 9_000);

/// Everything that tells calls.
pub struct Traffic {
    /// Where webhooks go.
    pub gateway: SocketAddr,
    /// The PBX's manager interface.
    pub ami: AmiServer,
    /// The PBX's log.
    pub cel: PathBuf,
    /// Where the PBX's recordings lie.
    pub recordings: PathBuf,
    /// Chance.
    pub dice: Dice,
}

/// Something to send at its time; ordered by it, then as it came.
type Due = Reverse<(Timestamp, u64)>;

/// What is still to be sent.
#[derive(Default)]
struct Agenda {
    order: BinaryHeap<Due>,
    items: std::collections::HashMap<u64, (usize, Told)>,
    next: u64,
}

impl Agenda {
    fn put(&mut self, at: Timestamp, account: usize, told: Told) {
        self.order.push(Reverse((at, self.next)));
        self.items.insert(self.next, (account, told));
        self.next += 1;
    }

    /// The next item, if its time has come.
    fn take(&mut self, now: Timestamp) -> Option<(usize, Told)> {
        let Reverse((at, number)) = *self.order.peek()?;
        if at > now {
            return None;
        }
        self.order.pop();
        self.items.remove(&number)
    }

    fn due(&self) -> Option<Timestamp> {
        self.order.peek().map(|Reverse((at, _))| *at)
    }
}

impl Traffic {
    /// Tells the past, then calls until dropped.
    pub async fn play(mut self, mut clicks: mpsc::UnboundedReceiver<Originate>) -> Result<()> {
        self.wait_for_login().await;
        let mut webhooks = Connection::open(self.gateway).await?;
        let mut number = self.past(&mut webhooks).await?;
        let mut agenda = Agenda::default();
        let mut next_call = now();
        // Who is in a call, and until when: nobody takes two at once.
        let mut busy: Vec<(String, Timestamp)> = Vec::new();
        loop {
            let moment = now();
            if moment >= next_call {
                number += 1;
                self.call(&mut agenda, &mut busy, number, moment);
                next_call = moment.plus_millis(self.dice.between(PAUSE_MS.0, PAUSE_MS.1));
            }
            while let Some((account, told)) = agenda.take(now()) {
                self.tell(&mut webhooks, account, &told).await?;
            }
            let wake = agenda.due().map_or(next_call, |due| due.min(next_call));
            let pause = Duration::from_millis(wake.millis_since(now()) as u64 + 1);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                click = clicks.recv() => {
                    let click = click.context("the manager interface is gone")?;
                    number += 1;
                    self.click(&mut agenda, &click, number);
                }
            }
        }
    }

    async fn wait_for_login(&self) {
        for _ in 0..500 {
            if self.ami.listeners() > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A week up to now, told as fast as it is taken.
    async fn past(&mut self, webhooks: &mut Connection) -> Result<u64> {
        let mut calls = Vec::new();
        let mut number = 0;
        for day in (0..DAYS).rev() {
            for _ in 0..CALLS_A_DAY {
                number += 1;
                // Within the nine hours before this hour of that day.
                let ago_ms = day * 86_400_000 + self.dice.between(600_000, 9 * 3_600_000);
                let account = self.dice.below(ACCOUNTS.len() as u64) as usize;
                let start = now().plus_millis(-ago_ms);
                let mut draw = draw(account, world(account, &[]), PAST);
                // A week of audio would take long to make.
                draw.records &= day == 0;
                calls.push((account, draw.call(&mut self.dice, number, start)));
            }
        }
        calls.sort_by_key(|(_, call)| call.story.start);
        for (account, call) in calls {
            if call.story.recorded {
                self.record(&call.ledger.call_key, length_ms(&call.story));
            }
            for sent in &call.told {
                self.tell(webhooks, account, &sent.what).await?;
            }
        }
        Ok(number)
    }

    /// Draws a live call among people who are free.
    fn call(
        &mut self,
        agenda: &mut Agenda,
        busy: &mut Vec<(String, Timestamp)>,
        number: u64,
        start: Timestamp,
    ) {
        busy.retain(|(_, until)| *until > start);
        let taken: Vec<&str> = busy.iter().map(|(person, _)| person.as_str()).collect();
        let account = *self.dice.pick(&[0, 0, 0, 1, 2]);
        let world = world(account, &taken);
        // A transfer needs three people who were not rung yet.
        if world.people.len() < 4 {
            return;
        }
        let mut draw = draw(account, world, Tempo::DEMO);
        draw.star.take_if(|star| taken.contains(&star.as_str()));
        let call = draw.call(&mut self.dice, number, start);
        let until = call.story.at(call.story.end_ms + 1_500);
        busy.extend(
            call.story
                .people()
                .into_iter()
                .map(|p| (p.to_owned(), until)),
        );
        if call.story.recorded {
            self.record(&call.ledger.call_key, length_ms(&call.story));
        }
        for sent in call.told {
            agenda.put(sent.at, account, sent.what);
        }
    }

    /// Somebody clicked on a number: the own phone rings, then the client's.
    fn click(&mut self, agenda: &mut Agenda, click: &Originate, number: u64) {
        let extension = click.channel.rsplit('/').next().unwrap_or_default();
        let picks_up = self.dice.between(1_500, 3_000);
        let answers = picks_up + self.dice.between(3_000, 6_000);
        let client = format!("+{}", click.exten.trim_start_matches('+'));
        let story = Story {
            number,
            plot: Plot::Click,
            start: now(),
            client: Some(client.clone()),
            did: invented_number(1),
            caller: Some(extension.to_owned()),
            menu_ms: None,
            queue: None,
            click_ms: Some(picks_up),
            rings: vec![Ring {
                who: client,
                from_ms: picks_up,
                to_ms: answers,
                outcome: Outcome::Answered,
            }],
            answered_ms: Some(answers),
            hold: None,
            passing: None,
            end_ms: answers + self.dice.between(8_000, 20_000),
            hangup: Side::Client,
            recorded: true,
        };
        let asterisk = asterisk();
        let key = click
            .channel_id
            .clone()
            .unwrap_or_else(|| asterisk.call_key(&story));
        self.record(&key, length_ms(&story));
        for sent in asterisk.tell_as(&story, key.clone()) {
            agenda.put(sent.at, 0, Told::Said(sent.what));
        }
        let done = format!(
            "Event: OriginateResponse\r\nPrivilege: call,all\r\nActionID: {}\r\n\
             Response: Success\r\nChannel: {}\r\nReason: 4\r\nUniqueid: {key}\r\n\r\n",
            click.action_id, click.channel
        );
        agenda.put(story.at(picks_up), 0, Told::Said(Said::Ami(done)));
    }

    /// Makes a recording beside everything else; it appears under its name once it is whole.
    fn record(&mut self, key: &str, length_ms: i64) {
        let file = self.recordings.join(format!("{key}.wav"));
        let part = self.recordings.join(format!("{key}.part"));
        let mut dice = self.dice.fork(length_ms.unsigned_abs());
        tokio::task::spawn_blocking(move || {
            let made = voices::record(&part, length_ms, &mut dice)
                .and_then(|()| std::fs::rename(&part, &file));
            if let Err(error) = made {
                tracing::warn!(%error, "a recording of the demo could not be written");
            }
        });
    }

    async fn tell(&mut self, webhooks: &mut Connection, account: usize, told: &Told) -> Result<()> {
        match told {
            Told::Said(Said::Ami(block)) => self.ami.send(block),
            Told::Said(Said::Cel(row)) => append(&self.cel, row)?,
            Told::Post(post) => self.post(webhooks, account, post).await,
        }
        Ok(())
    }

    /// Like a provider: tries again on a fresh connection, and gives up after a while.
    async fn post(&self, webhooks: &mut Connection, account: usize, post: &Post) {
        let bytes = post.bytes(&format!("/hooks/{}", ACCOUNTS[account]), "demo");
        for _ in 0..5 {
            if let Ok(200..300) = webhooks.exchange(&bytes).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            if let Ok(fresh) = Connection::open(self.gateway).await {
                *webhooks = fresh;
            }
        }
        tracing::warn!(account = ACCOUNTS[account], "a message was not taken");
    }
}

fn append(file: &Path, row: &str) -> Result<()> {
    let mut log = std::fs::OpenOptions::new().append(true).open(file)?;
    Ok(log.write_all(row.as_bytes())?)
}

fn length_ms(story: &Story) -> i64 {
    story.end_ms - story.answered_ms.unwrap_or(story.end_ms)
}

/// Who takes part in calls of an account; `busy` people do not.
fn world(account: usize, busy: &[&str]) -> World {
    World {
        clients: (0..CLIENTS).map(|n| invented_number(100 + n)).collect(),
        dids: company::dids(account),
        people: EXTENSIONS
            .iter()
            .filter(|extension| !busy.contains(extension))
            .map(|extension| (*extension).to_owned())
            .collect(),
    }
}

fn draw(account: usize, world: World, tempo: Tempo) -> Draw {
    Draw {
        accounts: vec![telling(account)],
        world,
        plots: Plot::OFFICE.to_vec(),
        calls: 0,
        from: now(),
        pause_ms: 0,
        tempo,
        // Only the office's recordings lie in a folder here; the clouds' would be fetched from them.
        records: account == 0,
        star: Some(EXTENSIONS[0].to_owned()),
    }
}

fn asterisk() -> Asterisk {
    Asterisk {
        account: ACCOUNTS[0].to_owned(),
        trunk: "trunk".to_owned(),
        recordings: PBX_RECORDINGS.to_owned(),
        run: std::process::id().into(),
    }
}

/// The account as its provider.
fn telling(account: usize) -> Account {
    let run = std::process::id().into();
    match account {
        0 => Account::Asterisk(asterisk()),
        1 => Account::Mango(Mango {
            account: ACCOUNTS[1].to_owned(),
            key: MANGO_KEY.to_owned(),
            salt: MANGO_SALT.to_owned(),
            run,
        }),
        _ => Account::Sipuni(Sipuni {
            account: ACCOUNTS[2].to_owned(),
            token: SIPUNI_TOKEN.to_owned(),
            records: "https://records.invalid/record".to_owned(),
            run,
        }),
    }
}
