//! What nobody has confirmed of sipgate, and what we do until a real account has shown it.
//!
//! Also not known: for how long the numbers of an answer ring, whether the session that an order to call makes is
//! the `callId` of its events (employee, client and time tell), how soon an event is posted again that we did not
//! take, and whether a mailbox that answers is `INCOMING` in the list of past calls (so a talk that nobody of ours is
//! named with is undecided).

use std::time::Duration;

use serde::Deserialize;

use crate::{
    model::{event::Cause, time::Timestamp},
    pbx::push,
};

/// What a real account can show to be otherwise: table `unconfirmed` of the account. What the words of events
/// leave open stands in [`push::Choices`].
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choices {
    pub normal_means_talk: bool,
    pub voicemail: String,
    /// The list of past calls names them as events do (`callId`), and its times are the calls'. Else a call that
    /// is not known by its name is looked for by client, direction and second; where it may be one of the hours
    /// around it is left alone and counted, for a lost call can be looked up and a doubled one spoils figures; and
    /// of a call that events have told whole only files are taken.
    pub list_is_sure: bool,
    /// `created` is the start of the call. Else its end.
    pub created_is_start: bool,
    /// `duration` is how long was talked. Else nobody knows when a call was answered that only the list tells.
    pub duration_is_talk: bool,
    /// The link of a recording is fetched as it was listed. Else the API is asked for it anew.
    pub takes_links: bool,
}

impl Default for Choices {
    fn default() -> Self {
        let push = push::Choices::default();
        Self {
            normal_means_talk: push.normal_means_talk,
            voicemail: push.voicemail,
            list_is_sure: false,
            created_is_start: true,
            duration_is_talk: false,
            takes_links: false,
        }
    }
}

impl Choices {
    /// Those of events.
    pub fn of_events(&self) -> push::Choices {
        push::Choices {
            normal_means_talk: self.normal_means_talk,
            voicemail: self.voicemail.clone(),
        }
    }

    /// Start and end of a listed call.
    ///
    /// `lastModified` was seen to be the end. A note or a mark may well move it, so it is believed only as far as
    /// a phone rings and somebody talks for `duration`; later, the call is taken to have lasted for `duration`, or
    /// where nobody talked as long as a phone rings: it is a missed call rather than one that was given up at once.
    pub fn times(
        &self,
        (created, modified): (Timestamp, Option<Timestamp>),
        duration_s: i64,
    ) -> (Timestamp, Timestamp) {
        let lasted_ms = duration_s.clamp(0, LONGEST_S) * 1_000;
        if !self.created_is_start {
            return (created.plus_millis(-lasted_ms), created);
        }
        let earliest = created.plus_millis(lasted_ms);
        let latest = earliest.plus_millis(LONGEST_RING_MS);
        let is_end = |at: &Timestamp| (earliest..=latest).contains(at);
        let rang_out = modified.filter(|at| lasted_ms == 0 && *at > latest);
        let end = modified.filter(is_end).or(rang_out.map(|_| latest));
        (created, end.unwrap_or(earliest))
    }
}

/// Longest talk and ringing that are believed.
pub const LONGEST_S: i64 = 86_400;
pub const LONGEST_RING_MS: i64 = 180_000;
/// What follows a call that was forwarded begins so soon after its end.
pub const GOES_ON_WITHIN_MS: i64 = 5_000;
/// Until so long after its end what a forwarded call went on to may not be listed: it may go on still.
pub const MAY_GO_ON_MS: i64 = 2 * 3_600_000;

/// How a listed call turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// Somebody talked, or (of a call that came in) it was the mailbox.
    Answered,
    /// Nobody did, and why.
    Not(Cause),
    /// The mailbox took it.
    Mailbox,
    /// It was sent on: nobody has told whether somebody had talked before.
    Forwarded,
    /// The words do not say.
    Untold,
}

/// `type`, `direction` (`MISSED_...`), `callStatus` (as sipgate's own library has it) and `status` (seen with
/// others): whatever says that nobody talked is believed first.
pub fn turned(kind: &str, direction: &str, [call_status, status]: [&str; 2]) -> Turned {
    let missed = direction.starts_with("MISSED_");
    match (kind, call_status, status) {
        (_, "VOICEMAIL_NO_MESSAGE", _) | ("VOICEMAIL", ..) => Turned::Mailbox,
        (_, _, "FORWARD") => Turned::Forwarded,
        (_, "REJECTED" | "REJECTED_DND", _) => Turned::Not(Cause::Rejected),
        (_, "BUSY" | "BUSY_ON_BUSY", _) | (_, _, "BUSY") => Turned::Not(Cause::Busy),
        (_, "FAILURE", _) => Turned::Not(Cause::Failed),
        (_, "MISSED", _) | (_, _, "NOPICKUP") => Turned::Not(Cause::NoAnswer),
        _ if missed => Turned::Not(Cause::NoAnswer),
        (_, "SUCCESS", _) | (_, _, "PICKUP") => Turned::Answered,
        _ => Turned::Untold,
    }
}

/// Whether an endpoint is a user of sipgate's (`w0`): whoever `users` does not name stands under this word.
pub fn is_user(word: &str) -> bool {
    let digits = word.strip_prefix('w').unwrap_or_default();
    (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Entries of one answer that we ask for: a hundred were given, a hundred thousand were refused.
pub const ENTRIES: usize = 100;
/// Where files may lie.
pub const HOSTS: &str = ".sipgate.com";
/// The key with which sipgate's own library for webhooks checks signatures; `public_key` of the account names
/// another, should it ever change.
pub const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAvFdlnqRfO5TmqzjtsFVC
qPz+oW+poi3lXQFvMJJMEAtlU4MbX+yuIkgnC+Qt3AQWIK+oWSEQiybg+p39wEMl
16PZxEzf9gONQvTg1XhyHnwqYUFQj/AoxPKGYC3jmdjZ224SrESiTN3CdxoOc3vk
cXiQstYE7SxnksPtzfk0aIOkicim5/tAP9izNQ18/zmX3ChjK2k72gf5dDlq+qZ8
pRiHAPZ64TySH6cLQDhaoh6Nbq8FEG3usXXPClbUMh2DZaTMPafpd+LNuTngJ/y+
KoZasVuFfXAeBqGA6l5d4Uedfr99Z6qjwDrJ8sU4z2Do9bJrbuqP+mOXEebhSI1K
vi8trEfrIt8hnDBGsBaB9NEO3kYxvDT2/PhC9fNYFocjEpZNd7/mUqTJDYlpa4UC
NDQaU+ATdXG8/P5sGAegks6MQTu+qe9XTO0CV48eswDkz6g3UbLOwmrJK59SjD3J
yAZ52sluwyDKRWw/PPTt8BTQLjvkdbiLUlc4ehJ4b1X7D7diYWHDPeFL47cAvaXh
dXVrZDeBJYibvD1jRx4ES0KlfhwzNXBYUoM/Movg9zMM2PzyHHKS//xIjwUC/FJ6
/6eykno0Hy2B1ev6s3hdY6VkN2zd7Wf+EK4DxRliwsg1U99szFE3ewLfexF+Uag5
M+TfPtOUumI/NHMTvsRW9+ECAwEAAQ==
-----END PUBLIC KEY-----";

/// Limits: none is documented. Two requests a second is what a person could do.
pub const ASK_EVERY_MS: u64 = 500;
/// How long to wait where it says "too often" and not how long.
pub const TOO_OFTEN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_seconds(1_775_460_000);

    #[test]
    fn a_call_that_somebody_has_noted_something_on_did_not_last_until_then() {
        let choices = Choices::default();
        let ended = |modified_s: Option<i64>, duration_s| {
            let modified = modified_s.map(|s| AT.plus_millis(s * 1_000));
            let (started, ended) = choices.times((AT, modified), duration_s);
            assert_eq!(started, AT);
            ended.millis_since(AT) / 1_000
        };
        assert_eq!(ended(Some(70), 60), 70);
        assert_eq!(ended(Some(4_000), 60), 60);
        assert_eq!(ended(Some(20), 60), 60);
        assert_eq!((ended(Some(25), 0), ended(None, 0)), (25, 0));
        assert_eq!(ended(Some(4_000), 0), 180); // missed, and noted later
        let otherwise = Choices {
            created_is_start: false,
            ..choices
        };
        let (started, ended) = otherwise.times((AT, None), 60);
        assert_eq!((ended, ended.millis_since(started)), (AT, 60_000));
    }

    #[test]
    fn words_of_how_a_call_turned_out() {
        let told =
            |direction, call_status, status| turned("CALL", direction, [call_status, status]);
        assert_eq!(told("INCOMING", "SUCCESS", ""), Turned::Answered);
        assert_eq!(told("OUTGOING", "", "PICKUP"), Turned::Answered);
        assert_eq!(told("INCOMING", "", ""), Turned::Untold);
        assert_eq!(
            told("MISSED_INCOMING", "SUCCESS", ""),
            Turned::Not(Cause::NoAnswer)
        );
        assert_eq!(
            told("MISSED_OUTGOING", "BUSY", ""),
            Turned::Not(Cause::Busy)
        );
        assert_eq!(told("INCOMING", "SUCCESS", "FORWARD"), Turned::Forwarded);
        assert_eq!(
            told("MISSED_INCOMING", "VOICEMAIL_NO_MESSAGE", ""),
            Turned::Mailbox
        );
        assert_eq!(turned("VOICEMAIL", "INCOMING", ["", ""]), Turned::Mailbox);
    }

    #[test]
    fn a_user_is_known_by_the_form_of_the_word() {
        assert!(is_user("w0") && is_user("w12"));
        for other in ["w", "p0", "e3", "wilma", "0", "w1234567"] {
            assert!(!is_user(other), "{other}");
        }
    }
}
