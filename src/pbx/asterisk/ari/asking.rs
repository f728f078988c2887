//! What we ask over the same WebSocket that tells events (REST over WebSocket): answers stand among
//! events where they belong, and no second connection has to be kept alive.
//!
//! Documentation: <https://docs.asterisk.org/Configuration/Interfaces/Asterisk-REST-Interface-ARI/ARI-REST-over-WebSocket/>,
//! in Asterisk since 20.14, 21.9 and 22.4.

use serde::Serialize;

use crate::pbx::{
    PbxError,
    asterisk::{
        Settings,
        commands::{self, Click},
        events::COMMAND,
        facts::{Directory, OWN, OWN_PEER},
    },
    form,
};

/// One question; what is put into it cannot leave its place.
#[derive(Serialize)]
pub struct Question<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    transaction_id: &'a str,
    method: &'static str,
    uri: &'a str,
    query_strings: Vec<Parameter<'a>>,
}

#[derive(Serialize)]
struct Parameter<'a> {
    name: &'static str,
    value: &'a str,
}

impl<'a> Question<'a> {
    /// Asks how something stands; the answer comes under `id`.
    pub fn get(id: &'a str, uri: &'a str) -> Self {
        Self::new("GET", id, uri)
    }

    /// Has something done.
    pub fn post(id: &'a str, uri: &'a str) -> Self {
        Self::new("POST", id, uri)
    }

    fn new(method: &'static str, transaction_id: &'a str, uri: &'a str) -> Self {
        Self {
            kind: "RESTRequest",
            transaction_id,
            method,
            uri,
            query_strings: Vec::new(),
        }
    }

    /// Adds a parameter.
    pub fn with(mut self, name: &'static str, value: &'a str) -> Self {
        self.query_strings.push(Parameter { name, value });
        self
    }

    /// The text to send.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("texts in a struct always make JSON")
    }
}

/// Asks for a variable of a channel, by Uniqueid or by name.
pub fn variable(id: &str, channel: &str, variable: &str) -> String {
    let uri = format!("channels/{}/variable", form::in_path(channel));
    Question::get(id, &uri).with("variable", variable).text()
}

/// The question that rings the employee and then the client, with its id.
pub fn click_to_call(
    settings: &Settings,
    directory: &Directory,
    command: &str,
    extension: &str,
    client: &str,
) -> Result<(String, String), PbxError> {
    let Click { channel, number } =
        commands::click(settings, directory, command, extension, client)?;
    let id = format!("{COMMAND}{command}");
    // Seconds here, and not milliseconds.
    let timeout = settings.click_timeout_ms.div_ceil(1_000).to_string();
    let (first, second) = (
        format!("{OWN}{command}"),
        format!("{OWN}{command}{OWN_PEER}"),
    );
    let text = Question::post(&id, "channels")
        .with("endpoint", &channel)
        .with("context", &settings.click_context)
        .with("extension", &number)
        .with("priority", "1")
        .with("callerId", &format!("<{number}>"))
        .with("timeout", &timeout)
        .with("channelId", &first)
        .with("otherChannelId", &second)
        .text();
    Ok((id, text))
}
