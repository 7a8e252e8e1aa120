//! Settings of the way to one ComfyUI, for an operator who looks for a fault.

use super::{Environment, Reader};
use url::Url;

#[derive(Clone)]
pub struct ProxySettings {
    /// Origin, without a trailing slash.
    pub origin: String,
    /// What its tunnel asks for in `Authorization`.
    pub authorization: Option<String>,
}

impl Reader<'_> {
    pub(super) fn proxy(&mut self, environment: Environment) -> Option<ProxySettings> {
        let url = self.get("PROXY_URL")?;
        if environment == Environment::Production {
            self.problem("PROXY_URL", "must not be set in production");
        }
        let origin = url.trim().trim_end_matches('/').to_owned();
        let parsed = Url::parse(&origin).ok();
        let is_origin = parsed.is_some_and(|parsed| {
            let is_http = parsed.scheme() == "http" && environment == Environment::Local;
            let is_bare = parsed.path() == "/" && parsed.query().is_none();
            let is_open = parsed.username().is_empty() && parsed.password().is_none();
            (parsed.scheme() == "https" || is_http) && is_bare && is_open
        });
        if !is_origin {
            let problem = "must be an https origin without a path; a key goes into \
                 PROXY_AUTHORIZATION";
            self.problem("PROXY_URL", problem);
        }
        Some(ProxySettings {
            origin,
            authorization: self.get("PROXY_AUTHORIZATION"),
        })
    }
}
