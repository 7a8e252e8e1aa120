//! The templates that are built in: a prompt with places, and a contract.
//!
//! Each lives in `templates/<name>/` as `template.json` and `contract.json`, is embedded as text
//! and parsed when it is first asked for, so that a request pays for one only. Beside them lies
//! `schema.json`, the part of ComfyUI's `object_info` that the prompt needs (`{}` for a task).
//! Tests hold the template against it; the Worker does not carry it.

use std::sync::OnceLock;

use serde_json::Value;

use super::compile::MemberTexts;
use super::contract::{Contract, ContractError};
use crate::parse;

/// The template of a request that names none.
pub const DEFAULT: &str = "text-to-image";

/// The largest `template.json` we read.
pub const TEMPLATE_SIZE_BYTES_MAX: usize = 1024 * 1024;

#[derive(Clone, Debug)]
pub struct Template {
    pub contract: Contract,
    /// An API-format prompt, or a `{task, payload}` object.
    pub prompt: Value,
    texts: MemberTexts,
    hash: String,
}

impl Template {
    pub fn parse(contract: &str, prompt: &str) -> Result<Self, TemplateError> {
        if prompt.len() > TEMPLATE_SIZE_BYTES_MAX {
            return Err(TemplateError::TooLarge(prompt.len()));
        }
        let hash = hash(prompt, contract);
        let prompt = parse::json(prompt)?;
        Ok(Self {
            contract: Contract::parse(contract)?,
            texts: MemberTexts::of(&prompt),
            prompt,
            hash,
        })
    }

    pub fn name(&self) -> &str {
        self.contract.name.as_str()
    }

    /// The prompt's members as they are sent where a job changes nothing of them.
    pub fn texts(&self) -> &MemberTexts {
        &self.texts
    }

    /// blake3 of the prompt's and the contract's text, in hexadecimal: recorded with every job.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error(transparent)]
    Contract(#[from] ContractError),
    #[error("the template's prompt cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the template's prompt has {0} bytes, more than {TEMPLATE_SIZE_BYTES_MAX}")]
    TooLarge(usize),
}

pub fn find(name: &str) -> Option<&'static Template> {
    EMBEDDED
        .iter()
        .find(|embedded| embedded.name == name)?
        .get()
}

/// Every template, in the order in which they are offered.
pub fn all() -> impl Iterator<Item = &'static Template> {
    EMBEDDED.iter().filter_map(Embedded::get)
}

/// The names of all templates, also of one that could not be read; the tests compare.
pub fn names() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|embedded| embedded.name)
}

/// The length goes first, so that no two pairs of texts run into the same bytes.
fn hash(prompt: &str, contract: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(prompt.len() as u64).to_le_bytes());
    hasher.update(prompt.as_bytes());
    hasher.update(contract.as_bytes());
    hasher.finalize().to_hex().to_string()
}

struct Embedded {
    name: &'static str,
    contract: &'static str,
    prompt: &'static str,
    /// None inside when it cannot be parsed: a test proves that this is never so, and a Worker
    /// that lacks one template serves its callers better than one that panics at every request.
    parsed: OnceLock<Option<Template>>,
}

impl Embedded {
    fn get(&self) -> Option<&Template> {
        let parse = || Template::parse(self.contract, self.prompt).ok();
        self.parsed.get_or_init(parse).as_ref()
    }
}

macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        [$(Embedded {
            name: $name,
            contract: include_str!(concat!("templates/", $name, "/contract.json")),
            prompt: include_str!(concat!("templates/", $name, "/template.json")),
            parsed: OnceLock::new(),
        }),+]
    };
}

static EMBEDDED: [Embedded; 11] = embedded![
    "text-to-image",
    "qwen-image-edit",
    "flux-portrait",
    "wan-text-to-video",
    "wan-image-to-video",
    "video-generate",
    "lens-character",
    "rescue-focus",
    "director-edit",
    "rack-focus",
    "face-swap-video",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::contract::lint;

    #[test]
    fn every_embedded_template_is_read_and_has_no_flaw() {
        for embedded in &EMBEDDED {
            let read = Template::parse(embedded.contract, embedded.prompt);
            let template = read.unwrap_or_else(|e| panic!("{}: {e}", embedded.name));
            assert_eq!(template.name(), embedded.name);
            let flaws = lint::lint(&template.contract, &template.prompt);
            assert_eq!(flaws, [], "{}", embedded.name);
        }
        assert_eq!(all().count(), names().count());
    }

    #[test]
    fn the_default_template_exists() {
        assert!(find(DEFAULT).is_some());
        assert!(find("no-such-template").is_none());
    }
}
