//! A template as a folder: `template.json`, `contract.json` and, if there, `schema.json`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use edge_queue::workflow::contract::Contract;
use edge_queue::workflow::schema::Schema;
use serde_json::Value;

use crate::files;

pub const CONTRACT: &str = "contract.json";
pub const TEMPLATE: &str = "template.json";
pub const SCHEMA: &str = "schema.json";

/// The texts of a folder; what they hold is looked at by who asked for them.
pub struct Folder {
    pub path: PathBuf,
    pub contract: String,
    pub template: String,
    pub schema: Option<Vec<u8>>,
}

impl Folder {
    /// Reads the folder, or the one that holds a `contract.json` of whatever name.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let (folder, contract) = if path.is_dir() {
            (path.to_owned(), path.join(CONTRACT))
        } else {
            let parent = path.parent().unwrap_or(Path::new(""));
            (parent.to_owned(), path.to_owned())
        };
        let schema = folder.join(SCHEMA);
        let schema = schema.exists().then(|| files::read(&schema)).transpose()?;
        Ok(Self {
            contract: text(&contract)?,
            template: text(&folder.join(TEMPLATE))?,
            path: folder,
            schema,
        })
    }

    pub fn schema(&self) -> anyhow::Result<Option<Schema>> {
        let read = |bytes| {
            Schema::read(bytes).with_context(|| format!("in {}", self.path.join(SCHEMA).display()))
        };
        self.schema.as_deref().map(read).transpose()
    }
}

/// The places of a template that take the caller's files.
pub fn upload_places(contract: &Contract) -> impl Iterator<Item = &String> {
    let files = contract
        .inputs
        .iter()
        .filter(|input| input.kind.file().is_some());
    files.flat_map(|input| &input.to)
}

pub fn parse(text: &str, path: &Path) -> anyhow::Result<Value> {
    serde_json::from_str(text).with_context(|| format!("{} is not JSON", path.display()))
}

fn text(file: &Path) -> anyhow::Result<String> {
    let bytes = files::read(file)?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8 text", file.display()))
}
