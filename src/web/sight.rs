//! What a person may see of lists, of one call and of one card: reads whom things belong to and asks
//! `policy::can`.

use super::{Error, Site, Visitor, now};
use crate::{
    model::{
        ids::{CallId, CardId, PersonId},
        phone::Number,
    },
    policy::{self, Action, Belongs, Object, Reach, Verdict},
    store::{
        audit,
        cards::Card,
        journal::{self, CallPage, Whose},
    },
};

/// A call that began longer ago than this is no reason for sight by ring.
const LONGEST_CALL_MS: i64 = 24 * 3_600_000;

/// Digits of a national number.
const NATIONAL_DIGITS: usize = 10;
/// Stands for what may not be seen.
const HIDDEN: &str = "•••";

/// What may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Numbers in full.
    pub full_numbers: bool,
    /// Names, companies and notes of clients.
    pub names: bool,
}

impl Sight {
    /// A number as this person may see it; the word for numbers withheld is the page's.
    pub fn number(self, e164: &str) -> String {
        let number = Number::E164 {
            e164: e164.to_owned(),
            ext: None,
        };
        let written = if self.full_numbers {
            number.formatted()
        } else {
            number.masked()
        };
        written.unwrap_or_default()
    }

    /// What a PBX wrote instead of a public number, as this person may see it.
    pub fn other(self, shown: &str) -> String {
        if self.full_numbers {
            return shown.to_owned();
        }
        let masked = Number::Other(shown.to_owned()).masked();
        masked.unwrap_or_default()
    }

    /// Words of a PBX in which a number may stand anywhere: whole or not at all.
    pub fn words(self, words: &str) -> String {
        let words = if self.full_numbers { words } else { HIDDEN };
        words.to_owned()
    }

    /// The digits by which a number may be looked for, if these may be: whoever may not see numbers
    /// in full must know all of one, else its hidden digits could be found by trying endings.
    pub fn digits_to_find(self, typed: &str) -> Option<String> {
        let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
        let least = if self.full_numbers {
            3
        } else {
            NATIONAL_DIGITS
        };
        // A national prefix differs between spellings; the national number is enough to look for.
        let last = digits.len().saturating_sub(NATIONAL_DIGITS);
        (digits.len() >= least).then(|| digits[last..].to_owned())
    }
}

/// What a person may see in lists, which are cut to the reach of seeing calls: a right of less reach
/// than the list is no right on every line of it.
pub fn in_lists(visitor: &Visitor) -> Sight {
    let role = visitor.person.role;
    let calls = policy::reach(role, Action::SeeCalls);
    let covers = |action| policy::reach(role, action).is_some_and(|reach| Some(reach) >= calls);
    Sight {
        full_numbers: visitor.shows_numbers() && covers(Action::SeeFullNumbers),
        names: covers(Action::SeeCards),
    }
}

/// A search for a number that is hidden from whoever looks for it tells whether it is one of ours. So
/// it leaves a trace, and cannot be repeated at will.
pub async fn searched(
    site: &Site,
    visitor: &Visitor,
    sight: Sight,
    digits: Option<&str>,
) -> Result<(), Error> {
    let Some(digits) = digits.filter(|_| !sight.full_numbers) else {
        return Ok(());
    };
    if !site.guard.admit_search(visitor.person.id, digits, now())? {
        return Ok(());
    }
    let shown = sight.other(digits);
    audited(site, visitor, "search", "number", &shown).await
}

/// Whose calls this person may list.
pub fn whose(visitor: &Visitor) -> Whose {
    match policy::reach(visitor.person.role, Action::SeeCalls) {
        Some(Reach::All) => Whose::Everybody,
        Some(Reach::Department) => match visitor.person.department {
            Some(department) => Whose::Department(department),
            None => Whose::Person(visitor.person.id),
        },
        Some(Reach::Own) | None => Whose::Person(visitor.person.id),
    }
}

/// Whom a call belongs to: everybody rung or talking, and the owner of the card.
pub async fn call_belongs(
    site: &Site,
    visitor: &Visitor,
    page: &CallPage,
) -> Result<Object, Error> {
    let id = CallId(page.row.id);
    let involved = journal::involved(&site.db, id).await?;
    let owner = page.more.card_owner.map(PersonId);
    let card = page.row.card.map(CardId);
    let people = involved.iter().map(|one| PersonId(one.person));
    let departments = involved.iter().filter_map(|one| one.department);
    Ok(Object::Of(Belongs {
        people: people.chain(owner).collect(),
        departments: departments.chain(page.more.owner_department).collect(),
        rung: is_rung(site, visitor, Some(id), card).await?,
    }))
}

/// Whom a card belongs to: its owner, and whoever is being rung by the client.
pub async fn card_belongs(site: &Site, visitor: &Visitor, card: &Card) -> Result<Object, Error> {
    Ok(Object::Of(Belongs {
        people: card.owner.map(PersonId).into_iter().collect(),
        departments: card.owner_department.into_iter().collect(),
        rung: is_rung(site, visitor, None, Some(CardId(card.id))).await?,
    }))
}

async fn is_rung(
    site: &Site,
    visitor: &Visitor,
    call: Option<CallId>,
    card: Option<CardId>,
) -> Result<bool, Error> {
    let person = visitor.person.id;
    if let Some(call) = call
        && site.hub.pop(person, call).is_some()
    {
        return Ok(true);
    }
    let now = now();
    let since = now.plus_millis(-site.hub.settings().wrap_up_ms());
    let started_since = now.plus_millis(-LONGEST_CALL_MS);
    Ok(journal::is_rung(&site.db, person, call, card, since, started_since).await?)
}

/// What may be shown of one object.
pub fn of(visitor: &Visitor, object: &Object) -> Sight {
    let may = |action| policy::can(&visitor.person, action, object).is_allowed();
    Sight {
        full_numbers: visitor.shows_numbers() && may(Action::SeeFullNumbers),
        names: may(Action::SeeCards),
    }
}

/// Keeps a deed of the visitor in the audit.
pub async fn audited(
    site: &Site,
    visitor: &Visitor,
    action: &'static str,
    object: &str,
    detail: &str,
) -> Result<(), Error> {
    let entry = audit::Entry {
        person: visitor.known(),
        action,
        object,
        detail,
        remote: &visitor.remote.to_string(),
    };
    let token = visitor.bearer.map(|bearer| bearer.token);
    Ok(audit::keep_by(&site.db, &entry, token, now()).await?)
}

/// Sight that only a ring gives leaves a trace.
pub async fn audit_ring(
    site: &Site,
    visitor: &Visitor,
    verdict: Verdict,
    object: &str,
) -> Result<(), Error> {
    match verdict {
        Verdict::ByRing => audited(site, visitor, "see_by_ring", object, "").await,
        Verdict::Allowed | Verdict::Denied => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASKED: Sight = Sight {
        full_numbers: false,
        names: true,
    };
    const FULL: Sight = Sight {
        full_numbers: true,
        names: true,
    };

    #[test]
    fn a_hidden_number_is_found_by_all_its_digits_only() {
        for part in ["0011", "95 000-00-11", "8 495 000-00"] {
            assert_eq!(MASKED.digits_to_find(part), None, "{part}");
        }
        for whole in ["495 000-00-11", "8 (495) 000-00-11", "+74950000011"] {
            let digits = MASKED.digits_to_find(whole);
            assert_eq!(digits.as_deref(), Some("4950000011"), "{whole}");
        }
        assert_eq!(FULL.digits_to_find("0011").as_deref(), Some("0011"));
        assert_eq!(FULL.digits_to_find("11"), None);
    }

    #[test]
    fn what_is_no_public_number_is_masked_too() {
        assert_eq!(MASKED.other("4950000011"), "••••••••11");
        assert_eq!(FULL.other("4950000011"), "4950000011");
        assert_eq!(MASKED.words("in-4950000011.wav"), "•••");
        assert_eq!(FULL.words("in-4950000011.wav"), "in-4950000011.wav");
    }
}
