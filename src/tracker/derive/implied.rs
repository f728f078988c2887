//! What must be so although nobody told it: the messages that would have told it are lost, or the
//! provider has none for it.

use super::{
    known::{Known, NONE},
    sweep::{LegLine, Swept},
    talks::{Hold, Talk, With},
    times::Times,
};
use crate::model::{
    event::{Fact, Party},
    ids::Extension,
    time::Timestamp,
};

/// Begins talks that must have been and ends those that must be over, for what legs tell of each other.
pub(super) fn talks<'a>(known: &Known<'a>, swept: &mut Swept<'a>) {
    if known.channels {
        return;
    }
    for place in 0..swept.legs.len() {
        if let Some((from, told_at)) = swept.legs[place].transferred_from {
            had_the_client(known, swept, from, told_at);
            has_the_client_no_more(swept, from, place);
        }
    }
    passed_on_by_somebody(known, swept);
    consultations(known, swept);
    swept.talks.all.sort_by_key(|talk| talk.from);
    swept.talks.holds.sort_by_key(|hold| (hold.leg, hold.from));
}

/// Ends what still runs at the end of the call.
pub(super) fn ends(swept: &mut Swept<'_>, times: &Times<'_>) {
    if let Some(ended_at) = times.ended_at() {
        for talk in &mut swept.talks.all {
            talk.to = talk.to.or(Some(ended_at.max(talk.from)));
        }
    }
}

/// Who passed the client on had talked with them before.
fn had_the_client<'a>(
    known: &Known<'a>,
    swept: &mut Swept<'a>,
    person: &'a Extension,
    told_at: Timestamp,
) {
    let Swept { legs, talks } = swept;
    let talked = |talk: &Talk<'_>| talk.is_conversation() && talk.person == Some(person);
    let own = |(_, leg): &(u32, &LegLine<'_>)| leg.person(known) == Some(person);
    if talks.all.iter().any(talked) {
        return;
    }
    let Some((leg, line)) = (0..).zip(&*legs).find(own) else {
        return;
    };
    talks.all.push(Talk {
        leg,
        person: Some(person),
        with: With::Client,
        from: line.end.map_or(told_at, |end| end.at.min(told_at)),
        from_known: false,
        to: line.end.map(|end| end.at),
        left_by: None,
    });
}

/// Who passed the client on talks with them no more once the next one does.
fn has_the_client_no_more(swept: &mut Swept<'_>, person: &Extension, next: usize) {
    let talks = &mut swept.talks.all;
    let next = talks
        .iter()
        .find(|talk| talk.leg as usize == next && talk.is_conversation());
    let Some(got_at) = next.map(|talk| talk.from) else {
        return;
    };
    for talk in talks {
        if talk.person == Some(person) && talk.to.is_none() && talk.from < got_at {
            talk.to = Some(got_at);
        }
    }
}

/// Where nobody said who passed the client on, it was whoever talked with them when the next one began to.
fn passed_on_by_somebody(known: &Known<'_>, swept: &mut Swept<'_>) {
    let talks = &mut swept.talks.all;
    for moment in known.line.iter().filter(|moment| moment.leg == NONE) {
        let Fact::Transfers { to: Some(to), .. } = &moment.event.fact else {
            continue;
        };
        let got = talks.iter().find(|talk| {
            talk.is_conversation() && talk.person == Some(to) && talk.from >= moment.at
        });
        let Some(got_at) = got.map(|talk| talk.from) else {
            continue;
        };
        for talk in talks.iter_mut().filter(|talk| talk.is_conversation()) {
            if talk.person != Some(to) && talk.to.is_none() && talk.from <= got_at {
                talk.to = Some(got_at);
            }
        }
    }
}

/// Who consults a colleague keeps the client waiting; and when the one who asked is gone, the one who
/// was asked has the client, if their leg is known to have come to the client.
fn consultations(known: &Known<'_>, swept: &mut Swept<'_>) {
    let Swept { legs, talks } = swept;
    for place in 0..talks.all.len() {
        let With::Colleague(asking) = talks.all[place].with else {
            continue;
        };
        let (leg, from) = (talks.all[place].leg, talks.all[place].from);
        let gone_at = gone_at(asking, legs, known);
        if let Some(gone_at) = gone_at.filter(|gone_at| talks.all[place].lasts_beyond(*gone_at)) {
            let until = talks.all[place].to.replace(gone_at.max(from));
            let ends = legs[leg as usize].ends(known);
            let mine = talks
                .all
                .iter()
                .any(|talk| talk.leg == leg && talk.is_conversation());
            if matches!(ends.with, Some(Party::Client(_))) && !mine {
                let talk = &talks.all[place];
                let has_client = Talk {
                    leg,
                    person: talk.person,
                    with: With::Client,
                    from: gone_at.max(from),
                    from_known: false,
                    to: until,
                    left_by: None,
                };
                talks.all.push(has_client);
            }
        }
        let to = talks.all[place].to;
        let waiting = talks.all.iter().filter(|talk| {
            talk.is_conversation() && talk.person == Some(asking) && talk.from <= from
        });
        talks.holds.extend(waiting.map(|talk| Hold {
            leg: talk.leg,
            from,
            to,
        }));
    }
}

/// When the last leg of this employee ended, if all have.
fn gone_at(person: &Extension, legs: &[LegLine<'_>], known: &Known<'_>) -> Option<Timestamp> {
    let own = legs.iter().filter(|leg| leg.person(known) == Some(person));
    own.map(|leg| leg.end.map(|end| end.at))
        .reduce(|one, other| one.zip(other).map(|(one, other)| one.max(other)))?
}

impl Talk<'_> {
    fn lasts_beyond(&self, moment: Timestamp) -> bool {
        self.to.is_none_or(|to| to > moment)
    }
}
