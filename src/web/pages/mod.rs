//! One file per page: its routes, handlers, what it shows, and the markup.

pub mod assets;
pub mod desk;
pub mod me;
pub mod pop;
pub mod sign_in;
pub mod stream;
