//! The table of pages: path, method, who may come in, and the handler. The router is built from it, and
//! the rights test walks it.

use axum::routing::MethodRouter;

use super::{State, pages};
use crate::policy::Action;

/// Who may come in at all. What a handler shows of an object it decides by `policy::can` again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, signed in or not.
    Public,
    /// Whoever has this right at any reach.
    Right(Action),
}

/// One page or form.
#[derive(Clone, Copy)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path as axum writes it.
    pub path: &'static str,
    /// Who may come in.
    pub access: Access,
    /// Makes the handler.
    pub handler: fn() -> MethodRouter<State>,
}

impl Route {
    /// A page.
    pub const fn get(
        path: &'static str,
        access: Access,
        handler: fn() -> MethodRouter<State>,
    ) -> Self {
        Self {
            method: "GET",
            path,
            access,
            handler,
        }
    }

    /// A form.
    pub const fn post(
        path: &'static str,
        access: Access,
        handler: fn() -> MethodRouter<State>,
    ) -> Self {
        Self {
            method: "POST",
            path,
            access,
            handler,
        }
    }
}

/// Every page, in reading order.
pub fn all() -> impl Iterator<Item = &'static Route> {
    [
        pages::sign_in::ROUTES,
        pages::desk::ROUTES,
        pages::pop::ROUTES,
        pages::stream::ROUTES,
        pages::journal::ROUTES,
        pages::call::ROUTES,
        pages::player::ROUTES,
        pages::card::ROUTES,
        pages::cards::ROUTES,
        pages::merging::ROUTES,
        pages::marks::ROUTES,
        pages::keep::ROUTES,
        pages::dial::ROUTES,
        pages::lost::ROUTES,
        pages::lines::ROUTES,
        pages::recorded::ROUTES,
        pages::channels::ROUTES,
        pages::visits::ROUTES,
        pages::people::ROUTES,
        pages::audit::ROUTES,
        pages::changes::ROUTES,
        pages::purged::ROUTES,
        pages::health::ROUTES,
        pages::accounts::ROUTES,
        pages::account::ROUTES,
        pages::setup::ROUTES,
        pages::reload::ROUTES,
        pages::outside::ROUTES,
        pages::me::ROUTES,
        pages::tokens::ROUTES,
        pages::docs::ROUTES,
        pages::assets::ROUTES,
    ]
    .into_iter()
    .flatten()
}
