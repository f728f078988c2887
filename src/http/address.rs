//! Which hosts and addresses may be asked.
//!
//! Names are checked when they are resolved, so that what is checked is what is dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether a host is the allowed one, or lies below it where the allowed one starts with a dot.
pub(super) fn is_allowed(host: &str, allowed: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let allowed = allowed.to_ascii_lowercase();
    match allowed.strip_prefix('.') {
        Some(parent) => host == parent || host.ends_with(&allowed),
        None => host == allowed,
    }
}

/// The address that a host of an URL is, if it is no name.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// Whether an address belongs to the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// The special ranges of RFC 6890 and its followers.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // RFC 6598: carrier-grade NAT
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)) // RFC 2544: benchmarks
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation();
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let octets = address.octets();
    let embedded = |at: usize| {
        let [a, b, c, d] = [octets[at], octets[at + 1], octets[at + 2], octets[at + 3]];
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match (first, second) {
        (0x0064, 0xff9b) => embedded(12), // RFC 6052: NAT64
        (0x2002, _) => embedded(2),       // RFC 3056: 6to4
        (0x2001, 0x0000 | 0x0db8) => false,
        // Everything routed today lies in 2000::/3.
        _ => first & 0xe000 == 0x2000,
    }
}

/// Resolves names and leaves out what is not public.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicOnly;

/// All addresses of a name were left out.
#[derive(Debug, thiserror::Error)]
#[error("all addresses of the host are private")]
pub(super) struct AllPrivate;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| is_public(address.ip()))
                .collect();
            match public.is_empty() {
                true => Err(AllPrivate.into()),
                false => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_below_an_allowed_one_needs_the_dot() {
        assert!(is_allowed("files.pbx.example", ".pbx.example"));
        assert!(is_allowed("PBX.example", ".pbx.example"));
        assert!(is_allowed("pbx.example", "pbx.example"));
        assert!(!is_allowed("files.pbx.example", "pbx.example"));
        assert!(!is_allowed("evilpbx.example", ".pbx.example"));
    }

    #[test]
    fn special_addresses_are_not_public() {
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "2001::1",
        ];
        for address in private {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "8.8.8.8",
            "2a00:1450:4010::1",
            "64:ff9b::808:808",
            "100.128.0.1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
