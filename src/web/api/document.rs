//! The OpenAPI 3.1 document, made of the endpoints and of the types they read and write.

use axum::http::StatusCode;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    endpoint::{Answer, Endpoint, NAME_CHARS, Shape},
    problem::{self, Problem},
    scope::Scope,
};

/// Name of the security scheme.
const SECURITY: &str = "token";
/// Types of sound that recordings can have.
const SOUND: [&str; 3] = ["audio/mpeg", "audio/wav", "application/octet-stream"];

/// The whole document.
pub fn document(endpoints: &[Endpoint]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    generator.subschema_for::<problem::Body>();
    let mut paths = Map::new();
    for endpoint in endpoints {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[endpoint.method] = operation(endpoint, &mut generator);
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ringcard",
            "version": "1",
            "description": "Calls, clients' cards, lines, recordings, tasks and touches of one company. \
                Lists are read page by page: send `next` of a page as `after` for the one after it. \
                Writes may carry an `Idempotency-Key`: the same again gets the same answer.",
        },
        "servers": [{"url": "/"}],
        "security": [{SECURITY: []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {SECURITY: {
                "type": "http",
                "scheme": "bearer",
                "description": format!(
                    "A token of the API. Scopes: {}.",
                    Scope::ALL.map(Scope::as_str).join(", ")
                ),
            }},
        },
    })
}

fn operation(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let about = &endpoint.about;
    let shape = (endpoint.shape)(generator);
    let mut operation = json!({
        "operationId": about.id,
        "summary": about.summary,
        "tags": [tag(endpoint.path)],
        "security": [{SECURITY: [about.scope.as_str()]}],
        "parameters": parameters(endpoint, &shape),
        "responses": responses(endpoint, &shape),
    });
    if !about.details.is_empty() {
        operation["description"] = about.details.into();
    }
    if let Some(body) = shape.body {
        operation["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": body}},
        });
    }
    operation
}

/// The resource: what stands after `/api/v1/`.
fn tag(path: &str) -> &str {
    path.split('/').nth(3).unwrap_or_default()
}

fn parameters(endpoint: &Endpoint, shape: &Shape) -> Vec<Value> {
    let mut all = Vec::new();
    for (schema, place) in [(&shape.place, "path"), (&shape.query, "query")] {
        let required = schema.get("required").and_then(Value::as_array);
        let fields = schema.get("properties").and_then(Value::as_object);
        for (name, field) in fields.into_iter().flatten() {
            let mut field = field.clone();
            let required = required.is_some_and(|names| names.contains(&json!(name)));
            let description = field
                .as_object_mut()
                .and_then(|field| field.remove("description"));
            not_null(&mut field);
            let mut parameter =
                json!({"name": name, "in": place, "required": required, "schema": field});
            if let Some(description) = description {
                parameter["description"] = description;
            }
            all.push(parameter);
        }
    }
    if endpoint.is_write() {
        all.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "A name of this write. The same write under the same name is done once; \
                another one under it is refused.",
            "schema": {
                "type": "string", "minLength": 1, "maxLength": NAME_CHARS, "pattern": "^[!-~]+$",
            },
        }));
    }
    if matches!(shape.answer, Answer::Sound) {
        all.push(json!({
            "name": "Range",
            "in": "header",
            "required": false,
            "description": "The part that is wanted: `bytes=0-1023`. Anything else gets the whole (RFC 9110).",
            "schema": {"type": "string"},
        }));
    }
    all
}

/// What is left out of a query is not null: there is no null in addresses.
fn not_null(field: &mut Value) {
    let Some(field) = field.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(kinds)) = field.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            field.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = field.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(kinds)) = field.get_mut("anyOf") {
        kinds.retain(|kind| kind != &json!({"type": "null"}));
    }
}

/// Why this endpoint may say no.
pub fn refusals(endpoint: &Endpoint, shape: &Shape) -> Vec<Problem> {
    let words = String::new;
    let mut all = vec![
        Problem::Unreadable(words()),
        Problem::Unauthorized,
        Problem::Forbidden(words()),
        Problem::TooMany(0),
        Problem::Unavailable(words()),
    ];
    if endpoint.path.contains('{') {
        all.push(Problem::NotFound);
    }
    if endpoint.is_write() {
        all.extend([Problem::UnderWay, Problem::Unusable(words())]);
    }
    if shape.body.is_some() {
        all.extend([Problem::TooLarge, Problem::NotJson]);
    }
    if matches!(shape.answer, Answer::Sound) {
        // A recording that waits for the client's consent.
        all.extend([Problem::NoSuchPart(None), Problem::Unusable(words())]);
    }
    all
}

fn responses(endpoint: &Endpoint, shape: &Shape) -> Value {
    let mut all = Map::new();
    match &shape.answer {
        Answer::Json(status, schema) => {
            let mut done = json!({
                "description": "Done.",
                "content": {"application/json": {"schema": schema}},
            });
            if endpoint.is_write() {
                done["headers"] = json!({"Idempotency-Replayed": {
                    "description": "`true`: this is the answer of the first time.",
                    "schema": {"type": "string", "enum": ["true"]},
                }});
            }
            all.insert(status.as_str().to_owned(), done);
        }
        Answer::Sound => {
            for (status, words) in [
                (StatusCode::OK, "The whole recording."),
                (StatusCode::PARTIAL_CONTENT, "The part that was asked for."),
            ] {
                let content: Map<String, Value> = SOUND
                    .iter()
                    .map(|kind| ((*kind).to_owned(), json!({})))
                    .collect();
                let response = json!({"description": words, "content": content});
                all.insert(status.as_str().to_owned(), response);
            }
        }
    }
    for problem in refusals(endpoint, shape) {
        all.insert(problem.status().as_str().to_owned(), refusal(&problem));
    }
    all.into()
}

fn refusal(problem: &Problem) -> Value {
    let (_, _, title) = problem.kind();
    let body = json!({"$ref": "#/components/schemas/Problem"});
    let mut response = json!({
        "description": format!("{title}."),
        "content": {(problem::CONTENT_TYPE): {"schema": body}},
    });
    let header = match problem {
        Problem::Unauthorized => Some(("WWW-Authenticate", "string")),
        Problem::TooMany(_) => Some(("Retry-After", "integer")),
        Problem::NoSuchPart(_) => Some(("Content-Range", "string")),
        _ => None,
    };
    if let Some((name, kind)) = header {
        response["headers"] = json!({name: {"schema": {"type": kind}}});
    }
    response
}
