//! What has to be entered at the PBX, filled in with this account's names. Secrets stand in it once,
//! right after they were made; later a word stands in their place.

use maud::{Markup, html};

use super::asterisk;
use crate::{
    pbx::uis,
    web::{Account, Site, Visitor, configuration::KeptAccount, i18n::Texts},
};

/// What to enter for this account.
pub(super) fn of(
    site: &Site,
    visitor: &Visitor,
    (account, kept): (&Account, Option<&KeptAccount>),
    secrets: &[(&'static str, String)],
) -> Markup {
    let t = visitor.texts;
    let root = site.settings.public_url.trim_end_matches('/');
    let hook = format!("{root}/hooks/{}", account.name);
    let secret = |key: &str| {
        let known = secrets.iter().find(|(known, _)| *known == key);
        known.map_or_else(|| t.say("setup-secret-kept"), |(_, value)| value.clone())
    };
    match account.kind {
        "asterisk" => html! {
            details open[!secrets.is_empty()] {
                summary { (t.say("setup-asterisk-enter")) }
                (asterisk::entered(t, &hook, (&secret("secret"), &secret("route_token")), kept))
            }
        },
        "mango" => html! {
            p { (t.say("setup-mango-paste")) }
            (copied(t, &hook))
            p.hint { (t.say("setup-mango-events")) }
        },
        "onlinepbx" => html! {
            p { (t.say("setup-onlinepbx-paste")) }
            (copied(t, &format!("{hook}/{}", secret("token"))))
        },
        "twilio" => html! {
            p { (t.say("setup-twilio-paste")) }
            @for path in ["voice", "fallback", "status"] { (copied(t, &format!("{hook}/{path}"))) }
        },
        "sipuni" => html! {
            p { (t.say("setup-sipuni-paste")) }
            (copied(t, &format!("{hook}/{}", secret("token"))))
        },
        "zadarma" | "novofon" => html! {
            p { (t.say("setup-zadarma-paste")) }
            (copied(t, &format!("{hook}/{}", secret("token"))))
        },
        "calltouch" => html! {
            p { (t.say("setup-calltouch-paste")) }
            (copied(t, &format!("{hook}/{}", secret("token"))))
        },
        "sipgate" => html! {
            p { (t.say("setup-sipgate-paste")) }
            (copied(t, &format!("{hook}/{}", secret("token"))))
        },
        "zammad" => html! {
            p { (t.say("setup-zammad-paste")) }
            (copied(t, &format!("{hook}/{}", secret("token"))))
        },
        "itoolabs" => html! {
            p { (t.say("setup-itoolabs-paste")) }
            (copied(t, &hook))
            (copied(t, &secret("crm_token")))
        },
        "uis" => notifications(
            t,
            &format!("{hook}/{}", secret("token")),
            !secrets.is_empty(),
        ),
        _ => html! {},
    }
}

/// The notifications of UIS, each with its address and its body.
fn notifications(t: Texts, root: &str, is_fresh: bool) -> Markup {
    html! {
        details open[is_fresh] {
            summary { (t.say("setup-uis-paste")) }
            ol { @for (title, name, body) in uis::templates::all() {
                li data-template=(name) { (title)
                    (copied(t, &format!("{root}/{name}")))
                    (copied(t, &body))
                }
            } }
            p { (t.say("setup-uis-route")) }
            (copied(t, &format!("{root}/route")))
        }
    }
}

/// Text to be taken over, with a button where there is script.
pub(super) fn copied(t: Texts, text: &str) -> Markup {
    html! {
        pre { code { (text) } }
        button type="button" hidden data-copy=(text) { (t.say("copy-number")) }
    }
}

/// The table for the configuration file, where pages may not add accounts.
pub(super) const fn table(kind: &str) -> &'static str {
    match kind.as_bytes() {
        b"asterisk" => {
            "[[pbx]]\nname = \"office\"\ntype = \"asterisk\"\naddress = \"127.0.0.1:5038\"\nuser = \"ringcard\"\n\
             secret = \"file:/etc/ringcard/office-secret\"\nroute_token = \"file:/etc/ringcard/office-token\"\n"
        }
        b"mango" => {
            "[[pbx]]\nname = \"mango\"\ntype = \"mango\"\nvpbx_api_key = \"file:/etc/ringcard/mango-key\"\n\
             vpbx_api_salt = \"file:/etc/ringcard/mango-salt\"\n"
        }
        b"itoolabs" => {
            "[[pbx]]\nname = \"megafon\"\ntype = \"itoolabs\"\ncrm_token = \"file:/etc/ringcard/megafon-token\"\n"
        }
        b"zadarma" => {
            "[[pbx]]\nname = \"zadarma\"\ntype = \"zadarma\"\ntoken = \"file:/etc/ringcard/zadarma-token\"\n\
             api_key = \"file:/etc/ringcard/zadarma-key\"\napi_secret = \"file:/etc/ringcard/zadarma-secret\"\n"
        }
        b"novofon" => {
            "[[pbx]]\nname = \"novofon\"\ntype = \"novofon\"\ntoken = \"file:/etc/ringcard/novofon-token\"\n\
             api_key = \"file:/etc/ringcard/novofon-key\"\napi_secret = \"file:/etc/ringcard/novofon-secret\"\n"
        }
        b"onlinepbx" => {
            "[[pbx]]\nname = \"onlinepbx\"\ntype = \"onlinepbx\"\ntoken = \"file:/etc/ringcard/onlinepbx-token\"\n\
             domain = \"pbx000001.onpbx.ru\"\napi_key = \"file:/etc/ringcard/onlinepbx-key\"\n"
        }
        b"twilio" => {
            "[[pbx]]\nname = \"twilio\"\ntype = \"twilio\"\nhook_url = \"https://calls.example.com/hooks/twilio\"\n\
             account_sid = \"AC...\"\nauth_token = \"file:/etc/ringcard/twilio-token\"\notherwise = [\"+74950000031\"]\n"
        }
        b"calltouch" => {
            "[[pbx]]\nname = \"ads\"\ntype = \"calltouch\"\ntoken = \"file:/etc/ringcard/ads-token\"\n"
        }
        b"sipgate" => {
            "[[pbx]]\nname = \"berlin\"\ntype = \"sipgate\"\nhook_url = \"https://calls.example.com/hooks/berlin\"\n\
             token = \"file:/etc/ringcard/sipgate-token\"\n"
        }
        b"zammad" => {
            "[[pbx]]\nname = \"helpdesk-line\"\ntype = \"zammad\"\ntoken = \"file:/etc/ringcard/zammad-token\"\n"
        }
        b"uis" => {
            "[[pbx]]\nname = \"uis\"\ntype = \"uis\"\ntoken = \"file:/etc/ringcard/uis-token\"\n\
             access_token = \"file:/etc/ringcard/uis-access-token\"\n"
        }
        _ => {
            "[[pbx]]\nname = \"sipuni\"\ntype = \"sipuni\"\ntoken = \"file:/etc/ringcard/sipuni-token\"\n"
        }
    }
}
