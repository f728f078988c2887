//! The second and third step: people with their phones, and numbers of ours. Only managers are made
//! here: nobody gets rights by a form that asks for a short number.

use maud::{Markup, html};
use serde::Deserialize;

use super::{Said, choices};
use crate::{
    model::{
        people::Role,
        phone::{Number, NumberingPlan},
    },
    store::{
        import::{self, Group, Office},
        people, routing,
    },
    web::{
        Error, Site, Visitor, layout, now,
        pages::people::{self as people_page, NAME_CHARS},
        sight,
    },
};

const SHORT_CHARS: usize = 20;
/// In the form of a line: whoever has a phone at this account rings.
const EVERYBODY: &str = "*";

/// A person and a phone, as typed.
#[derive(Deserialize)]
pub(super) struct Person {
    extension: String,
    /// Somebody who is here already; empty: a new one.
    #[serde(default)]
    who: String,
    #[serde(default)]
    login: String,
    #[serde(default)]
    name: String,
}

/// A number of ours, as typed.
#[derive(Deserialize)]
pub(super) struct Line {
    number: String,
    name: String,
    #[serde(default)]
    group: String,
}

/// Somebody who was given a phone, and the way in for somebody new.
pub(super) struct Made {
    name: String,
    link: Option<String>,
}

/// Gives somebody a phone of this account.
pub(super) async fn add_person(
    site: &Site,
    visitor: &Visitor,
    account: &str,
    typed: &Person,
) -> Result<Made, Error> {
    let extension = short(&typed.extension)?;
    let held = people::extensions_with_names(&site.db, account).await?;
    if held.iter().any(|(held, _)| held == extension) {
        return Err(Error::Unusable("error-extension-held"));
    }
    let known = match typed.who.as_str() {
        "" => None,
        login => Some(
            people::by_login(&site.db, login)
                .await?
                .ok_or(Error::NotFound)?,
        ),
    };
    let (person, link) = match known {
        Some(person) => (person, None),
        None => {
            let person = new_person(site, visitor, typed).await?;
            let link = people_page::sign_in_link(site, person.id).await?;
            (person, Some(link))
        }
    };
    people::give_extension(&site.db, account, extension, person.id).await?;
    let object = format!("person:{}", person.id.0);
    let detail = format!("extension {account}/{extension}");
    sight::audited(site, visitor, "change", &object, &detail).await?;
    if import::groups_known(&site.db).await?.contains(account) {
        everybody(site, account).await?;
    }
    Ok(Made {
        name: person.name,
        link,
    })
}

async fn new_person(
    site: &Site,
    visitor: &Visitor,
    typed: &Person,
) -> Result<crate::model::people::Person, Error> {
    let made = (
        people_page::login(&typed.login)?,
        people_page::name(&typed.name)?,
        Role::Manager,
    );
    people_page::create(site, visitor, made).await
}

/// A short number: digits only.
fn short(typed: &str) -> Result<&str, Error> {
    let typed = typed.trim();
    let is_short = !typed.is_empty() && typed.len() <= SHORT_CHARS;
    match is_short && typed.chars().all(|c| c.is_ascii_digit()) {
        true => Ok(typed),
        false => Err(Error::Unusable("error-extension")),
    }
}

/// Adds a number of ours, or changes what it is called and who rings.
pub(super) async fn add_line(
    site: &Site,
    visitor: &Visitor,
    account: &str,
    typed: &Line,
) -> Result<(), Error> {
    let did = number(&typed.number).ok_or(Error::Unusable("error-line-number"))?;
    let name = people_page::name(&typed.name)?;
    let group = match typed.group.as_str() {
        "" => None,
        EVERYBODY => {
            everybody(site, account).await?;
            Some(account.to_owned())
        }
        group if import::groups_known(&site.db).await?.contains(group) => Some(group.to_owned()),
        _ => return Err(Error::NotFound),
    };
    let line = import::Line {
        account: account.to_owned(),
        did: did.clone(),
        name: name.to_owned(),
        group,
        channel: None,
    };
    let office = Office {
        lines: vec![line],
        ..Office::default()
    };
    import::office(&site.db, &office, now()).await?;
    let object = format!("line:{account}/{did}");
    sight::audited(site, visitor, "change", &object, "set").await
}

/// As calls tell it: a public number in full, or the digits that the PBX knows it by.
fn number(typed: &str) -> Option<String> {
    let typed = typed.trim();
    if let Number::E164 { e164, ext: None } = NumberingPlan::default().read(typed) {
        return Some(e164);
    }
    let is_raw = (2..=SHORT_CHARS).contains(&typed.len());
    let is_raw = is_raw && typed.chars().all(|c| c.is_ascii_digit());
    is_raw.then(|| typed.to_owned())
}

/// The group of everybody who has a phone at the account, called like it, as it is now.
async fn everybody(site: &Site, account: &str) -> Result<(), Error> {
    let phones = people::extensions(&site.db).await?;
    let all = people::all(&site.db).await?;
    let has_phone = |id: i64| phones.iter().any(|one| one.0 == account && one.2 == id);
    let members = all.into_iter().filter(|person| has_phone(person.id.0));
    let office = Office {
        groups: vec![Group {
            name: account.to_owned(),
            strategy: "round_robin".to_owned(),
            members: members.map(|person| person.login).collect(),
        }],
        ..Office::default()
    };
    Ok(import::office(&site.db, &office, now()).await?)
}

/// Who has which phone, and the form.
pub(super) async fn people(
    site: &Site,
    visitor: &Visitor,
    account: &str,
    wanted: &str,
    said: &Said,
) -> Result<Markup, Error> {
    let t = visitor.texts;
    let mut phones = people::extensions_with_names(&site.db, account).await?;
    phones.sort();
    let (known, _) = choices(site).await?;
    Ok(html! {
        p.hint { (t.say("setup-people-hint")) }
        @if let Said::Person(made) = said {
            div.done role="status" {
                p { (t.fill("setup-person-made", &[("name", made.name.as_str().into())])) }
                @if let Some(link) = &made.link { (people_page::shown_once(t, link)) }
            }
        }
        @if !phones.is_empty() {
            ul.phones { @for (extension, name) in &phones {
                li { strong { (extension) } " " (name) }
            } }
        }
        form.pair action={ "/setup/" (account) "/people#people" } method="post" {
            (layout::token(visitor))
            label { span { (t.say("setup-extension")) }
                input type="text" name="extension" value=(wanted) required inputmode="numeric" maxlength=(SHORT_CHARS) size="6"; }
            label { span { (t.say("setup-who")) }
                select name="who" {
                    option value="" { (t.say("setup-who-new")) }
                    @for (login, name) in &known { option value=(login) { (name) } }
                }
            }
            label { span { (t.say("setup-person-name")) } input type="text" name="name" maxlength=(NAME_CHARS); }
            label { span { (t.say("login")) } input type="text" name="login" maxlength=(NAME_CHARS) autocomplete="off" autocapitalize="off"; }
            button.primary type="submit" { (t.say("setup-person-add")) }
        }
    })
}

/// Our numbers, and the form.
pub(super) async fn lines(site: &Site, visitor: &Visitor, account: &str) -> Result<Markup, Error> {
    let t = visitor.texts;
    let lines = routing::lines_of(&site.db, account).await?;
    let (_, groups) = choices(site).await?;
    Ok(html! {
        p.hint { (t.say("setup-lines-hint")) }
        @if !lines.is_empty() {
            ul.phones { @for (did, name, group) in &lines {
                li { strong { (name) } " " (did)
                    @if let Some(group) = group { " → " (group) }
                }
            } }
        }
        form.pair action={ "/setup/" (account) "/lines" } method="post" {
            (layout::token(visitor))
            label { span { (t.say("setup-number")) }
                input type="text" name="number" required inputmode="tel" maxlength="40"; }
            label { span { (t.say("setup-line-name")) } input type="text" name="name" required maxlength=(NAME_CHARS); }
            label { span { (t.say("setup-line-group")) }
                select name="group" {
                    option value=(EVERYBODY) { (t.say("setup-group-all")) }
                    @for group in groups.iter().filter(|group| *group != account) { option value=(group) { (group) } }
                    option value="" { (t.say("setup-group-none")) }
                }
            }
            button.primary type="submit" { (t.say("setup-line-add")) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_as_calls_tell_them() {
        assert_eq!(number("8 (495) 000-00-01").as_deref(), Some("+74950000001"));
        assert_eq!(number("+7 495 000-00-01").as_deref(), Some("+74950000001"));
        assert_eq!(number("700").as_deref(), Some("700"));
        for wrong in ["", "1", "sales", "'; drop", "123456789012345678901"] {
            assert_eq!(number(wrong), None, "{wrong:?}");
        }
        assert!(short("101").is_ok() && short("10a").is_err() && short("").is_err());
    }
}
