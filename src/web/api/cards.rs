//! Clients' cards: found, read, renamed, written on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    caller::Caller,
    calls::digits,
    endpoint::{About, Act, Add, Change, Endpoint, Id, Nothing, read, write},
    problem::Problem,
    scope::Scope,
    words::{self, Limit, Moment, Page, Phone, some, within},
};
use crate::{
    model::ids::CardId,
    policy::{Action, Object},
    store::{
        cards::{self, CardEvent, CardPhone, Search},
        merging::MergeError,
    },
    web::{
        Error, demand, now,
        pages::{self, pop::NOTE_CHARS},
        sight::{self, Sight},
    },
};

/// Notes and changes of one card that are told.
const EVENTS: i64 = 100;
const NAME_CHARS: usize = 200;

/// The endpoints of cards.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        read("/api/v1/cards", LIST, list),
        read("/api/v1/cards/{id}", ONE, one),
        write::<Change, _, _, _, _>("/api/v1/cards/{id}", RENAME, rename),
        write::<Add, _, _, _, _>("/api/v1/cards/{id}/notes", NOTE, note),
        write::<Act, _, _, _, _>("/api/v1/cards/{id}/reveal", REVEAL, reveal),
        write::<Act, _, _, _, _>("/api/v1/cards/{id}/merge", MERGE, merge),
        write::<Act, _, _, _, _>("/api/v1/cards/{id}/unmerge", UNMERGE, unmerge),
        write::<Add, _, _, _, _>("/api/v1/cards/{id}/part", PART, part),
    ]
}

const LIST: About = About {
    id: "listCards",
    summary: "Clients' cards by name",
    details: "",
    scope: Scope::CardsRead,
    action: Action::SeeCards,
};
const ONE: About = About {
    id: "getCard",
    summary: "One card with its numbers and history",
    details: "A card that has become part of another one says so in `merged_into`.",
    scope: Scope::CardsRead,
    // Whoever is rung by a client may see the card without any right to cards.
    action: Action::UseDesk,
};
const RENAME: About = About {
    id: "changeCard",
    summary: "Give a card another name or company",
    details: "What is left out stays as it is.",
    scope: Scope::CardsWrite,
    action: Action::ChangeCards,
};
const NOTE: About = About {
    id: "addNote",
    summary: "Write a note on a card",
    details: "",
    scope: Scope::CardsWrite,
    action: Action::ChangeCards,
};
const REVEAL: About = About {
    id: "revealCard",
    summary: "See the numbers of a card in full",
    details: "For those who see numbers masked and may uncover one; each time is audited.",
    scope: Scope::Numbers,
    action: Action::RevealNumbers,
};

const MERGE: About = About {
    id: "mergeCards",
    summary: "Make another card a part of this one",
    details: "Numbers, calls, tasks and touches of the other card come over, and whoever asks for it \
        learns by `merged_into` where it is. What this card says of itself stays; the other one fills \
        what is open. The owner is the one set by hand, else whoever answered the client first.",
    scope: Scope::CardsWrite,
    action: Action::ChangeCards,
};
const UNMERGE: About = About {
    id: "unmergeCard",
    summary: "Part a card from the one it has become a part of",
    details: "What came over with the merge goes back, what has come since goes by its number, and \
        numbers that were added since stay.",
    scope: Scope::CardsWrite,
    action: Action::ChangeCards,
};
const PART: About = About {
    id: "partNumber",
    summary: "Take a number out of a card, into a card of its own",
    details: "Calls, tasks and touches of that number go with it. The new card is answered.",
    scope: Scope::CardsWrite,
    action: Action::ChangeCards,
};

/// Which cards.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Name or company contains this.
    name: Option<String>,
    /// A number, or its end; all of it where numbers are masked.
    number: Option<String>,
    /// How many.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u16>,
    /// Where to go on: `next` of the page before.
    after: Option<String>,
}

/// A client's card.
#[derive(Serialize, JsonSchema)]
pub struct Card {
    /// Our id.
    id: Uuid,
    /// The client's name.
    name: Option<String>,
    /// The client's company.
    company: Option<String>,
    /// The responsible person.
    owner: Option<i64>,
    /// Their name.
    owner_name: Option<String>,
    /// What stands on the card.
    note: Option<String>,
    /// The line of the client's first call.
    first_line: Option<String>,
    /// When the card was made.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
    /// The card it has become part of.
    merged_into: Option<Uuid>,
}

impl From<cards::Card> for Card {
    fn from(card: cards::Card) -> Self {
        Self {
            id: card.id,
            name: some(&card.name),
            company: some(&card.company),
            owner: card.owner,
            owner_name: card.owner_name,
            note: some(&card.note),
            first_line: card.first_line,
            created_at: Moment::from_micros(card.created_at),
            updated_at: Moment::from_micros(card.updated_at),
            merged_into: card.merged_into,
        }
    }
}

/// A card with its numbers and history.
#[derive(Serialize, JsonSchema)]
pub struct WholeCard {
    #[serde(flatten)]
    card: Card,
    /// Its numbers, in the order in which `POST /api/v1/calls` counts them.
    phones: Vec<CardNumber>,
    /// The latest notes and changes, newest first.
    history: Vec<CardChange>,
}

/// A number of a card.
#[derive(Serialize, JsonSchema)]
pub struct CardNumber {
    /// The number.
    phone: Phone,
    /// Extension behind it.
    extension: Option<String>,
    /// `own`, `company` or `shared`.
    kind: String,
}

impl CardNumber {
    fn of(phone: &CardPhone, sight: Sight) -> Self {
        Self {
            phone: Phone::of(&phone.e164, sight),
            extension: some(&phone.ext),
            kind: phone.kind.clone(),
        }
    }
}

/// A note or change on a card.
#[derive(Serialize, JsonSchema)]
pub struct CardChange {
    /// When.
    at: Moment,
    /// Who; null: nobody, or a program.
    person_name: Option<String>,
    /// What: `note`, `result`, `renamed`, `touch`, ...
    kind: String,
    /// The text.
    text: String,
}

impl From<CardEvent> for CardChange {
    fn from(event: CardEvent) -> Self {
        Self {
            at: Moment::from_micros(event.at),
            person_name: event.person,
            kind: event.kind,
            text: event.body,
        }
    }
}

/// Other names for a card.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// The client's name.
    #[schemars(length(max = 200))]
    name: Option<String>,
    /// The client's company.
    #[schemars(length(max = 200))]
    company: Option<String>,
}

/// A note.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNote {
    /// The text.
    #[schemars(length(min = 1, max = 4000))]
    text: String,
}

/// The card that becomes a part of another one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Other {
    /// Its id.
    card: Uuid,
}

/// A number of a card.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhichNumber {
    /// Which of the card's `phones`, counted from 0.
    #[schemars(range(min = 0, max = 10_000))]
    phone: u16,
}

/// The numbers of a card in full.
#[derive(Serialize, JsonSchema)]
pub struct CardNumbers {
    /// All of them.
    phones: Vec<CardNumber>,
}

async fn list(caller: Caller, _: Nothing, asked: Asked) -> Result<Page<Card>, Problem> {
    let limit = Limit::of(asked.limit)?;
    let after: Option<(String, Uuid)> = words::place(asked.after.as_deref())?;
    let sight = sight::in_lists(&caller.visitor);
    let (owner, department) = pages::cards::reach(&caller.visitor);
    let search = Search {
        owner,
        department,
        text: asked.name.filter(|text| !text.trim().is_empty()),
        digits: digits(asked.number.as_deref(), sight)?,
    };
    let digits = search.digits.as_deref();
    sight::searched(&caller.site, &caller.visitor, sight, digits).await?;
    caller.exports("cards").await?;
    let after = after.as_ref().map(|(name, id)| (name.as_str(), *id));
    let rows = cards::search(&caller.site.db, &search, after, limit.rows()).await?;
    let place = |card: &cards::Card| (card.name.clone(), card.id);
    Ok(Page::of(rows, limit, place, Card::from))
}

/// A card to which this caller may do something.
pub async fn permitted(
    caller: &Caller,
    id: CardId,
    action: Action,
) -> Result<(cards::Card, Object), Problem> {
    let card = cards::card(&caller.site.db, id).await?;
    let card = card.ok_or(Error::NotFound)?;
    if action != Action::SeeCards && card.merged_into.is_some() {
        return Err(Problem::from(Error::from(MergeError::AlreadyMerged)));
    }
    let object = sight::card_belongs(&caller.site, &caller.visitor, &card).await?;
    let verdict = demand(&caller.visitor, action, &object)?;
    let name = format!("card:{id}");
    sight::audit_ring(&caller.site, &caller.visitor, verdict, &name).await?;
    Ok((card, object))
}

/// The live card that is meant by the id of one that may have become a part of another.
pub async fn living(caller: &Caller, id: Option<Uuid>) -> Result<Option<CardId>, Problem> {
    let Some(id) = id.map(CardId) else {
        return Ok(None);
    };
    // Of a card that is not there nothing is found.
    Ok(cards::living(&caller.site.db, id).await?.or(Some(id)))
}

async fn one(caller: Caller, place: Id, _: Nothing) -> Result<WholeCard, Problem> {
    let (card, object) = permitted(&caller, CardId(place.id), Action::SeeCards).await?;
    let sight = sight::of(&caller.visitor, &object);
    whole(&caller, card, sight).await
}

async fn whole(caller: &Caller, card: cards::Card, sight: Sight) -> Result<WholeCard, Problem> {
    let (db, id) = (&caller.site.db, CardId(card.id));
    let phones = cards::phones(db, id).await?;
    let history = cards::events(db, id, EVENTS).await?;
    Ok(WholeCard {
        card: Card::from(card),
        phones: phones
            .iter()
            .map(|phone| CardNumber::of(phone, sight))
            .collect(),
        history: history.into_iter().map(CardChange::from).collect(),
    })
}

/// The card as this caller may see it now.
async fn as_it_is(caller: &Caller, id: CardId) -> Result<WholeCard, Problem> {
    let card = cards::card(&caller.site.db, id).await?;
    let card = card.ok_or(Error::NotFound)?;
    let object = sight::card_belongs(&caller.site, &caller.visitor, &card).await?;
    let sight = sight::of(&caller.visitor, &object);
    whole(caller, card, sight).await
}

async fn merge(caller: Caller, place: Id, other: Other) -> Result<WholeCard, Problem> {
    let both = (place.id, other.card);
    pages::merging::carry_out(&caller.site, &caller.visitor, both, None).await?;
    as_it_is(&caller, CardId(place.id)).await
}

async fn unmerge(caller: Caller, place: Id, _: Nothing) -> Result<WholeCard, Problem> {
    pages::merging::take_back(&caller.site, &caller.visitor, place.id).await?;
    as_it_is(&caller, CardId(place.id)).await
}

async fn part(caller: Caller, place: Id, which: WhichNumber) -> Result<WholeCard, Problem> {
    let number = usize::from(which.phone);
    let card =
        pages::merging::take_out(&caller.site, &caller.visitor, place.id, number, None).await?;
    as_it_is(&caller, card).await
}

async fn rename(caller: Caller, place: Id, names: Names) -> Result<WholeCard, Problem> {
    let id = CardId(place.id);
    let (card, object) = permitted(&caller, id, Action::ChangeCards).await?;
    let name = names.name.unwrap_or(card.name);
    let company = names.company.unwrap_or(card.company);
    let (name, company) = (name.trim(), company.trim());
    within("name", name, NAME_CHARS)?;
    within("company", company, NAME_CHARS)?;
    let person = caller.visitor.known();
    cards::rename(&caller.site.db, id, person, name, company, now()).await?;
    let object_name = format!("card:{id}");
    sight::audited(
        &caller.site,
        &caller.visitor,
        "change",
        &object_name,
        "name",
    )
    .await?;
    let card = cards::card(&caller.site.db, id).await?;
    let sight = sight::of(&caller.visitor, &object);
    whole(&caller, card.ok_or(Error::NotFound)?, sight).await
}

async fn note(caller: Caller, place: Id, note: NewNote) -> Result<CardChange, Problem> {
    let id = CardId(place.id);
    permitted(&caller, id, Action::ChangeCards).await?;
    let text = note.text.trim();
    within("text", text, NOTE_CHARS)?;
    if text.is_empty() {
        return Err(Problem::Unusable("text: there is none.".to_owned()));
    }
    pages::pop::keep_note(&caller.site, &caller.visitor, id, None, text).await?;
    let mut latest = cards::events(&caller.site.db, id, 1).await?;
    let latest = latest.pop().ok_or(Error::NotFound)?;
    Ok(CardChange::from(latest))
}

async fn reveal(caller: Caller, place: Id, _: Nothing) -> Result<CardNumbers, Problem> {
    let id = CardId(place.id);
    let (_, object) = permitted(&caller, id, Action::SeeCards).await?;
    demand(&caller.visitor, Action::RevealNumbers, &object)?;
    let name = format!("card:{id}");
    sight::audited(&caller.site, &caller.visitor, "reveal", &name, "").await?;
    let sight = Sight {
        full_numbers: true,
        names: true,
    };
    let phones = cards::phones(&caller.site.db, id).await?;
    Ok(CardNumbers {
        phones: phones
            .iter()
            .map(|phone| CardNumber::of(phone, sight))
            .collect(),
    })
}
