//! The documentation of the API: the OpenAPI document as a page, without any script.

use axum::{extract::State as Extract, routing::get};
use maud::{Markup, html};
use serde_json::Value;

use crate::web::{
    Guest, State,
    api::{self, DOCUMENT, problem},
    i18n::Texts,
    layout,
    routes::{Access, Route},
};

/// The routes of this page.
pub const ROUTES: &[Route] = &[Route::get("/api/v1/docs", Access::Public, || get(show))];

/// Where types stand in the document.
const SCHEMAS: &str = "#/components/schemas/";

async fn show(Extract(site): Extract<State>, guest: Guest) -> Markup {
    let t = guest.texts;
    let root = site.settings.public_url.trim_end_matches('/');
    let content = html! {
        h1 { (t.say("docs-title")) }
        p { (t.say("docs-explain")) }
        pre { code { "curl -H \"Authorization: Bearer $TOKEN\" " (root) "/api/v1/calls" } }
        p { a href="/tokens" { (t.say("tokens-title")) } " · "
            a href="/api/v1/openapi.json" { (t.say("docs-document")) } }
        @for endpoint in api::endpoints() {
            @let operation = &DOCUMENT["paths"][endpoint.path][endpoint.method];
            (operation_markup(t, endpoint.method, endpoint.path, operation))
        }
        h2 #types { (t.say("docs-types")) }
        @for (name, schema) in fields(&DOCUMENT["components"]["schemas"]) { (type_markup(t, name, schema)) }
        h2 #problems { (t.say("docs-problems")) }
        p { (t.say("docs-problems-explain")) }
        dl.facts {
            @for (status, word, title) in problem::all() {
                dt #{ "problem-" (word) } { (status.as_u16()) " " code { (word) } }
                dd { (title) }
            }
        }
    };
    layout::wide_guest_page(&guest, &t.say("docs-title"), &content)
}

/// The fields of an object, in its order; of anything else none.
fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Words between backticks are names.
fn words(text: &str) -> Markup {
    html! {
        @for (n, piece) in text.split('`').enumerate() {
            @if n % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

fn operation_markup(t: Texts, method: &str, path: &str, operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array();
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    html! {
        section #(text(operation, "operationId")) {
            h2 { code { (method.to_uppercase()) " " (path) } }
            p { (text(operation, "summary")) ". " (words(text(operation, "description"))) }
            p.fine { (t.say("docs-scope")) " " code { (operation["security"][0]["token"][0].as_str().unwrap_or_default()) } }
            @if let Some(parameters) = parameters.filter(|all| !all.is_empty()) {
                div.scroll { table {
                    thead { tr {
                        th scope="col" { (t.say("docs-parameter")) }
                        th scope="col" { (t.say("docs-type")) }
                        th scope="col" { (t.say("docs-meaning")) }
                    } }
                    tbody { @for one in parameters { tr {
                        th scope="row" { code { (text(one, "name")) }
                            @if text(one, "in") != "query" { " " small { (text(one, "in")) } } }
                        td { (kind(&one["schema"])) }
                        td { (words(text(one, "description"))) }
                    } } }
                } }
            }
            @if !body.is_null() { p { (t.say("docs-body")) " " (kind(body)) } }
            p { (t.say("docs-answers")) " " (answers(operation)) }
        }
    }
}

fn answers(operation: &Value) -> Markup {
    html! {
        @for (n, (status, answer)) in fields(&operation["responses"]).enumerate() {
            @if n > 0 { " · " }
            code { (status) } " "
            @let json = &answer["content"]["application/json"]["schema"];
            @if json.is_null() { (text(answer, "description")) } @else { (kind(json)) }
        }
    }
}

fn type_markup(t: Texts, name: &str, schema: &Value) -> Markup {
    let required = schema["required"].as_array();
    let is_required =
        |field: &str| required.is_some_and(|names| names.iter().any(|name| name == field));
    html! {
        section #{ "type-" (name) } {
            h3 { (name) }
            p { (words(text(schema, "description"))) }
            div.scroll { table {
                thead { tr {
                    th scope="col" { (t.say("docs-field")) }
                    th scope="col" { (t.say("docs-type")) }
                    th scope="col" { (t.say("docs-meaning")) }
                } }
                tbody { @for (field, schema) in fields(&schema["properties"]) { tr {
                    th scope="row" { code { (field) } @if !is_required(field) { " " small { (t.say("docs-optional")) } } }
                    td { (kind(schema)) }
                    td { (words(text(schema, "description"))) }
                } } }
            } }
        }
    }
}

/// What a schema allows, in a few words.
fn kind(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|to| to.strip_prefix(SCHEMAS))
    {
        return html! { a href={ "#type-" (name) } { (name) } };
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return html! { @for (n, one) in choices.iter().enumerate() { @if n > 0 { ", " } (kind(one)) } };
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return html! { code { (words.join(", ")) } };
    }
    if schema["type"] == "array" {
        return html! { "[ " (kind(&schema["items"])) " ]" };
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    };
    html! { (kinds.join(", ")) @if let Some(format) = schema["format"].as_str() { " " small { (format) } } }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_in_a_description_stand_out() {
        let shown = words("send `next` as `after`").into_string();
        assert_eq!(shown, "send <code>next</code> as <code>after</code>");
    }

    #[test]
    fn a_schema_is_told_in_a_few_words() {
        for (schema, expected) in [
            (json!({"type": "integer"}), "integer"),
            (
                json!({"type": ["string", "null"], "format": "uuid"}),
                "string, null <small>uuid</small>",
            ),
            (json!({"enum": ["in", "out"]}), "<code>in, out</code>"),
            (
                json!({"type": "array", "items": {"$ref": "#/components/schemas/Call"}}),
                "[ <a href=\"#type-Call\">Call</a> ]",
            ),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
                "string, null",
            ),
        ] {
            assert_eq!(kind(&schema).into_string(), expected);
        }
    }
}
