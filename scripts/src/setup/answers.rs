//! What the account must know, asked for once at the beginning.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::{bail, Context};

use super::Setup;
use crate::deployment::variable;

/// Name, question.
const QUESTIONS: [(&str, &str); 3] = [
    ("PUBLIC_URL", "the Worker's https origin, without a path"),
    (
        "RUNPOD_ENDPOINT_ID",
        "the RunPod endpoint that runs the jobs",
    ),
    (SECRET, "the RunPod API key that opens it"),
];

/// Not shown while it is typed.
const SECRET: &str = "RUNPOD_API_KEY";

#[derive(Default)]
pub struct Answers(BTreeMap<&'static str, String>);

impl Answers {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn origin(&self) -> anyhow::Result<&str> {
        self.get("PUBLIC_URL").context("PUBLIC_URL is wanted")
    }

    pub fn endpoint(&self) -> anyhow::Result<&str> {
        let id = self.get("RUNPOD_ENDPOINT_ID");
        id.context("RUNPOD_ENDPOINT_ID is wanted")
    }

    pub fn key(&self) -> anyhow::Result<&str> {
        self.get("RUNPOD_API_KEY")
            .context("RUNPOD_API_KEY is wanted")
    }
}

impl Setup<'_> {
    /// What wrangler.toml has stays; else from the environment, else from whoever sits there.
    pub fn ask(&self) -> anyhow::Result<Answers> {
        let mut answers = Answers::default();
        for (name, question) in QUESTIONS {
            if let Some(value) = self.filled_in(name) {
                self.steps.line(&format!(
                    "{name} stays \"{value}\", as wrangler.toml has it"
                ));
                if variable(name).is_some_and(|other| other != value) {
                    let advice = "change wrangler.toml by hand, if it is meant";
                    self.steps.line(&format!(
                        "{name} in the environment is another one, and is not used: {advice}"
                    ));
                }
                answers.0.insert(name, value);
            } else if let Some(value) = variable(name) {
                self.steps
                    .line(&format!("{name} is taken from the environment"));
                answers.0.insert(name, value);
            } else if self.dry_run {
                self.would(&format!("ask for {name}: {question}"));
            } else {
                answers.0.insert(name, asked(name, question)?);
            }
        }
        Ok(answers)
    }
}

fn asked(name: &str, question: &str) -> anyhow::Result<String> {
    eprint!("{name} ({question}): ");
    std::io::stderr().flush()?;
    let text = if name == SECRET && std::io::stdin().is_terminal() {
        console::Term::stderr().read_secure_line()?
    } else {
        let mut text = String::new();
        std::io::stdin().lock().read_line(&mut text)?;
        text
    };
    if text.trim().is_empty() {
        bail!("{name} is wanted: {question}");
    }
    Ok(text.trim().to_owned())
}
