//! What the outside is told: webhooks that fail, answer slowly, lead elsewhere or are replayed; mail;
//! and what is left of it all after a crash.

mod crash;
mod mail;
pub mod story;
mod webhooks;
