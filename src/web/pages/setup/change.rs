//! Changing and removing an account that a page has set up. What stands in the configuration file is changed
//! there. Secrets are never shown back: an empty field leaves the old one.

use axum::{
    Form,
    extract::{Path, State as Extract},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use toml::Value;

use super::{
    Said,
    account::{self, Asked, Secrets, Shown},
    page,
};
use crate::{
    model::ids::AccountName,
    pbx::{PROVIDERS, Provider},
    policy::{Action, Object},
    store::changes::By,
    web::{
        Account, Error, Site, State, Visitor,
        configuration::{AccountChange, KeptAccount},
        demand, layout, sight,
    },
};

/// Settings that a form asks for; left empty, they are taken out.
const ASKED: [&str; 6] = ["address", "user", "api_url", "numbers", "over", "tls"];
/// Settings that mean something only with TLS.
const OF_TLS: [&str; 4] = ["tls_ca", "tls_name", "tls_certificate", "tls_key"];
/// Secrets that mean something only beside a setting, and go with it.
const BESIDE: [&str; 2] = ["api_key", "api_secret"];

/// The form of a change: that of a new account, and whether secrets made here are made anew.
#[derive(Deserialize)]
pub(super) struct Changed {
    #[serde(flatten)]
    typed: account::Typed,
    #[serde(default)]
    renew: u8,
}

/// What is typed to show that the account is meant.
#[derive(Deserialize)]
pub(super) struct Confirmed {
    #[serde(default)]
    name: String,
}

/// Changes it, and shows once what was made anew.
pub(super) async fn change(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(name): Path<String>,
    Form(changed): Form<Changed>,
) -> Result<Markup, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    let (kept, provider) = kept(&site, &name).await?;
    let (change, shown) = read(&AccountName::from(name.as_str()), provider, &kept, &changed)?;
    let by = By::Page(visitor.person.id);
    let done = site.configuration.change_account(change, by).await;
    let read = done.map_err(account::refusal)?;
    sight::audited(
        &site,
        &visitor,
        "change",
        &format!("account:{name}"),
        "changed",
    )
    .await?;
    let secrets = shown;
    page(
        &site,
        &visitor,
        &name,
        &None,
        Said::Changed(Shown { secrets, read }),
    )
    .await
}

/// Removes it, once its name was typed.
pub(super) async fn remove(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(name): Path<String>,
    Form(confirmed): Form<Confirmed>,
) -> Result<Response, Error> {
    demand(&visitor, Action::RunInstallation, &Object::Whole)?;
    kept(&site, &name).await?;
    if confirmed.name.trim() != name {
        return Err(Error::Unusable("error-account-unconfirmed"));
    }
    let by = By::Page(visitor.person.id);
    let account = AccountName::from(name.as_str());
    let done = site.configuration.remove_account(&account, by).await;
    done.map_err(account::refusal)?;
    sight::audited(
        &site,
        &visitor,
        "change",
        &format!("account:{name}"),
        "removed",
    )
    .await?;
    Ok(Redirect::to("/setup").into_response())
}

/// The account as a page has set it up.
async fn kept(site: &Site, name: &str) -> Result<(KeptAccount, &'static Provider), Error> {
    let account = AccountName::from(name);
    if site.accounts.all().iter().all(|one| one.name != account) {
        return Err(Error::NotFound);
    }
    let kept = site.configuration.kept_account(&account).await;
    let kept = kept.ok_or(Error::Unusable("error-account-elsewhere"))?;
    let mut provider = PROVIDERS.iter();
    let provider = provider.find(|one| one.name == kept.kind);
    Ok((kept, provider.ok_or(Error::NotFound)?))
}

/// What is to be changed, and the secrets that are shown once.
fn read(
    name: &AccountName,
    provider: &Provider,
    kept: &KeptAccount,
    changed: &Changed,
) -> Result<(AccountChange, Secrets), Error> {
    // Stands for secrets that were left empty; nobody can have typed it.
    let same = account::made();
    let typed = changed.typed.with_blanks(&same);
    let Asked {
        mut values,
        mut secrets,
        mut shown,
    } = account::asked(provider, &typed)?;
    let is_asked = |key: &str| secrets.iter().any(|(asked, _)| *asked == key);
    let mut cleared: Vec<&'static str> = ASKED.to_vec();
    cleared.extend(BESIDE.iter().filter(|key| !is_asked(key)));
    if !typed.has_tls() {
        cleared.extend(OF_TLS);
    }
    if area_code(kept) == changed.typed.area_code() {
        // The plan may say more than the form can.
        cleared.retain(|key| *key != "numbers");
        values.retain(|(key, _)| *key != "numbers");
    }
    if last(kept).is_some_and(|last| typed.address() == last) {
        values.retain(|(key, _)| *key != "otherwise"); // there may be more of them
    }
    if changed.renew != 1 {
        secrets.retain(|(key, _)| shown.iter().all(|(made, _)| made != key));
        shown.clear();
    }
    secrets.retain(|(_, secret)| *secret != same);
    let change = AccountChange {
        name: name.clone(),
        cleared,
        values,
        secrets,
    };
    Ok((change, shown))
}

fn area_code(kept: &KeptAccount) -> &str {
    let plan = kept.values.get("numbers");
    let code = plan.and_then(|plan| plan.get("area_code"));
    code.and_then(Value::as_str).unwrap_or_default()
}

/// Who rings for want of others: the first of them, for whom the form has room.
fn last(kept: &KeptAccount) -> Option<&str> {
    kept.values.get("otherwise")?.get(0)?.as_str()
}

/// Whether TLS is spoken with it.
pub(super) fn has_tls(kept: &KeptAccount) -> bool {
    kept.values.get("tls").and_then(Value::as_bool) == Some(true)
}

/// What an account has for a field of the form.
pub(super) fn value_of<'a>(kept: &'a KeptAccount, field: &str) -> &'a str {
    let named = |key: &str| kept.values.get(key).and_then(Value::as_str);
    let value = match field {
        "area_code" => Some(area_code(kept)),
        "address" => named("address").or_else(|| named("api_url")).or(last(kept)),
        "user" => (named("user").or_else(|| named("domain"))).or_else(|| named("account_sid")),
        _ => named(field),
    };
    value.unwrap_or_default()
}

/// The forms by which it is changed and removed, or where that is done.
pub(super) fn section(visitor: &Visitor, account: &Account, kept: Option<&KeptAccount>) -> Markup {
    let t = visitor.texts;
    let provider = PROVIDERS.iter().find(|one| one.name == account.kind);
    let Some((kept, provider)) = kept.zip(provider) else {
        return html! { p.hint data-kept="file" { (t.say("setup-elsewhere")) } };
    };
    let name = account.name.as_str();
    html! {
        details data-kept="page" {
            summary { (t.say("setup-change")) }
            p.hint { (t.say("setup-change-hint")) }
            form.stacked action={ "/setup/" (name) "/change#account" } method="post" {
                (layout::token(visitor))
                (account::inputs(t, provider, Some(kept)))
                label { input type="checkbox" name="renew" value="1"; " " (t.say("setup-renew")) }
                button.primary type="submit" { (t.say("setup-change")) }
            }
        }
        details {
            summary { (t.say("setup-remove")) }
            p.hint { (t.say("setup-remove-hint")) }
            form.inline action={ "/setup/" (name) "/remove" } method="post" {
                (layout::token(visitor))
                label { span { (t.fill("setup-remove-name", &[("account", name.into())])) }
                    input type="text" name="name" required autocomplete="off" autocapitalize="off" spellcheck="false"; }
                button type="submit" { (t.say("setup-remove")) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change_of(
        kind: &str,
        kept: &str,
        secrets: &[&str],
        typed: &[(&str, &str)],
    ) -> AccountChange {
        let kept = KeptAccount {
            kind: kind.to_owned(),
            values: kept.parse().unwrap(),
            secrets: secrets.iter().map(|key| (*key).to_owned()).collect(),
        };
        let provider = PROVIDERS.iter().find(|one| one.name == kind).unwrap();
        let typed: toml::Table = typed
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Value::from(*value)))
            .collect();
        let changed = Changed {
            typed: typed.try_into().unwrap(),
            renew: 0,
        };
        let name = AccountName::from("a");
        let read = read(&name, provider, &kept, &changed);
        read.unwrap_or_else(|_| panic!("{kind} can be changed")).0
    }

    #[test]
    fn what_is_left_empty_keeps_its_secret_and_loses_its_setting() {
        let same = change_of(
            "mango",
            "",
            &["vpbx_api_key", "vpbx_api_salt"],
            &[("salt", "new")],
        );
        assert_eq!(same.secrets, [("vpbx_api_salt", "new".to_owned())]);
        assert!(same.values.is_empty());

        // The token stands at the PBX: nobody makes it anew who does not say so.
        let kept = "user = \"1\"\nclick_ring_s = 20\n";
        let none = change_of("sipuni", kept, &["token", "api_secret"], &[]);
        assert!(none.secrets.is_empty() && none.values.is_empty());
        assert!(none.cleared.contains(&"user") && none.cleared.contains(&"api_secret"));
        let user = change_of("sipuni", kept, &["token", "api_secret"], &[("user", "2")]);
        assert!(user.secrets.is_empty() && !user.cleared.contains(&"api_secret"));
        assert_eq!(user.values, [("user", Value::from("2"))]);
    }

    #[test]
    fn who_rings_for_want_of_others_stays_while_the_first_does() {
        let kept = "account_sid = \"AC1\"\notherwise = [\"+74950000031\", \"302\"]\n";
        let typed = |phone| {
            let typed = [("user", "AC2"), ("address", phone)];
            change_of("twilio", kept, &["auth_token"], &typed).values
        };
        let user = ("account_sid", Value::from("AC2"));
        assert_eq!(typed("+74950000031"), std::slice::from_ref(&user));
        let other = Value::from(vec!["+74950000032"]);
        assert_eq!(typed("+74950000032"), [user, ("otherwise", other)]);
    }

    #[test]
    fn without_tls_nothing_of_tls_stays() {
        let kept = "address = \"pbx:8089\"\nover = \"ari\"\ntls = true\ntls_ca = \"ca.pem\"\n";
        let typed = [("address", "pbx:8089"), ("user", "a"), ("over", "ari")];
        let secrets = ["secret", "route_token"];
        let plain = change_of("asterisk", kept, &secrets, &typed);
        for key in ["tls", "tls_ca", "tls_name", "over"] {
            assert!(plain.cleared.contains(&key), "{key}");
        }
        let named = |key: &str| plain.values.iter().any(|(set, _)| *set == key);
        assert!(named("over") && !named("tls"));
    }

    #[test]
    fn a_plan_of_numbers_stays_while_its_area_code_does() {
        let kept = "numbers = { country = \"RU\", area_code = \"495\", own = 3 }\n";
        let same = change_of("uis", kept, &["token"], &[("area_code", "495")]);
        assert!(!same.cleared.contains(&"numbers") && same.values.is_empty());
        let other = change_of("uis", kept, &["token"], &[("area_code", "812")]);
        assert!(other.cleared.contains(&"numbers") && other.values.len() == 1);
    }
}
