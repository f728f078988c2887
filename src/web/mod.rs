//! HTTP: the intake of PBXes, operations, and pages.

pub mod hooks;
pub mod ops;

use std::net::IpAddr;

use axum::http::HeaderMap;

/// The sender's address: behind trusted proxies, the last address none of them has.
pub fn remote(headers: &HeaderMap, peer: IpAddr, trusted: &[IpAddr]) -> IpAddr {
    if !trusted.contains(&peer) {
        return peer;
    }
    let named: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut sender = peer;
    for name in named.iter().rev() {
        match name.trim().parse() {
            Ok(address) => sender = address,
            Err(_) => break,
        }
        if !trusted.contains(&sender) {
            break;
        }
    }
    sender
}
