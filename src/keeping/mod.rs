//! What must outlive the machine, and what must not outlive its purpose.
//!
//! [`backup`] writes down everything while the gateway runs, [`restore`] proves a backup and brings it
//! back. [`digest`] names files by what is in them. Leaves out: the SQL (`store`) and where recordings lie
//! (`recordings::vault`).

pub mod backup;
pub mod digest;
pub mod manifest;
pub mod restore;
