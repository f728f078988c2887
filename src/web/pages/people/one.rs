//! One person: what can be changed, the phones, a new way in, and the way out.

use axum::{
    Form,
    extract::{Path, State as Extract},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    NAME_CHARS, before_change, changeable, changed, confined, department, department_choice,
    leaving, name, role_choice, roles, seen, shown_once, sign_in_link, signed_in,
};
use crate::{
    model::{ids::PersonId, people::Role},
    policy,
    store::{
        leaving::Handed,
        people as rows,
        staff::{self, Member},
    },
    web::{
        Error, Site, State, Visitor,
        i18n::Texts,
        layout::{self, Place},
        sight,
    },
};

/// Longest short number.
const SHORT_CHARS: usize = 40;

/// What is to be changed, as typed; what is absent stays.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    name: String,
    role: Option<String>,
    department: Option<String>,
    deputy: String,
}

/// A phone, as typed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Phone {
    account: String,
    extension: String,
}

pub(super) async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Markup, Error> {
    page(&site, &visitor, id, Said::Nothing).await
}

pub(super) async fn change(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Form(typed): Form<Typed>,
) -> Result<Response, Error> {
    let member = changeable(&site, &visitor, id).await?;
    let role = match &typed.role {
        None => member.person.role,
        Some(word) => Role::parse(word).ok_or(Error::Unusable("error-role"))?,
    };
    if role != member.person.role {
        if member.person.id == visitor.person.id {
            return Err(Error::Unusable("error-own-role"));
        }
        if !policy::appoints(visitor.person.role, role) {
            return Err(Error::Forbidden);
        }
    }
    let deputy = deputy(&site, &visitor, &member, &typed.deputy).await?;
    before_change(&site).await?;
    let department = match &typed.department {
        Some(typed) if confined(&visitor).is_none() => department(&site, typed).await?,
        _ => member.person.department,
    };
    let to = staff::Change {
        name: name(&typed.name)?,
        role,
        department,
        deputy,
    };
    if !staff::change(&site.db, member.person.id, &to).await? {
        return Err(Error::Unusable("error-last-administrator"));
    }
    let detail = match role == member.person.role {
        true => "changed".to_owned(),
        false => format!("role={}", role.as_str()),
    };
    done(&site, &visitor, &member, ("change", &detail)).await
}

/// Who stands in, as chosen: anybody active but the person, for a head of the department.
async fn deputy(
    site: &Site,
    visitor: &Visitor,
    member: &Member,
    chosen: &str,
) -> Result<Option<PersonId>, Error> {
    if chosen.is_empty() {
        return Ok(None);
    }
    let chosen = PersonId(chosen.parse().map_err(|_| Error::NotFound)?);
    if member.deputy == Some(chosen) {
        return Ok(Some(chosen));
    }
    let found = rows::by_id(&site.db, chosen).await?;
    let found = found.ok_or(Error::NotFound)?;
    let within = confined(visitor).is_none_or(|own| found.department == Some(own));
    match found.active && within && found.id != member.person.id {
        true => Ok(Some(chosen)),
        false => Err(Error::Unusable("error-deputy")),
    }
}

pub(super) async fn link(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Markup, Error> {
    let member = changeable(&site, &visitor, id).await?;
    if !member.person.active {
        return Err(Error::Unusable("error-person-off"));
    }
    let link = sign_in_link(&site, member.person.id).await?;
    let object = object(&member);
    sight::audited(&site, &visitor, "link", &object, "").await?;
    page(&site, &visitor, id, Said::Link(&link)).await
}

pub(super) async fn give_phone(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Form(typed): Form<Phone>,
) -> Result<Response, Error> {
    let member = changeable(&site, &visitor, id).await?;
    let extension = extension(&typed.extension)?;
    let accounts = site.accounts.all();
    let account = accounts
        .iter()
        .find(|one| one.name.as_str() == typed.account);
    let account = account.ok_or(Error::NotFound)?.name.as_str();
    before_change(&site).await?;
    if !staff::give_phone(&site.db, member.person.id, account, extension).await? {
        return Err(Error::Unusable("error-extension-held"));
    }
    let detail = format!("extension {account}/{extension}");
    done(&site, &visitor, &member, ("change", &detail)).await
}

/// As the PBX tells it: digits, or a login.
fn extension(typed: &str) -> Result<&str, Error> {
    let typed = typed.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_@*#".contains(c);
    match !typed.is_empty() && typed.len() <= SHORT_CHARS && typed.chars().all(fits) {
        true => Ok(typed),
        false => Err(Error::Unusable("error-phone")),
    }
}

pub(super) async fn take_phone(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Form(typed): Form<Phone>,
) -> Result<Response, Error> {
    let member = changeable(&site, &visitor, id).await?;
    before_change(&site).await?;
    staff::take_phone(&site.db, member.person.id, &typed.account, &typed.extension).await?;
    let detail = format!("no extension {}/{}", typed.account, typed.extension);
    done(&site, &visitor, &member, ("change", &detail)).await
}

pub(super) async fn switch_on(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    let member = changeable(&site, &visitor, id).await?;
    before_change(&site).await?;
    staff::switch_on(&site.db, member.person.id).await?;
    done(&site, &visitor, &member, ("switch_on", "")).await
}

fn object(member: &Member) -> String {
    format!("person:{}", member.person.id.0)
}

/// After a change: told to everybody, kept in the audit, and back to the person.
async fn done(
    site: &Site,
    visitor: &Visitor,
    member: &Member,
    (action, detail): (&'static str, &str),
) -> Result<Response, Error> {
    changed(site, visitor).await?;
    sight::audited(site, visitor, action, &object(member), detail).await?;
    let to = format!("/people/{}", member.person.id.0);
    Ok(Redirect::to(&to).into_response())
}

/// What has just been done.
pub(super) enum Said<'a> {
    Nothing,
    Link(&'a str),
    Handed(Handed),
}

fn said(t: Texts, said: &Said<'_>) -> Markup {
    html! {
        @match said {
            Said::Nothing => {}
            Said::Link(link) => { div.done role="status" { (shown_once(t, link)) } }
            Said::Handed(handed) => {
                p.done role="status" data-handed=(handed.clients) {
                    (t.say("leave-done")) " " (t.count("leave-clients", handed.clients)) ", "
                    (t.count("leave-call-backs", handed.call_backs))
                }
            }
        }
    }
}

pub(super) async fn page(
    site: &Site,
    visitor: &Visitor,
    id: i64,
    done: Said<'_>,
) -> Result<Markup, Error> {
    let member = seen(site, visitor, id).await?;
    let t = visitor.texts;
    let pen = site.pen(visitor, sight::in_lists(visitor));
    let may = policy::appoints(visitor.person.role, member.person.role);
    let here = format!("/people/{id}");
    let content = html! {
        div.heading {
            h1 { (member.person.name) " " small { (member.person.login) } }
            @if !member.person.active { span.badge.plain { (t.say("person-off")) } }
        }
        (said(t, &done))
        div.columns {
            aside {
                dl.facts {
                    dt { (t.say("person-role")) } dd { (t.word("role", member.person.role.as_str())) }
                    dt { (t.say("person-department")) } dd { (member.department.as_deref().unwrap_or("–")) }
                    dt { (t.say("person-clients")) } dd data-clients { (member.clients) }
                    dt { (t.say("person-call-backs")) } dd data-call-backs { (member.call_backs) }
                    dt { (t.say("person-signed-in")) }
                    dd { (signed_in(&pen.clock, t, member.signed_in, pen.now)) }
                }
                @if may { (ways(visitor, &member, &here)) }
            }
            div {
                @if may {
                    (change_form(site, visitor, &member, &here).await?)
                    (phones(site, visitor, &member, &here))
                    (leaving::form(site, visitor, &member).await?)
                } @else { p.hint { (t.say("person-not-yours")) } }
                p { a href="/people" { (t.say("people-title")) } }
            }
        }
    };
    Ok(layout::page(
        visitor,
        Place::People,
        &member.person.name,
        &content,
    ))
}

/// The way in again: a link, or being switched on.
fn ways(visitor: &Visitor, member: &Member, here: &str) -> Markup {
    let t = visitor.texts;
    let (address, words) = match member.person.active {
        true => ("link", t.say("person-link")),
        false => ("on", t.say("person-switch-on")),
    };
    html! {
        form.inline action={ (here) "/" (address) } method="post" {
            (layout::token(visitor))
            button type="submit" { (words) }
        }
    }
}

async fn change_form(
    site: &Site,
    visitor: &Visitor,
    member: &Member,
    here: &str,
) -> Result<Markup, Error> {
    let t = visitor.texts;
    let person = &member.person;
    let departments = staff::departments(&site.db).await?;
    let confined = confined(visitor);
    let everybody = rows::all(&site.db).await?;
    let deputies = everybody.iter().filter(|one| {
        let within = confined.is_none_or(|own| one.department == Some(own));
        one.id != person.id && ((one.active && within) || Some(one.id) == member.deputy)
    });
    let roles = roles(visitor);
    let own = person.id == visitor.person.id;
    Ok(html! {
        section aria-labelledby="change-title" {
            h2 #change-title { (t.say("person-change")) }
            form.stacked action=(here) method="post" {
                (layout::token(visitor))
                label { span { (t.say("setup-person-name")) }
                    input type="text" name="name" value=(person.name) required maxlength=(NAME_CHARS); }
                @if !own && roles.len() > 1 {
                    label { span { (t.say("person-role")) } (role_choice(t, &roles, person.role)) }
                }
                @if confined.is_none() {
                    label { span { (t.say("person-department")) }
                        (department_choice(&departments, member.department.as_deref().unwrap_or_default())) }
                }
                label { span { (t.say("person-deputy")) }
                    select name="deputy" {
                        option value="" { "–" }
                        @for one in deputies {
                            option value=(one.id.0) selected[member.deputy == Some(one.id)] { (one.name) }
                        }
                    }
                }
                button.primary type="submit" { (t.say("save")) }
            }
        }
    })
}

fn phones(site: &Site, visitor: &Visitor, member: &Member, here: &str) -> Markup {
    let t = visitor.texts;
    let accounts = site.accounts.all();
    html! {
        section aria-labelledby="phones-title" {
            h2 #phones-title { (t.say("person-phones")) }
            p.hint { (t.say("person-phones-hint")) }
            @if !member.phones.is_empty() {
                ul.phones { @for (account, extension) in &member.phones {
                    li { strong { (extension) } " " (account) " " (remove(visitor, here, account, extension)) }
                } }
            }
            @if !accounts.is_empty() {
                form.filters action={ (here) "/phones" } method="post" {
                    (layout::token(visitor))
                    label { span { (t.say("person-account")) }
                        select name="account" { @for one in accounts.iter() {
                            option value=(one.name) { (one.name) }
                        } }
                    }
                    label { span { (t.say("setup-extension")) }
                        input type="text" name="extension" required maxlength=(SHORT_CHARS) size="8" autocomplete="off"; }
                    button type="submit" { (t.say("person-phone-add")) }
                }
            }
        }
    }
}

fn remove(visitor: &Visitor, here: &str, account: &str, extension: &str) -> Markup {
    let t = visitor.texts;
    html! {
        form.inline action={ (here) "/phones/remove" } method="post" {
            (layout::token(visitor))
            input type="hidden" name="account" value=(account);
            input type="hidden" name="extension" value=(extension);
            button.quiet type="submit" { (t.say("person-phone-remove")) }
        }
    }
}
