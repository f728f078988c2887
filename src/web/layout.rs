//! The page around every page: head, navigation, messages, and small pieces many pages use.

use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::{Guest, Site, Visitor, csrf, i18n::Language, i18n::Texts, pages::assets};
use crate::policy::{self, Action, Object};

/// Cookie with the language of somebody who is not signed in.
pub const LANGUAGE_COOKIE: &str = "ringcard_language";

/// Places in the navigation: text key, address, and the right that shows it.
const PLACES: &[(Place, &str, Action)] = &[
    (Place::Desk, "/", Action::UseDesk),
    (Place::Journal, "/calls", Action::SeeCalls),
    (Place::Cards, "/cards", Action::SeeCards),
    (Place::Lost, "/lost", Action::Supervise),
    (Place::Lines, "/lines", Action::SeeFigures),
    (Place::People, "/people", Action::ManagePeople),
    (Place::Accounts, "/accounts", Action::RunInstallation),
    (Place::Outside, "/outside", Action::RunInstallation),
];

/// Where a page stands in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The desk.
    Desk,
    /// The journal and its calls.
    Journal,
    /// Clients' cards.
    Cards,
    /// Clients never reached.
    Lost,
    /// Lines and channels.
    Lines,
    /// People and what they did.
    People,
    /// Accounts and dead letters.
    Accounts,
    /// Webhooks and mail.
    Outside,
    /// Own settings; not among the places.
    Me,
}

impl Place {
    const fn key(self) -> &'static str {
        match self {
            Self::Desk => "nav-desk",
            Self::Journal => "nav-journal",
            Self::Cards => "nav-cards",
            Self::Lost => "nav-lost",
            Self::Lines => "nav-lines",
            Self::People => "nav-people",
            Self::Accounts => "nav-accounts",
            Self::Outside => "nav-outside",
            Self::Me => "nav-me",
        }
    }
}

/// A page for somebody who is signed in.
pub fn page(visitor: &Visitor, place: Place, title: &str, content: &Markup) -> Markup {
    page_with_pops(visitor, place, title, content, &html! {})
}

/// A page that shows pops before any script runs.
pub fn page_with_pops(
    visitor: &Visitor,
    place: Place,
    title: &str,
    content: &Markup,
    pops: &Markup,
) -> Markup {
    let t = visitor.texts;
    let body = html! {
        a.skip href="#main" { (t.say("skip-to-content")) }
        header.top {
            a.brand href="/" { "Ringcard" }
            nav aria-label=(t.say("nav-label")) {
                @for (other, address, action) in PLACES {
                    @if policy::can(&visitor.person, *action, &Object::Whole).is_allowed() {
                        a href=(address) aria-current=[(*other == place).then_some("page")] {
                            (t.say(other.key()))
                        }
                    }
                }
            }
            @if policy::can(&visitor.person, Action::SeeCards, &Object::Whole).is_allowed() { form.search action="/cards" method="get" role="search" {
                input type="search" name="q" aria-label=(t.say("search-label"))
                    placeholder=(t.say("search-placeholder")) data-key="/";
            } }
            (language_form(visitor))
            a.me href="/me" aria-current=[(place == Place::Me).then_some("page")] { (visitor.person.name) }
            form action="/sign-out" method="post" {
                (token(visitor))
                button.quiet type="submit" { (t.say("sign-out")) }
            }
        }
        main #main { (content) }
        section #pops aria-label=(t.say("pops-label")) { (pops) }
        div #say.visually-hidden aria-live="assertive" {}
        div #connection.connection hidden role="status" { (t.say("connection-lost")) }
    };
    document(t, title, Some(&visitor.csrf), &body)
}

/// A page for somebody who may not be signed in.
pub fn guest_page(guest: &Guest, title: &str, content: &Markup) -> Markup {
    guest_frame(guest, title, &html! { main #main.narrow { (content) } })
}

/// The same for a page with tables.
pub fn wide_guest_page(guest: &Guest, title: &str, content: &Markup) -> Markup {
    guest_frame(guest, title, &html! { main #main { (content) } })
}

fn guest_frame(guest: &Guest, title: &str, main: &Markup) -> Markup {
    let t = guest.texts;
    let body = html! {
        header.top.guest {
            a.brand href="/" { "Ringcard" }
            nav.languages aria-label=(t.say("language-label")) {
                @for language in Language::ALL {
                    a href={ "?language=" (language.code()) } lang=(language.code())
                        aria-current=[(language == t.language).then_some("true")] { (language.title()) }
                }
            }
        }
        (main)
    };
    document(t, title, None, &body)
}

/// The page of an error, in the frame the person is used to.
pub fn error_page(
    _site: &Site,
    guest: &Guest,
    visitor: Option<&Visitor>,
    status: StatusCode,
    key: &'static str,
) -> Markup {
    let t = guest.texts;
    let title = t.say("error-title");
    let content = html! {
        section.error {
            p.code { (status.as_u16()) }
            h1 { (t.say(key)) }
            p { a href="/" { (t.say("error-home")) } }
        }
    };
    match visitor {
        Some(visitor) => page(visitor, Place::Me, &title, &content),
        None => guest_page(guest, &title, &content),
    }
}

fn document(t: Texts, title: &str, csrf: Option<&str>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(t.language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(csrf) = csrf {
                    meta name="csrf" content=(csrf);
                }
                title { (title) " · Ringcard" }
                link rel="icon" href=(assets::address("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(assets::address("app.css"));
                @if csrf.is_some() {
                    script type="module" src=(assets::address("app.js")) {}
                }
            }
            body { (body) }
        }
    }
}

/// The hidden field that every form must carry.
pub fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(csrf::FIELD) value=(visitor.csrf); }
}

/// Switches the language of the person's pages.
fn language_form(visitor: &Visitor) -> Markup {
    let t = visitor.texts;
    html! {
        form.languages action="/me/language" method="post" aria-label=(t.say("language-label")) {
            (token(visitor))
            input type="hidden" name="next" value=(visitor.path);
            @for language in Language::ALL {
                button.quiet type="submit" name="language" value=(language.code())
                    lang=(language.code()) aria-pressed=(language == t.language)
                    title=(language.title()) { (language.code().to_uppercase()) }
            }
        }
    }
}
