//! Somebody leaves: switched off, and clients and open call-backs handed over, to one person or shared
//! out evenly. What it will do is shown before it is done.

use axum::{
    Form,
    extract::{Path, Query, State as Extract},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    before_change, changeable, changed, confined,
    one::{self, Said},
};
use crate::{
    model::people::{Person, Role},
    policy::{self, Action},
    store::{
        leaving::{self, Handed, Handing, Named},
        people as rows,
        staff::{self, Member},
    },
    web::{
        Error, Site, State, Visitor, format,
        layout::{self, Place},
        now, sight,
    },
};

/// Among the choices: in turns to the managers of the department.
const DEPARTMENT: &str = "department";

/// What is wanted.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// `person:<id>`, `department`, `group:<id>`, or nothing: nobody takes over.
    to: String,
    /// `1`: and switch off.
    off: String,
}

impl Wanted {
    /// Whether somebody is switched off by it who is not.
    fn switches_off(&self, visitor: &Visitor, member: &Member) -> Result<bool, Error> {
        let wanted = self.off == "1" && member.person.active;
        match wanted && member.person.id == visitor.person.id {
            true => Err(Error::Unusable("error-own-off")),
            false => Ok(wanted),
        }
    }
}

/// Who may take clients over, and in which heaps.
struct Choices {
    people: Vec<Person>,
    /// Managers of the department.
    department: Vec<Person>,
    groups: Vec<(i64, String, Vec<Person>)>,
}

impl Choices {
    async fn read(site: &Site, visitor: &Visitor, member: &Member) -> Result<Self, Error> {
        let confined = confined(visitor);
        let everybody = rows::all(&site.db).await?.into_iter();
        let people: Vec<Person> = everybody
            .filter(|one| one.active && one.id != member.person.id)
            .filter(|one| policy::reach(one.role, Action::ChangeCards).is_some())
            .filter(|one| confined.is_none_or(|own| one.department == Some(own)))
            .collect();
        let own = member.person.department;
        let of_department =
            |one: &&Person| own.is_some() && one.department == own && one.role == Role::Manager;
        let department = people.iter().filter(of_department).cloned().collect();
        let mut groups = Vec::new();
        if confined.is_none() {
            for (id, name, members) in staff::groups(&site.db).await? {
                let of_group = people.iter().filter(|one| members.contains(&one.id));
                groups.push((id, name, of_group.cloned().collect()));
            }
        }
        Ok(Self {
            people,
            department,
            groups,
        })
    }

    /// Whom a choice means.
    fn takers(&self, to: &str) -> Result<Vec<Named>, Error> {
        let found: &[Person] = match to.split_once(':') {
            None if to.is_empty() => &[],
            None if to == DEPARTMENT => &self.department,
            Some(("person", id)) => {
                let found = self.people.iter().find(|one| one.id.0.to_string() == id);
                std::slice::from_ref(found.ok_or(Error::NotFound)?)
            }
            Some(("group", id)) => {
                let found = self.groups.iter().find(|one| one.0.to_string() == id);
                &found.ok_or(Error::NotFound)?.2
            }
            _ => return Err(Error::NotFound),
        };
        if found.is_empty() && !to.is_empty() {
            return Err(Error::Unusable("error-no-takers"));
        }
        Ok(found.iter().map(named).collect())
    }
}

fn named(person: &Person) -> Named {
    Named {
        id: person.id,
        login: person.login.clone(),
        name: person.name.clone(),
    }
}

/// The way out, on the person's page.
pub(super) async fn form(site: &Site, visitor: &Visitor, member: &Member) -> Result<Markup, Error> {
    let t = visitor.texts;
    let choices = Choices::read(site, visitor, member).await?;
    let may_off = member.person.active && member.person.id != visitor.person.id;
    let shared = |name: &str, n: usize| {
        t.fill(
            "leave-shared",
            &[("name", name.into()), ("n", (n as i64).into())],
        )
    };
    Ok(html! {
        section #leave aria-labelledby="leave-title" {
            h2 #leave-title { (t.say("leave-title")) }
            p.hint { (t.say("leave-hint")) }
            form.stacked action={ "/people/" (member.person.id.0) "/leave" } method="get" {
                label { span { (t.say("leave-to")) }
                    select name="to" {
                        option value="" { (t.say("leave-to-nobody")) }
                        @if !choices.department.is_empty() {
                            option value=(DEPARTMENT) {
                                (shared(member.department.as_deref().unwrap_or_default(), choices.department.len()))
                            }
                        }
                        @for (id, name, members) in &choices.groups {
                            @if !members.is_empty() {
                                option value={ "group:" (id) } { (shared(name, members.len())) }
                            }
                        }
                        @for one in &choices.people {
                            option value={ "person:" (one.id.0) } { (one.name) }
                        }
                    }
                }
                @if may_off {
                    label.check { input type="checkbox" name="off" value="1"; " " (t.say("leave-off")) }
                }
                button type="submit" { (t.say("leave-look")) }
            }
        }
    })
}

/// What would be done.
pub(super) async fn preview(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Query(wanted): Query<Wanted>,
) -> Result<Markup, Error> {
    let member = changeable(&site, &visitor, id).await?;
    let choices = Choices::read(&site, &visitor, &member).await?;
    let takers = choices.takers(&wanted.to)?;
    let off = wanted.switches_off(&visitor, &member)?;
    let t = visitor.texts;
    let title = t.fill(
        "leave-preview",
        &[("name", member.person.name.as_str().into())],
    );
    let counts = html! {
        strong data-clients { (t.count("leave-clients", member.clients)) } ", "
        strong data-call-backs { (t.count("leave-call-backs", member.call_backs)) }
    };
    let content = html! {
        h1 { (title) }
        @if off { p { (t.say("leave-off-means")) } }
        @if takers.is_empty() { p { (t.say("leave-stays")) " " (counts) } }
        @else {
            p { (t.say("leave-goes")) " " (counts) }
            div.scroll { table.takers {
                thead { tr {
                    th scope="col" { (t.say("setup-person-name")) }
                    th.number scope="col" { (t.say("person-clients")) }
                } }
                tbody { @for (n, one) in takers.iter().enumerate() { tr {
                    th scope="row" { (one.name) }
                    td.number { (format::number(t, share(member.clients, n, takers.len()))) }
                } } }
            } }
            p.hint { (t.say("leave-while")) }
        }
        @if off || !takers.is_empty() {
            form.inline action={ "/people/" (id) "/leave" } method="post" {
                (layout::token(&visitor))
                input type="hidden" name="to" value=(wanted.to);
                @if off { input type="hidden" name="off" value="1"; }
                button.primary type="submit" { (t.say("leave-do")) }
            }
            " "
        }
        a.button href={ "/people/" (id) } { (t.say("leave-not")) }
    };
    Ok(layout::page(&visitor, Place::People, &title, &content))
}

/// How many of so many come to the n-th of some who take turns.
fn share(all: i64, n: usize, of: usize) -> i64 {
    let (n, of) = (n as i64, of as i64);
    all / of + i64::from(n < all % of)
}

/// Does it. Handing over goes on to its end if nobody waits for the answer any more.
pub(super) async fn leave(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Form(wanted): Form<Wanted>,
) -> Result<Markup, Error> {
    let member = changeable(&site, &visitor, id).await?;
    let to = Choices::read(&site, &visitor, &member)
        .await?
        .takers(&wanted.to)?;
    if wanted.switches_off(&visitor, &member)? {
        switch_off(&site, &visitor, &member).await?;
    }
    let handing = Handing {
        from: named(&member.person),
        to,
        by: visitor.known(),
        remote: visitor.remote.to_string(),
        at: now(),
    };
    let handed = match handing.to.is_empty() {
        true => Handed::default(),
        false => {
            let db = site.db.clone();
            let handing = tokio::spawn(async move { leaving::hand_over(&db, &handing).await });
            let ended = handing.await;
            ended.map_err(|error| Error::Unavailable(error.to_string()))??
        }
    };
    site.hub.lists_changed();
    one::page(&site, &visitor, id, Said::Handed(handed)).await
}

async fn switch_off(site: &Site, visitor: &Visitor, member: &Member) -> Result<(), Error> {
    before_change(site).await?;
    if !staff::switch_off(&site.db, member.person.id, now()).await? {
        return Err(Error::Unusable("error-last-administrator"));
    }
    let object = format!("person:{}", member.person.id.0);
    sight::audited(site, visitor, "switch_off", &object, "").await?;
    changed(site, visitor).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_add_up() {
        let shares: Vec<i64> = (0..3).map(|n| share(8, n, 3)).collect();
        assert_eq!(shares, [3, 3, 2]);
        assert_eq!(share(0, 0, 3) + share(1, 1, 2), 0);
    }
}
