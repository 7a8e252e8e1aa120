//! Where and as whom we speak to RunPod.

use thiserror::Error;

/// The job API (docs.runpod.io, Serverless, Send requests). Not `api.runpod.io`, which manages
/// endpoints and answers 404 here.
pub const BASE_URL: &str = "https://api.runpod.ai/v2";

#[derive(Debug, Error, PartialEq, Eq)]
pub enum SettingsError {
    #[error("the base URL of RunPod must be https, or http to this machine, without a query")]
    BaseUrl,
    #[error("the RunPod endpoint id is letters, digits, hyphens and underscores")]
    EndpointId,
    #[error("the RunPod API key is empty or has characters a header cannot carry")]
    ApiKey,
}

impl SettingsError {
    /// The setting that is wrong, as operators name it.
    pub const fn setting(&self) -> &'static str {
        match self {
            Self::BaseUrl => "RUNPOD_BASE_URL",
            Self::EndpointId => "RUNPOD_ENDPOINT_ID",
            Self::ApiKey => "RUNPOD_API_KEY",
        }
    }
}

/// Where and as whom jobs are submitted. Has no `Debug`, so that the key is never printed.
#[derive(Clone)]
pub struct Settings {
    /// [`BASE_URL`], or a mock's.
    pub base_url: String,
    pub endpoint_id: String,
    pub api_key: String,
}

impl Settings {
    pub(super) fn check(mut self) -> Result<Self, SettingsError> {
        self.base_url
            .truncate(self.base_url.trim_end_matches('/').len());
        let word = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let endpoint_id = !self.endpoint_id.is_empty() && self.endpoint_id.chars().all(word);
        let api_key =
            !self.api_key.is_empty() && self.api_key.bytes().all(|b| b.is_ascii_graphic());
        if !is_safe_base(&self.base_url) {
            Err(SettingsError::BaseUrl)
        } else if !endpoint_id {
            Err(SettingsError::EndpointId)
        } else if api_key {
            Ok(self)
        } else {
            Err(SettingsError::ApiKey)
        }
    }
}

/// The key travels with every call, so it leaves this machine encrypted or not at all.
fn is_safe_base(url: &str) -> bool {
    if url.contains(|c: char| "@?#\\".contains(c) || c.is_whitespace() || c.is_control()) {
        return false;
    }
    if let Some(rest) = url.strip_prefix("https://") {
        return rest.starts_with(|c: char| c.is_ascii_alphanumeric());
    }
    let authority = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default();
    let bare = authority.trim_end_matches(|c: char| c.is_ascii_digit());
    let host = bare.strip_suffix(':').unwrap_or(authority);
    ["127.0.0.1", "localhost", "[::1]"].contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_leaves_this_machine_encrypted_only() {
        for url in [
            BASE_URL,
            "https://api.example",
            "http://127.0.0.1:8188/v2",
            "http://localhost/v2",
            "http://[::1]:9",
        ] {
            assert!(is_safe_base(url), "{url}");
        }
        for url in [
            "",
            "https://",
            "ftp://127.0.0.1",
            "http://api.runpod.ai/v2",
            "http://127.0.0.1.evil.example/v2",
            "http://localhost:1@evil.example/v2",
            "http://localhost:x/v2",
            "https://user@evil.example/v2",
            "https://api.runpod.ai/v2?x",
        ] {
            assert!(!is_safe_base(url), "{url}");
        }
    }
}
