//! Who works at a cloud PBX and is nobody's here yet, as a file that `ringcard import office` reads: nobody
//! types short numbers by hand. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{
    app::settings::Settings,
    model::people::Role,
    pbx::Employee,
    store::{checkup, import},
};

/// Whose employees.
#[derive(clap::Args)]
pub struct Arguments {
    /// Account of the configuration
    account: String,
}

#[derive(Serialize)]
struct File {
    person: Vec<Person>,
}

/// As [`super::import`] reads it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Person {
    login: String,
    name: String,
    role: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    department: String,
    extensions: BTreeMap<String, Vec<String>>,
}

/// Asks the account and prints TOML.
pub async fn run(settings: Settings, arguments: Arguments) -> Result<()> {
    let name = arguments.account;
    let mut accounts = settings.open()?.into_iter();
    let account = accounts.find(|known| known.name.as_str() == name);
    let account = account.with_context(|| format!("the configuration has no account {name:?}"))?;
    let listed = account.pbx.employees().await;
    let listed = listed.with_context(|| format!("the employees of {name} could not be read"))?;
    let db = super::opened(&settings).await?;
    let extensions = checkup::extensions(&db).await?;
    let known: BTreeSet<String> = extensions
        .into_iter()
        .filter(|(account, _)| *account == name)
        .map(|(_, extension)| extension)
        .collect();
    let logins: BTreeSet<String> = import::logins(&db).await?.into_keys().collect();
    db.close().await;
    let person = unknown(&name, &listed, &known, logins);
    println!(
        "# {} of {} employees are nobody's yet. Set logins and roles right (who has a login already keeps \
         it), then: ringcard import office FILE",
        person.len(),
        listed.len()
    );
    if !person.is_empty() {
        print!("{}", toml::to_string(&File { person })?);
    }
    Ok(())
}

/// Those of the list who are nobody's, each with a login that is free.
fn unknown(
    account: &str,
    listed: &[Employee],
    known: &BTreeSet<String>,
    mut logins: BTreeSet<String>,
) -> Vec<Person> {
    let mut people = Vec::new();
    let strangers = listed.iter();
    for employee in strangers.filter(|one| !known.contains(one.extension.as_str())) {
        let short = employee.extension.as_str();
        let by_mail = login_of(&employee.email);
        let by_number = format!("{account}-{short}");
        let wishes = by_mail.into_iter().chain([by_number.clone()]);
        let more = (2..).map(|n| format!("{by_number}-{n}"));
        let login = wishes.chain(more).find(|login| !logins.contains(login));
        let login = login.expect("numbers do not end");
        logins.insert(login.clone());
        people.push(Person {
            name: match employee.name.as_str() {
                "" => login.clone(),
                name => name.to_owned(),
            },
            login,
            role: Role::Manager.as_str(),
            department: employee.department.clone(),
            extensions: BTreeMap::from([(account.to_owned(), vec![short.to_owned()])]),
        });
    }
    people
}

/// What stands before the `@`, if it is plain.
fn login_of(email: &str) -> Option<String> {
    let (name, _) = email.split_once('@')?;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    (!name.is_empty() && name.chars().all(is_plain)).then(|| name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::Extension;

    fn employee(extension: &str, name: &str, email: &str) -> Employee {
        Employee {
            extension: Extension::from(extension),
            name: name.to_owned(),
            email: email.to_owned(),
            department: String::new(),
        }
    }

    #[test]
    fn strangers_get_logins_that_are_free() {
        let listed = [
            employee("201", "Anna", "Anna@firma.example"),
            employee("202", "Boris", "anna@other.example"),
            employee("203", "", "no mail"),
            employee("204", "Vera", "vera@firma.example"),
        ];
        let known = BTreeSet::from(["204".to_owned()]);
        let logins = BTreeSet::from(["cloud-203".to_owned()]);
        let people = unknown("cloud", &listed, &known, logins);
        let of: Vec<(&str, &str)> = people
            .iter()
            .map(|one| (one.login.as_str(), one.name.as_str()))
            .collect();
        assert_eq!(
            of,
            [
                ("anna", "Anna"),
                ("cloud-202", "Boris"),
                ("cloud-203-2", "cloud-203-2")
            ]
        );
    }
}
