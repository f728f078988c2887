//! What an attempt to fetch a recording led to, and what follows from it.

use std::time::Duration;

use crate::{
    http::Retry,
    model::recording::RecordingState,
    pbx::PbxError,
    recordings::{
        audio::{InspectError, Measured, Player, Refused},
        fetch::FetchError,
        vault::VaultError,
    },
    store::recordings::Filed,
};

/// Pauses before the second to the sixth attempt.
pub(super) const PAUSES: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(60 * 60),
];

/// Attempts after which a recording is given up although the other side is still away: hourly ones
/// for three days after [`PAUSES`].
pub(super) const MOST_ATTEMPTS: i64 = PAUSES.len() as i64 + 72;

/// What an attempt led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The file is in the store; what is to be written down.
    Here(Box<Filed>),
    /// It may come right: `wait` is what the other side asked for.
    Later {
        reason: &'static str,
        wait: Option<Duration>,
        trouble: Trouble,
    },
    /// It will not come right.
    Never {
        state: RecordingState,
        reason: &'static str,
    },
}

/// Why an attempt is to be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The other side answers, and what it gives is no recording yet. If it never is, the recording
    /// ends in this state.
    NotReady(RecordingState),
    /// The call is over, and its file in the shared folder has stopped growing with nothing in it: a
    /// PBX that records only conversations leaves a header when nobody talked. It is looked at once
    /// more, for whoever copies files there in two steps.
    Silent,
    /// A host, a mount, our store or a disk is away: that says nothing of the recording.
    Away,
}

pub(super) fn filed(measured: Measured) -> Filed {
    let (state, reason, peaks, measures) = match &measured.player {
        Player::Sound(sound) => {
            let measures = serde_json::to_string(&sound.measures);
            let measures = measures.expect("measures are plain numbers");
            (
                RecordingState::Kept,
                "",
                Some(sound.peaks.concat()),
                Some(measures),
            )
        }
        Player::NoPlayer(reason) => (RecordingState::NoPlayer, reason.as_str(), None, None),
    };
    Filed {
        state,
        reason: reason.to_owned(),
        sha256: measured.sha256,
        size: measured.size_bytes as i64,
        format: measured.format.as_str().to_owned(),
        duration_ms: measured.duration_ms.map(|length| length as i64),
        channels: measured.channels.map(i64::from),
        sample_rate: measured.sample_rate_hz.map(i64::from),
        peaks,
        measures,
    }
}

/// The pause after this attempt (from 1); `None` after the last.
pub(super) fn pause_after(attempt: i64, trouble: Trouble) -> Option<Duration> {
    let at = usize::try_from(attempt - 1).ok()?;
    match PAUSES.get(at) {
        _ if trouble == Trouble::Silent && attempt > 1 => None,
        None if trouble == Trouble::Away && attempt < MOST_ATTEMPTS => PAUSES.last().copied(),
        pause => pause.copied(),
    }
}

impl Trouble {
    pub(super) fn at_last(self) -> RecordingState {
        match self {
            Self::NotReady(state) => state,
            Self::Silent => RecordingState::Absent,
            Self::Away => RecordingState::Failed,
        }
    }
}

impl Ended {
    /// The line's rule says so.
    pub(super) fn left(reason: &'static str) -> Self {
        Self::Never {
            state: RecordingState::Absent,
            reason,
        }
    }

    pub(super) fn never(reason: &'static str) -> Self {
        Self::Never {
            state: RecordingState::Failed,
            reason,
        }
    }

    fn of_retry(retry: Retry, reason: &'static str, trouble: Trouble) -> Self {
        let wait = match retry {
            Retry::Never => return Self::never(reason),
            Retry::Later => None,
            Retry::After(wait) => Some(wait),
        };
        Self::Later {
            reason,
            wait,
            trouble,
        }
    }

    pub(super) fn away(reason: &'static str) -> Self {
        Self::of_retry(Retry::Later, reason, Trouble::Away)
    }

    pub(super) fn of_pbx(error: &PbxError) -> Self {
        match error {
            PbxError::Unsupported => Self::never("unsupported"),
            PbxError::Refused(_) => Self::never("not_allowed"),
            PbxError::NotThere => Self::of_fetch(&FetchError::NotThere),
            PbxError::Throttled { retry_after } => {
                Self::of_retry(Retry::After(*retry_after), "throttled", Trouble::Away)
            }
            _ => Self::away("unreachable"),
        }
    }

    pub(super) fn of_fetch(error: &FetchError) -> Self {
        let trouble = match error.is_outage() {
            true => Trouble::Away,
            false => Trouble::NotReady(RecordingState::Failed),
        };
        Self::of_retry(error.retry(), error.as_str(), trouble)
    }

    /// `is_shared`: it lay in the shared folder, and its size had settled.
    pub(super) fn of_inspection(error: &InspectError, is_shared: bool) -> Self {
        match error {
            InspectError::Refused(refused) if refused.may_heal() => Self::Later {
                reason: refused.as_str(),
                wait: None,
                trouble: match refused {
                    Refused::NoSound if is_shared => Trouble::Silent,
                    Refused::NoSound => Trouble::NotReady(RecordingState::Absent),
                    _ => Trouble::NotReady(RecordingState::Refused),
                },
            },
            InspectError::Refused(refused) => Self::Never {
                state: RecordingState::Refused,
                reason: refused.as_str(),
            },
            InspectError::Io(_) => Self::away("disk"),
        }
    }

    pub(super) fn of_vault(error: &VaultError) -> Self {
        tracing::error!(%error, "a recording could not be stored");
        Self::away("store")
    }
}
