//! Calltouch, a Russian call-tracking service: tells which visit of the site has led to a call. The call
//! itself is told by the PBX; what comes from here is joined to it (`rules::attribution`) and never makes
//! one.
//!
//! Vendor's documentation: <https://www.calltouch.ru/support/>, articles on webhooks and on the calls API.
//! A webhook is a GET or POST whose parameters the customer chooses and names; nothing is signed, so the
//! path is a secret of ours. Sent at the start of a call, at its end, or both; leads and chats are counted.
//!
//! ```toml
//! [[pbx]]
//! name = "ads"
//! type = "calltouch"
//! token = "env:CALLTOUCH_TOKEN"        # ours: openssl rand -hex 16
//! pbx = ["head-office"]                # accounts whose calls it tells of; none: all
//! site_id = "60001"                    # both for calls told while nobody listened
//! api_key = "env:CALLTOUCH_API_KEY"
//! ```
//!
//! The cabinet is given `<public_url>/hooks/ads/<token>`. `docs/providers/calltouch.en.md` says what to
//! click there.
//!
//! | File | What |
//! |---|---|
//! | `settings` | the account in the configuration |
//! | `told` | what a webhook or record says of a visit |
//! | `history` | the service's own log of calls |
//! | `unconfirmed` | what nobody has confirmed, and what we do until then |

mod history;
mod settings;
mod told;
mod unconfirmed;

use std::sync::Arc;

use async_trait::async_trait;

use self::{
    history::{Api, Records},
    settings::Settings,
    told::Words,
};
use super::{
    Ability, DecodeError, Decoded, Decoder, Input, Intake, Page, Pbx, PbxError, Provider, Refused,
    Request, SettingsError, Tools, fields::Fields, numbers::Numbers, secret,
};
use crate::model::{ids::AccountName, time::Timestamp};

/// Calltouch in the registry.
pub const PROVIDER: Provider = Provider {
    name: "calltouch",
    title: "Calltouch (call tracking)",
    abilities: &[Ability::History, Ability::Tracking],
    not_offered: &[
        Ability::Signature,
        Ability::Command,
        Ability::Recording,
        Ability::Routing,
        Ability::Pause,
    ],
    open,
};

fn open(
    name: AccountName,
    table: toml::Table,
    tools: Tools,
) -> Result<Arc<dyn Pbx>, SettingsError> {
    let (settings, zone) = super::settings::<Settings>(table)?.whole()?;
    Ok(Arc::new(Account {
        api: Api::of(&settings, tools.http),
        words: Arc::new(Words {
            account: name,
            numbers: Numbers::new(tools.plan),
            zone,
            of: settings
                .pbx
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            within_ms: i64::from(settings.join_within_s) * 1_000,
        }),
        settings,
    }))
}

struct Account {
    words: Arc<Words>,
    settings: Settings,
    /// Without site and key nothing can be asked.
    api: Option<Api>,
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
        match secret::is(request.path.trim_matches('/'), &self.settings.token) {
            true => Ok(()),
            false => Err(Refused::Token),
        }
    }

    fn secret_path_parts(&self) -> usize {
        1
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(CalltouchDecoder(Arc::clone(&self.words)))
    }

    async fn history(&self, cursor: Option<&str>, now: Timestamp) -> Result<Page, PbxError> {
        let api = self.api.as_ref().ok_or(PbxError::Unsupported)?;
        let first_ms = i64::from(self.settings.history_hours) * 3_600_000;
        let records = Records { words: &self.words };
        records.page(api, cursor, now, first_ms).await
    }
}

struct CalltouchDecoder(Arc<Words>);

impl Decoder for CalltouchDecoder {
    fn feed(
        &mut self,
        input: Input<'_>,
        now: Timestamp,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let fields = match input {
            Input::Request(request) => Fields::read(request)?,
            Input::Records(record) => Fields::of_body(record)?,
            _ => return Ok(()), // webhooks have no connection to open or close
        };
        match unconfirmed::other_than_call(&fields) {
            Some(kind) => out.notes.push(kind),
            None => out.visits.push(self.0.visit(&fields, now)?),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::phone::NumberingPlan;

    const TOKEN: &str = "Kd83nfhAq0-_zP51mWx7Lq";

    fn open_with(more: &str) -> Result<Arc<dyn Pbx>, SettingsError> {
        let tools = Tools::of_tests(NumberingPlan::default());
        let table = format!("token = '{TOKEN}'\n{more}").parse().unwrap();
        open(AccountName::from("ads"), table, tools)
    }

    #[test]
    fn settings_that_cannot_be_used_are_told() {
        assert!(open_with("").is_ok());
        assert!(open_with("site_id = '60001'\napi_key = 'k'").is_ok());
        for wrong in [
            "site_id = '60001'",
            "api_key = 'k'",
            "site_id = '../1'\napi_key = 'k'",
            "time_zone = 'Moscow'",
            "join_within_s = 0",
            "colour = 'red'",
        ] {
            assert!(open_with(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn leads_and_tests_of_the_cabinet_are_counted() {
        let account = open_with("").unwrap();
        let feed = |query: &str| {
            let request = Request {
                method: "GET".to_owned(),
                path: format!("/{TOKEN}"),
                query: query.to_owned(),
                headers: Vec::new(),
                body: Vec::new().into(),
                remote: "192.0.2.1".to_owned(),
            };
            let mut out = Decoded::default();
            let fed = account.decoder().feed(
                Input::Request(&request),
                Timestamp::from_seconds(1_773_728_100),
                &mut out,
            );
            fed.map(|()| out)
        };
        assert_eq!(feed("").unwrap().notes, ["ping"]);
        assert_eq!(
            feed("requestId=7&phoneNumber=74950000011").unwrap().notes,
            ["lead"]
        );
        assert_eq!(
            feed("callId=7&callerNumber=74950000011")
                .unwrap()
                .visits
                .len(),
            1
        );
        assert!(feed("callerNumber=74950000011&utmSource=larch").is_err());
    }
}
