//! Stories through real sockets and real parts: one file per story, one binary so that it links once.

mod api;
mod asterisk;
mod cli;
mod clouds;
mod config;
mod demo;
mod deploy;
mod dialled;
mod hooks;
mod keeping;
mod ops;
mod outside;
mod pages;
mod recordings;
mod reload;
mod server;
mod setup;
mod store;
mod support;
