//! The heart: a call is the set of facts known about it. Step 3 of a call event (`apply`).
//!
//! Providers repeat, reorder and lose messages. So nothing here depends on the order in which facts
//! come: they are kept as a set ([`Facts`]), and the call is derived from the whole set each time
//! ([`derive()`]). What time alone brings about is said by [`due()`]; under which names a call is known,
//! and which name stays when two calls turn out to be one, by [`keys`], [`main_key`] and [`winner`].
//!
//! # Promises
//!
//! 1. **Order, repetition and division do not matter.** Any permutation and repetition of the same
//!    tellings makes the same set, and so the same call; sets unite in any order with the same outcome.
//! 2. **Contradictions are resolved by written rules**, never by which telling came last: `merge` says
//!    what is kept of one fact told with different words, `derive::times` and `derive::result` in
//!    which order sources are believed: the provider's summary, then what legs and bridges show;
//!    answered before missed; impossible times not at all.
//! 3. **What is lost is not invented.** A lost fact may leave a result, an answerer, a time or an end
//!    unknown; it never makes a call answered in which nobody talked, names an employee who did not
//!    answer first, or gives a span below zero.
//! 4. **The figures fit each other**: wait, talk and hold together are no longer than the call, and no
//!    phone rings longer than the client waits.
//!
//! `derive::tests::properties` hold these against random calls with a ledger of their own, and against
//! nonsense.
//!
//! # Left out
//!
//! Pure: no I/O, no clock, no randomness, no vendor's words. Who the client is (cards), who should
//! ring (`rules::routing`), what is counted (`rules::figures`) and whether an extension is a person with
//! a name are decided elsewhere, on the [`Call`](crate::model::call::Call) that comes out of here.
//! Joins by nearness in time belong to those who see other calls; here only keys join.
//!
//! # Glossary
//!
//! * **Leg**: one party's part of a call. With channel PBXes one channel; with event PBXes one attempt
//!   to connect two parties. Helpers that only tie legs together (halves of Local channels) are no legs.
//! * **Start**: what the provider's summary says, else the earliest fact of the call itself. Visits,
//!   our own commands and recordings do not move it.
//! * **Ring** of a phone: from its first ringing to its answer or end; it also ends when another phone
//!   is answered.
//! * **Talk**: employee and client hear each other. Channel PBXes: both are in bridges that hang
//!   together. Event PBXes: the provider says so. A menu, queue or voicemail does not talk, nor does an
//!   employee who has picked up the own phone of a click-to-call.
//! * **Consultation**: two employees talk while neither talks with the client.
//! * **Answer**: the first talk between an employee and the client (internally: between two employees).
//!   It is *unknown when* if only a bound for it was told, and *perhaps* if somebody talked or stood in
//!   a bridge and nobody has told with whom; such a call stays undecided.
//! * **Hold**: after the answer nobody talks with the client, and an employee keeps them waiting: has
//!   pressed hold or consults a colleague. It ends with resuming, with a transfer, with the employee's
//!   leg, or when somebody talks with the client. Silence after a blind transfer is not hold.
//! * **Wait, ring, talk, hold** of a call: see [`Call`](crate::model::call::Call).
//! * **Answered by**: who talked with the client first; outgoing, the caller; internally, the called.
//! * **Transfer**: the client talks with one employee, then with another while the first is gone.
//!   *Attended* if they consulted before, else *blind*. Its time is when the second one has the client,
//!   or when it was told, if that never came.
//! * **Missed, abandoned** and every other result: precedence in `derive::result`, definitions at
//!   [`CallResult`](crate::model::call::CallResult). One call is at most one missed call, however many
//!   phones rang.
//! * **End**: the provider's word (summary, or "over" for every key of a joined call); with channels,
//!   the end of the last one; with event PBXes also the client's hanging up. *Unknown* if nothing was
//!   heard for [four hours](due::UNHEARD_AFTER_MS) and nothing since; an answered call stays answered.
//! * **Hung up by**: the provider's word; else who left the last talk first; else the caller, if a ring
//!   was cancelled that nobody answered.

mod derive;
pub mod due;
pub mod erase;
pub mod facts;
pub mod join;
mod merge;
mod pack;
mod seal;

pub use derive::derive;
pub use due::{Due, due, next_due};
pub use facts::Facts;
pub use join::{keys, main_key, winner};
pub use seal::SealError;

#[cfg(test)]
pub(crate) mod story;
