//! The text of an API key: `eqk_`, its id, its secret and a checksum, in hexadecimal.
//!
//! The beginning lets a scanner tell a key that leaked. The checksum lets us refuse a mistyped or
//! invented one without asking the database. What is stored is a hash: the secret has 192 random
//! bits, so that neither salt nor a slow hash adds anything. It is not an HMAC with the token
//! secrets, because a change of those must not end every key.

use std::fmt;

use subtle::ConstantTimeEq;

/// Characters of an id. 48 random bits: a name, not a secret.
pub const ID_LENGTH: usize = 12;
const SECRET_BYTES: usize = 24;
const CHECKSUM_LENGTH: usize = 8;
const PREFIX: &str = "eqk_";

/// A new key. Shown once; `Debug` does not tell it.
pub struct KeyText {
    pub id: String,
    secret: String,
}

/// A key as a caller gave it, with a checksum that fits.
pub struct Presented {
    pub id: String,
    hash: String,
}

impl KeyText {
    /// A new secret for the key `id`.
    pub fn mint(id: &str, random: [u8; SECRET_BYTES]) -> Self {
        Self {
            id: id.to_owned(),
            secret: hex(&random),
        }
    }

    /// A new id from random bytes.
    pub fn mint_id(random: [u8; ID_LENGTH / 2]) -> String {
        hex(&random)
    }

    /// What the caller is told, once.
    pub fn reveal(&self) -> String {
        let body = format!("{}{}", self.id, self.secret);
        format!("{PREFIX}{body}{}", checksum(&body))
    }

    /// What is stored.
    pub fn hash(&self) -> String {
        hash(&self.secret)
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}…", self.id)
    }
}

impl Presented {
    /// Whether a text wants to be an API key.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// `None`: mistyped, cut, or invented.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(PREFIX)?;
        let plain = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let fits = body.len() == ID_LENGTH + 2 * SECRET_BYTES + CHECKSUM_LENGTH;
        if !fits || !body.bytes().all(plain) {
            return None;
        }
        let (body, sum) = body.split_at(body.len() - CHECKSUM_LENGTH);
        let (id, secret) = body.split_at(ID_LENGTH);
        (checksum(body) == sum).then(|| Self {
            id: id.to_owned(),
            hash: hash(secret),
        })
    }

    /// Compares hashes, in a time that does not depend on where they differ.
    pub fn is(&self, stored: &str) -> bool {
        self.hash.as_bytes().ct_eq(stored.as_bytes()).into()
    }
}

fn checksum(body: &str) -> String {
    let sum = blake3::derive_key("edge-queue 2026 key checksum", body.as_bytes());
    hex(&sum[..CHECKSUM_LENGTH / 2])
}

fn hash(secret: &str) -> String {
    hex(&blake3::derive_key(
        "edge-queue 2026 key hash",
        secret.as_bytes(),
    ))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    let two = |byte: &u8| [digit(byte >> 4), digit(byte & 15)];
    bytes.iter().flat_map(two).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> KeyText {
        KeyText::mint(&KeyText::mint_id([0xab; 6]), [7; SECRET_BYTES])
    }

    #[test]
    fn a_key_is_told_by_its_hash_and_by_no_other() {
        let text = key().reveal();
        assert_eq!(text.len(), 72);
        let presented = Presented::parse(&text).unwrap();
        assert_eq!(presented.id, "abababababab");
        assert!(presented.is(&key().hash()));
        let other = KeyText::mint("abababababab", [8; SECRET_BYTES]);
        assert!(!presented.is(&other.hash()));
        assert!(!presented.is(""));
    }

    #[test]
    fn a_mistyped_key_is_refused_wherever_the_mistake_is() {
        let text = key().reveal();
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'1' { b'2' } else { b'1' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(Presented::parse(&wrong).is_none(), "changed at {at}");
        }
        for wrong in ["", "eqk_", &text[..71], &format!("{text}0"), "eqk_é"] {
            assert!(Presented::parse(wrong).is_none(), "{wrong}");
        }
        assert!(Presented::parse(&text.to_uppercase()).is_none());
    }

    #[test]
    fn nothing_prints_a_secret_by_accident() {
        assert_eq!(format!("{:?}", key()), "eqk_abababababab…");
    }
}
