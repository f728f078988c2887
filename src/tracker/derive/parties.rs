//! Whose call it is: direction, client, our number.
//!
//! Rule: the provider's summary beats what was told of the whole call, which beats what the legs
//! show, which beats whom we told the PBX to call; of several the earliest wins (a later client is one that the call was passed on to), and a
//! text that is no number gives way to any number. A click-to-call goes out, whatever its first leg
//! looks like.

use super::{
    known::{Known, LegEnds},
    sweep::Swept,
};
use crate::model::{
    event::{Direction, Fact, Party, Summary},
    phone::Number,
};

/// What is known of the call's parties.
#[derive(Default)]
pub(super) struct Parties<'a> {
    pub direction: Option<Direction>,
    pub client: Option<&'a Number>,
    pub client_name: Option<&'a str>,
    pub did: Option<&'a Number>,
}

/// Finds the parties.
pub(super) fn parties<'a>(known: &Known<'a>, swept: &Swept<'a>) -> Parties<'a> {
    let mut told = Told::default();
    let mut summed = Told::default();
    let mut commanded = None;
    let mut click_to_call = known.ends.iter().any(|ends| ends.initiator);
    for moment in &known.line {
        match &moment.event.fact {
            Fact::Summary(summary) => summed.take_summary(summary),
            Fact::Parties {
                direction,
                client,
                client_name,
                did,
            } => {
                told.take(*direction, client.as_ref(), did.as_ref());
                told.client_name = told.client_name.or(client_name.as_deref());
            }
            Fact::CommandSent { what, client, .. } if what == "click_to_call" => {
                click_to_call = true;
                commanded = commanded.or(client.as_ref());
            }
            _ => {}
        }
    }
    let shown = seen_on_legs(known, swept);
    Parties {
        direction: summed
            .direction
            .or(click_to_call.then_some(Direction::Out))
            .or(told
                .direction
                .filter(|direction| *direction != Direction::Internal))
            .or(shown
                .direction
                .filter(|direction| *direction != Direction::Internal))
            .or(told.direction)
            .or(shown.direction),
        client: first_number([summed.client, told.client, shown.client, commanded]),
        client_name: told.client_name,
        did: first_number([summed.did, told.did]),
    }
}

/// What one kind of source says.
#[derive(Default)]
struct Told<'a> {
    direction: Option<Direction>,
    client: Option<&'a Number>,
    client_name: Option<&'a str>,
    did: Option<&'a Number>,
}

impl<'a> Told<'a> {
    fn take_summary(&mut self, summary: &'a Summary) {
        self.take(
            summary.direction,
            summary.client.as_ref(),
            summary.did.as_ref(),
        );
    }

    fn take(
        &mut self,
        direction: Option<Direction>,
        client: Option<&'a Number>,
        did: Option<&'a Number>,
    ) {
        // A consultation among colleagues does not make the call an internal one.
        if matches!(self.direction, None | Some(Direction::Internal)) {
            self.direction = match direction {
                None | Some(Direction::Internal) => self.direction.or(direction),
                outside => outside,
            };
        }
        self.client = first_number([self.client, client]);
        self.did = first_number([self.did, did]);
    }
}

/// The first that is a number at all; if none is, the first.
fn first_number<const N: usize>(numbers: [Option<&Number>; N]) -> Option<&Number> {
    let is_number = |number: &&Number| !matches!(number, Number::Other(_));
    let known = numbers.into_iter().flatten();
    known.clone().find(is_number).or(known.clone().next())
}

/// What the legs show: the first leg that nobody dialled calls, the others are called.
fn seen_on_legs<'a>(known: &Known<'a>, swept: &Swept<'a>) -> Told<'a> {
    let mut client = None;
    let mut first: Option<&LegEnds<'_>> = None;
    let mut persons = 0;
    let mut unknown = false;
    let legs = || {
        swept
            .legs
            .iter()
            .map(|leg| leg.ends(known))
            .filter(|ends| !ends.is_glue())
    };
    for ends in legs() {
        first = match first {
            Some(earlier) if !earlier.dialled || ends.dialled => first,
            _ => Some(ends),
        };
        unknown |= ends.party.is_none();
        for party in [ends.with, ends.party].into_iter().flatten() {
            match party {
                Party::Client(number) => client = first_number([client, Some(number)]),
                Party::Person(_) => persons += 1,
                _ => {}
            }
        }
    }
    // With channels the first one calls; with event PBXes only the other end of a leg does.
    let caller = first.and_then(|ends| ends.with.or(ends.party.filter(|_| known.channels)));
    let direction = match caller {
        Some(Party::Client(_)) => Some(Direction::In),
        Some(Party::Person(_)) if client.is_some() => Some(Direction::Out),
        Some(Party::Person(_)) if persons > 1 && !unknown => Some(Direction::Internal),
        _ => None,
    };
    Told {
        direction,
        client,
        ..Told::default()
    }
}
