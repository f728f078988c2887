//! Events in which channels are tied together or calls are passed on.

use super::{
    events::{Say, Told},
    facts::is_short_number,
};
use crate::{
    model::{
        event::{Fact, TransferKind},
        ids::{Extension, LegKey},
    },
    pbx::DecodeError,
};

impl Say<'_> {
    /// The two halves of a Local channel.
    pub(super) fn local(&mut self) -> Result<Told, DecodeError> {
        let (one, two) = (self.need("LocalOne")?, self.need("LocalTwo")?);
        self.party(&one, None, false);
        self.party(&two, None, false);
        let leg = LegKey::from(two.unique);
        self.tell.once(&one, "tied", Fact::TiedTo { leg });
        self.tell.same_call(one.linked, two.unique);
        self.tell.belongs(&one);
        Ok(Told::Facts)
    }

    fn succeeded(&self) -> bool {
        self.block
            .get("Result")
            .is_none_or(|result| result.eq_ignore_ascii_case("Success"))
    }

    /// The client is passed on without asking.
    pub(super) fn blind_transfer(&mut self) -> Result<Told, DecodeError> {
        let leg = self.need("Transferer")?;
        if !self.succeeded() {
            return Ok(Told::Nothing("transfer_failed"));
        }
        let to = self.block.get("Extension").filter(|to| is_short_number(to));
        let fact = Fact::Transfers {
            kind: TransferKind::Blind,
            to: to.map(Extension::from),
        };
        self.tell.again(&leg, "transfers", fact);
        if let Some(transferee) = self.leg("Transferee") {
            self.tell.same_call(leg.linked, transferee.unique);
        }
        Ok(Told::Facts)
    }

    /// The client is passed on after asking; two calls become one.
    pub(super) fn attended_transfer(&mut self) -> Result<Told, DecodeError> {
        let leg = self.need("OrigTransferer")?;
        if !self.succeeded() {
            return Ok(Told::Nothing("transfer_failed"));
        }
        let target = self.block.get("TransferTargetChannel");
        let fact = Fact::Transfers {
            kind: TransferKind::Attended,
            to: target.and_then(|channel| self.directory.transfer_target(channel)),
        };
        self.tell.again(&leg, "transfers", fact);
        for prefix in ["SecondTransferer", "Transferee", "TransferTarget"] {
            if let Some(other) = self.leg(prefix) {
                self.tell.same_call(leg.linked, other.linked);
                self.tell.same_call(leg.linked, other.unique);
            }
        }
        Ok(Told::Facts)
    }

    /// Whoever is parked is put aside by the other side.
    pub(super) fn parking(&mut self, what: &str, fact: Fact) -> Result<Told, DecodeError> {
        let parkee = self.need("Parkee")?;
        self.tell.again(&parkee, what, fact);
        Ok(Told::Facts)
    }

    /// Somebody takes a call that rings at another phone: both are one call from now on.
    pub(super) fn pickup(&mut self) -> Result<Told, DecodeError> {
        let (taker, target) = (self.need("")?, self.need("Target")?);
        self.tell.same_call(target.linked, taker.linked);
        self.tell.same_call(target.linked, taker.unique);
        Ok(Told::Facts)
    }

    /// What we have asked for where channels are told without the name of their call.
    pub(super) fn linked(&mut self) -> Result<Told, DecodeError> {
        let leg = self.need("")?;
        self.tell.belongs(&leg);
        Ok(Told::Facts)
    }
}
