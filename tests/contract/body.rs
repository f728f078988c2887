//! Requests taken apart into their fields, so that one of them can be changed, and put together again.

use reqwest::Url;
use ringcard::pbx::Request;
use serde_json::{Map, Value};

/// Where the fields of a request stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Query,
    Form,
    Json,
}

/// A field, or one inside its JSON (by pointer; empty for the field itself).
#[derive(Clone, Debug)]
pub struct Leaf {
    field: usize,
    pointer: String,
}

/// The fields of a request.
#[derive(Clone, Debug)]
pub struct Fields {
    request: Request,
    place: Place,
    fields: Vec<(String, Value)>,
}

impl Fields {
    /// Takes a request apart; `None` for what is neither a form nor a JSON object.
    pub fn of(request: &Request) -> Option<Self> {
        let body = std::str::from_utf8(&request.body).ok()?;
        let is_json = body.trim_start().starts_with('{');
        // Several parts, or JSON that somebody has escaped whole.
        if body.starts_with("--") || body.starts_with("%7B") {
            return None;
        }
        let (place, fields) = match body {
            "" => (Place::Query, pairs(&request.query)),
            body if is_json => {
                let object: Map<String, Value> = serde_json::from_str(body).ok()?;
                (Place::Json, object.into_iter().collect())
            }
            form => (Place::Form, pairs(form)),
        };
        (!fields.is_empty()).then(|| Self {
            request: request.clone(),
            place,
            fields,
        })
    }

    /// The request with these fields.
    pub fn request(&self) -> Request {
        let mut request = self.request.clone();
        match self.place {
            Place::Query => request.query = self.form(),
            Place::Form => request.body = self.form().into(),
            Place::Json => {
                let object: Map<String, Value> = self.fields.iter().cloned().collect();
                request.body = Value::Object(object).to_string().into();
            }
        }
        request
    }

    /// Every value that is no object and no list.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        for (field, (_, value)) in self.fields.iter().enumerate() {
            collect(value, &mut String::new(), &mut |pointer| {
                leaves.push(Leaf {
                    field,
                    pointer: pointer.to_owned(),
                });
            });
        }
        leaves
    }

    /// What stands there.
    pub fn at(&self, leaf: &Leaf) -> &Value {
        let (_, value) = &self.fields[leaf.field];
        value
            .pointer(&leaf.pointer)
            .expect("leaves are of this message")
    }

    /// The same with another value there.
    pub fn with(&self, leaf: &Leaf, value: Value) -> Self {
        let mut changed = self.clone();
        let (_, field) = &mut changed.fields[leaf.field];
        *field
            .pointer_mut(&leaf.pointer)
            .expect("leaves are of this message") = value;
        changed
    }

    /// The same without it.
    pub fn without(&self, leaf: &Leaf) -> Self {
        let mut changed = self.clone();
        let Some((parent, name)) = leaf.pointer.rsplit_once('/') else {
            changed.fields.remove(leaf.field);
            return changed;
        };
        let (_, field) = &mut changed.fields[leaf.field];
        match field.pointer_mut(parent).expect("it has a parent") {
            Value::Object(object) => _ = object.remove(&name.replace("~1", "/").replace("~0", "~")),
            Value::Array(list) => _ = list.remove(name.parse().expect("a place in a list")),
            _ => unreachable!("only objects and lists hold something"),
        }
        changed
    }

    /// The same with a field that nobody knows, in every object.
    pub fn with_unknown(&self) -> Self {
        const NAME: &str = "not_in_any_document";
        let mut changed = self.clone();
        let unknown = match self.place {
            Place::Json => serde_json::json!({"of": ["us", 1, null]}),
            Place::Query | Place::Form => "1".into(),
        };
        changed
            .fields
            .iter_mut()
            .for_each(|(_, value)| add(value, NAME));
        changed.fields.insert(0, (NAME.to_owned(), unknown));
        changed
    }

    fn form(&self) -> String {
        let mut url = Url::parse("http://a/").expect("an address");
        let pairs = self.fields.iter().map(|(name, value)| match value {
            Value::String(text) => (name, text.clone()),
            other => (name, other.to_string()),
        });
        url.query_pairs_mut().extend_pairs(pairs);
        url.query().unwrap_or_default().to_owned()
    }
}

/// Texts, and what is JSON in a form as JSON.
fn pairs(form: &str) -> Vec<(String, Value)> {
    let url = Url::parse(&format!("http://a/?{form}")).expect("an address");
    let pairs = url.query_pairs().map(|(name, value)| {
        let inner = value
            .starts_with('{')
            .then(|| serde_json::from_str(&value).ok());
        let value = inner.flatten().unwrap_or_else(|| value.into_owned().into());
        (name.into_owned(), value)
    });
    pairs.collect()
}

fn collect(value: &Value, pointer: &mut String, found: &mut impl FnMut(&str)) {
    let mut below = |name: &str, value: &Value| {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        collect(value, pointer, found);
        pointer.truncate(length);
    };
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| below(name, value)),
        Value::Array(list) => {
            let mut numbered = list.iter().enumerate();
            numbered
                .by_ref()
                .for_each(|(n, value)| below(&n.to_string(), value));
        }
        _ => found(pointer),
    }
}

fn add(value: &mut Value, name: &str) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(|value| add(value, name));
            object.insert(name.to_owned(), 1.into());
        }
        Value::Array(list) => list.iter_mut().for_each(|value| add(value, name)),
        _ => {}
    }
}
