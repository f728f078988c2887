//! Who works at a PBX: `GET /crmapi/v1/users`, page by page.

use serde::Deserialize;

use super::api::{Api, Purpose};
use crate::pbx::{Employee, PbxError, people::People};

/// Most pages that are believed.
const MOST_PAGES: usize = 100;

#[derive(Deserialize)]
struct Page {
    items: Vec<User>,
    #[serde(default)]
    info: Info,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    /// Where the next page begins; none, or not beyond this one, after the last.
    next: Option<u64>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct User {
    login: Option<String>,
    name: Option<String>,
    email: Option<String>,
}

/// Everybody with a login.
pub async fn all(api: &Api, people: &People) -> Result<Vec<Employee>, PbxError> {
    let mut found = Vec::new();
    let mut start = 0;
    for _ in 0..MOST_PAGES {
        let path = match start {
            0 => "users".to_owned(),
            start => format!("users?start={start}"),
        };
        let page = api.get(Purpose::List, &path).await?;
        let page: Page = serde_json::from_slice(&page)
            .map_err(|_| PbxError::Unreadable("it is no list of employees"))?;
        let is_last = page.items.is_empty();
        found.extend(
            page.items
                .into_iter()
                .filter_map(|user| employee(user, people)),
        );
        match page.info.next {
            Some(next) if next > start && !is_last => start = next,
            _ => return Ok(found),
        }
    }
    Err(PbxError::Unreadable("a list of employees without an end"))
}

fn employee(user: User, people: &People) -> Option<Employee> {
    let text = |value: Option<String>| value.unwrap_or_default().trim().to_owned();
    let login = text(user.login);
    (!login.is_empty()).then(|| Employee {
        extension: people.extension(&login),
        name: text(user.name),
        email: text(user.email),
        department: String::new(), // groups are listed elsewhere, and one may be in several
    })
}
