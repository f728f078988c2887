//! Legs that only the PBX's own records tell, under names of their own, beside legs of events: one of
//! the two is left out, so that no phone stands in the call twice.
//!
//! Rule: of one employee, legs of events stay if the end of one of them was told; else what the records
//! say is more, and the events' legs give way.

use super::known::{Known, LegEnds, NONE};
use crate::model::{
    event::{Fact, Party},
    ids::Extension,
};

/// Whose leg it is: the employee, and whether the leg is the one to their client.
type Whose<'a> = (&'a Extension, bool);

/// Leaves out the facts of legs that are told twice.
pub(super) fn leave_out_doubles(known: &mut Known<'_>) {
    let mut gone = vec![false; known.ends.len()];
    for place in 0..known.ends.len() {
        let record = &known.ends[place];
        let Some(whose) = whose(record).filter(|_| record.key.is_of_records()) else {
            continue;
        };
        let own: Vec<usize> = (0..known.ends.len())
            .filter(|other| !known.ends[*other].key.is_of_records())
            .filter(|other| self::whose(&known.ends[*other]) == Some(whose))
            .collect();
        match own.iter().any(|leg| has_ended(known, *leg)) {
            true => gone[place] = true,
            false => own.into_iter().for_each(|leg| gone[leg] = true),
        }
    }
    known
        .line
        .retain(|moment| moment.leg == NONE || !gone[moment.leg as usize]);
}

fn has_ended(known: &Known<'_>, leg: usize) -> bool {
    known
        .line
        .iter()
        .any(|moment| moment.leg as usize == leg && matches!(moment.event.fact, Fact::Ends { .. }))
}

fn whose<'a>(ends: &LegEnds<'a>) -> Option<Whose<'a>> {
    match (ends.party?, ends.with) {
        _ if ends.initiator => None,
        (Party::Person(person), _) => Some((person, false)),
        (Party::Client(_), Some(Party::Person(person))) => Some((person, true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::derive;
    use crate::{
        model::{
            call::{Call, LegResult},
            event::{CallEvent, Cause, Fact},
            ids::LegKey,
        },
        tracker::{Facts, story::*},
    };

    /// What the records say: 201 rang from 1 to 6 and 202 from 6 on; 202 talked from 9 to 60.
    fn recorded() -> Vec<CallEvent> {
        let of = |person_: &str, at: f64, fact: Fact| {
            let mut event = event("call-1", at, person_, fact);
            event.leg = Some(LegKey::of_records(&person_.into(), None));
            event.id = format!("records/{}", event.id).into();
            event
        };
        vec![
            of("201", 1.0, between(person("201"), client())),
            of("201", 1.0, rings()),
            of("201", 6.0, ends(Cause::NoAnswer)),
            of("202", 6.0, between(person("202"), client())),
            of("202", 6.0, rings()),
            of("202", 9.0, talks(client())),
            of("202", 60.0, ends(Cause::Normal)),
        ]
    }

    fn with_records(told: &[(f64, &'static str, Fact)]) -> Call {
        let mut facts: Facts = facts(told);
        facts.extend(recorded());
        derive(&facts)
    }

    fn phones(call: &Call) -> Vec<(String, bool)> {
        let phone = |leg: &crate::model::call::Leg| {
            let answered = leg.result == Some(LegResult::Answered);
            Some((leg.extension()?.to_string(), answered))
        };
        call.legs.iter().filter_map(phone).collect()
    }

    fn both() -> Vec<(String, bool)> {
        vec![("201".to_owned(), false), ("202".to_owned(), true)]
    }

    #[test]
    fn records_alone_make_the_phones() {
        assert_eq!(phones(&with_records(&[(60.0, "", over())])), both());
    }

    #[test]
    fn a_phone_that_events_told_whole_is_not_told_again() {
        let call = with_records(&[
            (1.0, "a", between(person("201"), client())),
            (1.0, "a", rings()),
            (6.0, "a", ends(Cause::Busy)),
            (60.0, "", over()),
        ]);
        assert_eq!(phones(&call), both());
        assert_eq!(call.legs[0].key.as_str(), "a");
        assert_eq!(call.legs[0].result, Some(LegResult::Failed(Cause::Busy)));
    }

    #[test]
    fn a_phone_of_which_events_told_only_the_beginning_is_that_of_the_records() {
        let call = with_records(&[
            (6.0, "b", between(person("202"), client())),
            (6.0, "b", rings()),
            (60.0, "", over()),
        ]);
        assert_eq!(phones(&call), both());
        assert_eq!(call.answered_by, Some("202".into()));
    }
}
