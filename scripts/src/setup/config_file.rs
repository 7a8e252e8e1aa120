//! What goes into `wrangler.toml`; its comments and order stay as they are.

use anyhow::Context;

use super::answers::Answers;
use super::Setup;
use crate::files;

impl Setup<'_> {
    pub fn write_vars(&self, answers: &Answers) -> anyhow::Result<()> {
        for name in ["PUBLIC_URL", "RUNPOD_ENDPOINT_ID"] {
            self.write_var(name, answers.get(name))?;
        }
        Ok(())
    }

    fn write_var(&self, name: &str, value: Option<&str>) -> anyhow::Result<()> {
        let vars = self.wrangler_toml()?.get("vars");
        let now = vars.and_then(|vars| vars.get(name)?.as_str());
        let now = now.with_context(|| format!("wrangler.toml has no {name} for {}", self.name))?;
        let value = value.unwrap_or("<the answer>");
        self.would(&format!(
            "write {name} = \"{value}\", where \"{now}\" stands"
        ));
        if self.dry_run || now == value {
            return Ok(());
        }
        let (before, after) = (
            format!("{name} = \"{now}\""),
            format!("{name} = \"{value}\""),
        );
        self.replace(&before, &after)
    }

    /// In the environment's section. Ids are all different: the text that stands for one stands
    /// there once.
    pub fn replace(&self, before: &str, after: &str) -> anyhow::Result<()> {
        let file = self.project.root.join("wrangler.toml");
        let text = String::from_utf8(files::read(&file)?)?;
        let begin = text
            .find(&format!("[env.{}.", self.name))
            .context("no such section")?;
        let (head, tail) = text.split_at(begin);
        files::write(&file, &format!("{head}{}", tail.replacen(before, after, 1)))
    }
}
