//! Whether anything outside can reach an origin.

use std::net::IpAddr;

/// Whether an origin is of this machine or of its own network: nothing outside reaches it.
pub(super) fn is_private(origin: &str) -> bool {
    let authority = origin.split("://").nth(1).unwrap_or(origin);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    };
    let names = [".localhost", ".local", ".internal"];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        Err(_) => host == "localhost" || names.iter().any(|name| host.ends_with(name)),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Problem};

    #[test]
    fn runpods_cloud_reaches_no_address_of_this_machine_or_its_network() {
        let live = [
            ("ENVIRONMENT", "local"),
            ("RUNPOD_ENDPOINT_ID", "abc123"),
            ("RUNPOD_API_KEY", "key"),
        ];
        let hears = |change: &[(&str, &str)]| -> Result<bool, Vec<Problem>> {
            let config = Config::from_vars(|name| {
                let mut all = change.iter().chain(&live);
                all.find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            });
            config.map(|config| config.hears_callbacks)
        };
        for (url, expected) in [
            ("http://127.0.0.1:8787", false),
            ("http://localhost:8787", false),
            ("http://192.168.1.7", false),
            ("http://[::1]:8787", false),
            ("https://queue.example.com", true),
            ("https://93.184.216.34", true),
        ] {
            assert_eq!(hears(&[("PUBLIC_URL", url)]), Ok(expected), "{url}");
        }
        let mock = ("RUNPOD_BASE_URL", "http://127.0.0.1:9/v2");
        assert_eq!(hears(&[mock]), Ok(true));
        assert_eq!(hears(&[("PROVIDER", "simulated")]), Ok(true));
    }
}
