//! Files and folders, with errors that name them.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

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

pub fn remove_folder_if_there(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

pub fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to).with_context(|| format!("cannot make {}", to.display()))
}

/// Does the same with every file, also after one that cannot be read or written; then tells those.
pub fn each(
    files: &[PathBuf],
    act: impl Fn(&Path) -> anyhow::Result<Value>,
) -> (Vec<Value>, anyhow::Result<()>) {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for file in files {
        match act(file) {
            Ok(what) => done.push(what),
            Err(error) => failed.push(format!("{error:#}")),
        }
    }
    if failed.is_empty() {
        return (done, Ok(()));
    }
    (done, Err(anyhow::anyhow!("{}", failed.join("\n"))))
}

/// One that nobody else on this machine looks into.
pub fn make_own_folder(folder: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make the folder {}", folder.display()))
}

pub fn make_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}
