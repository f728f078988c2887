//! Who works at a product of Mango: `/config/users/request` of the VPBX API v1.10, section on employees.

use serde::Deserialize;

use crate::{
    model::ids::Extension,
    pbx::{Employee, PbxError},
};

/// The path of the question.
pub const PATH: &str = "config/users/request";

#[derive(Deserialize)]
struct Answer {
    users: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    general: General,
    #[serde(default)]
    telephony: Telephony,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct General {
    name: Option<String>,
    email: Option<String>,
    department: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Telephony {
    extension: Option<Short>,
}

/// The text writes it as a text; who writes a number is understood too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Short {
    Text(String),
    Number(u64),
}

/// Everybody with a short number; whoever has none cannot be rung by one.
pub fn read(body: &[u8]) -> Result<Vec<Employee>, PbxError> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| PbxError::Unreadable("it is no list of employees"))?;
    let employee = |user: User| {
        let extension = match user.telephony.extension? {
            Short::Text(text) => text.trim().to_owned(),
            Short::Number(number) => number.to_string(),
        };
        let text = |value: Option<String>| value.unwrap_or_default().trim().to_owned();
        (!extension.is_empty()).then(|| Employee {
            extension: Extension::from(extension.as_str()),
            name: text(user.general.name),
            email: text(user.general.email),
            department: text(user.general.department),
        })
    };
    Ok(answer.users.into_iter().filter_map(employee).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_short_number_is_listed() {
        let body = r#"{"users": [
            {"general": {"name": "Anna Larina", "email": "anna@firma.example", "department": "Sales"},
             "telephony": {"extension": "201", "numbers": [{"number": "201", "protocol": "sip"}]}},
            {"general": {"name": " Boris "}, "telephony": {"extension": 202}},
            {"general": {"name": "Nobody"}, "telephony": {"extension": ""}},
            {"general": {"name": "Nothing", "email": null}}]}"#;
        let found = read(body.as_bytes()).unwrap();
        let short: Vec<(String, &str)> = found
            .iter()
            .map(|one| (one.extension.to_string(), one.name.as_str()))
            .collect();
        assert_eq!(
            short,
            [
                ("201".to_owned(), "Anna Larina"),
                ("202".to_owned(), "Boris")
            ]
        );
        assert_eq!(found[0].email, "anna@firma.example");
        assert_eq!(found[1].department, "");
        assert!(read(b"[]").is_err());
    }
}
