//! What the account must have: a database and a bucket.

use anyhow::Context;
use serde_json::Value;

use super::Setup;
use crate::wrangler::line;

/// Above what `JOB_DAYS` and `UPLOAD_DAYS` can be: no rule takes what a row points to.
const RULES: [(&str, &str, &str); 2] = [
    ("evidence", "evidence/", "400"),
    ("uploads", "assets/", "800"),
];

impl Setup<'_> {
    pub fn database(&self) -> anyhow::Result<()> {
        let environment = self.target.environment();
        let name = self.project.database(environment, "database_name")?;
        let placeholder = self.project.database(environment, "database_id")?;
        self.say("2. The database for jobs, keys and uploads; its id goes into wrangler.toml");
        let info = ["d1", "info", &name, "--json"];
        if !self.dry_run && self.wrangler.run(&info).is_ok() {
            self.steps.line(&format!("{name} is there"));
        } else {
            self.change(&["d1", "create", &name])?;
        }
        self.would(&format!("run {}", line(&info)));
        self.would(&format!("write its id, where \"{placeholder}\" stands"));
        if self.dry_run {
            return Ok(());
        }
        let told = self.wrangler.run(&info)?;
        let start = told.find('{').context("wrangler answered no JSON")?;
        let info: Value = serde_json::from_str(&told[start..])?;
        let id = info["uuid"].as_str().context("the database has no id")?;
        self.replace(&placeholder, id)
    }

    pub fn bucket(&self) -> anyhow::Result<()> {
        let buckets = self.wrangler_toml()?.get("r2_buckets");
        let bucket = buckets.and_then(|it| it.get(0)?.get("bucket_name")?.as_str());
        let bucket = bucket.context("wrangler.toml names no bucket")?;
        self.say(
            "3. The bucket for results and uploads, and its rules for what the purge cannot see",
        );
        if !self.dry_run && self.wrangler.run(&["r2", "bucket", "info", bucket]).is_ok() {
            self.steps.line(&format!("{bucket} is there"));
            return Ok(());
        }
        self.change(&["r2", "bucket", "create", bucket])?;
        for (rule, prefix, days) in RULES {
            let add = ["r2", "bucket", "lifecycle", "add", bucket, rule, prefix];
            self.change(&[&add[..], &["--expire-days", days, "--force"]].concat())?;
        }
        Ok(())
    }
}
