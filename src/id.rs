//! Identifiers, parsed once at the edge of the system and trusted afterwards.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::UnixMillis;

/// Names a job: a UUID v7, so that ids sort by age and retention can purge by range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

impl JobId {
    /// A new id from a moment and ten random bytes.
    pub fn mint(now: UnixMillis, random: [u8; 10]) -> Self {
        let ms = u64::try_from(now.get()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid())
    }

    /// Accepts the canonical form only: 36 characters, lower case, hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok()?;
        (text.len() == 36 && id.hyphenated().to_string() == text).then_some(Self(id))
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The moment that it was minted with.
    pub fn minted_at(&self) -> UnixMillis {
        let ms = u128::from_be_bytes(*self.as_bytes()) >> 80;
        UnixMillis::new(i64::try_from(ms).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Names a file of a caller's, as the Comfy API does: an upload by its content, an output by its
/// job.
///
/// Nothing is stored for it. An upload's id is a UUID v8 of the first bits of its hash; an output's
/// is its job's UUID v7 with the number of the output in the place of its first random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssetId(Uuid);

/// Where to look for an asset: candidates share what the id kept, and each is then compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssetPlace {
    /// The first 12 characters of the hash of an upload.
    Upload { hash_begins: String },
    /// The first 13 characters of the job's id, and which of its outputs.
    Output { job_begins: String, i: u32 },
}

impl AssetId {
    /// More outputs than fit cannot be told apart; a job has at most 64.
    const OUTPUT_NUMBERS: u32 = 1 << 12;

    /// `hash` is blake3 in hexadecimal; `None` if it is not.
    pub fn of_upload(hash: &str) -> Option<Self> {
        let first = u128::from_str_radix(hash.get(..32)?, 16).ok()?;
        let id = uuid::Builder::from_custom_bytes(first.to_be_bytes());
        Some(Self(id.into_uuid()))
    }

    pub fn of_output(job: JobId, i: u32) -> Self {
        let mut bytes = *job.as_bytes();
        let [.., high, low] = (i % Self::OUTPUT_NUMBERS).to_be_bytes();
        bytes[6] = 0x70 | high;
        bytes[7] = low;
        Self(Uuid::from_bytes(bytes))
    }

    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// `None`: an id that we never gave.
    pub fn place(self) -> Option<AssetPlace> {
        let text = self.0.hyphenated().to_string();
        let bytes = self.0.as_bytes();
        match self.0.get_version_num() {
            7 => Some(AssetPlace::Output {
                job_begins: text[..13].to_owned(),
                i: u32::from(u16::from_be_bytes([bytes[6] & 0x0f, bytes[7]])),
            }),
            8 => Some(AssetPlace::Upload {
                hash_begins: [&text[..8], &text[9..13]].concat(),
            }),
            _ => None,
        }
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The caller's name for a create: its `Idempotency-Key`, or `request_id` in the body.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestKey(String);

impl RequestKey {
    /// The longest key, in characters (the field's convention; Stripe's limit too).
    pub const LENGTH_MAX: usize = 255;

    /// 1 to 255 printable ASCII characters; one pair of quotes around them is dropped, because the
    /// header is a structured string in the standard's draft and bare in most clients. Blanks are
    /// within only: around a header's value they are no part of it.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text);
        let fits = (1..=Self::LENGTH_MAX).contains(&bare.len());
        let plain = |b: u8| b.is_ascii_graphic() || b == b' ';
        let plain = bare.bytes().all(plain) && bare.trim_ascii() == bare;
        (fits && plain).then(|| Self(bare.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who calls: the owner of an API key, or `anonymous` where keys are not asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallerId(String);

impl CallerId {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub fn anonymous() -> Self {
        Self("anonymous".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The provider's name for an attempt. Opaque: never parsed outside the provider's directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderId(String);

impl ProviderId {
    /// The longest id we keep; RunPod's are 39 characters, the simulated GPU's up to 160.
    pub const LENGTH_MAX: usize = 256;

    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names a workflow template: lower case, digits and hyphens, as in `qwen-image-edit`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateName(String);

impl TemplateName {
    /// Long enough for any name a person would type, short enough for a log line and a file name.
    pub const LENGTH_MAX: usize = 64;

    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len());
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        (fits && plain && starts_well).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TemplateName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a template name is 1 to 64 of a-z, 0-9 and -, a letter first")
    }
}

impl From<TemplateName> for String {
    fn from(name: TemplateName) -> Self {
        name.0
    }
}

/// A caller's secret for somebody else, on its way. Shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Longer than any key in use.
const SECRET_LENGTH_MAX: usize = 512;

impl Secret {
    /// Visible ASCII characters, as keys are written.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=SECRET_LENGTH_MAX).contains(&text.len());
        let is_visible = text.bytes().all(|b| b.is_ascii_graphic());
        (fits && is_visible).then(|| Self(text.to_owned()))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_id_leads_back_to_its_file() {
        let hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let upload = AssetId::of_upload(hash).unwrap();
        assert_eq!(upload.to_string(), "01234567-89ab-8def-8123-456789abcdef");
        assert_eq!(AssetId::parse(&upload.to_string()), Some(upload));
        let hash_begins = "0123456789ab".into();
        assert_eq!(upload.place(), Some(AssetPlace::Upload { hash_begins }));

        let job = JobId::mint(UnixMillis::new(1_700_000_000_000), [0xab; 10]);
        let output = AssetId::of_output(job, 300);
        assert_ne!(output, AssetId::of_output(job, 299));
        let job_begins = job.to_string()[..13].to_owned();
        assert_eq!(
            output.place(),
            Some(AssetPlace::Output { job_begins, i: 300 })
        );
        assert_eq!(AssetId::of_upload("short"), None);
        let other = AssetId::parse("9f8a1c0d-2b3e-4f56-8a7b-1c2d3e4f5a6b").unwrap();
        assert_eq!(other.place(), None);
    }

    #[test]
    fn a_job_id_is_parsed_in_its_canonical_form_only() {
        let at = UnixMillis::new(1_763_668_952_123);
        let id = JobId::mint(at, [7; 10]);
        assert_eq!(id.minted_at(), at);
        let text = id.to_string();
        assert_eq!(JobId::parse(&text), Some(id));
        assert_eq!(JobId::parse(&text.to_uppercase()), None);
        assert_eq!(JobId::parse(&text.replace('-', "")), None);
        assert_eq!(JobId::parse("../../etc/passwd"), None);
    }

    #[test]
    fn later_job_ids_sort_after_earlier_ones() {
        let early = JobId::mint(UnixMillis::new(1_000), [255; 10]);
        let late = JobId::mint(UnixMillis::new(1_001), [0; 10]);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn a_request_key_is_the_same_quoted_or_bare() {
        assert_eq!(RequestKey::parse("\"a-1\""), RequestKey::parse("a-1"));
        assert_eq!(RequestKey::parse(""), None);
        // The official Comfy clients send such a key; it was refused.
        assert!(RequestKey::parse("order 17 / fox").is_some());
        for none in [" a", "a ", " ", "a\tb", "é"] {
            assert_eq!(RequestKey::parse(none), None, "{none}");
        }
        assert_eq!(RequestKey::parse(&"x".repeat(256)), None);
    }

    #[test]
    fn a_template_name_is_lower_case_with_hyphens() {
        assert!(TemplateName::parse("qwen-image-edit").is_some());
        assert_eq!(TemplateName::parse("Qwen"), None);
        assert_eq!(TemplateName::parse("../etc"), None);
        assert_eq!(TemplateName::parse("4k"), None);
    }
}
