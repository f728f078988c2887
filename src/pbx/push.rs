//! The words that the push dialects share which CRMs speak with PBXes (sipgate.io's, and Zammad's "generic
//! CTI" made after it): `newCall`, `answer`, `hangup` and `dtmf`, without times, so the moment of arrival is
//! that of the event.
//!
//! * `newCall` names everybody whose phone rings; of a call that goes out, who calls;
//! * `answer` names one of them, of a call that goes out mostly nobody;
//! * `hangup` says why (`cause`) and at which number was answered, not by whom.
//!
//! No message tells that a phone has stopped ringing or that one employee has gone: whoever answers later
//! has the client from then on. A forwarded call goes on under a new `callId`, with the old one beside it.
//! What differs from dialect to dialect stands in [`Words`]. Serves step 2.

mod part;

use serde::Deserialize;

pub use self::part::Part;
use super::{
    DecodeError, Decoded, Enquiry, facts::Facts, fields::Fields, numbers::Numbers, people::People,
};
use crate::model::{
    event::{Cause, Clock, Direction, Fact, Side, Summary},
    ids::{AccountName, CallKey, Extension},
    phone::Number,
    time::Timestamp,
};

/// Longest call key, name of an employee and run of keys that are believed.
const LONGEST_ID: usize = 128;
const LONGEST_NAME: usize = 64;
const LONGEST_DIGITS: usize = 64;
/// Most employees of whom one message may tell that their phones ring.
const MOST_PHONES: usize = 64;
/// The leg of the client in a call that goes out, and of whoever has answered and is not named, or is none.
const CLIENT: &str = "client";
const SOMEBODY: &str = "somebody";

/// How one account is read.
pub struct Words {
    pub account: AccountName,
    pub numbers: Numbers,
    pub people: People,
    /// Fields that name an employee, best first.
    pub names: &'static [&'static str],
    /// Fields in which the key of the call may stand.
    pub keys: &'static [&'static str],
    /// Whether digits alone are a whole number without its plus, in every country.
    pub whole_numbers: bool,
    /// Whether a call that was forwarded goes on under another key that names this one.
    pub goes_on: bool,
    /// Whether new calls that come in are asked about: who should ring?
    pub routes: bool,
    pub choices: Choices,
}

/// What nobody has confirmed of these dialects; a real account can show it to be otherwise: table
/// `unconfirmed` of the account. Also not known: how soon and how often a message is posted again.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choices {
    /// `normalClearing` says that somebody has talked. It counts where the answer was lost: in a call that
    /// goes out, and in one that came in if `users` knows at whose number was answered; else it may have been
    /// the mailbox, and the call is undecided.
    pub normal_means_talk: bool,
    /// An "employee" of this name is the voice mailbox.
    pub voicemail: String,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            normal_means_talk: true,
            voicemail: "voicemail".to_owned(),
        }
    }
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Begins,
    Answered,
    Over,
}

/// One message of a call.
struct Event<'a> {
    fields: &'a Fields,
    of: Part<'a>,
}

impl Words {
    /// Adds what a message says.
    pub fn tell(
        &self,
        fields: &Fields,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let kind = match fields.get("event").ok_or(DecodeError::Field("event"))? {
            "newCall" => Kind::Begins,
            "answer" => Kind::Answered,
            "hangup" => Kind::Over,
            "dtmf" => return self.keys(fields, now, out),
            _ => {
                out.ignored.push("unknown_event");
                return Ok(());
            }
        };
        let (call, part) = self.call(fields)?;
        let direction = match fields.get("direction") {
            Some("in") => Direction::In,
            Some("out") => Direction::Out,
            _ => return Err(DecodeError::Field("direction")),
        };
        let event = Event {
            fields,
            of: Part {
                words: self,
                name: part,
                call,
                direction,
                client: self.client(fields, direction),
            },
        };
        event.tell(kind, now, out);
        // What was forwarded goes where somebody has sent it.
        if kind == Kind::Begins && direction == Direction::In && self.routes && part == call {
            out.enquiries.push(event.enquiry(now));
        }
        Ok(())
    }

    /// The keys of the call and of this part of it.
    fn call<'f>(&self, fields: &'f Fields) -> Result<(&'f str, &'f str), DecodeError> {
        let fits = |key: &&str| key.len() <= LONGEST_ID && !key.chars().any(char::is_control);
        let mut parts = self.keys.iter().filter_map(|name| fields.get(name));
        let part = parts.find(fits).ok_or(DecodeError::Field("callId"))?;
        let first = fields.get("origCallId").filter(fits);
        Ok((first.filter(|_| self.goes_on).unwrap_or(part), part))
    }

    /// Keys that were pressed; of nothing pressed nothing is told.
    fn keys(&self, fields: &Fields, now: Timestamp, out: &mut Decoded) -> Result<(), DecodeError> {
        let (call, _) = self.call(fields)?;
        let told = fields.get("dtmf").unwrap_or_default();
        let visible = told.chars().filter(|key| !key.is_control());
        let digits: String = visible.take(LONGEST_DIGITS).collect();
        if digits.is_empty() {
            out.notes.push("no_keys");
            return Ok(());
        }
        let tail = format!("keys/{digits}");
        let mut facts = self.facts(call, now, out);
        facts.happened(None, &tail, Fact::Digits { digits });
        Ok(())
    }

    /// The client's number, where a message or record has it.
    fn client(&self, fields: &Fields, direction: Direction) -> Option<Number> {
        let told = fields.get(match direction {
            Direction::Out => "to",
            _ => "from",
        });
        told.map(|told| self.number(told))
    }

    /// A number as this dialect writes it.
    pub fn number(&self, raw: &str) -> Number {
        // RFC 3966 §5.1.4 has the plus before a country; no country begins with a zero.
        let is_whole = self.whole_numbers
            && !raw.starts_with('0')
            && (8..=15).contains(&raw.len())
            && raw.bytes().all(|byte| byte.is_ascii_digit());
        match is_whole {
            true => self.numbers.read(&format!("+{raw}")),
            false => self.numbers.read(raw),
        }
    }

    /// An empty set of facts of this call.
    pub fn facts<'a>(&'a self, call: &str, now: Timestamp, out: &'a mut Decoded) -> Facts<'a> {
        Facts {
            account: &self.account,
            call: CallKey::from(call),
            at: now,
            clock: Clock::Exact,
            out,
        }
    }

    /// The employee meant by these words: the one whom the table knows, else by the first word.
    fn person<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Option<Extension> {
        let fits = |word: &&str| word.len() <= LONGEST_NAME && !word.chars().any(char::is_control);
        let words: Vec<&str> = words.into_iter().filter(fits).collect();
        let mut known = words.iter().filter_map(|word| self.people.known(word));
        let first = || words.first().copied().map(Extension::from);
        known.next().or_else(first)
    }
}

impl Event<'_> {
    fn tell(&self, kind: Kind, now: Timestamp, out: &mut Decoded) {
        let of = &self.of;
        let mut facts = of.words.facts(of.call, now, out);
        let parties = Fact::Parties {
            direction: Some(of.direction),
            client: of.client.clone(),
            client_name: None,
            did: self.line(),
        };
        facts.is_so(None, "parties", parties);
        if kind != Kind::Begins {
            // It has begun before, nobody knows when unless that was told.
            facts
                .out
                .events
                .iter_mut()
                .for_each(|event| event.clock = Clock::NoLaterThan);
        }
        of.joins(&mut facts);
        let at = (now, Clock::Exact);
        match (kind, of.direction) {
            (Kind::Begins, Direction::Out) => of.calls(self.people().first(), at, &mut facts),
            (Kind::Begins, _) => self.rings(&mut facts),
            (Kind::Answered, Direction::Out) => {
                // `answeringNumber` is the client's.
                of.client_answers(self.people().first(), at, &mut facts);
            }
            (Kind::Answered, _) => self.answers(&mut facts),
            (Kind::Over, _) => self.ends(&mut facts),
        }
    }

    fn enquiry(&self, now: Timestamp) -> Enquiry {
        Enquiry {
            account: self.of.words.account.clone(),
            call: Some(CallKey::from(self.of.call)),
            client: self.of.client.clone(),
            did: self.line(),
            attempt: 1,
            is_it: None,
            digits: String::new(),
            rung: Vec::new(),
            at: now,
        }
    }

    /// Our number: what was dialled before it was forwarded, else what was dialled. Short numbers are
    /// employees.
    fn line(&self) -> Option<Number> {
        let names: &[&str] = match self.of.direction {
            Direction::Out => &["from"],
            _ if !self.of.is_first() => &["diversion"],
            _ => &["diversion", "to", "queue"],
        };
        let told = names.iter().filter_map(|name| self.fields.get(name));
        let mut lines = told.map(|told| self.of.words.number(told));
        lines.find(|number| number.e164().is_some())
    }

    /// Everybody named, without the mailbox. In lists of one length a place is one person's; of a list of
    /// another length nobody can say which of its words go with which of the best one, so it adds those who
    /// are known.
    fn people(&self) -> Vec<Extension> {
        let words = self.of.words;
        let names = words.names.iter();
        let mut lists: Vec<Vec<&str>> = names
            .map(|name| self.fields.places(name).take(MOST_PHONES).collect())
            .collect();
        lists.retain(|list| list.iter().any(|word| !word.is_empty()));
        let length = lists.first().map_or(0, Vec::len);
        let (alike, others): (Vec<_>, Vec<_>) = lists.iter().partition(|list| list.len() == length);
        let named = |place: usize| {
            let own = alike.iter().map(|list| list[place]);
            match own.clone().any(|word| self.is_mailbox(word)) {
                true => None,
                false => words.person(own.filter(|word| !word.is_empty())),
            }
        };
        let mut people: Vec<Extension> = (0..length).filter_map(named).collect();
        for word in others.into_iter().flatten() {
            let known = words.people.known(word);
            people.extend(known.filter(|person| !people.contains(person)));
        }
        people
    }

    fn is_mailbox(&self, word: &str) -> bool {
        word == self.of.words.choices.voicemail
    }

    /// Whether the mailbox is named.
    fn is_voicemail(&self) -> bool {
        let names = self.of.words.names.iter();
        let mut words = names.flat_map(|name| self.fields.all(name));
        words.any(|word| self.is_mailbox(word))
    }

    /// Who answered or, where nobody is named, at which number.
    fn person(&self) -> Option<Extension> {
        let names = self.of.words.names.iter();
        let named = names.filter_map(|name| self.fields.all(name).next());
        self.of
            .words
            .person(named.chain(self.fields.get("answeringNumber")))
    }

    fn rings(&self, facts: &mut Facts<'_>) {
        let mut people = self.people();
        if people.is_empty() {
            people.extend(self.person().filter(|_| !self.is_voicemail()));
        }
        let at = facts.at;
        for person in &people {
            self.of.rings(person, (at, Clock::Exact), facts);
        }
        if !self.of.is_first() {
            self.of.is_passed_to(&people, at, facts);
        }
    }

    fn answers(&self, facts: &mut Facts<'_>) {
        let at = (facts.at, Clock::Exact);
        if self.is_voicemail() {
            self.of.mailbox_answers(at, facts);
            return;
        }
        let key = self.of.answers(self.person().as_ref(), at, facts);
        // No leg's end is told: whoever answers later has the client from then on.
        facts.happened(Some(&key), "has", Fact::TakesOver);
    }

    fn ends(&self, facts: &mut Facts<'_>) {
        let of = &self.of;
        let cause = cause(self.fields.get("cause"), of.direction);
        if of.words.goes_on && cause.is_none() {
            return; // the next part tells how it goes on
        }
        let (cause, talked) = cause.unwrap_or((Cause::Unknown, None));
        let number = self.fields.get("answeringNumber");
        let person = number.and_then(|number| of.words.people.known(number));
        let talked_for_sure = of.words.choices.normal_means_talk && talked == Some(true);
        // One fact with what the answer itself tells: the better time wins.
        let at = (facts.at, Clock::NoLaterThan);
        match (talked, of.direction, &person) {
            (Some(false), ..) => {}
            (_, Direction::Out, _) if talked_for_sure => {
                of.client_answers(self.people().first(), at, facts);
            }
            (_, Direction::In, Some(_)) if talked_for_sure => {
                of.answers(person.as_ref(), at, facts);
            }
            _ => of.perhaps_answered(at, facts),
        }
        let summary = Summary {
            direction: Some(of.direction),
            client: of.client.clone().filter(|number| number.e164().is_some()),
            did: self.line(),
            ended: Some(facts.at),
            cause: Some(cause),
            hangup_by: gave_up(cause, of.direction),
            ..Summary::default()
        };
        let summary = Fact::Summary(Box::new(summary));
        facts.happened(None, &of.tail("summary"), summary);
        facts.happened(None, &of.tail("over"), Fact::Over { by: None });
    }
}

/// Why a call ended, and whether anybody has talked where the word says so; nothing of one that was
/// forwarded. `noAnswer` is documented as "refused by the called one", so it is not known to have rung out;
/// and after a menu or mailbox any of them may come, so only `normalClearing` says that somebody has talked.
fn cause(word: Option<&str>, direction: Direction) -> Option<(Cause, Option<bool>)> {
    Some(match word.unwrap_or_default() {
        "normalClearing" => (Cause::Normal, Some(true)),
        "busy" => (Cause::Busy, Some(false)),
        "cancel" => (Cause::Cancelled, Some(false)),
        "noAnswer" => (Cause::NoAnswer, Some(false)),
        "congestion" => (Cause::Unreachable, Some(false)),
        "notFound" if direction == Direction::Out => (Cause::NoRoute, Some(false)),
        "notFound" => (Cause::Unreachable, Some(false)),
        "forwarded" => return None,
        _ => (Cause::Unknown, None),
    })
}

/// Who hung up: only `cancel` says so, of whoever called.
fn gave_up(cause: Cause, direction: Direction) -> Option<Side> {
    (cause == Cause::Cancelled).then_some(match direction {
        Direction::Out => Side::Employee,
        Direction::In | Direction::Internal => Side::Client,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::phone::NumberingPlan;

    /// Whose phones ring, of these lists.
    fn rung(lists: &str) -> Vec<String> {
        let users = "w1 = '301'\nw2 = '302'\n'Mona Birch' = '303'";
        let words = Words {
            account: "berlin".into(),
            numbers: Numbers::new(NumberingPlan::default()),
            people: toml::from_str(users).unwrap(),
            names: &["userId", "user"],
            keys: &["callId"],
            whole_numbers: true,
            goes_on: true,
            routes: false,
            choices: Choices::default(),
        };
        let call = "event=newCall&direction=in&from=74950000021&to=74950000096&callId=1";
        let fields = Fields::of_body(format!("{call}&{lists}").as_bytes()).unwrap();
        let mut out = Decoded::default();
        let now = Timestamp::from_seconds(1_775_460_000);
        words.tell(&fields, now, &mut out).unwrap();
        let rings = out.events.iter().filter(|event| event.fact == Fact::Rings);
        let legs = rings.filter_map(|event| event.leg.as_ref());
        legs.map(ToString::to_string).collect()
    }

    #[test]
    fn a_place_of_the_lists_is_one_person_s() {
        let both = "userId[]=w1&userId[]=w2&user[]=Anna&user[]=Boris";
        assert_eq!(rung(both), ["301", "302"]);
        // Nobody knows the first one's id: the second one's stays the second one's.
        let lacking = "userId[]=&userId[]=w2&user[]=Mona+Birch&user[]=Boris";
        assert_eq!(rung(lacking), ["303", "302"]);
        let mailbox = "userId[]=&userId[]=w2&user[]=voicemail&user[]=Boris";
        assert_eq!(rung(mailbox), ["302"]);
    }

    #[test]
    fn lists_that_do_not_belong_together_make_nobody_else_of_anybody() {
        let shorter = "userId[]=w2&user[]=Anna&user[]=Mona+Birch";
        assert_eq!(rung(shorter), ["302", "303"]);
        assert_eq!(rung("user[]=Anna&user[]=Boris"), ["Anna", "Boris"]);
        assert_eq!(rung(""), [""; 0]);
    }
}
