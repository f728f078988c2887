//! The rule who gets the pop of a call: exactly those whose phones ring, whoever answered, and
//! supervisors who watch them. Pure.

use std::collections::HashMap;

use serde::Serialize;

use crate::model::{
    call::{Change, Leg},
    event::Direction,
    ids::{AccountName, Extension, PersonId},
    people::Role,
    time::Timestamp,
};

/// What is told so late opens no pop any more: messages that a provider kept back during an outage.
/// Not less, because a provider's clock may differ from ours.
const TOO_LATE_MS: i64 = 5 * 60_000;
/// A ring nobody has confirmed for so long is a lost end, not a ring.
pub const LOST_RING_MS: i64 = 10 * 60_000;

/// What a pop is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The person's phone rings (or, for a supervisor, somebody's).
    Ringing,
    /// The person talks with the client.
    Talking,
    /// The person has talked; a result may be written.
    WrapUp,
}

impl Stage {
    /// The word in pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Talking => "talking",
            Self::WrapUp => "wrap_up",
        }
    }
}

/// Why somebody gets a pop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The person's own phone.
    Rung,
    /// Watches the people whose phones ring.
    Supervises,
}

impl Reason {
    /// The word in the database and in pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rung => "rung",
            Self::Supervises => "supervises",
        }
    }
}

/// One person's view of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pop {
    /// What it is about.
    pub stage: Stage,
    /// Why.
    pub reason: Reason,
    /// When the bytes came in that first made it.
    pub received_at: Timestamp,
}

/// Who has which extension, and who leads whom.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// By account and extension.
    pub extensions: HashMap<(AccountName, Extension), PersonId>,
    /// Role and department of everybody active.
    pub people: HashMap<PersonId, (Role, Option<i64>)>,
}

/// Somebody who has asked to see the pops of others.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// Who.
    pub person: PersonId,
    /// Only people of this department; `None`: everybody.
    pub department: Option<i64>,
}

impl Directory {
    /// The person behind an extension.
    pub fn person(&self, account: &AccountName, extension: &Extension) -> Option<PersonId> {
        self.extensions
            .get(&(account.clone(), extension.clone()))
            .copied()
            .filter(|person| self.people.contains_key(person))
    }

    /// What this person may watch: heads their department, owners everybody, others nobody.
    pub fn watcher(&self, person: PersonId) -> Option<Watcher> {
        let (role, department) = self.people.get(&person)?;
        match role {
            Role::Owner => Some(Watcher {
                person,
                department: None,
            }),
            Role::Head => department.map(|department| Watcher {
                person,
                department: Some(department),
            }),
            _ => None,
        }
    }

    fn department(&self, person: PersonId) -> Option<i64> {
        self.people
            .get(&person)
            .and_then(|(_, department)| *department)
    }

    fn all<'a>(
        &'a self,
        account: &'a AccountName,
        extensions: &'a [Extension],
    ) -> impl Iterator<Item = PersonId> + 'a {
        extensions
            .iter()
            .filter_map(|extension| self.person(account, extension))
    }
}

/// Everybody whose own lists a change touches.
pub fn people_of(change: &Change, directory: &Directory) -> Vec<PersonId> {
    let mut people: Vec<PersonId> = change
        .call
        .extensions()
        .into_iter()
        .filter_map(|extension| directory.person(&change.account, extension))
        .collect();
    people.sort_unstable();
    people.dedup();
    people
}

/// Who has which view of the call after `change`, given the views `before` it.
///
/// A person who talked keeps the panel for wrap-up, whether the client was passed on or the call
/// ended. Everybody else who no longer rings loses it. Nobody gets a first pop from a call that is
/// already over, that goes out, or that is among employees.
pub fn audience(
    change: &Change,
    before: &HashMap<PersonId, Pop>,
    directory: &Directory,
    watchers: &[Watcher],
    now: Timestamp,
) -> HashMap<PersonId, Pop> {
    let mut after = HashMap::new();
    let mut put = |person: PersonId, stage: Stage, reason: Reason| {
        let received_at = before
            .get(&person)
            .map_or(change.received_at, |had| had.received_at);
        after.insert(
            person,
            Pop {
                stage,
                reason,
                received_at,
            },
        );
    };
    let call = &change.call;
    let comes_in = matches!(call.direction, None | Some(Direction::In));
    let goes_on = comes_in && !call.is_over();
    let in_time = now.millis_since(call.heard_at) <= TOO_LATE_MS;
    let may_see = |person: &PersonId| goes_on && (in_time || before.contains_key(person));
    let ringing: Vec<PersonId> = directory
        .all(&change.account, &call.ringing)
        .filter(may_see)
        .collect();
    // What comes later in this function replaces what came before: one's own phone beats watching.
    for watcher in watchers {
        let watched = |person: &PersonId| {
            watcher.department.is_none() || watcher.department == directory.department(*person)
        };
        if ringing.iter().any(watched) {
            put(watcher.person, Stage::Ringing, Reason::Supervises);
        }
    }
    let had_talked = |pop: &Pop| pop.reason == Reason::Rung && pop.stage != Stage::Ringing;
    for (person, _) in before.iter().filter(|(_, pop)| had_talked(pop)) {
        put(*person, Stage::WrapUp, Reason::Rung);
    }
    // Answer and end of a leg may be told in one commit: whoever had the pop and answered wraps up.
    let over = |leg: &&Leg| leg.was_answered() && (leg.ended_at.is_some() || call.is_over());
    for leg in call.legs.iter().filter(over) {
        let answered = leg
            .extension()
            .and_then(|extension| directory.person(&change.account, extension));
        if let Some(person) = answered.filter(|person| before.contains_key(person)) {
            put(person, Stage::WrapUp, Reason::Rung);
        }
    }
    for person in ringing {
        put(person, Stage::Ringing, Reason::Rung);
    }
    let talking = directory.all(&change.account, &call.talking);
    for person in talking.filter(may_see) {
        put(person, Stage::Talking, Reason::Rung);
    }
    after
}
