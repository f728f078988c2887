//! The first step: the form of an account, strictly read, and what has to be entered at the PBX.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use maud::{Markup, html};
use serde::Deserialize;
use toml::Value;

use super::{
    Said, asterisk, change, is_dialled, snippets,
    strict::{NAME_CHARS, TEXT_CHARS, name, numbers, phone, secret, site_of, word},
};
use crate::{
    flow::probe::Probe,
    pbx::{PROVIDERS, Provider},
    store::changes::By,
    web::{
        Account, Error, Site, Visitor,
        configuration::{AddError, KeptAccount, NewAccount, Reloaded},
        i18n::Texts,
        layout, why,
    },
};

/// The form as it was filled in; what a provider does not ask for stays empty.
#[derive(Clone, Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    pub(super) address: String,
    #[serde(default)]
    pub(super) user: String,
    #[serde(default)]
    pub(super) secret: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    salt: String,
    #[serde(default)]
    area_code: String,
    /// Which interface of an Asterisk: `ami` or `ari`.
    #[serde(default)]
    pub(super) over: String,
    /// `1`: over TLS.
    #[serde(default)]
    tls: String,
}

impl Typed {
    /// The same with this in place of every secret that was left empty.
    pub(super) fn with_blanks(&self, filled: &str) -> Self {
        let mut typed = self.clone();
        for field in [&mut typed.secret, &mut typed.key, &mut typed.salt] {
            if field.trim().is_empty() {
                filled.clone_into(field);
            }
        }
        typed
    }

    pub(super) fn address(&self) -> &str {
        self.address.trim()
    }

    /// Whether TLS is spoken there.
    pub(super) fn has_tls(&self) -> bool {
        self.tls == "1"
    }

    pub(super) fn area_code(&self) -> &str {
        self.area_code.trim()
    }
}

/// What a form asked for: settings, secrets, and those of them that were made here and are shown once.
pub(super) struct Asked {
    pub(super) values: Values,
    pub(super) secrets: Secrets,
    pub(super) shown: Secrets,
}

/// An account to be set up, and what of it is shown once.
pub(super) struct Read {
    pub(super) account: NewAccount,
    shown: Vec<(&'static str, String)>,
}

/// Secrets that were made here, shown once.
pub(super) struct Shown {
    /// Key and value.
    pub(super) secrets: Vec<(&'static str, String)>,
    /// What came of taking the account over.
    pub(super) read: Reloaded,
}

/// Reads the form; anything that is not exactly what it should be is refused.
pub(super) fn read(site: &Site, typed: &Typed) -> Result<Read, Error> {
    let provider = PROVIDERS.iter().find(|one| one.name == typed.kind);
    let provider = provider.ok_or(Error::NotFound)?;
    let name = name(&typed.name)?;
    if site.accounts.all().iter().any(|one| one.name == name) {
        return Err(Error::Unusable("error-account-taken"));
    }
    let mut asked = asked(provider, typed)?;
    if ["twilio", "sipgate"].contains(&provider.name) {
        let root = site.settings.public_url.trim_end_matches('/');
        let hook = Value::from(format!("{root}/hooks/{name}"));
        asked.values.push(("hook_url", hook));
    }
    let account = NewAccount {
        name,
        kind: provider.name,
        values: asked.values,
        secrets: asked.secrets,
    };
    let shown = asked.shown;
    Ok(Read { account, shown })
}

/// What the provider's form asks for.
pub(super) fn asked(provider: &Provider, typed: &Typed) -> Result<Asked, Error> {
    let mut values = numbers(&typed.area_code)?;
    let mut secrets = Vec::new();
    let mut shown = Vec::new();
    fill(
        provider.name,
        typed,
        &mut values,
        (&mut secrets, &mut shown),
    )?;
    Ok(Asked {
        values,
        secrets,
        shown,
    })
}

/// Settings, by key.
pub(super) type Values = Vec<(&'static str, Value)>;
/// Secrets, by key.
pub(super) type Secrets = Vec<(&'static str, String)>;

/// What an account of this kind has, of what was typed, and secrets that are made here.
fn fill(
    kind: &str,
    typed: &Typed,
    values: &mut Values,
    (secrets, shown): (&mut Secrets, &mut Secrets),
) -> Result<(), Error> {
    match kind {
        "asterisk" => asterisk::fill(typed, values, (secrets, shown))?,
        "mango" => {
            secrets.push(("vpbx_api_key", secret(typed.key.trim())?));
            secrets.push(("vpbx_api_salt", secret(typed.salt.trim())?));
        }
        "sipuni" => {
            make("token", shown, secrets);
            if !typed.user.trim().is_empty() {
                values.push((
                    "user",
                    Value::from(word(&typed.user, "error-account-user")?),
                ));
                secrets.push(("api_secret", secret(typed.secret.trim())?));
            }
        }
        "itoolabs" => {
            make("crm_token", shown, secrets);
            ask_there(typed, values, secrets)?;
        }
        "uis" => {
            make("token", shown, secrets);
            if !typed.secret.trim().is_empty() {
                secrets.push(("access_token", secret(typed.secret.trim())?));
            }
        }
        "twilio" => {
            let sid = word(&typed.user, "error-account-user")?;
            let last = vec![phone(&typed.address)?];
            values.push(("account_sid", Value::from(sid)));
            values.push(("otherwise", Value::from(last)));
            secrets.push(("auth_token", secret(typed.secret.trim())?));
        }
        "zadarma" | "novofon" => {
            make("token", shown, secrets);
            secrets.push(("api_key", secret(typed.key.trim())?));
            secrets.push(("api_secret", secret(typed.secret.trim())?));
        }
        "onlinepbx" => {
            make("token", shown, secrets);
            let domain = word(&typed.user, "error-account-user")?;
            values.push(("domain", Value::from(domain)));
            secrets.push(("api_key", secret(typed.key.trim())?));
        }
        "calltouch" | "zammad" | "sipgate" => make("token", shown, secrets),
        _ => return Err(Error::NotFound),
    }
    Ok(())
}

/// A secret of our own making.
pub(super) fn made() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())
}

/// A secret of our own making, to be shown once.
pub(super) fn make(
    key: &'static str,
    shown: &mut Vec<(&'static str, String)>,
    secrets: &mut Vec<(&'static str, String)>,
) {
    let secret = made();
    shown.push((key, secret.clone()));
    secrets.push((key, secret));
}

/// Where an API is asked, and with which key; nothing if the form names none.
fn ask_there(
    typed: &Typed,
    values: &mut Vec<(&'static str, Value)>,
    secrets: &mut Vec<(&'static str, String)>,
) -> Result<(), Error> {
    if !typed.address.trim().is_empty() {
        values.push(("api_url", Value::from(site_of(&typed.address)?)));
        secrets.push(("api_key", secret(typed.key.trim())?));
    }
    Ok(())
}

/// Writes the account and has it taken over.
pub(super) async fn add(site: &Site, read: Read, by: By) -> Result<Shown, Error> {
    let done = site.configuration.add_account(read.account, by).await;
    Ok(Shown {
        secrets: read.shown,
        read: done.map_err(refusal)?,
    })
}

/// What a page says of an account that could not be written.
pub(super) fn refusal(error: AddError) -> Error {
    Error::Unusable(match error {
        AddError::Off => "error-account-off",
        AddError::Taken => "error-account-taken",
        AddError::Elsewhere => "error-account-elsewhere",
        AddError::Refused => "error-account-refused",
        AddError::Unwritten => "error-account-unwritten",
    })
}

/// The form of a provider.
pub(super) fn form(site: &Site, visitor: &Visitor, provider: &Provider) -> Markup {
    let t = visitor.texts;
    if !site.configuration.adds_accounts() {
        return html! {
            section #account {
                p.problem { (t.say("error-account-off")) }
                pre { code { (snippets::table(provider.name)) } }
            }
        };
    }
    html! {
        section #account {
            h2 { (provider.title) }
            form.stacked action="/setup" method="post" {
                (layout::token(visitor))
                input type="hidden" name="kind" value=(provider.name);
                label { span { (t.say("setup-name")) }
                    input type="text" name="name" value=(provider.name) required
                        maxlength=(NAME_CHARS) autocomplete="off" autocapitalize="off" spellcheck="false"; }
                (inputs(t, provider, None))
                button.primary type="submit" { (t.say("setup-add")) }
            }
        }
    }
}

/// What a provider's account is asked for, filled in with what it has; a secret that it has may stay empty.
pub(super) fn inputs(t: Texts, provider: &Provider, kept: Option<&KeptAccount>) -> Markup {
    let field = |name: &str, text: String, value: &str, required: bool| {
        html! {
            label { span { (text) }
                input type="text" name=(name) value=(kept.map_or(value, |kept| change::value_of(kept, name)))
                    required[required] maxlength=(TEXT_CHARS) autocomplete="off" autocapitalize="off" spellcheck="false"; }
        }
    };
    let hidden = |name: &str, text: String, required: bool| {
        html! {
            label { span { (text) }
                input type="password" name=(name) required[required && kept.is_none()] maxlength=(TEXT_CHARS)
                    autocomplete="off" placeholder=[kept.map(|_| t.say("setup-unchanged"))]; }
        }
    };
    html! {
        @match provider.name {
            "asterisk" => {
                (asterisk::ways(t, kept))
                (field("address", t.say("setup-address"), "127.0.0.1:5038", true))
                (field("user", t.say("setup-user"), "ringcard", true))
                (hidden("secret", t.say("setup-secret"), false))
            }
            "mango" => {
                p.hint { (t.say("setup-mango-where")) }
                (hidden("key", t.say("setup-mango-key"), true))
                (hidden("salt", t.say("setup-mango-salt"), true))
            }
            "itoolabs" => {
                p.hint { (t.say("setup-itoolabs-where")) }
                (field("address", t.say("setup-itoolabs-address"), "", false))
                (hidden("key", t.say("setup-itoolabs-key"), false))
            }
            "sipgate" => { p.hint { (t.say("setup-sipgate-where")) } }
            "zammad" => { p.hint { (t.say("setup-zammad-where")) } }
            "uis" => {
                p.hint { (t.say("setup-uis-where")) }
                (hidden("secret", t.say("setup-uis-secret"), false))
            }
            "calltouch" => { p.hint { (t.say("setup-calltouch-where")) } }
            "onlinepbx" => {
                p.hint { (t.say("setup-onlinepbx-where")) }
                (field("user", t.say("setup-onlinepbx-domain"), "", true))
                (hidden("key", t.say("setup-onlinepbx-key"), true))
            }
            "twilio" => {
                p.hint { (t.say("setup-twilio-where")) }
                (field("user", t.say("setup-twilio-sid"), "", true))
                (hidden("secret", t.say("setup-twilio-token"), true))
                (field("address", t.say("setup-twilio-otherwise"), "", true))
            }
            "zadarma" | "novofon" => {
                p.hint { (t.say("setup-zadarma-where")) }
                (hidden("key", t.say("setup-zadarma-key"), true))
                (hidden("secret", t.say("setup-zadarma-secret"), true))
            }
            _ => {
                p.hint { (t.say("setup-sipuni-where")) }
                (field("user", t.say("setup-sipuni-user"), "", false))
                (hidden("secret", t.say("setup-sipuni-secret"), false))
            }
        }
        (field("area_code", t.say("setup-area"), "", false))
    }
}

/// What stands in the first step beside how the account stands.
pub(super) fn section(
    site: &Site,
    visitor: &Visitor,
    (account, kept): (&Account, Option<&KeptAccount>),
    said: &Said,
) -> Markup {
    let t = visitor.texts;
    let shown = match said {
        Said::Added(shown) => Some((shown, "setup-added")),
        Said::Changed(shown) => Some((shown, "setup-changed")),
        _ => None,
    };
    html! {
        @if let Some((shown, done)) = shown {
            p.done role="status" { (t.say(done)) }
            @if !shown.secrets.is_empty() { p.problem { (t.say("setup-once")) } }
            @if !shown.read.restart.is_empty() {
                p { (t.say("reload-restart")) " " code { (shown.read.restart.join(", ")) } }
            }
        }
        @if let Said::Tried(probe) = said { (verdict(visitor, probe.as_ref())) }
        (snippets::of(site, visitor, (account, kept), shown.map_or(&[], |(shown, _)| shown.secrets.as_slice())))
        @if is_dialled(account) {
            form.inline action={ "/setup/" (account.name) "/test#account" } method="post" {
                (layout::token(visitor))
                button type="submit" { (t.say("setup-test")) }
            }
        }
    }
}

/// What trying the connection has brought, and what to do.
fn verdict(visitor: &Visitor, probe: Option<&Probe>) -> Markup {
    let t = visitor.texts;
    let Some(probe) = probe else {
        return html! { p.problem role="status" data-probe="gone" { (t.say("probe-gone")) } };
    };
    let text = t.word("probe", probe.as_str());
    let class = match probe {
        Probe::Good => "done",
        _ => "problem",
    };
    html! {
        p.(class) role="status" data-probe=(probe.as_str()) {
            (text)
            @match probe {
                Probe::Denied(why) | Probe::Untrusted(why) => { " " small { (why::fault(t, why)) } }
                Probe::Missing(rights) => { " " code { (rights.join(", ")) } }
                _ => {}
            }
        }
    }
}
