//! A program that uses the API, and holds every answer against the document.

use std::sync::LazyLock;

use reqwest::{Method, header::HeaderMap};
use ringcard::{
    flow,
    model::{people::Role, time::Timestamp},
    store::{
        people,
        tokens::{self, Holder, NewToken},
    },
    web::api::{self, caller::mint, scope::Scope},
};
use serde_json::{Value, json};

use crate::pages::office::Office;

/// Every scope there is.
pub static ALL: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| Scope::ALL.map(Scope::as_str).to_vec());

/// One answer.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
    pub json: Value,
}

/// A program with a token.
pub struct Api<'a> {
    office: &'a Office,
    token: String,
}

impl<'a> Api<'a> {
    /// With a token of a person for these scopes.
    pub async fn of(office: &'a Office, login: &str, scopes: &[&str]) -> Self {
        let person = people::by_login(office.gateway.db(), login).await.unwrap();
        let holder = Holder::Person(person.unwrap().id);
        Self::with(office, holder, scopes, None).await
    }

    /// With a token of a service.
    pub async fn service(office: &'a Office, role: Role, scopes: &[&str]) -> Self {
        Self::with(office, Holder::Service(role), scopes, None).await
    }

    /// With a token that ends.
    pub async fn with(
        office: &'a Office,
        holder: Holder,
        scopes: &[&str],
        expires_at: Option<Timestamp>,
    ) -> Self {
        let minted = mint();
        let token = NewToken {
            name: "story",
            holder,
            scopes: &scopes.join(" "),
            hash: &minted.hash,
            hint: &minted.hint,
            created_by: None,
            expires_at,
        };
        let made = tokens::create(office.gateway.db(), &token, flow::now()).await;
        made.unwrap();
        Self::holding(office, minted.token)
    }

    /// With a token that somebody else made.
    pub fn holding(office: &'a Office, token: String) -> Self {
        Self { office, token }
    }

    pub async fn get(&self, path: &str) -> Said {
        self.ask(Method::GET, path, &[], None).await
    }

    /// GETs what must be there.
    pub async fn read(&self, path: &str) -> Value {
        let said = self.get(path).await;
        assert_eq!(said.status, 200, "{path}: {}", said.json);
        said.json
    }

    pub async fn post(&self, path: &str, body: Value) -> Said {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    /// Asks anything, and holds the answer against the document.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Said {
        let gateway = &self.office.gateway;
        let url = gateway.url(&format!("/api/v1{path}"));
        let mut request = gateway.client.request(method.clone(), url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        let said = Said {
            json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            bytes,
            status,
            headers,
        };
        is_documented(method.as_str(), path, &said);
        said
    }
}

/// The document says that this may be the answer.
fn is_documented(method: &str, path: &str, said: &Said) {
    let path = path.split('?').next().unwrap();
    let path = format!("/api/v1{path}");
    let paths = api::DOCUMENT["paths"].as_object().unwrap();
    let Some((_, methods)) = paths.iter().find(|(template, _)| fits(template, &path)) else {
        assert_eq!(said.status, 404, "{path} is in no document");
        return;
    };
    let operation = &methods[method.to_lowercase()];
    if operation.is_null() {
        assert_eq!(said.status, 405, "{method} {path} is in no document");
        return;
    }
    let documented = &operation["responses"][said.status.to_string()];
    assert!(documented.is_object(), "{method} {path}: {}", said.status);
    let kind = said.headers["content-type"].to_str().unwrap();
    assert!(
        documented["content"].get(kind).is_some(),
        "{method} {path}: {} {kind}",
        said.status
    );
    if said.status >= 400 {
        assert_eq!(said.json["status"], json!(said.status));
        assert!(
            said.json["detail"]
                .as_str()
                .is_some_and(|words| !words.is_empty())
        );
    }
}

/// Whether a path is one of a template.
pub fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template
            .zip(path)
            .all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
}
