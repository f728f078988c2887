//! The document and the routes say the same.

use std::collections::BTreeSet;

use reqwest::Method;
use ringcard::web::api::{self, endpoint::Endpoint};
use serde_json::Value;

use super::client::Api;
use crate::pages::office::Office;

fn name(endpoint: &Endpoint) -> String {
    format!("{} {}", endpoint.method, endpoint.path)
}

fn documented(document: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            all.insert(format!("{method} {path}"));
        }
    }
    all
}

#[tokio::test]
async fn what_is_served_is_documented_and_the_other_way_round() {
    let office = Office::open().await;
    let served = office.gateway.get("/api/v1/openapi.json").await;
    assert_eq!(served.status, 200);
    let document: Value = serde_json::from_str(&served.text).unwrap();
    let endpoints = api::endpoints();
    let routes: BTreeSet<String> = endpoints.iter().map(name).collect();
    assert_eq!(routes.len(), endpoints.len(), "a route stands twice");
    assert_eq!(documented(&document), routes);

    // Not only listed: each method of the document answers there, and no other one does.
    let nobody = Api::holding(&office, String::new());
    let paths: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.path).collect();
    for path in paths {
        let nil = uuid::Uuid::nil().to_string();
        let address = path.replace("{id}", &nil).replace("/api/v1", "");
        for method in ["get", "post", "put", "patch", "delete"] {
            let asked = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let said = nobody.ask(asked, &address, &[], None).await;
            let expected = match routes.contains(&format!("{method} {path}")) {
                true => 401,
                false => 405,
            };
            assert_eq!(said.status, expected, "{method} {path}");
        }
    }
    let lost = nobody.get("/nothing").await;
    assert_eq!(lost.status, 404);
    assert_eq!(lost.headers["content-type"], "application/problem+json");
    office.close().await;
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
    let endpoints = api::endpoints();
    let names: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.about.id).collect();
    assert_eq!(names.len(), endpoints.len());
    for endpoint in &endpoints {
        let operation = &api::DOCUMENT["paths"][endpoint.path][endpoint.method];
        assert!(operation["summary"].as_str().unwrap().len() > 5);
        let scope = &operation["security"][0]["token"][0];
        assert_eq!(scope, endpoint.about.scope.as_str(), "{}", endpoint.path);
        for parameter in operation["parameters"].as_array().unwrap() {
            assert!(parameter["description"].is_string(), "{parameter}");
        }
    }
}

#[tokio::test]
async fn the_page_shows_every_endpoint_and_type_and_needs_no_script() {
    let office = Office::open().await;
    let page = office.gateway.get("/api/v1/docs").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("<script"));
    for endpoint in api::endpoints() {
        assert!(
            page.text.contains(endpoint.about.summary),
            "{}",
            endpoint.path
        );
        assert!(page.text.contains(endpoint.path));
    }
    for name in api::DOCUMENT["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
    {
        assert!(page.text.contains(&format!("id=\"type-{name}\"")), "{name}");
    }
    assert!(page.text.contains("id=\"problem-under-way\""));
    office.close().await;
}

/// Every `$ref` of the document leads to a type, and every type is led to.
#[test]
fn references_lead_somewhere() {
    let text = api::DOCUMENT.to_string();
    let led: BTreeSet<&str> = text
        .split("#/components/schemas/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    let schemas = api::DOCUMENT["components"]["schemas"].as_object().unwrap();
    let there: BTreeSet<&str> = schemas.keys().map(String::as_str).collect();
    assert_eq!(led, there);
    assert!(there.contains("Problem"));
}
