//! Which links are followed, by us and by workers: a worker's output, a caller's webhook and a
//! caller's input may name any address, and each of us is inside a network.
//!
//! Only https, and only to public addresses. A name is judged as it is written: the edge has no
//! private network behind it, and a name that resolves to a private address leads nowhere there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;
use url::{Host, Url};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Forbidden {
    #[error("is no URL")]
    NotAUrl,
    #[error("is not https")]
    NotHttps,
    #[error("carries a user name")]
    UserInfo,
    #[error("leads to an address that is not public")]
    NotPublic,
}

/// Names that are never public (RFC 6761, 6762, 8375 and 9476, and what clouds and routers use).
const PRIVATE_SUFFIXES: [&str; 8] = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home.arpa",
    "test",
    "alt",
];

/// Addresses of version 4 that are not public (IANA, IPv4 special-purpose address registry, and
/// multicast): the first address and how many of its bits count.
const PRIVATE_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Parts of `2000::/3` that are not public or hide an address of version 4: Teredo and other
/// protocols' addresses, examples, 6to4. Outside of `2000::/3` nothing is public.
const PRIVATE_V6: [([u16; 2], u32); 4] = [
    ([0x2001, 0x0000], 23),
    ([0x2001, 0x0db8], 32),
    ([0x2002, 0x0000], 16),
    ([0x3fff, 0x0000], 20),
];

/// The link, if it may be followed. `may_loop_back`: this machine may be asked, too, also without
/// https, because it plays the provider.
pub fn check(link: &str, may_loop_back: bool) -> Result<Url, Forbidden> {
    let url = Url::parse(link).map_err(|_| Forbidden::NotAUrl)?;
    let host = url.host().ok_or(Forbidden::NotAUrl)?;
    let is_own = may_loop_back && loops_back(&host);
    if url.scheme() != "https" && !(is_own && url.scheme() == "http") {
        return Err(Forbidden::NotHttps);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Forbidden::UserInfo);
    }
    if is_own || is_public(&host) {
        Ok(url)
    } else {
        Err(Forbidden::NotPublic)
    }
}

fn loops_back(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
    }
}

fn is_public(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_public_name(name),
        Host::Ipv4(address) => is_public_v4(*address),
        Host::Ipv6(address) => is_public_v6(*address),
    }
}

fn is_public_name(name: &str) -> bool {
    // The dot of a full name changes nothing about where it leads.
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_below = |suffix: &&str| {
        let above = name.strip_suffix(*suffix);
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    };
    name.contains('.') && !PRIVATE_SUFFIXES.iter().any(is_below)
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let address = u32::from(address);
    let is_in =
        |(first, bits): &([u8; 4], u32)| (address ^ u32::from_be_bytes(*first)) >> (32 - bits) == 0;
    !PRIVATE_V4.iter().any(is_in)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let leading = |[a, b]: [u16; 2]| (u32::from(a) << 16) | u32::from(b);
    let own = leading([a, b]);
    let is_in = |(first, bits): &([u16; 2], u32)| (own ^ leading(*first)) >> (32 - bits) == 0;
    own >> 29 == 1 && !PRIVATE_V6.iter().any(is_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_all(links: &[&str], expected: Result<(), Forbidden>) {
        for link in links {
            assert_eq!(check(link, false).map(|_| ()), expected, "{link}");
        }
    }

    #[test]
    fn public_links_are_followed() {
        check_all(
            &[
                "https://bucket.s3.eu-central-1.amazonaws.com/a.png?X-Amz-Signature=1",
                "https://files.example.com:9000/a",
                "https://files.example.com./a",
                "https://8.8.8.8/a",
                "https://172.32.0.1/",
                "https://100.128.0.1/",
                "https://[2606:4700::1111]/",
                "https://notlocalhost.example/",
                "https://internal.example.com/",
                "HTTPS://EXAMPLE.COM/",
            ],
            Ok(()),
        );
    }

    #[test]
    fn no_notation_of_a_private_address_is_followed() {
        check_all(
            &[
                "https://127.0.0.1/",
                "https://127.1/",
                "https://2130706433/",
                "https://0x7f000001/",
                "https://0x7f.1/",
                "https://0177.0.0.1/",
                "https://017700000001/",
                "https://127.0.0.1./",
                "https://%31%32%37.0.0.1/",
                "https://0/",
                "https://10.1.2.3/",
                "https://172.31.255.255/",
                "https://192.168.0.1/",
                "https://100.64.0.1/",
                "https://169.254.169.254/latest/meta-data/",
                "https://2852039166/latest/meta-data/",
                "https://0xa9fea9fe/",
                "https://0251.0376.0251.0376/",
                "https://192.0.0.192/",
                "https://198.18.0.1/",
                "https://224.0.0.1/",
                "https://255.255.255.255/",
                "https://[::]/",
                "https://[::1]/",
                "https://[0:0:0:0:0:0:0:1]/",
                "https://[::ffff:127.0.0.1]/",
                "https://[::ffff:a9fe:a9fe]/",
                "https://[::127.0.0.1]/",
                "https://[64:ff9b::a9fe:a9fe]/",
                "https://[2002:a9fe:a9fe::1]/",
                "https://[2001::1]/",
                "https://[fe80::1]/",
                "https://[fc00::1]/",
                "https://[fd00:ec2::254]/",
                "https://[ff02::1]/",
                "https://localhost/",
                "https://localhost./",
                "https://LOCALHOST/",
                "https://a.localhost/",
                "https://printer.local/",
                "https://metadata.google.internal/computeMetadata/v1/",
                "https://metadata/",
                "https://router.home.arpa/",
            ],
            Err(Forbidden::NotPublic),
        );
    }

    #[test]
    fn digits_of_other_scripts_lead_nowhere() {
        for link in ["https://１２７.0.0.1/", "https://127。0。0。1/"] {
            assert!(check(link, false).is_err(), "{link}");
        }
    }

    #[test]
    fn only_https_without_a_user_is_followed() {
        check_all(
            &[
                "http://example.com/",
                "ftp://example.com/",
                "http://127.0.0.1/",
            ],
            Err(Forbidden::NotHttps),
        );
        check_all(
            &[
                "https://a@example.com/",
                "https://a:b@127.0.0.1/",
                "https://:b@example.com/",
            ],
            Err(Forbidden::UserInfo),
        );
        check_all(
            &[
                "",
                "example.com",
                "https://",
                "data:,a",
                "https://[::1/",
                "https://1.2.3.4.5/",
            ],
            Err(Forbidden::NotAUrl),
        );
    }

    #[test]
    fn this_machine_is_asked_only_where_it_plays_the_provider() {
        for link in [
            "http://127.0.0.1:8900/a",
            "http://localhost:1/",
            "https://[::1]/",
        ] {
            assert!(check(link, true).is_ok(), "{link}");
        }
        for link in [
            "http://10.0.0.1/",
            "https://169.254.169.254/",
            "https://[::ffff:10.0.0.1]/",
        ] {
            assert!(check(link, true).is_err(), "{link}");
        }
    }
}
