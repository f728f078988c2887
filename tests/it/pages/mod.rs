//! Stories of people at their pages: sign-in, rights, pops, journal, calls, figures.

mod audit;
mod calls;
mod channels;
mod health;
mod journal;
mod keep;
mod letters;
pub mod lines;
mod lost;
mod marks;
mod merging;
pub mod office;
mod outside;
mod people;
mod pops;
mod postgres;
mod purged;
mod recorded;
mod rights;
mod sign_in;
mod trace;
mod why;
