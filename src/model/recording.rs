//! Where a recording of a call stands.

use serde::{Deserialize, Serialize};

/// State of one recording, as pages, exports and the database name it.
///
/// The order is the order of worth: of several recordings of a call the least state is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Here, measured and playable.
    Kept,
    /// Here and downloadable, but in a format without a player.
    NoPlayer,
    /// Being fetched right now.
    Fetching,
    /// Told of; the file is not ready yet, or the next attempt is due later.
    Waiting,
    /// Given up after the last attempt.
    Failed,
    /// Something came, and it was not a recording.
    Refused,
    /// The PBX says that there is none.
    Absent,
}

impl RecordingState {
    /// Every state, from the most to the least worth.
    pub const ALL: [Self; 7] = [
        Self::Kept,
        Self::NoPlayer,
        Self::Fetching,
        Self::Waiting,
        Self::Failed,
        Self::Refused,
        Self::Absent,
    ];

    /// The word used in exports, metrics and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NoPlayer => "no_player",
            Self::Fetching => "fetching",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Absent => "absent",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the file lies in our store.
    pub const fn is_here(self) -> bool {
        matches!(self, Self::Kept | Self::NoPlayer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for state in RecordingState::ALL {
            assert_eq!(RecordingState::parse(state.as_str()), Some(state));
        }
        assert_eq!(RecordingState::parse("gone"), None);
    }

    #[test]
    fn the_list_is_in_order_of_worth() {
        assert!(RecordingState::ALL.is_sorted());
    }
}
