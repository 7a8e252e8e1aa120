//! Secrets: two are made here, one is the account's own. None is ever printed.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::{bail, Context};

use super::answers::Answers;
use super::Setup;
use crate::deploy::config::secrets;
use crate::deploy::Target;
use crate::deployment::variable;
use crate::files;
use crate::wrangler::{line, Absent};

/// Secrets of ours: 32 random bytes each.
const MADE: [&str; 2] = ["TOKEN_SECRETS", "ADMIN_KEY"];
const SECRET_BYTES: usize = 32;

impl Setup<'_> {
    pub fn secrets(&self, answers: &Answers) -> anyhow::Result<()> {
        self.say(
            "6. Secrets that are not set yet: two are made here, one is yours; none is printed",
        );
        let list = ["secret", "list", "--env", self.name, "--format", "json"];
        self.would(&format!("run {}", line(&list)));
        // There is no list before there is a Worker. A list that was not answered is not an empty
        // one: every secret would be made anew, and what the old ones signed would be lost.
        let told = if self.dry_run {
            None
        } else {
            self.wrangler.find(&list, Absent::Worker)?
        };
        let told = told.unwrap_or_default();
        let is_set = |name: &str| told.contains(&format!("\"{name}\""));
        // An endpoint is asked for in staging, too.
        let mut wanted: Vec<&str> = secrets(Target::Production).to_vec();
        wanted.retain(|name| !is_set(name));
        for name in wanted {
            let put = ["secret", "put", name, "--env", self.name];
            self.would(&format!("run {}", line(&put)));
            if self.dry_run {
                continue;
            }
            let value = match answers.get(name) {
                Some(value) => value.to_owned(),
                None if MADE.contains(&name) => self.make(name)?,
                None => bail!("{name} is wanted"),
            };
            if MADE.contains(&name) && variable(name).is_some() {
                self.steps.line(&format!(
                    "{name} in the environment is not used: it may be another environment's"
                ));
            }
            self.wrangler.run_with(&put, &value)?;
        }
        let file = format!(".run/setup-{}.secrets", self.name);
        self.would(&format!(
            "leave those that were made in {file}, for your password store"
        ));
        if self.dry_run {
            return Ok(());
        }
        if self.admin_key().is_none() {
            bail!(
                "ADMIN_KEY is set in the account and is not here: export it, and call this again"
            );
        }
        let whence = match self.made_key() {
            Some(_) => file.as_str(),
            None => "the environment",
        };
        self.steps.line(&format!(
            "speaks to the Worker with the ADMIN_KEY of {whence}"
        ));
        Ok(())
    }

    /// That of this setup, or of the one that broke off before it; one that is exported may be
    /// another environment's.
    pub fn admin_key(&self) -> Option<String> {
        self.made_key().or_else(|| variable("ADMIN_KEY"))
    }

    fn made_key(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.secrets_file()).ok()?;
        let mut keys = text.lines().rev();
        keys.find_map(|line| line.strip_prefix("ADMIN_KEY=").map(str::to_owned))
    }

    fn secrets_file(&self) -> PathBuf {
        let name = format!("setup-{}.secrets", self.name);
        self.project.root.join(".run").join(name)
    }

    /// Written down before it is set: a secret that nobody has would lock the owner out.
    fn make(&self, name: &str) -> anyhow::Result<String> {
        let mut bytes = [0; SECRET_BYTES];
        let mut random = std::fs::File::open("/dev/urandom").context("no random bytes")?;
        random.read_exact(&mut bytes)?;
        let secret = bytes
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let file = self.secrets_file();
        files::make_folder(&self.project.root.join(".run"))?;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(&file)?;
        writeln!(file, "{name}={secret}")?;
        Ok(secret)
    }
}
