//! Touches: a lead from a form, letter or chat opens the card and starts the clock of the first call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    caller::Caller,
    cards::{living, permitted},
    endpoint::{About, Add, Endpoint, Id, Nothing, read, write},
    problem::Problem,
    scope::Scope,
    words::{self, Limit, Moment, Page, Phone, some, within},
};
use crate::{
    model::{
        ids::{CardId, PersonId},
        phone::Number,
    },
    policy::Action,
    store::{
        people,
        touches::{self, Filter, NewTouch},
    },
    web::{
        Error, now, pages,
        sight::{self, Sight},
    },
};

const NAME_CHARS: usize = 200;
const ADDRESS_CHARS: usize = 1_000;
const TEXT_CHARS: usize = 10_000;

/// The endpoints of touches.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        read("/api/v1/touches", LIST, list),
        write::<Add, _, _, _, _>("/api/v1/touches", OPEN, open),
        read("/api/v1/touches/{id}", ONE, one),
    ]
}

const LIST: About = About {
    id: "listTouches",
    summary: "What clients wrote, the newest first",
    details: "",
    scope: Scope::TouchesRead,
    action: Action::SeeCards,
};
const ONE: About = About {
    id: "getTouch",
    summary: "One touch with the clock of its first call",
    details: "",
    scope: Scope::TouchesRead,
    action: Action::SeeCards,
};
const OPEN: About = About {
    id: "addTouch",
    summary: "Hand in what a client wrote",
    details: "Finds or makes the card of the number and starts the clock of the first call: a task for \
        the client's manager, which is done by a call in which somebody talks with the client, and by \
        nothing else. While the clock runs, another touch of the same client starts no second one.",
    scope: Scope::TouchesWrite,
    action: Action::ChangeCards,
};

/// How a client wrote.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TouchKind {
    /// A form on a site.
    Form,
    /// A letter.
    Letter,
    /// A chat.
    Chat,
    /// Anything else.
    Other,
}

impl TouchKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Letter => "letter",
            Self::Chat => "chat",
            Self::Other => "other",
        }
    }
}

/// What a client wrote.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewTouch")]
pub struct Written {
    /// How.
    kind: TouchKind,
    /// The client's number, as the client wrote it.
    #[schemars(length(min = 1, max = 100), extend("examples" = ["+7 495 000-00-11"]))]
    phone: String,
    /// The client's name.
    #[serde(default)]
    #[schemars(length(max = 200))]
    name: String,
    /// The client's company.
    #[serde(default)]
    #[schemars(length(max = 200))]
    company: String,
    /// The client's address of mail.
    #[serde(default)]
    #[schemars(length(max = 200))]
    email: String,
    /// The text.
    #[serde(default)]
    #[schemars(length(max = 10000))]
    text: String,
    /// Where it came from: a campaign, a source of visits.
    #[serde(default)]
    #[schemars(length(max = 200))]
    source: String,
    /// Address of the page.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    page: String,
    /// When the client wrote. By default: now.
    at: Option<Moment>,
    /// Whose task the first call is, if the client has no manager yet.
    person: Option<i64>,
}

/// Which touches.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// On this card.
    card: Option<Uuid>,
    /// How many.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u16>,
    /// Where to go on: `next` of the page before.
    after: Option<String>,
}

/// What a client wrote, and the clock of the first call.
#[derive(Serialize, JsonSchema)]
pub struct Touch {
    /// Our id.
    id: Uuid,
    /// The client's card.
    card: Uuid,
    /// How the client wrote: `form`, `letter`, `chat` or `other`.
    kind: String,
    /// The client's number.
    client: Phone,
    /// When the client wrote.
    at: Moment,
    /// When it was handed in.
    received_at: Moment,
    /// The client's name.
    name: Option<String>,
    /// The client's company.
    company: Option<String>,
    /// The client's address of mail.
    email: Option<String>,
    /// The text.
    text: Option<String>,
    /// Where it came from.
    source: Option<String>,
    /// Address of the page.
    page: Option<String>,
    /// The task whose clock it started or found running.
    task: Option<i64>,
    /// When the first call is due.
    due_at: Option<Moment>,
    /// When it was made; null: not yet.
    done_at: Option<Moment>,
    /// The call that did it.
    done_by: Option<Uuid>,
}

impl Touch {
    fn of(touch: touches::Touch, sight: Sight) -> Self {
        Self {
            id: touch.id,
            card: touch.card,
            client: Phone::of(&touch.client, sight),
            at: Moment::from_micros(touch.at),
            received_at: Moment::from_micros(touch.received_at),
            name: some(&touch.name),
            company: some(&touch.company),
            // Clients write numbers into anything.
            email: some(&touch.email).filter(|_| sight.full_numbers),
            text: some(&touch.words).map(|words| sight.words(&words)),
            source: some(&touch.source),
            page: some(&touch.page),
            task: touch.task,
            due_at: touch.due_at.map(Moment::from_micros),
            done_at: touch.done_at.map(Moment::from_micros),
            done_by: touch.done_by,
            kind: touch.kind,
        }
    }
}

async fn list(caller: Caller, _: Nothing, asked: Asked) -> Result<Page<Touch>, Problem> {
    let limit = Limit::of(asked.limit)?;
    let after: Option<(i64, Uuid)> = words::place(asked.after.as_deref())?;
    let sight = sight::in_lists(&caller.visitor);
    let (owner, department) = pages::cards::reach(&caller.visitor);
    let filter = Filter {
        owner,
        department,
        card: living(&caller, asked.card).await?,
    };
    caller.exports("touches").await?;
    let rows = touches::page(&caller.site.db, &filter, after, limit.rows()).await?;
    let place = |touch: &touches::Touch| (touch.received_at, touch.id);
    Ok(Page::of(rows, limit, place, |row| Touch::of(row, sight)))
}

async fn one(caller: Caller, place: Id, _: Nothing) -> Result<Touch, Problem> {
    let touch = touches::by_id(&caller.site.db, place.id).await?;
    let touch = touch.ok_or(Error::NotFound)?;
    let (_, object) = permitted(&caller, CardId(touch.card), Action::SeeCards).await?;
    Ok(Touch::of(touch, sight::of(&caller.visitor, &object)))
}

async fn open(caller: Caller, _: Nothing, written: Written) -> Result<Touch, Problem> {
    let site = &caller.site;
    let settings = site.api.settings();
    let Number::E164 { e164, ext } = settings.plan().read(&written.phone) else {
        return Err(Problem::Unusable(
            "phone: is no number by which a client can be called.".to_owned(),
        ));
    };
    for (name, text, chars) in [
        ("name", &written.name, NAME_CHARS),
        ("company", &written.company, NAME_CHARS),
        ("email", &written.email, NAME_CHARS),
        ("source", &written.source, NAME_CHARS),
        ("page", &written.page, ADDRESS_CHARS),
        ("text", &written.text, TEXT_CHARS),
    ] {
        within(name, text, chars)?;
    }
    let now = now();
    let at = written.at.map_or(now, |at| at.0);
    if !at.is_plausible(now) || at > now.plus_millis(AHEAD_MS) {
        return Err(Problem::Unusable("at: nobody wrote then.".to_owned()));
    }
    let id = caller
        .write
        .as_ref()
        .map_or_else(Uuid::now_v7, |write| write.id());
    let touch = NewTouch {
        id,
        kind: written.kind.as_str(),
        client: &e164,
        ext: ext.as_deref().unwrap_or_default(),
        at,
        name: written.name.trim(),
        company: written.company.trim(),
        email: written.email.trim(),
        words: written.text.trim(),
        source: written.source.trim(),
        page: written.page.trim(),
        person: person(&caller, written.person).await?,
        due_at: at.plus_millis(settings.first_dial_ms),
        token: Some(caller.token),
    };
    touches::open(&site.db, &touch, now).await?;
    site.hub.lists_changed();
    let touch = touches::by_id(&site.db, id).await?;
    // Whoever handed it in knows what is in it.
    let sight = sight::in_lists(&caller.visitor);
    Ok(Touch::of(touch.ok_or(Error::NotFound)?, sight))
}

/// The clock of a sender may be a little ahead of ours.
const AHEAD_MS: i64 = 300_000;

async fn person(caller: &Caller, id: Option<i64>) -> Result<Option<PersonId>, Problem> {
    let Some(id) = id.map(PersonId) else {
        return Ok(None);
    };
    let person = people::by_id(&caller.site.db, id).await?;
    match person {
        Some(person) if person.active => Ok(Some(id)),
        _ => Err(Problem::Unusable(
            "person: there is nobody like that.".to_owned(),
        )),
    }
}
