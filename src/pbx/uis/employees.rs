//! Who works there: `get.employees` of the Data API. Calls and reports name people by ids; with us they are
//! known by their extensions.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Api, Purpose, data};
use crate::{
    model::ids::Extension,
    pbx::{Employee, PbxError},
};

#[derive(Deserialize)]
struct Listed {
    id: i64,
    full_name: Option<String>,
    extension: Option<Short>,
}

#[derive(Deserialize)]
struct Short {
    extension_phone_number: Option<Value>,
}

/// Everybody with an extension, by id.
pub async fn list(api: &Api, purpose: Purpose) -> Result<BTreeMap<i64, Employee>, PbxError> {
    let wanted = json!({"fields": ["id", "full_name", "extension"]});
    let answer = api.ask(purpose, &api.data, "get.employees", wanted).await?;
    let listed: Vec<Listed> = data(answer, "it is no list of employees")?;
    Ok(listed.into_iter().filter_map(with_extension).collect())
}

/// Whoever has no extension cannot be rung by one.
fn with_extension(one: Listed) -> Option<(i64, Employee)> {
    let extension = match one.extension?.extension_phone_number? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let employee = Employee {
        extension: Extension::from(extension.as_str()),
        name: one.full_name.unwrap_or_default().trim().to_owned(),
        email: String::new(),
        department: String::new(),
    };
    (!extension.is_empty()).then_some((one.id, employee))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_an_extension_is_listed() {
        let listed = json!([
            {"id": 5001, "full_name": " Anna Larina ", "extension": {"extension_phone_number": "201"}},
            {"id": 5002, "full_name": null, "extension": {"extension_phone_number": 202}},
            {"id": 5003, "full_name": "Nobody", "extension": {"extension_phone_number": ""}},
            {"id": 5004, "full_name": "Nothing", "extension": null},
        ]);
        let listed: Vec<Listed> = serde_json::from_value(listed).unwrap();
        let found: Vec<(i64, Employee)> = listed.into_iter().filter_map(with_extension).collect();
        let short: Vec<_> = found
            .iter()
            .map(|(id, one)| (*id, one.extension.as_str(), one.name.as_str()))
            .collect();
        assert_eq!(short, [(5001, "201", "Anna Larina"), (5002, "202", "")]);
    }
}
