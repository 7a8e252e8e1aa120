//! Golden cases: `<template>/<case>/inputs.json`, and what comes of it, either `prompt.json` or
//! `violations.json`. The tests and `ops golden` read the same ones.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{json, Map, Value};

use crate::workflow::check::{check, Asked, Files};
use crate::workflow::compile::compile;
use crate::workflow::contract::Kind;
use crate::workflow::template;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// What the case shows, for the reader.
    #[serde(rename = "case")]
    pub shows: String,
    #[serde(default)]
    pub inputs: Map<String, Value>,
    #[serde(default)]
    pub shorthands: Map<String, Value>,
    #[serde(default)]
    pub files: Files,
    #[serde(default)]
    pub seed_if_random: u64,
}

pub struct Case {
    pub template: String,
    pub folder: PathBuf,
    pub given: Given,
}

/// The file that a case leads to, and its text.
pub struct Outcome {
    pub file: &'static str,
    pub text: String,
}

impl Case {
    /// `<template>/<case>`.
    pub fn name(&self) -> String {
        let case = self.folder.file_name().unwrap_or_default();
        format!("{}/{}", self.template, case.to_string_lossy())
    }

    pub fn takes_files(&self) -> bool {
        !self.given.files.is_empty()
    }

    pub fn takes_seed(&self) -> bool {
        let template = template::find(&self.template);
        let mut inputs = template.into_iter().flat_map(|it| &it.contract.inputs);
        inputs.any(|input| matches!(input.kind, Kind::Seed(_)))
    }
}

/// Every case below `root`, by template and name.
pub fn cases(root: &Path) -> io::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for template in folders(root)? {
        for folder in folders(&template)? {
            let text = std::fs::read_to_string(folder.join("inputs.json"))?;
            let given: Given = serde_json::from_str(&text)?;
            let name = template.file_name().unwrap_or_default();
            cases.push(Case {
                template: name.to_string_lossy().into_owned(),
                folder,
                given,
            });
        }
    }
    Ok(cases)
}

fn folders(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent)? {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

pub fn outcome(case: &Case) -> io::Result<Outcome> {
    let found = template::find(&case.template);
    let template =
        found.ok_or_else(|| io::Error::other(format!("no template {}", case.template)))?;
    let asked = Asked {
        inputs: &case.given.inputs,
        shorthands: &case.given.shorthands,
        files: &case.given.files,
        seed_if_random: case.given.seed_if_random,
    };
    let (file, value) = match check(&template.contract, &asked) {
        Err(violations) => ("violations.json", json!(violations)),
        Ok(checked) => {
            let compiled = compile(template, &checked);
            let prompt: Value = serde_json::from_str(&compiled.prompt)?;
            let result = json!({
                "recorded": checked.inputs,
                "derived": checked.derived,
                "composed": checked.composed,
                "echo": checked.echo,
                "files": compiled.files,
                "outputs": compiled.outputs,
                "hash": compiled.hash,
                "prompt": prompt,
            });
            ("prompt.json", result)
        }
    };
    let text = format!("{}\n", serde_json::to_string_pretty(&value)?);
    Ok(Outcome { file, text })
}
