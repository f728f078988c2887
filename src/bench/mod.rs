//! Measures what design promises, and says against what: `ringcard bench ingest|pop|route`.
//!
//! The product's real path is measured (hooks, signature, decoder, writer, live stream) over real
//! sockets; the load generator runs in a thread of its own. Ratios are taken within one round, because
//! absolute figures of a shared machine mean little.

pub mod client;
pub mod load;
pub mod reference;
