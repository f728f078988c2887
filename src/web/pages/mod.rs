//! One file per page: its routes, handlers, what it shows, and the markup.

pub mod accounts;
pub mod assets;
pub mod call;
pub mod card;
pub mod cards;
pub mod changes;
pub mod channels;
pub mod desk;
pub mod dial;
pub mod docs;
pub mod facts;
pub mod health;
pub mod journal;
pub mod keep;
pub mod lines;
pub mod lost;
pub mod marks;
pub mod me;
pub mod outside;
pub mod player;
pub mod pop;
pub mod reload;
pub mod sign_in;
pub mod stream;
pub mod tokens;
