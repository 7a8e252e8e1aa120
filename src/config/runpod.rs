//! Where and as whom we speak to RunPod.

use super::Problem;

/// The job API (docs.runpod.io, Serverless, Send requests). Not `api.runpod.io`, which manages
/// endpoints and answers 404 here.
pub const BASE_URL: &str = "https://api.runpod.ai/v2";

/// A RunPod endpoint and the key that opens it. Has no `Debug`, so that the key is never printed.
#[derive(Clone)]
pub struct RunpodSettings {
    /// [`BASE_URL`], or a mock's; without a slash at its end.
    pub base_url: String,
    pub endpoint_id: String,
    pub api_key: String,
}

impl RunpodSettings {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let has_words = |id: &str| !id.is_empty() && id.chars().all(is_word);
        let fits_header = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic());
        let checks = [
            (
                is_safe_base(&self.base_url),
                "RUNPOD_BASE_URL",
                "must be https, or http to this machine, without a query",
            ),
            (
                has_words(&self.endpoint_id),
                "RUNPOD_ENDPOINT_ID",
                "must be letters, digits, hyphens and underscores",
            ),
            (
                fits_header(&self.api_key),
                "RUNPOD_API_KEY",
                "has characters that a header cannot carry",
            ),
        ];
        let broken = checks.into_iter().filter(|(is_fine, ..)| !is_fine);
        broken
            .map(|(_, setting, problem)| Problem {
                setting,
                problem: problem.into(),
            })
            .collect()
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
