//! People who work with Ringcard and what they may see or do.

use serde::{Deserialize, Serialize};

use super::ids::PersonId;

/// What a person is in the company; rights follow from it (`policy::can`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Talks with clients.
    Manager,
    /// Leads a department.
    Head,
    /// Reads channels and figures.
    Marketer,
    /// Listens to calls.
    Quality,
    /// Owns the company: sees all, changes what the business decides.
    Owner,
    /// Runs the installation: accounts, people, lines; sees no client without a reason.
    Administrator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [
        Self::Manager,
        Self::Head,
        Self::Marketer,
        Self::Quality,
        Self::Owner,
        Self::Administrator,
    ];

    /// The word used in the database and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::Head => "head",
            Self::Marketer => "marketer",
            Self::Quality => "quality",
            Self::Owner => "owner",
            Self::Administrator => "administrator",
        }
    }

    /// Whether the role sees more than what is one's own or one's department's: only such a role is of use
    /// to a program, which has neither.
    pub const fn reaches_beyond_itself(self) -> bool {
        !matches!(self, Self::Manager | Self::Head)
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// A person, as far as rights and pages need to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Row id.
    pub id: PersonId,
    /// Sign-in name.
    pub login: String,
    /// Shown name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Department, if any.
    pub department: Option<i64>,
    /// `ru` or `en`.
    pub language: String,
    /// Whether the person may sign in and be rung.
    pub active: bool,
}
