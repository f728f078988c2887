//! Compares what was found of a call with what the ledger says.

use ringcard::{
    model::{
        call::{Call, CallResult, Phase},
        event::{Direction, Side},
        time::Timestamp,
    },
    simulator::ledger::Ledger,
};

/// Everything about `call` that the ledger does not allow. A `maimed` call has lost messages: it may
/// know less, but what it knows must not be wrong.
pub fn differences(ledger: &Ledger, call: &Call, maimed: bool) -> Vec<String> {
    let mut check = Check {
        ledger,
        maimed,
        wrong: Vec::new(),
    };
    check.result(call);
    check.times(call);
    check.parties(call);
    check.transfers(call);
    check.wrong
}

struct Check<'a> {
    ledger: &'a Ledger,
    maimed: bool,
    wrong: Vec<String>,
}

impl Check<'_> {
    fn differ(&mut self, what: &str, wanted: impl std::fmt::Debug, found: impl std::fmt::Debug) {
        self.wrong
            .push(format!("{what}: wanted {wanted:?}, found {found:?}"));
    }

    fn result(&mut self, call: &Call) {
        let wanted = self.ledger.result;
        match call.result {
            Some(found) if found == wanted => {}
            None if self.maimed => {}
            // Whether anybody rang, and for how long, is told by messages that may be lost.
            Some(found) if self.maimed && is_unanswered(found) && is_unanswered(wanted) => {}
            found => self.differ("result", wanted, found),
        }
        if !self.maimed && call.phase != Phase::Ended {
            self.differ("phase", Phase::Ended, call.phase);
        }
    }

    fn times(&mut self, call: &Call) {
        let ledger = self.ledger;
        if self.maimed {
            return;
        }
        let tolerance = ledger.tolerance_ms;
        self.moment("started_at", Some(ledger.started_at), Some(call.started_at));
        self.moment("ended_at", Some(ledger.ended_at), call.ended_at);
        self.span("wait_ms", ledger.wait_ms, call.wait_ms, tolerance);
        self.span("ring_ms", ledger.ring_ms, call.ring_ms, tolerance);
        self.span("hold_ms", ledger.hold_ms, call.hold_ms, tolerance);
        // Talk is a difference of differences: each truncated second counts.
        self.span("talk_ms", ledger.talk_ms, call.talk_ms, 2 * tolerance);
    }

    fn moment(&mut self, what: &str, wanted: Option<Timestamp>, found: Option<Timestamp>) {
        let far = match (wanted, found) {
            (Some(wanted), Some(found)) => {
                let apart = wanted.as_millis().abs_diff(found.as_millis());
                apart > self.ledger.tolerance_ms as u64
            }
            (None, None) => false,
            _ => true,
        };
        if far {
            self.differ(
                what,
                wanted.map(Timestamp::rfc3339),
                found.map(Timestamp::rfc3339),
            );
        }
    }

    fn span(&mut self, what: &str, wanted: Option<i64>, found: Option<i64>, tolerance: i64) {
        let Some(wanted) = wanted else {
            return; // not told by this provider
        };
        if found.is_none_or(|found| (found - wanted).abs() > tolerance) {
            self.differ(what, wanted, found);
        }
    }

    fn parties(&mut self, call: &Call) {
        let ledger = self.ledger;
        let maimed = self.maimed;
        let told = |found: bool| found || !maimed;
        if told(call.direction.is_some()) && call.direction != Some(ledger.direction) {
            self.differ("direction", ledger.direction, call.direction);
        }
        let client = call.client.as_ref().and_then(|number| number.e164());
        if told(client.is_some()) && client != ledger.client.as_deref() {
            self.differ("client", &ledger.client, client);
        }
        let did = call.did.as_ref().and_then(|number| number.e164());
        if let Some(wanted) = ledger.did.as_deref()
            && told(did.is_some())
            && did != Some(wanted)
        {
            self.differ("did", wanted, did);
        }
        let answered_by = call
            .answered_by
            .as_ref()
            .map(|extension| extension.as_str());
        if told(answered_by.is_some()) && answered_by != ledger.answered_by.as_deref() {
            let transferred = ledger
                .transfers
                .iter()
                .any(|passed| answered_by == Some(passed.to.as_str()));
            if !(maimed && transferred) {
                self.differ("answered_by", &ledger.answered_by, answered_by);
            }
        }
        if let Some(wanted) = ledger.hangup_by
            && !self.maimed
            && call.hangup_by != Some(wanted)
            // A time-out of the PBX need not be told as somebody's deed.
            && (wanted != Side::Pbx || call.hangup_by.is_some())
        {
            self.differ("hangup_by", wanted, call.hangup_by);
        }
        let mut rang: Vec<&str> = call.extensions().iter().map(|e| e.as_str()).collect();
        let mut wanted: Vec<&str> = ledger.rang.iter().map(String::as_str).collect();
        rang.sort_unstable();
        wanted.sort_unstable();
        wanted.dedup();
        let stranger = rang.iter().any(|extension| !wanted.contains(extension));
        // An employee who dials has a leg of the call with some providers only.
        let incoming = ledger.direction == Direction::In;
        if stranger || (incoming && !self.maimed && rang != wanted) {
            self.differ("people", wanted, rang);
        }
    }

    fn transfers(&mut self, call: &Call) {
        let ledger = self.ledger;
        if call.transfers.len() != ledger.transfers.len() {
            if !self.maimed || call.transfers.len() > ledger.transfers.len() {
                self.differ("transfers", &ledger.transfers, &call.transfers);
            }
        } else if !self.maimed {
            for (wanted, found) in ledger.transfers.iter().zip(&call.transfers) {
                let from = found.from.as_ref().map(|extension| extension.as_str());
                let to = found.to.as_ref().map(|extension| extension.as_str());
                if (
                    wanted.kind,
                    Some(wanted.from.as_str()),
                    Some(wanted.to.as_str()),
                ) != (found.kind, from, to)
                {
                    self.differ("transfer", wanted, found);
                }
                self.moment("transfer at", Some(wanted.at), Some(found.at));
            }
        }
        let recordings = call.recordings.len();
        if recordings > ledger.recordings || (!self.maimed && recordings != ledger.recordings) {
            self.differ("recordings", ledger.recordings, recordings);
        }
    }
}

fn is_unanswered(result: CallResult) -> bool {
    result != CallResult::Answered
}
