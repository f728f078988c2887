//! What must outlive the machine, and what must not outlive its purpose.
//!
//! [`backup`] writes down everything while the gateway runs, [`restore`] proves a backup and brings it
//! back. [`fsck`] compares kept recordings with the database, [`rekey`] seals them with another key. [`erase`] takes
//! a person out of everything, and proves it; [`retention`] lets go of what is no longer needed. [`digest`] names files by what is in them. Leaves out: the SQL (`store`) and where recordings lie
//! (`recordings::vault`).

pub mod backup;
pub mod digest;
pub mod erase;
pub mod fsck;
pub mod manifest;
pub mod rekey;
pub mod restore;
pub mod retention;
