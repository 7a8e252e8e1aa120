//! What the account must have: a database and a bucket.

use anyhow::Context;
use serde_json::Value;

use super::Setup;
use crate::deploy::config::is_placeholder;
use crate::deploy::Stopped;
use crate::wrangler::{line, Absent};

/// Name, prefix, what happens after how many days. Above what `JOB_DAYS` and `UPLOAD_DAYS` can be:
/// no rule takes what a row points to. The same are in `docs/DISASTER_RECOVERY.md`.
const RULES: [(&str, &str, &str, &str); 3] = [
    ("evidence", "evidence/", "--expire-days", "400"),
    ("uploads", "assets/", "--expire-days", "800"),
    ("parts", "", "--abort-multipart-days", "7"),
];

impl Setup<'_> {
    pub fn database(&self) -> anyhow::Result<()> {
        let environment = self.target.environment();
        let name = self.project.database(environment, "database_name")?;
        let placeholder = self.project.database(environment, "database_id")?;
        self.say("2. The database for jobs, keys and uploads; its id goes into wrangler.toml");
        let info = ["d1", "info", &name, "--json"];
        if self.is_there(&info, Absent::Database)? {
            self.steps.line(&format!("{name} is there"));
        } else {
            self.change(&["d1", "create", &name])?;
        }
        self.would(&format!("run {}", line(&info)));
        if self.dry_run && !is_placeholder(&placeholder) {
            self.would(&format!("stop, if its id is not {placeholder}"));
            return Ok(());
        }
        if self.dry_run {
            return self.write("database_id", &placeholder, "<its id>");
        }
        let told = self.wrangler.run(&info)?;
        let start = told.find('{').context("wrangler answered no JSON")?;
        let info: Value = serde_json::from_str(&told[start..])?;
        let id = info["uuid"].as_str().context("the database has no id")?;
        if !is_placeholder(&placeholder) && placeholder != id {
            let why = format!(
                "wrangler.toml has the database_id {placeholder}, and {name} is {id}: write the \
                 one that is meant"
            );
            return Err(Stopped(why).into());
        }
        self.write("database_id", &placeholder, id)
    }

    pub fn bucket(&self) -> anyhow::Result<()> {
        let buckets = self.wrangler_toml()?.get("r2_buckets");
        let bucket = buckets.and_then(|it| it.get(0)?.get("bucket_name")?.as_str());
        let bucket = bucket.context("wrangler.toml names no bucket")?;
        self.say(
            "3. The bucket for results and uploads, and its rules for what the purge cannot see",
        );
        if self.is_there(&["r2", "bucket", "info", bucket], Absent::Bucket)? {
            self.steps.line(&format!("{bucket} is there"));
        } else {
            self.change(&["r2", "bucket", "create", bucket])?;
        }
        self.rules(bucket)
    }

    /// Those that are not set yet: a setup may have broken off between any two.
    fn rules(&self, bucket: &str) -> anyhow::Result<()> {
        let list = ["r2", "bucket", "lifecycle", "list", bucket];
        self.would(&format!("run {}", line(&list)));
        let told = if self.dry_run {
            String::new()
        } else {
            self.wrangler.run(&list)?
        };
        for (rule, prefix, what, days) in RULES {
            if has_rule(&told, rule) {
                self.steps.line(&format!("the rule {rule} is there"));
                continue;
            }
            let add = ["r2", "bucket", "lifecycle", "add", bucket, rule, prefix];
            self.change(&[&add[..], &[what, days, "--force"]].concat())?;
        }
        Ok(())
    }

    /// In a rehearsal nobody is asked, and nothing is.
    fn is_there(&self, asked: &[&str], absent: Absent) -> anyhow::Result<bool> {
        Ok(!self.dry_run && self.wrangler.find(asked, absent)?.is_some())
    }
}

/// `name:     evidence`, a line for each, as `wrangler r2 bucket lifecycle list` prints them.
fn has_rule(told: &str, rule: &str) -> bool {
    let mut names = told
        .lines()
        .filter_map(|line| line.trim().strip_prefix("name:"));
    names.any(|name| name.trim() == rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_those_that_are_written_down() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/DISASTER_RECOVERY.md");
        let page = std::fs::read_to_string(page).unwrap();
        let add = "wrangler r2 bucket lifecycle add edge-queue-production ";
        let mut written: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix(add)?.split('#').next())
            .map(str::trim)
            .collect();
        written.sort_unstable();
        let mut rules = RULES.map(|(rule, prefix, what, days)| {
            let prefix = if prefix.is_empty() { "\"\"" } else { prefix };
            format!("{rule} {prefix} {what} {days}")
        });
        rules.sort();
        assert_eq!(written, rules);
    }

    #[test]
    fn a_rule_is_known_by_its_whole_name() {
        let told = "Listing lifecycle rules for bucket 'b'...\nname:      evidence-old\n\
                    enabled:   Yes\n\nname:      parts\nprefix:    (all prefixes)\n";
        assert!(has_rule(told, "parts"));
        assert!(!has_rule(told, "evidence"));
    }
}
