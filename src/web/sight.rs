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
}

/// What a person may see in lists, which are cut to the reach of seeing calls: a right of less reach
/// than the list is no right on every line of it.
pub fn in_lists(visitor: &Visitor) -> Sight {
    let role = visitor.person.role;
    let calls = policy::reach(role, Action::SeeCalls);
    let covers = |action| policy::reach(role, action).is_some_and(|reach| Some(reach) >= calls);
    Sight {
        full_numbers: covers(Action::SeeFullNumbers),
        names: covers(Action::SeeCards),
    }
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
        full_numbers: may(Action::SeeFullNumbers),
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
        person: Some(visitor.person.id),
        action,
        object,
        detail,
        remote: &visitor.remote.to_string(),
    };
    Ok(audit::keep(&site.db, &entry, now()).await?)
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
