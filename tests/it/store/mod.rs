//! What the store promises, on both engines.

mod order;
mod read;
mod told;
mod writing;
