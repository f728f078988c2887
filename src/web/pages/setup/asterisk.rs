//! What is special about setting up an Asterisk: two interfaces, over TLS or not, and files to be written there.

use maud::{Markup, html};
use toml::Value;

use super::{
    account::{Secrets, Typed, Values, made, make},
    change,
    snippets::copied,
    strict::{address, secret, word},
};
use crate::web::{Error, configuration::KeptAccount, i18n::Texts};

/// The files of `deploy/asterisk`, which are copied as they are.
const DIALPLAN: (&str, &str) = (
    "extensions_ringcard.conf",
    include_str!("../../../../deploy/asterisk/extensions_ringcard.conf"),
);
const MANAGER: (&str, &str) = (
    "manager_ringcard.conf",
    include_str!("../../../../deploy/asterisk/manager_ringcard.conf"),
);
const ARI: (&str, &str) = (
    "ari_ringcard.conf",
    include_str!("../../../../deploy/asterisk/ari_ringcard.conf"),
);

/// Its interfaces.
const OVER: [&str; 2] = ["ami", "ari"];

/// What an account has of what was typed; the secret is made here if none was.
pub(super) fn fill(
    typed: &Typed,
    values: &mut Values,
    (secrets, shown): (&mut Secrets, &mut Secrets),
) -> Result<(), Error> {
    match typed.over.as_str() {
        "" | "ami" => {}
        "ari" => values.push(("over", Value::from("ari"))),
        _ => return Err(Error::NotFound),
    }
    if typed.has_tls() {
        values.push(("tls", Value::from(true)));
    }
    let user = word(&typed.user, "error-account-user")?;
    values.push(("address", Value::from(address(&typed.address)?)));
    values.push(("user", Value::from(user)));
    match typed.secret.trim() {
        "" => {
            let secret = made();
            shown.push(("secret", secret.clone()));
            secrets.push(("secret", secret));
        }
        given => secrets.push(("secret", secret(given)?)),
    }
    make("route_token", shown, secrets);
    Ok(())
}

/// Asks which interface it is, and whether TLS is spoken there.
pub(super) fn ways(t: Texts, kept: Option<&KeptAccount>) -> Markup {
    let chosen = kept.map_or("", |kept| change::value_of(kept, "over"));
    html! {
        label { span { (t.say("setup-over")) }
            select name="over" {
                @for over in OVER {
                    option value=(over) selected[chosen == over] { (t.word("setup-over", over)) }
                }
            } }
        label { input type="checkbox" name="tls" value="1" checked[kept.is_some_and(change::has_tls)];
            " " (t.say("setup-tls")) }
    }
}

/// The files that are copied, then what is written into those that are there.
pub(super) fn entered(
    t: Texts,
    hook: &str,
    (secret, token): (&str, &str),
    kept: Option<&KeptAccount>,
) -> Markup {
    // Of an account that stands in the configuration file only that file says which interface it is.
    let over = kept.map(|kept| match change::value_of(kept, "over") {
        "" => "ami",
        over => over,
    });
    let (by_ami, by_ari) = (over != Some("ari"), over != Some("ami"));
    let interface = [(by_ami, MANAGER), (by_ari, ARI)];
    let interface = interface.into_iter().filter(|(is_it, _)| *is_it);
    let files = interface.map(|(_, file)| file).chain([DIALPLAN]);
    let globals = format!(
        "[globals]\nRINGCARD_URL={hook}\nRINGCARD_TOKEN={token}\nRINGCARD_DIAL=PJSIP/\n\
         RINGCARD_DIAL_TAIL=\nRINGCARD_RECORD=yes\n\n#include \"extensions_ringcard.conf\"\n"
    );
    let trunk = "[from-trunk]\nexten => _X.,1,Gosub(ringcard,s,1(${EXTEN}))\n same => n,Dial(PJSIP/201,30) ; as it was\n";
    let has_tls = kept.is_some_and(change::has_tls);
    html! {
        ol {
            li { (t.say("setup-asterisk-files")) " "
                @for (name, text) in files {
                    details { summary { code { "/etc/asterisk/" (name) } } (copied(t, text)) }
                }
            }
            @if by_ami { li { (t.say("setup-asterisk-manager")) (copied(t, &manager(secret, has_tls))) } }
            @if by_ari {
                li { (t.say("setup-asterisk-http")) (copied(t, &http(has_tls))) }
                li { (t.say("setup-asterisk-ari")) (copied(t, &ari(secret))) }
            }
            li { (t.say("setup-asterisk-globals")) (copied(t, &globals)) }
            li { (t.say("setup-asterisk-trunk")) (copied(t, trunk)) }
            li { (t.say("setup-asterisk-reload"))
                (copied(t, match by_ari {
                    true => "asterisk -rx 'core restart gracefully'",
                    false => "asterisk -rx 'manager reload' ; asterisk -rx 'dialplan reload'",
                }))
            }
        }
        p.hint { (t.say("setup-asterisk-more")) }
    }
}

/// `manager.conf`.
fn manager(secret: &str, has_tls: bool) -> String {
    let tls = match has_tls {
        true => {
            "tlsenable = yes\ntlsbindaddr = 127.0.0.1:5039\ntlscertfile = /etc/asterisk/keys/asterisk.pem\n"
        }
        false => "",
    };
    format!(
        "[general]\nenabled = yes\nport = 5038\nbindaddr = 127.0.0.1\n{tls}timestampevents = yes\n\n\
         #include \"manager_ringcard.conf\"\n\n\
         [ringcard](ringcard-rights)\nsecret = {secret}\ndeny = 0.0.0.0/0.0.0.0\n\
         permit = 127.0.0.1/255.255.255.255\n"
    )
}

/// `http.conf`.
fn http(has_tls: bool) -> String {
    let tls = match has_tls {
        true => {
            "tlsenable = yes\ntlsbindaddr = 127.0.0.1:8089\ntlscertfile = /etc/asterisk/keys/asterisk.pem\n"
        }
        false => "",
    };
    format!("[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = 8088\n{tls}")
}

/// `ari.conf`.
fn ari(secret: &str) -> String {
    format!("#include \"ari_ringcard.conf\"\n\n[ringcard](ringcard-hears)\npassword = {secret}\n")
}
