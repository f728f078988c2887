//! The people of the office: who there is and what each has, and adding somebody. For owners and
//! administrators everybody, for heads their department. Whom one may change is [`policy::appoints`].

mod leaving;
mod one;

use std::time::Duration;

use axum::{
    Form,
    extract::State as Extract,
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    model::{
        ids::PersonId,
        people::{Person, Role},
        time::Timestamp,
    },
    policy::{self, Action, Belongs, Object, Reach},
    store::{
        changes::{self, By},
        people::{self as rows, NewPerson},
        sessions,
        staff::{self, Member},
    },
    web::{
        Error, Site, State, Visitor, auth, demand,
        format::{self, Clock},
        i18n::Texts,
        layout::{self, Place},
        now,
        parts::{Pen, nothing},
        routes::{Access, Route},
        sight,
    },
};

/// The routes of these pages.
pub const ROUTES: &[Route] = &[
    Route::get("/people", Access::Right(Action::ManagePeople), || get(show)),
    Route::post("/people", Access::Right(Action::ManagePeople), || post(add)),
    Route::get(
        "/people/{person}",
        Access::Right(Action::ManagePeople),
        || get(one::show),
    ),
    Route::post(
        "/people/{person}",
        Access::Right(Action::ManagePeople),
        || post(one::change),
    ),
    Route::post(
        "/people/{person}/link",
        Access::Right(Action::ManagePeople),
        || post(one::link),
    ),
    Route::post(
        "/people/{person}/phones",
        Access::Right(Action::ManagePeople),
        || post(one::give_phone),
    ),
    Route::post(
        "/people/{person}/phones/remove",
        Access::Right(Action::ManagePeople),
        || post(one::take_phone),
    ),
    Route::post(
        "/people/{person}/on",
        Access::Right(Action::ManagePeople),
        || post(one::switch_on),
    ),
    Route::get(
        "/people/{person}/leave",
        Access::Right(Action::ManagePeople),
        || get(leaving::preview),
    ),
    Route::post(
        "/people/{person}/leave",
        Access::Right(Action::ManagePeople),
        || post(leaving::leave),
    ),
];

/// How long a one-time sign-in link is good for.
const LINK: Duration = Duration::from_secs(24 * 3_600);
/// Longest name and sign-in name.
pub const NAME_CHARS: usize = 100;

/// A name to sign in with, as typed.
pub fn login(typed: &str) -> Result<&str, Error> {
    let typed = typed.trim();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_@".contains(c);
    match !typed.is_empty() && typed.len() <= NAME_CHARS && typed.chars().all(fits) {
        true => Ok(typed),
        false => Err(Error::Unusable("error-login")),
    }
}

/// A shown name, as typed.
pub fn name(typed: &str) -> Result<&str, Error> {
    let typed = typed.trim();
    let is_short = !typed.is_empty() && typed.chars().count() <= NAME_CHARS;
    match is_short && !typed.chars().any(char::is_control) {
        true => Ok(typed),
        false => Err(Error::Unusable("error-name")),
    }
}

/// Makes a person whom nobody knows yet, with the visitor's language.
pub async fn create(
    site: &Site,
    visitor: &Visitor,
    (login, name, role): (&str, &str, Role),
) -> Result<Person, Error> {
    if rows::by_login(&site.db, login).await?.is_some() {
        return Err(Error::Unusable("error-login-taken"));
    }
    let person = NewPerson {
        login,
        name,
        role,
        language: visitor.texts.language.code(),
    };
    let id = rows::create(&site.db, &person, now()).await?;
    let object = format!("person:{}", id.0);
    sight::audited(site, visitor, "change", &object, "added").await?;
    let made = rows::by_id(&site.db, id).await?;
    made.ok_or(Error::NotFound)
}

/// The address of a new one-time sign-in link; any before it works no more.
pub async fn sign_in_link(site: &Site, person: PersonId) -> Result<String, Error> {
    sessions::drop_links(&site.db, person).await?;
    let token = auth::issue_link(&site.db, person, LINK, now()).await?;
    let root = site.settings.public_url.trim_end_matches('/');
    Ok(format!("{root}/sign-in/{token}"))
}

/// A link that is shown this once.
pub fn shown_once(t: Texts, link: &str) -> Markup {
    html! {
        p { (t.say("setup-link-once")) }
        p { code data-link { (link) } " "
            button type="button" hidden data-copy=(link) { (t.say("copy-number")) } }
    }
}

/// The department that the visitor is confined to; `None`: none.
fn confined(visitor: &Visitor) -> Option<i64> {
    match policy::reach(visitor.person.role, Action::ManagePeople) {
        Some(Reach::All) => None,
        // Without a department there is nobody of it.
        Some(_) | None => Some(visitor.person.department.unwrap_or(-1)),
    }
}

/// Somebody whom the visitor may see here.
async fn seen(site: &Site, visitor: &Visitor, id: i64) -> Result<Member, Error> {
    let member = staff::member(&site.db, PersonId(id)).await?;
    let member = member.ok_or(Error::NotFound)?;
    let belongs = Object::Of(Belongs {
        people: vec![member.person.id],
        departments: member.person.department.into_iter().collect(),
        rung: false,
    });
    demand(visitor, Action::ManagePeople, &belongs)?;
    Ok(member)
}

/// Somebody whom the visitor may change.
async fn changeable(site: &Site, visitor: &Visitor, id: i64) -> Result<Member, Error> {
    let member = seen(site, visitor, id).await?;
    match policy::appoints(visitor.person.role, member.person.role) {
        true => Ok(member),
        false => Err(Error::Forbidden),
    }
}

/// Roles that the visitor may give.
fn roles(visitor: &Visitor) -> Vec<Role> {
    let own = visitor.person.role;
    let may = |role: &Role| policy::appoints(own, *role);
    Role::ALL.into_iter().filter(may).collect()
}

/// Tells the log of changes what was there before a change.
async fn before_change(site: &Site) -> Result<(), Error> {
    changes::note(&site.db, By::Found, None, now()).await?;
    Ok(())
}

/// Tells everybody of a change: the log, routing, live pages.
async fn changed(site: &Site, visitor: &Visitor) -> Result<(), Error> {
    changes::note(&site.db, By::Page(visitor.person.id), None, now()).await?;
    site.configuration.office_changed().await;
    Ok(())
}

async fn show(Extract(site): Extract<State>, visitor: Visitor) -> Result<Markup, Error> {
    page(&site, &visitor, None).await
}

/// Somebody new, as typed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    login: String,
    name: String,
    role: String,
    department: String,
}

async fn add(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Form(typed): Form<Typed>,
) -> Result<Markup, Error> {
    demand(&visitor, Action::ManagePeople, &Object::Whole)?;
    let (login, name) = (login(&typed.login)?, name(&typed.name)?);
    let role = Role::parse(&typed.role).ok_or(Error::Unusable("error-role"))?;
    if !policy::appoints(visitor.person.role, role) {
        return Err(Error::Forbidden);
    }
    before_change(&site).await?;
    let department = match confined(&visitor) {
        // A head without a department would add people whom nobody here may see.
        Some(-1) => return Err(Error::Forbidden),
        Some(own) => Some(own),
        None => department(&site, &typed.department).await?,
    };
    let person = create(&site, &visitor, (login, name, role)).await?;
    let to = staff::Change {
        name,
        role,
        department,
        deputy: None,
    };
    staff::change(&site.db, person.id, &to).await?;
    changed(&site, &visitor).await?;
    let link = sign_in_link(&site, person.id).await?;
    page(&site, &visitor, Some((name, &link))).await
}

/// A department by its name, made if it is new; nothing typed: none.
async fn department(site: &Site, typed: &str) -> Result<Option<i64>, Error> {
    match typed.trim() {
        "" => Ok(None),
        typed => Ok(Some(staff::department(&site.db, name(typed)?).await?)),
    }
}

async fn page(site: &Site, visitor: &Visitor, made: Option<(&str, &str)>) -> Result<Markup, Error> {
    let t = visitor.texts;
    let members = staff::list(&site.db, confined(visitor)).await?;
    let departments = staff::departments(&site.db).await?;
    let pen = site.pen(visitor, sight::in_lists(visitor));
    let may_read = policy::can(&visitor.person, Action::ReadAudit, &Object::Whole).is_allowed();
    let content = html! {
        div.heading {
            h1 { (t.say("people-title")) }
            @if may_read { a.button href="/audit" { (t.say("audit-title")) } }
        }
        @if let Some((name, link)) = made {
            div.done role="status" {
                p { (t.fill("people-added", &[("name", name.into())])) }
                (shown_once(t, link))
            }
        }
        @if members.is_empty() { (nothing(&t.say("people-none"))) }
        @else { div.scroll { (table(&pen, &members)) } }
        (form(visitor, &departments))
    };
    let title = t.say("people-title");
    Ok(layout::page(visitor, Place::People, &title, &content))
}

fn table(pen: &Pen<'_>, members: &[Member]) -> Markup {
    let t = pen.t;
    html! {
        table.people {
            thead { tr {
                th scope="col" { (t.say("setup-person-name")) }
                th scope="col" { (t.say("person-role")) }
                th scope="col" { (t.say("person-department")) }
                th scope="col" { (t.say("person-phones")) }
                th.number scope="col" { (t.say("person-clients")) }
                th.number scope="col" { (t.say("person-call-backs")) }
                th scope="col" { (t.say("person-signed-in")) }
            } }
            tbody { @for one in members {
                tr data-person=(one.person.id.0) {
                    th scope="row" {
                        a href={ "/people/" (one.person.id.0) } { (one.person.name) }
                        " " small { (one.person.login) }
                        @if !one.person.active { " " span.badge.plain { (t.say("person-off")) } }
                    }
                    td { (t.word("role", one.person.role.as_str())) }
                    td { (one.department.as_deref().unwrap_or("–")) }
                    td { (phones(&one.phones)) }
                    td.number { (format::number(t, one.clients)) }
                    td.number { (format::number(t, one.call_backs)) }
                    td { (signed_in(&pen.clock, t, one.signed_in, pen.now)) }
                }
            } }
        }
    }
}

/// Short numbers, each once; accounts stand on the person's own page.
fn phones(all: &[(String, String)]) -> String {
    let mut all: Vec<&str> = all
        .iter()
        .map(|(_, extension)| extension.as_str())
        .collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() {
        "–".to_owned()
    } else {
        all.join(", ")
    }
}

fn signed_in(clock: &Clock<'_>, t: Texts, at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| t.say("token-never"), |at| clock.moment(at, now))
}

fn form(visitor: &Visitor, departments: &[(i64, String)]) -> Markup {
    let t = visitor.texts;
    let roles = roles(visitor);
    html! {
        h2 { (t.say("people-add")) }
        p.hint { (t.say("people-add-hint")) }
        form.filters action="/people" method="post" {
            (layout::token(visitor))
            label { span { (t.say("setup-person-name")) }
                input type="text" name="name" required maxlength=(NAME_CHARS); }
            label { span { (t.say("login")) }
                input type="text" name="login" required maxlength=(NAME_CHARS) autocomplete="off" autocapitalize="off"; }
            label { span { (t.say("person-role")) } (role_choice(t, &roles, Role::Manager)) }
            @if confined(visitor).is_none() {
                label { span { (t.say("person-department")) } (department_choice(departments, "")) }
            }
            button.primary type="submit" { (t.say("people-add")) }
        }
    }
}

fn role_choice(t: Texts, roles: &[Role], chosen: Role) -> Markup {
    html! {
        select name="role" { @for role in roles {
            option value=(role.as_str()) selected[*role == chosen] { (t.word("role", role.as_str())) }
        } }
    }
}

/// A department that is there, or the name of a new one.
fn department_choice(departments: &[(i64, String)], chosen: &str) -> Markup {
    html! {
        input type="text" name="department" value=(chosen) list="departments" maxlength=(NAME_CHARS) autocomplete="off";
        datalist #departments { @for (_, name) in departments { option value=(name) {} } }
    }
}
