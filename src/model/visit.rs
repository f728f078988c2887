//! Visits: where a client who called came from, as somebody told who is not the call's own PBX message: a
//! call-tracking service, or a PBX beside its calls. A visit is no call; it is joined to one
//! (`rules::attribution`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ids::{AccountName, CallKey},
    time::Timestamp,
};

/// Names of fields that say by which source the client came, the best one first. So are the others.
pub const SOURCE: &[&str] = &["utm_source", "source", "search_engine", "roistat_market"];
/// By which kind of advertisement.
pub const MEDIUM: &[&str] = &["utm_medium", "medium", "channel"];
/// By which campaign.
pub const CAMPAIGN: &[&str] = &["utm_campaign", "campaign"];
/// For which keyword.
pub const TERM: &[&str] = &["utm_term", "keyword", "search_query"];

/// How long a join by numbers and time may reach, unless the account says otherwise, in milliseconds.
pub const WITHIN_MS: i64 = 120_000;

/// One visit that ended in a call, as one account told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Who told it.
    pub account: AccountName,
    /// Its name there: told again, it is the same visit.
    pub key: String,
    /// When the client called; when it was told, where nobody says.
    pub at: Timestamp,
    /// The client's number, E.164; `None`: withheld or not told.
    pub client: Option<String>,
    /// What identifies the call.
    pub hints: Hints,
    /// How much of the call was over when it was told: of two tellings the later one is believed.
    pub stage: i64,
    /// What is known of it, by our names (`utm_source`, `visitor_id`, ...).
    pub fields: BTreeMap<String, String>,
}

/// By what the call of a visit can be known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hints {
    /// Our numbers that the client dialled or was passed on to, E.164.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dids: Vec<String>,
    /// Names under which a PBX may know the call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallKey>,
    /// Accounts whose calls it may be; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<AccountName>,
    /// How far the call's start may be from the visit's time, in milliseconds.
    pub within_ms: i64,
}

impl Visit {
    /// Takes in what was told of the same visit afterwards: of two tellings that of the later stage is
    /// believed, and of one stage the last. What only the other one says is kept.
    pub fn unite(&mut self, mut other: Self) {
        if other.stage < self.stage {
            std::mem::swap(self, &mut other);
        }
        self.at = self.at.min(other.at);
        self.client = other.client.or(self.client.take());
        self.hints = other.hints;
        self.stage = other.stage;
        self.fields.extend(other.fields);
    }

    /// What reports ask for.
    pub fn origin(&self) -> Origin {
        Origin::of(|name| self.fields.get(name).map(String::as_str))
    }
}

/// By which way the client came, in small letters; empty: not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Source: `yandex`, `google`, ...
    pub source: String,
    /// Kind of advertisement: `cpc`, `organic`, ...
    pub medium: String,
    /// Campaign.
    pub campaign: String,
    /// Keyword.
    pub term: String,
}

impl Origin {
    /// From fields by our names.
    pub fn of<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Self {
        let first = |names: &[&str]| {
            let mut told = names.iter().filter_map(|name| field(name));
            let told = told.find(|value| !value.trim().is_empty());
            told.unwrap_or_default().trim().to_lowercase()
        };
        Self {
            source: first(SOURCE),
            medium: first(MEDIUM),
            campaign: first(CAMPAIGN),
            term: first(TERM),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(stage: i64, at_s: i64, fields: &[(&str, &str)]) -> Visit {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Visit {
            account: "ads".into(),
            key: "1".to_owned(),
            at: Timestamp::from_seconds(at_s),
            client: (stage == 0).then(|| "+74950000011".to_owned()),
            hints: Hints::default(),
            stage,
            fields: fields.iter().map(own).collect(),
        }
    }

    #[test]
    fn tellings_of_one_visit_come_to_the_same_in_any_order() {
        let begun = visit(0, 100, &[("source", "larch"), ("page", "/a")]);
        let over = visit(1, 105, &[("source", "birch"), ("talk_s", "9")]);
        let (mut one, mut other) = (begun.clone(), over.clone());
        one.unite(over.clone());
        other.unite(begun);
        assert_eq!(one, other);
        assert_eq!(one.at, Timestamp::from_seconds(100));
        assert_eq!(one.client.as_deref(), Some("+74950000011"));
        let told: Vec<_> = one.fields.values().map(String::as_str).collect();
        assert_eq!(told, ["/a", "birch", "9"]);
        one.unite(over);
        assert_eq!(one, other, "told again");
    }

    #[test]
    fn the_best_name_of_a_source_is_believed_and_an_empty_one_is_none() {
        let told = visit(
            0,
            0,
            &[("utm_source", " "), ("source", "Larch"), ("channel", "CPC")],
        );
        let wanted = Origin {
            source: "larch".to_owned(),
            medium: "cpc".to_owned(),
            ..Origin::default()
        };
        assert_eq!(told.origin(), wanted);
    }
}
