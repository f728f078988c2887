//! Any PBX that can post to Zammad: the "generic CTI" dialect, heard as if Ringcard were the helpdesk.
//!
//! Documentation of the dialect: <https://docs.zammad.org/en/latest/api/generic-cti/index.html>. What it says
//! of calls stands in `push`; JSON, a form and parts are all read. Nothing is signed: the address holds a
//! secret of ours, as it does at Zammad.
//!
//! The answer to a new call can turn a caller away (`route_calls`). The dialect has no word for "ring this
//! phone first"; with `names_target` we say it all the same, in a word of ours, for PBXes whose script is
//! written by their owner: `{"action":"dial","target":"201"}`.
//!
//! ```toml
//! [[pbx]]
//! name = "helpdesk-line"
//! type = "zammad"
//! token = "env:ZAMMAD_TOKEN"          # ours: openssl rand -hex 16
//! [pbx.users]
//! "Mona Birch" = "201"                # the PBX's names, where people have short numbers here
//! ```
//!
//! The PBX is given `<public_url>/hooks/helpdesk-line/<token>` as the address of the helpdesk.
//! `docs/providers/zammad.en.md` says more. There is no API to ask: no click to call, no past calls.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use super::{
    Ability, DecodeError, Decoded, Decoder, Enquiry, Input, Intake, Pbx, Provider, Refused, Reply,
    Request, RouteAnswer, SettingsError, Tools,
    fields::Fields,
    numbers::Numbers,
    people::People,
    push::{Choices, Words},
    secret,
};
use crate::model::{ids::AccountName, time::Timestamp};

/// The dialect in the registry.
pub const PROVIDER: Provider = Provider {
    name: "zammad",
    title: "Any PBX that speaks to Zammad (generic CTI)",
    abilities: &[Ability::Routing],
    not_offered: &[
        Ability::Signature,
        Ability::Command,
        Ability::Recording,
        Ability::History,
        Ability::Tracking,
        Ability::Pause,
    ],
    open,
};

/// The account's table in the configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The secret part of the path given to the PBX: letters, digits, `-` and `_`.
    token: String,
    /// Short numbers of employees by the names that the PBX has for them.
    #[serde(default)]
    users: People,
    /// Whether the answer to a new call may turn the caller away.
    #[serde(default)]
    route_calls: bool,
    /// Whether it also names who should ring, in a word that the dialect does not have.
    #[serde(default)]
    names_target: bool,
    /// What nobody has confirmed.
    #[serde(default)]
    unconfirmed: Choices,
}

fn open(
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let settings: Settings = super::settings(table)?;
    secret::check_token(&settings.token)?;
    settings.users.check()?;
    if settings.names_target && !settings.route_calls {
        let text = "names_target needs route_calls";
        return Err(SettingsError::Unusable(text.to_owned()));
    }
    Ok(Arc::new(Account {
        words: Arc::new(Words {
            account: name,
            numbers: Numbers::new(tools.plan),
            people: settings.users,
            names: &["user"],
            // Bridges write it this way and that.
            keys: &["callId", "callid", "call_id"],
            whole_numbers: false, // bridges write them as their PBX does
            goes_on: false,
            routes: settings.route_calls,
            choices: settings.unconfirmed,
        }),
        token: settings.token,
        names_target: settings.names_target,
    }))
}

struct Account {
    words: Arc<Words>,
    token: String,
    names_target: bool,
}

#[async_trait]
impl Pbx for Account {
    fn provider(&self) -> &'static str {
        PROVIDER.name
    }

    fn intake(&self) -> Intake {
        Intake::Webhook
    }

    fn verify(&self, request: &Request, _now: Timestamp) -> Result<(), Refused> {
        match secret::opens(request, &self.token) {
            true => Ok(()),
            false => Err(Refused::Token),
        }
    }

    fn secret_path_parts(&self) -> usize {
        1
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ZammadDecoder {
            words: Arc::clone(&self.words),
        })
    }

    fn accepted(&self) -> Reply {
        Reply::json("{}")
    }

    fn format_route(&self, _enquiry: &Enquiry, answer: &RouteAnswer) -> Reply {
        let said = match answer.targets.first() {
            _ if answer.is_blocked() => json!({"action": "reject", "reason": "busy"}),
            Some(target) if self.names_target => {
                let target = self.words.people.login(target);
                json!({"action": "dial", "target": target, "ring": answer.ring_ms / 1_000})
            }
            _ => json!({}),
        };
        Reply {
            body: said.to_string().into(),
            ..Reply::json("")
        }
    }
}

struct ZammadDecoder {
    words: Arc<Words>,
}

impl Decoder for ZammadDecoder {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        match input {
            Input::Request(request) => self.words.tell(&Fields::of_body(&request.body)?, now, out),
            _ => Ok(()), // webhooks have no connection to open or close
        }
    }
}
