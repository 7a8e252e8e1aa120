//! What may be written down of a call: everything but the secrets.

use std::borrow::Cow;
use std::fmt::Write;

/// What stands where a secret stood.
pub(super) const REDACTED: &str = "[redacted]";

/// Headers that carry credentials, in requests and in answers.
const SECRET_HEADERS: [&str; 3] = ["authorization", "cookie", "set-cookie"];

/// Our callback route; behind it stands a token, the only proof that a callback is RunPod's.
const CALLBACK_PATH: &str = "/api/webhooks/runpod/";

/// Where a worker tells how far it is; behind it stands a token, too.
const PROGRESS_PATH: &str = "/api/progress/";

/// The key of the Comfy account a workflow's paid API nodes run under: the name worker-comfyui
/// takes, and the one ComfyUI itself uses.
const KEY_NAMES: [&str; 2] = ["comfy_org_api_key", "api_key_comfy_org"];

/// A secret is shorter than this, so a text cut this far behind its limit has whole secrets in it.
const SECRET_BYTES_MAX: usize = 4 * 1024;

/// Anything shorter is no token, and removing it from a text would remove words.
const SECRET_BYTES_MIN: usize = 8;

/// The secrets of one call.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    pub api_key: &'a str,
    pub callback_url: Option<&'a str>,
}

impl Secrets<'_> {
    pub(super) fn headers<'h, H>(&self, headers: H) -> Vec<(String, String)>
    where
        H: IntoIterator<Item = (&'h String, &'h String)>,
    {
        headers
            .into_iter()
            .map(|(name, value)| {
                let secret = SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str());
                let value = if secret {
                    REDACTED.into()
                } else {
                    self.text(value)
                };
                (name.clone(), value)
            })
            .collect()
    }

    /// At most `bytes_max` bytes of a body, and a word about what was cut.
    pub(super) fn body(&self, body: &[u8], bytes_max: usize) -> String {
        let head = &body[..body.len().min(bytes_max + SECRET_BYTES_MAX)];
        let mut text = self.text(&String::from_utf8_lossy(head));
        if body.len() > bytes_max {
            text.truncate(text.floor_char_boundary(bytes_max));
            let _ = write!(text, "[cut: the body has {} bytes]", body.len());
        }
        text
    }

    pub(super) fn text(&self, text: &str) -> String {
        let mut text = Cow::Borrowed(text);
        if let Some((url, at)) = self.callback_url.and_then(callback_secret_at) {
            let (origin, secret) = url.split_at(at);
            text = replace(text, url, &format!("{origin}{REDACTED}"));
            // An answer may repeat the URL with other escapes; its secret part has none.
            if secret.len() >= SECRET_BYTES_MIN {
                text = replace(text, secret, REDACTED);
            }
        }
        text = replace(text, self.api_key, REDACTED);
        tokens(&text)
    }
}

/// The URL, and where its secret part begins.
fn callback_secret_at(url: &str) -> Option<(&str, usize)> {
    let at = if let Some(route) = url.find(CALLBACK_PATH) {
        route + CALLBACK_PATH.len()
    } else {
        let host = url.find("://")? + "://".len();
        host + url[host..].find('/')? + 1
    };
    (at < url.len()).then_some((url, at))
}

fn replace<'t>(text: Cow<'t, str>, secret: &str, by: &str) -> Cow<'t, str> {
    if secret.is_empty() || !text.contains(secret) {
        return text;
    }
    Cow::Owned(text.replace(secret, by))
}

/// Removes what is recognised as secret by where it stands: callback tokens and Comfy keys.
pub(super) fn tokens(text: &str) -> String {
    let token = |rest: &str| {
        let end = rest.find(|c: char| c.is_whitespace() || "\"'\\<>,)}".contains(c));
        (0, end.unwrap_or(rest.len()))
    };
    let mut text = after_each(text, CALLBACK_PATH, token);
    text = after_each(&text, PROGRESS_PATH, token);
    for name in KEY_NAMES {
        text = after_each(&text, name, |rest| value_span(rest).unwrap_or((0, 0)));
    }
    text
}

/// Redacts one span behind each occurrence of `mark`; `span` gives it relative to the mark's end.
fn after_each(text: &str, mark: &str, span: impl Fn(&str) -> (usize, usize)) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(mark) {
        let (head, tail) = rest.split_at(at + mark.len());
        out.push_str(head);
        let (from, to) = span(tail);
        out.push_str(&tail[..from]);
        if to > from {
            out.push_str(REDACTED);
        }
        rest = &tail[to..];
    }
    out.push_str(rest);
    out
}

/// Where the string value of a key stands, in JSON or in JSON inside a string (`\"key\": \"…\"`).
/// A text that ends first was cut inside the value: then everything to its end is the value.
fn value_span(rest: &str) -> Option<(usize, usize)> {
    let colon = rest.find(|c| !"\\\"'".contains(c))?;
    let value = rest[colon..].trim_start().strip_prefix(':')?.trim_start();
    let quote = value.find(|c| c != '\\')?;
    let mark = value[quote..]
        .chars()
        .next()
        .filter(|c| "\"'".contains(*c))?;
    let from = rest.len() - value.len() + quote + 1;
    let mut escaped = false;
    for (offset, c) in rest[from..].char_indices() {
        match c {
            // In nested JSON a backslash before the quote is how the value ends.
            '\\' if quote > 0 => return Some((from, from + offset)),
            '\\' => escaped = !escaped,
            c if c == mark && !escaped => return Some((from, from + offset)),
            _ => escaped = false,
        }
    }
    Some((from, rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let secrets = Secrets {
            api_key: "rpa_SECRET",
            callback_url: Some("https://q.example/api/webhooks/runpod/tok.en-1"),
        };
        assert_eq!(secrets.text(text), expected);
    }

    #[test]
    fn secrets_are_removed_and_the_rest_stays() {
        check("nothing here", "nothing here");
        check("key rpa_SECRET used", "key [redacted] used");
        check(
            r#"{"webhook":"https://q.example/api/webhooks/runpod/tok.en-1","a":1}"#,
            r#"{"webhook":"https://q.example/api/webhooks/runpod/[redacted]","a":1}"#,
        );
        check(
            r"other https:\/\/q.example\/tok.en-1, and /api/webhooks/runpod/another end",
            r"other https:\/\/q.example\/[redacted], and /api/webhooks/runpod/[redacted] end",
        );
        check(
            r#"{"comfy_org_api_key" : "a\"b","b":"c"}"#,
            r#"{"comfy_org_api_key" : "[redacted]","b":"c"}"#,
        );
        check(
            r#"{"text":"{\"api_key_comfy_org\": \"abc\", \"b\": 1}"}"#,
            r#"{"text":"{\"api_key_comfy_org\": \"[redacted]\", \"b\": 1}"}"#,
        );
        check(
            r#"{"comfy_org_api_key":"cut in the mid"#,
            r#"{"comfy_org_api_key":"[redacted]"#,
        );
        check(
            "Missing comfy_org_api_key: set it",
            "Missing comfy_org_api_key: set it",
        );
    }

    #[test]
    fn a_callback_elsewhere_keeps_its_origin_only() {
        let secrets = Secrets {
            api_key: "rpa_SECRET",
            callback_url: Some("http://127.0.0.1:9/hook/secret"),
        };
        assert_eq!(
            secrets.text("to http://127.0.0.1:9/hook/secret now"),
            "to http://127.0.0.1:9/[redacted] now"
        );
    }

    #[test]
    fn a_long_body_is_cut_after_redaction_and_says_so() {
        let secrets = Secrets {
            api_key: "rpa_SECRET",
            callback_url: None,
        };
        let body = secrets.body(b"ab rpa_SECRET and more", 8);
        assert_eq!(body, "ab [reda[cut: the body has 22 bytes]");
    }
}
