//! Who rings now, how long, and who next.
//!
//! Pure: the tables, who is busy, and the time come in; an answer with its reason goes out. One
//! engine serves every way of asking (HTTP answers, dialplan CURL, commands, SIP 302).
//!
//! The order of candidates: the client's responsible manager, his deputy, then the group of the line
//! that was dialled (or the default group), by the group's strategy. Who has been tried for this call
//! is not tried again while somebody else is left. Deadlines are counted in rings: the next manager's
//! phone rings before the third ring of the first one's.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::recorded::LineRule;
use crate::model::{
    ids::{AccountName, Extension, PersonId},
    time::Timestamp,
};

/// How long phones ring, and what happens when nobody is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Length of one ring cycle as the caller hears it (tone and pause), in milliseconds.
    pub ring_cycle_ms: i64,
    /// Rings the responsible manager has before the next one's phone rings.
    pub rings_before_next: i64,
    /// Taken off the deadline for the way to the next phone, in milliseconds.
    pub guard_ms: i64,
    /// How long the last one left may ring, in milliseconds.
    pub last_ring_ms: i64,
    /// Most questions answered with somebody for one call; later ones go to the PBX's default.
    pub max_attempts: u32,
    /// Group rung when the line dialled has none; empty: the PBX's default.
    pub default_group: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ring_cycle_ms: 5_000,
            rings_before_next: 2,
            guard_ms: 500,
            last_ring_ms: 25_000,
            max_attempts: 6,
            default_group: String::new(),
        }
    }
}

impl Policy {
    /// How long one manager rings while another one is left: before the third ring at the default.
    pub fn ring_ms(&self) -> i64 {
        (self.ring_cycle_ms * self.rings_before_next - self.guard_ms).max(1_000)
    }
}

/// How a group shares calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// One after another, beginning after the one who had the last call.
    RoundRobin,
    /// First the one who has not talked for the longest time.
    LongestIdle,
    /// All phones at once.
    Simultaneous,
}

impl Strategy {
    /// Reads the word of the database.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "round_robin" => Some(Self::RoundRobin),
            "longest_idle" => Some(Self::LongestIdle),
            "simultaneous" => Some(Self::Simultaneous),
            _ => None,
        }
    }
}

/// One who can be rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Who.
    pub person: PersonId,
    /// Phones, by account.
    pub extensions: Vec<(AccountName, Extension)>,
    /// Who stands in.
    pub deputy: Option<PersonId>,
    /// Not available before this moment.
    pub break_until: Option<Timestamp>,
    /// Whether the person works here still.
    pub active: bool,
}

/// A ring group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name, for reasons and settings.
    pub name: String,
    /// How it shares calls.
    pub strategy: Strategy,
    /// Members by position.
    pub members: Vec<PersonId>,
}

/// People, groups and lines as routing needs them; small, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Everybody with an extension.
    pub agents: BTreeMap<PersonId, Agent>,
    /// Groups by row id.
    pub groups: BTreeMap<i64, Group>,
    /// Group of each line, by account and number.
    pub line_groups: BTreeMap<(AccountName, String), i64>,
    /// Numbers that are not put through.
    pub blocked: BTreeSet<String>,
    /// How calls of each line are recorded, where somebody has said so, by account and number.
    pub recorded: BTreeMap<(AccountName, String), LineRule>,
    /// Who has which phone: every change of every call asks for it.
    holders: HashMap<AccountName, HashMap<Extension, PersonId>>,
}

impl Tables {
    /// The tables of these agents, groups and groups of lines.
    pub fn new(
        agents: BTreeMap<PersonId, Agent>,
        groups: BTreeMap<i64, Group>,
        line_groups: BTreeMap<(AccountName, String), i64>,
    ) -> Self {
        let mut holders: HashMap<_, HashMap<_, _>> = HashMap::new();
        for agent in agents.values() {
            for (account, phone) in &agent.extensions {
                let phones = holders.entry(account.clone()).or_default();
                phones.entry(phone.clone()).or_insert(agent.person);
            }
        }
        Self {
            agents,
            groups,
            line_groups,
            blocked: BTreeSet::new(),
            recorded: BTreeMap::new(),
            holders,
        }
    }

    /// Who has this phone.
    pub fn holder(&self, account: &AccountName, phone: &Extension) -> Option<PersonId> {
        self.holders.get(account)?.get(phone).copied()
    }
}

/// What is going on right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// People whose phone rings or who talk.
    pub busy: BTreeSet<PersonId>,
    /// When each last talked.
    pub last_talk: BTreeMap<PersonId, Timestamp>,
    /// Who had each group's last call.
    pub last_turn: BTreeMap<i64, PersonId>,
    /// Phones of the asking account that cannot be rung, as their PBX says.
    pub phones: BTreeMap<Extension, PassedOver>,
}

/// The question, as far as the decision needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The account that asks: only phones of this account can ring.
    pub account: &'a AccountName,
    /// Our number that was dialled, as the line table writes it.
    pub did: Option<&'a str>,
    /// Responsible manager of the caller, if the caller is known.
    pub owner: Option<PersonId>,
    /// Whether the caller is not to be put through.
    pub is_blocked: bool,
    /// Which question of this call it is, from 1.
    pub attempt: u32,
    /// Who has been told to ring for this call already.
    pub tried: &'a [PersonId],
    /// Phones that the PBX rings or has rung for this call by its own scheme: nobody has asked, and only
    /// the responsible manager may be rung instead. Empty: the PBX waits for the answer.
    pub rung: &'a [Extension],
    /// When it was asked.
    pub at: Timestamp,
}

/// The answer, with why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who rings, with the phone; empty: the PBX's default goes on.
    pub targets: Vec<(PersonId, Extension)>,
    /// How long, in milliseconds.
    pub ring_ms: i64,
    /// Why these.
    pub reason: Reason,
    /// The group whose turn this was, to be remembered for round robin.
    pub turn_of: Option<i64>,
    /// Everybody who was considered and not taken, with the cause.
    pub passed_over: Vec<(PersonId, PassedOver)>,
}

/// Why an answer is what it is. A closed list: metrics and reports count by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The client's responsible manager.
    Owner,
    /// The responsible manager's deputy.
    Deputy,
    /// The group of the line dialled.
    Group,
    /// Nobody to ring for this client and line.
    NoRule,
    /// Everybody has been tried or cannot be rung.
    NobodyLeft,
    /// The PBX's own scheme rings the responsible manager, or has rung them.
    RungAlready,
    /// The caller is blocked.
    Blocked,
    /// The answer could not be worked out in time.
    Timeout,
    /// The database does not answer.
    StoreAway,
}

impl Reason {
    /// The word in facts, decisions, metrics and exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Deputy => "deputy",
            Self::Group => "group",
            Self::NoRule => "no_rule",
            Self::NobodyLeft => "nobody_left",
            Self::RungAlready => "rung_already",
            Self::Blocked => "blocked",
            Self::Timeout => "timeout",
            Self::StoreAway => "store_away",
        }
    }
}

/// Why somebody who could have been rung was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassedOver {
    /// Was told to ring for this call before.
    Tried,
    /// Rings or talks, as calls or the PBX say.
    Busy,
    /// The phone is not registered or does not answer.
    Unreachable,
    /// Has taken a pause at the PBX.
    Paused,
    /// On a break.
    OnBreak,
    /// Has no phone at this account.
    NoPhone,
    /// Does not work here any more.
    Inactive,
}

/// Decides who rings now.
pub fn decide(question: &Question<'_>, tables: &Tables, now: &Now, policy: &Policy) -> Decision {
    let mut search = Search {
        question,
        tables,
        now,
        passed_over: Vec::new(),
    };
    if question.is_blocked {
        return search.nobody(Reason::Blocked);
    }
    if !question.rung.is_empty() {
        return search.instead(policy);
    }
    if question.attempt > policy.max_attempts {
        return search.nobody(Reason::NobodyLeft);
    }
    if let Some(owner) = question.owner {
        if let Some(phone) = search.phone_of(owner) {
            return search.answer(vec![(owner, phone)], Reason::Owner, None, policy);
        }
        let deputy = tables.agents.get(&owner).and_then(|agent| agent.deputy);
        if let Some(deputy) = deputy
            && let Some(phone) = search.phone_of(deputy)
        {
            return search.answer(vec![(deputy, phone)], Reason::Deputy, None, policy);
        }
    }
    match search.group(policy) {
        Some((id, group)) => search.answer_from(id, group, policy),
        None if question.owner.is_some() => search.nobody(Reason::NobodyLeft),
        None => search.nobody(Reason::NoRule),
    }
}

struct Search<'a> {
    question: &'a Question<'a>,
    tables: &'a Tables,
    now: &'a Now,
    passed_over: Vec<(PersonId, PassedOver)>,
}

impl<'a> Search<'a> {
    /// Whether the responsible manager shall ring instead of those whom the PBX rings. Nobody stands in
    /// here: the PBX has chosen them.
    fn instead(mut self, policy: &Policy) -> Decision {
        let Some(owner) = self.question.owner else {
            return self.nobody(Reason::NoRule);
        };
        let phones = self
            .tables
            .agents
            .get(&owner)
            .map(|agent| &agent.extensions);
        let is_rung = phones.into_iter().flatten().any(|(account, phone)| {
            account == self.question.account && self.question.rung.contains(phone)
        });
        if is_rung {
            return self.nobody(Reason::RungAlready);
        }
        match self.phone_of(owner) {
            Some(phone) => self.answer(vec![(owner, phone)], Reason::Owner, None, policy),
            None => self.nobody(Reason::NobodyLeft),
        }
    }

    /// The group of the line dialled, else the default group.
    fn group(&self, policy: &Policy) -> Option<(i64, &'a Group)> {
        let by_line = self.question.did.and_then(|did| {
            let key = (self.question.account.clone(), did.to_owned());
            self.tables.line_groups.get(&key).copied()
        });
        let by_name = || {
            let wanted = policy.default_group.as_str();
            let mut named = self
                .tables
                .groups
                .iter()
                .filter(|(_, group)| group.name == wanted);
            named.next().map(|(id, _)| *id)
        };
        let id = by_line.or_else(by_name)?;
        self.tables.groups.get(&id).map(|group| (id, group))
    }

    fn answer_from(mut self, id: i64, group: &Group, policy: &Policy) -> Decision {
        let order = self.order(id, group);
        let mut free = Vec::new();
        for person in order {
            if let Some(phone) = self.phone_of(person) {
                free.push((person, phone));
            }
        }
        if free.is_empty() {
            return self.nobody(Reason::NobodyLeft);
        }
        if group.strategy != Strategy::Simultaneous {
            free.truncate(1);
        }
        self.answer(free, Reason::Group, Some(id), policy)
    }

    /// Members in the order in which they should be asked.
    fn order(&self, id: i64, group: &Group) -> Vec<PersonId> {
        let mut members = group.members.clone();
        match group.strategy {
            Strategy::Simultaneous => {}
            Strategy::LongestIdle => {
                // Stable: who never talked comes first, by position.
                members.sort_by_key(|person| self.now.last_talk.get(person).copied());
            }
            Strategy::RoundRobin => {
                let last = self.now.last_turn.get(&id);
                let after = members.iter().position(|person| Some(person) == last);
                if let Some(position) = after {
                    members.rotate_left(position + 1);
                }
            }
        }
        members
    }

    /// The phone of a person who can be rung now; otherwise notes why not.
    fn phone_of(&mut self, person: PersonId) -> Option<Extension> {
        match self.availability(person) {
            Ok(phone) => Some(phone),
            Err(why) => {
                if !self.passed_over.iter().any(|(who, _)| *who == person) {
                    self.passed_over.push((person, why));
                }
                None
            }
        }
    }

    fn availability(&self, person: PersonId) -> Result<Extension, PassedOver> {
        let agent = self.tables.agents.get(&person).ok_or(PassedOver::NoPhone)?;
        if !agent.active {
            return Err(PassedOver::Inactive);
        }
        let mut phones = agent.extensions.iter();
        let phone = phones.find(|(account, _)| account == self.question.account);
        let (_, extension) = phone.ok_or(PassedOver::NoPhone)?;
        if self.question.tried.contains(&person) {
            return Err(PassedOver::Tried);
        }
        if agent
            .break_until
            .is_some_and(|until| until > self.question.at)
        {
            return Err(PassedOver::OnBreak);
        }
        if self.now.busy.contains(&person) {
            return Err(PassedOver::Busy);
        }
        if let Some(why) = self.now.phones.get(extension) {
            return Err(*why);
        }
        Ok(extension.clone())
    }

    fn answer(
        self,
        targets: Vec<(PersonId, Extension)>,
        reason: Reason,
        turn_of: Option<i64>,
        policy: &Policy,
    ) -> Decision {
        let together = targets.len() > 1;
        // Phones that ring together are the last step of the plan: nobody comes after them.
        let ring_ms = if together {
            policy.last_ring_ms
        } else {
            policy.ring_ms()
        };
        Decision {
            targets,
            ring_ms,
            reason,
            turn_of,
            passed_over: self.passed_over,
        }
    }

    fn nobody(self, reason: Reason) -> Decision {
        Decision {
            targets: Vec::new(),
            ring_ms: 0,
            reason,
            turn_of: None,
            passed_over: self.passed_over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: PersonId = PersonId(1);
    const DEPUTY: PersonId = PersonId(2);
    const THIRD: PersonId = PersonId(3);
    const AT: Timestamp = Timestamp::from_seconds(1_773_728_100);

    fn office() -> AccountName {
        AccountName::from("office")
    }

    fn agent(person: PersonId, extension: &str, deputy: Option<PersonId>) -> Agent {
        Agent {
            person,
            extensions: vec![(office(), Extension::from(extension))],
            deputy,
            break_until: None,
            active: true,
        }
    }

    fn tables(strategy: Strategy) -> Tables {
        let agents = [
            agent(OWNER, "101", Some(DEPUTY)),
            agent(DEPUTY, "102", None),
            agent(THIRD, "103", None),
        ];
        Tables::new(
            agents
                .into_iter()
                .map(|agent| (agent.person, agent))
                .collect(),
            BTreeMap::from([(
                7,
                Group {
                    name: "sales".into(),
                    strategy,
                    members: vec![OWNER, DEPUTY, THIRD],
                },
            )]),
            BTreeMap::from([((office(), "+74950000001".to_owned()), 7)]),
        )
    }

    #[test]
    fn a_phone_leads_to_its_holder() {
        let tables = tables(Strategy::RoundRobin);
        assert_eq!(tables.holder(&office(), &"102".into()), Some(DEPUTY));
        assert_eq!(tables.holder(&office(), &"109".into()), None);
        assert_eq!(tables.holder(&"branch".into(), &"102".into()), None);
    }

    fn ask(owner: Option<PersonId>, tried: &[PersonId], tables: &Tables, now: &Now) -> Decision {
        let question = Question {
            account: &office(),
            did: Some("+74950000001"),
            owner,
            is_blocked: false,
            attempt: u32::try_from(tried.len()).unwrap() + 1,
            tried,
            rung: &[],
            at: AT,
        };
        decide(&question, tables, now, &Policy::default())
    }

    fn people(decision: &Decision) -> Vec<PersonId> {
        decision.targets.iter().map(|(person, _)| *person).collect()
    }

    #[test]
    fn the_owner_rings_first_and_not_past_the_third_ring() {
        let decision = ask(
            Some(OWNER),
            &[],
            &tables(Strategy::RoundRobin),
            &Now::default(),
        );
        assert_eq!(people(&decision), [OWNER]);
        assert_eq!(decision.reason, Reason::Owner);
        assert_eq!(decision.ring_ms, 9_500);
    }

    #[test]
    fn a_silent_owner_hands_over_to_deputy_then_group_then_nobody() {
        let tables = tables(Strategy::RoundRobin);
        let now = Now::default();
        let second = ask(Some(OWNER), &[OWNER], &tables, &now);
        assert_eq!(
            (people(&second), second.reason),
            (vec![DEPUTY], Reason::Deputy)
        );
        assert_eq!(second.passed_over, [(OWNER, PassedOver::Tried)]);
        let third = ask(Some(OWNER), &[OWNER, DEPUTY], &tables, &now);
        assert_eq!((people(&third), third.reason), (vec![THIRD], Reason::Group));
        let last = ask(Some(OWNER), &[OWNER, DEPUTY, THIRD], &tables, &now);
        assert_eq!((people(&last), last.reason), (vec![], Reason::NobodyLeft));
    }

    #[test]
    fn who_talks_is_on_a_break_or_gone_is_passed_over_with_the_cause() {
        let mut tables = tables(Strategy::RoundRobin);
        tables.agents.get_mut(&DEPUTY).unwrap().break_until = Some(AT.plus_millis(1));
        let now = Now {
            busy: BTreeSet::from([OWNER]),
            ..Now::default()
        };
        let decision = ask(Some(OWNER), &[], &tables, &now);
        assert_eq!(people(&decision), [THIRD]);
        assert_eq!(
            decision.passed_over,
            [(OWNER, PassedOver::Busy), (DEPUTY, PassedOver::OnBreak)]
        );
        tables.agents.get_mut(&THIRD).unwrap().active = false;
        let decision = ask(Some(OWNER), &[], &tables, &now);
        assert_eq!(decision.reason, Reason::NobodyLeft);
    }

    #[test]
    fn a_phone_that_cannot_be_rung_is_passed_over_with_the_word_of_its_pbx() {
        let tables = tables(Strategy::RoundRobin);
        let mut now = Now::default();
        now.phones.insert("101".into(), PassedOver::Unreachable);
        now.phones.insert("102".into(), PassedOver::Paused);
        let decision = ask(Some(OWNER), &[], &tables, &now);
        assert_eq!(people(&decision), [THIRD]);
        assert_eq!(
            decision.passed_over,
            [
                (OWNER, PassedOver::Unreachable),
                (DEPUTY, PassedOver::Paused)
            ]
        );
    }

    #[test]
    fn a_break_ends_at_its_moment() {
        let mut tables = tables(Strategy::RoundRobin);
        tables.agents.get_mut(&OWNER).unwrap().break_until = Some(AT);
        assert_eq!(
            people(&ask(Some(OWNER), &[], &tables, &Now::default())),
            [OWNER]
        );
    }

    #[test]
    fn round_robin_begins_after_the_last_turn() {
        let tables = tables(Strategy::RoundRobin);
        let now = Now {
            last_turn: BTreeMap::from([(7, DEPUTY)]),
            ..Now::default()
        };
        let decision = ask(None, &[], &tables, &now);
        assert_eq!(people(&decision), [THIRD]);
        assert_eq!(decision.turn_of, Some(7));
    }

    #[test]
    fn the_longest_idle_is_who_never_talked_then_who_talked_first() {
        let tables = tables(Strategy::LongestIdle);
        let mut now = Now::default();
        now.last_talk.insert(OWNER, AT);
        now.last_talk.insert(THIRD, AT.plus_millis(-60_000));
        assert_eq!(people(&ask(None, &[], &tables, &now)), [DEPUTY]);
        now.last_talk.insert(DEPUTY, AT.plus_millis(-1_000));
        assert_eq!(people(&ask(None, &[], &tables, &now)), [THIRD]);
    }

    #[test]
    fn a_simultaneous_group_rings_everybody_free_until_the_end() {
        let tables = tables(Strategy::Simultaneous);
        let now = Now {
            busy: BTreeSet::from([DEPUTY]),
            ..Now::default()
        };
        let decision = ask(None, &[], &tables, &now);
        assert_eq!(people(&decision), [OWNER, THIRD]);
        assert_eq!(decision.ring_ms, Policy::default().last_ring_ms);
    }

    #[test]
    fn only_phones_of_the_asking_account_ring() {
        let mut tables = tables(Strategy::RoundRobin);
        tables.agents.get_mut(&OWNER).unwrap().extensions =
            vec![(AccountName::from("elsewhere"), Extension::from("9"))];
        let decision = ask(Some(OWNER), &[], &tables, &Now::default());
        assert_eq!(people(&decision), [DEPUTY]);
        assert_eq!(decision.passed_over, [(OWNER, PassedOver::NoPhone)]);
    }

    #[test]
    fn an_unknown_line_without_owner_is_left_to_the_pbx() {
        let tables = tables(Strategy::RoundRobin);
        let question = Question {
            account: &office(),
            did: Some("+74950000099"),
            owner: None,
            is_blocked: false,
            attempt: 1,
            tried: &[],
            rung: &[],
            at: AT,
        };
        let decision = decide(&question, &tables, &Now::default(), &Policy::default());
        assert_eq!(
            (decision.targets.len(), decision.reason),
            (0, Reason::NoRule)
        );
        let policy = Policy {
            default_group: "sales".into(),
            ..Policy::default()
        };
        let decision = decide(&question, &tables, &Now::default(), &policy);
        assert_eq!(decision.reason, Reason::Group);
    }

    #[test]
    fn questions_without_end_stop_getting_names() {
        let tables = tables(Strategy::RoundRobin);
        let question = Question {
            account: &office(),
            did: Some("+74950000001"),
            owner: Some(OWNER),
            is_blocked: false,
            attempt: 7,
            tried: &[],
            rung: &[],
            at: AT,
        };
        let decision = decide(&question, &tables, &Now::default(), &Policy::default());
        assert_eq!(decision.reason, Reason::NobodyLeft);
    }

    #[test]
    fn what_rings_elsewhere_goes_to_the_responsible_manager_or_stays() {
        let decided = |owner, rung: &[&str], now: &Now| {
            let rung: Vec<Extension> = rung.iter().map(|phone| Extension::from(*phone)).collect();
            let question = Question {
                account: &office(),
                did: Some("+74950000001"),
                owner,
                is_blocked: false,
                attempt: 1,
                tried: &[],
                rung: &rung,
                at: AT,
            };
            let tables = tables(Strategy::RoundRobin);
            let decision = decide(&question, &tables, now, &Policy::default());
            (people(&decision), decision.reason)
        };
        let now = Now::default();
        assert_eq!(
            decided(Some(OWNER), &["103"], &now),
            (vec![OWNER], Reason::Owner)
        );
        assert_eq!(
            decided(Some(OWNER), &["103", "101"], &now),
            (vec![], Reason::RungAlready)
        );
        assert_eq!(decided(None, &["103"], &now), (vec![], Reason::NoRule));
        let busy = Now {
            busy: BTreeSet::from([OWNER]),
            ..Now::default()
        };
        assert_eq!(
            decided(Some(OWNER), &["103"], &busy),
            (vec![], Reason::NobodyLeft),
            "neither deputy nor group: somebody rings"
        );
    }

    #[test]
    fn who_is_blocked_rings_nobody_not_even_the_own_manager() {
        let question = Question {
            account: &office(),
            did: Some("+74950000001"),
            owner: Some(OWNER),
            is_blocked: true,
            attempt: 1,
            tried: &[],
            rung: &[],
            at: AT,
        };
        let decision = decide(
            &question,
            &tables(Strategy::RoundRobin),
            &Now::default(),
            &Policy::default(),
        );
        assert_eq!(
            (decision.targets, decision.reason),
            (vec![], Reason::Blocked)
        );
    }
}
