//! What is kept when one fact is told twice with different words.
//!
//! Time and content are judged apart, each by a total order or field by field, so the outcome is the
//! same in whatever order and however often the tellings come (the operation is commutative,
//! associative and idempotent):
//! * **time**: an exact clock beats "no later than", then the earlier moment wins;
//! * **call and leg**: a named leg beats none, then the lesser name wins;
//! * **content**: parties, legs and recordings are united field by field, where knowing more beats
//!   knowing less ([`knowledge_of_number`], [`knowledge_of_party`]); all else is a contradiction that
//!   the least value wins.

use std::cmp::Reverse;

use crate::model::{
    event::{CallEvent, Fact, Party, RecordingStage},
    phone::Number,
};

/// Unites what two tellings of the same fact say; returns whether `kept` has changed.
pub(super) fn unite(kept: &mut CallEvent, told: CallEvent) -> bool {
    if *kept == told {
        return false;
    }
    let before = kept.clone();
    if (told.clock, told.at) < (kept.clock, kept.at) {
        (kept.clock, kept.at) = (told.clock, told.at);
    }
    if told.call < kept.call {
        kept.call = told.call;
    }
    kept.leg = least_known(kept.leg.take(), told.leg);
    unite_content(&mut kept.fact, told.fact);
    *kept != before
}

fn unite_content(kept: &mut Fact, told: Fact) {
    match (kept, told) {
        (
            Fact::Parties {
                direction,
                client,
                client_name,
                did,
            },
            Fact::Parties {
                direction: told_direction,
                client: told_client,
                client_name: told_name,
                did: told_did,
            },
        ) => {
            *direction = least_known(direction.take(), told_direction);
            *client = best_number(client.take(), told_client);
            *client_name = least_known(client_name.take(), told_name);
            *did = best_number(did.take(), told_did);
        }
        (
            Fact::Leg {
                party,
                with,
                initiator,
            },
            Fact::Leg {
                party: told_party,
                with: told_with,
                initiator: told_initiator,
            },
        ) => {
            if party_order(&told_party) < party_order(party) {
                *party = told_party;
            }
            *with = match (with.take(), told_with) {
                (Some(one), Some(other)) => Some(best_party(one, other)),
                (one, other) => one.or(other),
            };
            *initiator |= told_initiator;
        }
        (
            Fact::Recording {
                recording,
                stage,
                source,
            },
            Fact::Recording {
                recording: told_recording,
                stage: told_stage,
                source: told_source,
            },
        ) if *recording == told_recording => {
            if stage_order(told_stage) > stage_order(*stage) {
                *stage = told_stage;
            }
            *source = least_known(source.take(), told_source);
        }
        (kept, told) => {
            if told < *kept {
                *kept = told;
            }
        }
    }
}

/// The lesser of two known values; a known one rather than none.
fn least_known<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn best_number(one: Option<Number>, other: Option<Number>) -> Option<Number> {
    match (one, other) {
        (Some(one), Some(other)) => {
            let order = |number: &Number| Reverse(knowledge_of_number(number));
            Some(
                match order(&one)
                    .cmp(&order(&other))
                    .then_with(|| one.cmp(&other))
                {
                    std::cmp::Ordering::Greater => other,
                    _ => one,
                },
            )
        }
        (one, other) => one.or(other),
    }
}

fn best_party(one: Party, other: Party) -> Party {
    if party_order(&other) < party_order(&one) {
        other
    } else {
        one
    }
}

/// Sorts parties so that the first says most.
pub(super) fn party_order(party: &Party) -> (Reverse<u8>, &Party) {
    (Reverse(knowledge_of_party(party)), party)
}

/// How much a number says: a public number most, a text nobody can read least.
pub(super) fn knowledge_of_number(number: &Number) -> u8 {
    match number {
        Number::E164 { .. } => 3,
        Number::Service(_) => 2,
        Number::Withheld => 1,
        Number::Other(_) => 0,
    }
}

/// How much it says that this party is at the end of a leg. A helper of the PBX is never anybody else.
fn knowledge_of_party(party: &Party) -> u8 {
    match party {
        Party::Glue => 7,
        Party::Client(number) => 2 + knowledge_of_number(number),
        Party::Person(_) => 1,
        Party::Menu | Party::Queue(_) | Party::Voicemail | Party::Conference(_) => 0,
    }
}

/// How far a recording has come. A file that can be fetched is more than the word that there is none.
pub(super) fn stage_order(stage: RecordingStage) -> u8 {
    match stage {
        RecordingStage::Started => 0,
        RecordingStage::Continued => 1,
        RecordingStage::Completed => 2,
        RecordingStage::Absent => 3,
        RecordingStage::Ready => 4,
    }
}
