//! What goes into `wrangler.toml`; its comments and order stay as they are.

use anyhow::Context;

use super::answers::Answers;
use super::Setup;
use crate::deploy::config::is_placeholder;
use crate::files;

impl Setup<'_> {
    pub fn write_vars(&self, answers: &Answers) -> anyhow::Result<()> {
        for name in ["PUBLIC_URL", "RUNPOD_ENDPOINT_ID"] {
            let now = self.var(name);
            let now =
                now.with_context(|| format!("wrangler.toml has no {name} for {}", self.name))?;
            self.write(name, now, answers.get(name).unwrap_or("<the answer>"))?;
        }
        Ok(())
    }

    /// A var of the environment that is no placeholder any more.
    pub fn filled_in(&self, name: &str) -> Option<String> {
        let value = self.var(name)?;
        (!is_placeholder(value)).then(|| value.to_owned())
    }

    fn var(&self, name: &str) -> Option<&str> {
        let vars = self.wrangler_toml().ok()?.get("vars")?;
        vars.get(name)?.as_str()
    }

    /// Puts `value` where `now` stands.
    pub fn write(&self, name: &str, now: &str, value: &str) -> anyhow::Result<()> {
        if now == value {
            return Ok(());
        }
        self.would(&format!(
            "write {name} = \"{value}\", where \"{now}\" stands"
        ));
        if self.dry_run {
            return Ok(());
        }
        let file = self.project.root.join("wrangler.toml");
        let text = String::from_utf8(files::read(&file)?)?;
        let text = replaced(&text, self.name, [name, now, value]);
        let text = text.with_context(|| {
            let place = format!("below [env.{}]", self.name);
            format!(
                "wrangler.toml has no line {name} = \"{now}\" {place}: write \"{value}\" by hand"
            )
        })?;
        files::write(&file, &text)
    }
}

/// The text with another value at the first line of the environment that has this one; `None`: no
/// line has it.
fn replaced(text: &str, environment: &str, [name, now, value]: [&str; 3]) -> Option<String> {
    let (own, below) = (format!("env.{environment}"), format!("env.{environment}."));
    let (mut is_inside, mut is_done) = (false, false);
    let mut replace = |line: &str| {
        if let Some(header) = line.trim_start().strip_prefix('[') {
            let header = header.trim_start_matches('[');
            let header = header.split(']').next().unwrap_or_default().trim();
            is_inside = header == own || header.starts_with(&below);
        }
        let has_name = line.split('=').next().is_some_and(|key| key.trim() == name);
        let quoted = format!("\"{now}\"");
        if is_done || !is_inside || !has_name || !line.contains(&quoted) {
            return line.to_owned();
        }
        is_done = true;
        line.replacen(&quoted, &format!("\"{value}\""), 1)
    };
    let text: String = text.split_inclusive('\n').map(&mut replace).collect();
    is_done.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
        [vars]\nURL = \"x\"\n[env.staging.vars]\nURL   =  \"x\" # origin\n\
        [[env.staging.d1_databases]]\nid = \"y\"\n\
        [env.production.vars]\nURL = \"x\"\nOTHER = \"x\"\n";

    /// With other blanks nothing was written, and nothing said so.
    #[test]
    fn a_value_is_found_however_its_line_is_spaced() {
        let text = replaced(FILE, "staging", ["URL", "x", "z"]).unwrap();
        assert_eq!(text, FILE.replace("URL   =  \"x\"", "URL   =  \"z\""));
    }

    /// What staging lacked was replaced in the section behind it, production's.
    #[test]
    fn another_environment_is_left_as_it_is() {
        assert_eq!(replaced(FILE, "staging", ["OTHER", "x", "z"]), None);
        assert_eq!(replaced(FILE, "staging", ["URL", "w", "z"]), None);
        let text = replaced(FILE, "production", ["URL", "x", "z"]).unwrap();
        assert!(text.ends_with("[env.production.vars]\nURL = \"z\"\nOTHER = \"x\"\n"));
    }
}
