//! What must outlive the machine, and what must not outlive its purpose.

mod backup;
mod erase;
mod holds;
mod place;
mod retention;
mod stock;
mod upgrade;
