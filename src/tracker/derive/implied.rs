//! What must be so although nobody told it: the messages that would have told it are lost, or the
//! provider has none for it.

use super::{
    known::Known,
    sweep::{LegLine, Swept},
    talks::{Hold, Talk, With},
    times::Times,
};
use crate::model::{event::Party, ids::Extension, time::Timestamp};

/// Ends talks that must be over and begins those that must have begun.
pub(super) fn imply(known: &Known<'_>, swept: &mut Swept<'_>, times: &Times<'_>) {
    if !known.channels {
        passed_on(swept);
        consultations(known, swept);
    }
    if let Some(ended_at) = times.ended_at() {
        for talk in &mut swept.talks.all {
            talk.to = talk.to.or(Some(ended_at.max(talk.from)));
        }
    }
}

/// Whose client was passed on talks with them no more once the next one does.
fn passed_on(swept: &mut Swept<'_>) {
    let Swept { legs, talks } = swept;
    for place in 0..legs.len() {
        let Some((from, _)) = legs[place].transferred_from else {
            continue;
        };
        let next = talks
            .all
            .iter()
            .find(|talk| talk.leg as usize == place && talk.is_conversation());
        let Some(got_at) = next.map(|talk| talk.from) else {
            continue;
        };
        for talk in &mut talks.all {
            if talk.person == Some(from) && talk.to.is_none() && talk.from < got_at {
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
    talks.all.sort_by_key(|talk| talk.from);
    talks.holds.sort_by_key(|hold| (hold.leg, hold.from));
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
