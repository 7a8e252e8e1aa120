//! Files and folders, with errors that name them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

pub fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

pub fn remove_if_there(file: &Path) -> anyhow::Result<()> {
    if !file.exists() {
        return Ok(());
    }
    fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))
}

/// Does the same with every file, also after one that cannot be read or written; then tells those.
pub fn each(files: &[PathBuf], act: impl Fn(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let failed = files.iter().filter_map(|file| act(file).err());
    let told: Vec<String> = failed.map(|error| format!("{error:#}")).collect();
    if told.is_empty() {
        return Ok(());
    }
    anyhow::bail!("{}", told.join("\n"))
}

pub fn make_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}
