//! Proofs that we wrote something ourselves: callback URLs, result links and browser sessions carry
//! an HMAC, and what is told to callers is signed with secrets that are derived here.
//!
//! A token is made for one purpose and is worthless for another. Two secrets are valid at once, so
//! that they can be changed while links, callbacks and sessions are still out.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::id::JobId;
use crate::time::UnixMillis;

/// Bytes of an HMAC kept in a token: 128 bits cannot be guessed, and URLs stay short.
const MAC_BYTES: usize = 16;
/// Key number, job id, attempt number, MAC.
const CALLBACK_BYTES: usize = 1 + 16 + 4 + MAC_BYTES;

/// Key number, subject, moment of its end, MAC.
const SESSION_BYTES: usize = 1 + SUBJECT_BYTES + 8 + MAC_BYTES;
const SUBJECT_BYTES: usize = 16;
/// A whole digest: Standard Webhooks wants 24 to 64 bytes.
pub const WEBHOOK_SECRET_BYTES: usize = 32;
/// Lets a scanner tell a token that leaked.
const SESSION_PREFIX: &str = "eqs_";

/// A secret with the number that tells tokens made with it.
#[derive(Clone)]
struct Secret {
    kid: u8,
    key: Vec<u8>,
}

/// Signs with the newest secret, verifies with every valid one.
#[derive(Clone)]
pub struct Signer {
    secrets: Vec<Secret>,
}

/// What a callback URL speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackClaim {
    pub job: JobId,
    pub attempt: u32,
}

/// What a browser's token speaks for: somebody of whom nothing is known but that it is the same
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionClaim {
    pub subject: [u8; SUBJECT_BYTES],
    pub expires_at: UnixMillis,
}

/// Whether a text wants to be a session's token.
pub fn is_session(text: &str) -> bool {
    text.starts_with(SESSION_PREFIX)
}

impl Signer {
    /// `secrets` newest first. A secret's number is derived from itself, so that old tokens are
    /// still told after the list has changed.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let numbered = secrets.into_iter().map(|secret| Secret {
            kid: blake3::derive_key("edge-queue 2026 key number", secret.as_ref())[0],
            key: secret.as_ref().to_vec(),
        });
        Self {
            secrets: numbered.collect(),
        }
    }

    /// The token of a callback URL.
    pub fn callback(&self, claim: CallbackClaim) -> String {
        self.claim(b"callback", claim)
    }

    /// `None`: not made by us. Touches nothing but the token.
    pub fn verify_callback(&self, token: &str) -> Option<CallbackClaim> {
        self.verify_claim(b"callback", token)
    }

    /// The token of the URL where a worker tells how far it is.
    pub fn progress(&self, claim: CallbackClaim) -> String {
        self.claim(b"progress", claim)
    }

    /// `None`: not made by us. Touches nothing but the token.
    pub fn verify_progress(&self, token: &str) -> Option<CallbackClaim> {
        self.verify_claim(b"progress", token)
    }

    fn claim(&self, purpose: &[u8], claim: CallbackClaim) -> String {
        let mut body = Vec::with_capacity(CALLBACK_BYTES);
        body.push(self.kid());
        body.extend_from_slice(claim.job.as_bytes());
        body.extend_from_slice(&claim.attempt.to_be_bytes());
        let mac = self.mac(purpose, &body);
        body.extend_from_slice(&mac.unwrap_or_default());
        URL_SAFE_NO_PAD.encode(body)
    }

    fn verify_claim(&self, purpose: &[u8], token: &str) -> Option<CallbackClaim> {
        let bytes: [u8; CALLBACK_BYTES] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
        let (body, mac) = bytes.split_at(CALLBACK_BYTES - MAC_BYTES);
        self.verify(body[0], purpose, body, mac).then_some(())?;
        Some(CallbackClaim {
            job: JobId::from_bytes(body[1..17].try_into().ok()?),
            attempt: u32::from_be_bytes(body[17..21].try_into().ok()?),
        })
    }

    /// What makes the names of a job's files on a worker beyond guessing, for other jobs there may
    /// ask for files by name. Who knows the job's id does not know it.
    pub fn name_mark(&self, job: JobId) -> String {
        let mac = self.mac(b"names", job.as_bytes()).unwrap_or_default();
        format!("{:032x}", u128::from_be_bytes(mac))
    }

    /// The query that opens `key` until `expires_at`: `exp`, `kid` and `sig`.
    pub fn link_query(&self, key: &str, expires_at: UnixMillis) -> String {
        let seconds = expires_at.get() / 1000;
        let mac = self.mac(b"link", &link_body(key, seconds));
        let signature = URL_SAFE_NO_PAD.encode(mac.unwrap_or_default());
        format!("exp={seconds}&kid={}&sig={signature}", self.kid())
    }

    /// Whether `key` may be read at `now` with the three values of a signed link.
    pub fn verify_link(&self, key: &str, link: &LinkProof, now: UnixMillis) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(&link.sig) else {
            return false;
        };
        let body = link_body(key, link.exp);
        now.get() / 1000 < link.exp && self.verify(link.kid, b"link", &body, &signature)
    }

    /// The token of a browser's session.
    pub fn session(&self, claim: SessionClaim) -> String {
        let mut body = Vec::with_capacity(SESSION_BYTES);
        body.push(self.kid());
        body.extend_from_slice(&claim.subject);
        body.extend_from_slice(&claim.expires_at.get().to_be_bytes());
        let mac = self.mac(b"session", &body);
        body.extend_from_slice(&mac.unwrap_or_default());
        format!("{SESSION_PREFIX}{}", URL_SAFE_NO_PAD.encode(body))
    }

    /// `None`: not made by us. Whether it has ended is for the caller to ask.
    pub fn verify_session(&self, token: &str) -> Option<SessionClaim> {
        let encoded = token.strip_prefix(SESSION_PREFIX)?;
        let bytes: [u8; SESSION_BYTES] = URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()?;
        let (body, mac) = bytes.split_at(SESSION_BYTES - MAC_BYTES);
        self.verify(body[0], b"session", body, mac).then_some(())?;
        let (subject, expires_at) = body[1..].split_at(SUBJECT_BYTES);
        Some(SessionClaim {
            subject: subject.try_into().ok()?,
            expires_at: UnixMillis::new(i64::from_be_bytes(expires_at.try_into().ok()?)),
        })
    }

    /// Keys that seal what is kept of callers' secrets, newest first: each opens what it sealed.
    pub fn sealing_keys(&self) -> impl Iterator<Item = [u8; 32]> + '_ {
        let key = |secret: &Secret| blake3::derive_key("edge-queue 2026 sealing", &secret.key);
        self.secrets.iter().map(key)
    }

    /// What the Ed25519 key beside a webhook secret is made of. The secret does not tell it.
    pub fn ed25519_seeds(&self, key: &str, number: u32) -> Vec<[u8; 32]> {
        let of_secrets = self.derived(b"ed25519", key, number);
        of_secrets.collect()
    }

    /// Webhook secret `number` of `key`, as each of our secrets makes it, newest first. Nothing of
    /// it is stored, and a webhook secret tells nothing of another, nor of ours.
    pub fn webhook_secrets(&self, key: &str, number: u32) -> Vec<[u8; WEBHOOK_SECRET_BYTES]> {
        self.derived(b"webhook", key, number).collect()
    }

    fn derived<'a>(
        &'a self,
        purpose: &'static [u8],
        key: &str,
        number: u32,
    ) -> impl Iterator<Item = [u8; WEBHOOK_SECRET_BYTES]> + 'a {
        let mut body = number.to_be_bytes().to_vec();
        body.extend_from_slice(key.as_bytes());
        let digest = move |secret: &Secret| secret.digest(purpose, &body);
        self.secrets.iter().filter_map(digest)
    }

    fn kid(&self) -> u8 {
        self.secrets.first().map_or(0, |secret| secret.kid)
    }

    /// Two secrets may share a number: each that does is tried.
    fn verify(&self, kid: u8, purpose: &[u8], body: &[u8], mac: &[u8]) -> bool {
        let mut named = self.secrets.iter().filter(|secret| secret.kid == kid);
        named.any(|secret| {
            secret
                .mac(purpose, body)
                .is_some_and(|expected| expected.ct_eq(mac).into())
        })
    }

    fn mac(&self, purpose: &[u8], body: &[u8]) -> Option<[u8; MAC_BYTES]> {
        self.secrets.first()?.mac(purpose, body)
    }
}

impl Secret {
    fn mac(&self, purpose: &[u8], body: &[u8]) -> Option<[u8; MAC_BYTES]> {
        self.digest(purpose, body)?[..MAC_BYTES].try_into().ok()
    }

    fn digest(&self, purpose: &[u8], body: &[u8]) -> Option<[u8; WEBHOOK_SECRET_BYTES]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(purpose);
        mac.update(&[0]);
        mac.update(body);
        Some(mac.finalize().into_bytes().into())
    }
}

/// The query of a signed link, parsed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct LinkProof {
    /// Unix seconds.
    pub exp: i64,
    pub kid: u8,
    pub sig: String,
}

fn link_body(key: &str, seconds: i64) -> Vec<u8> {
    let mut body = seconds.to_be_bytes().to_vec();
    body.extend_from_slice(key.as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> CallbackClaim {
        CallbackClaim {
            job: JobId::from_bytes([7; 16]),
            attempt: 3,
        }
    }

    fn proof(query: &str) -> LinkProof {
        let mut parts = query.split(['=', '&']).skip(1).step_by(2);
        LinkProof {
            exp: parts.next().unwrap().parse().unwrap(),
            kid: parts.next().unwrap().parse().unwrap(),
            sig: parts.next().unwrap().to_owned(),
        }
    }

    #[test]
    fn a_callback_token_says_its_job_and_attempt_and_nothing_else_does() {
        let signer = Signer::new(["secret"]);
        let token = signer.callback(claim());
        assert_eq!(signer.verify_callback(&token), Some(claim()));
        assert_eq!(Signer::new(["other"]).verify_callback(&token), None);
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(signer.verify_callback(&forged), None, "changed at {at}");
        }
    }

    fn session() -> SessionClaim {
        SessionClaim {
            subject: [9; SUBJECT_BYTES],
            expires_at: UnixMillis::new(60_000),
        }
    }

    #[test]
    fn a_token_opens_what_it_was_made_for_and_nothing_else() {
        let signer = Signer::new(["secret"]);
        let (callback, progress) = (signer.callback(claim()), signer.progress(claim()));
        assert_eq!(signer.verify_progress(&progress), Some(claim()));
        assert_eq!(signer.verify_progress(&callback), None);
        assert_eq!(signer.verify_callback(&progress), None);
    }

    #[test]
    fn tokens_made_before_a_change_of_secret_are_still_ours() {
        let old = Signer::new(["old"]);
        let (callback, token) = (old.callback(claim()), old.session(session()));
        let link = proof(&old.link_query("a", UnixMillis::new(60_000)));
        let told = |secrets: &[&str]| {
            let signer = Signer::new(secrets);
            [
                signer.verify_callback(&callback).is_some(),
                signer.verify_session(&token).is_some(),
                signer.verify_link("a", &link, UnixMillis::new(0)),
            ]
        };
        assert_eq!(told(&["old"]), [true; 3]);
        assert_eq!(told(&["new", "old"]), [true; 3], "during the change");
        assert_eq!(told(&["new"]), [false; 3], "after it");
    }

    #[test]
    fn every_key_and_number_has_a_webhook_secret_of_its_own() {
        let signer = Signer::new(["new", "old"]);
        let secrets = signer.webhook_secrets("shop", 1);
        assert_eq!(
            secrets[1..],
            Signer::new(["old"]).webhook_secrets("shop", 1)
        );
        let others = [("shop", 2), ("shoq", 1), ("hop", 1)];
        let mut all: Vec<_> = others
            .iter()
            .flat_map(|(key, n)| signer.webhook_secrets(key, *n))
            .collect();
        all.extend(secrets);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn a_session_says_its_subject_and_its_end_and_nothing_else_does() {
        let signer = Signer::new(["secret"]);
        let token = signer.session(session());
        assert!(is_session(&token));
        assert_eq!(signer.verify_session(&token), Some(session()));
        assert_eq!(Signer::new(["other"]).verify_session(&token), None);
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(signer.verify_session(&forged), None, "changed at {at}");
        }
    }

    /// Each purpose has its own MAC, so that no token can be cut into one of another purpose.
    #[test]
    fn a_token_of_one_purpose_is_worthless_for_another() {
        let signer = Signer::new(["secret"]);
        let (callback, token) = (signer.callback(claim()), signer.session(session()));
        assert_eq!(signer.verify_session(&format!("eqs_{callback}")), None);
        assert_eq!(signer.verify_callback(&token[4..]), None);
        let mac = signer.mac(b"session", b"x");
        let body = &link_body("x", 0);
        for purpose in [&b"callback"[..], b"link"] {
            assert_ne!(signer.mac(purpose, b"x"), mac);
            assert_ne!(signer.mac(purpose, body), signer.mac(b"session", body));
        }
    }

    #[test]
    fn a_link_opens_its_own_key_until_it_expires() {
        let signer = Signer::new(["secret"]);
        let link = proof(&signer.link_query("a/1/x/0.png", UnixMillis::new(60_000)));
        let open = |key, now| signer.verify_link(key, &link, UnixMillis::new(now));
        assert!(open("a/1/x/0.png", 59_999));
        assert!(!open("a/1/x/0.png", 60_000));
        assert!(!open("a/1/x/1.png", 0));
    }

    #[test]
    fn a_signer_without_secrets_verifies_nothing() {
        let none = Signer::new(Vec::<String>::new());
        let token = none.callback(claim());
        assert_eq!(none.verify_callback(&token), None);
    }
}
