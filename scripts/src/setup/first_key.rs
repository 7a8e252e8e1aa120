//! The first API key: without one nobody but the operator can create a job.

use anyhow::Context;
use serde_json::{json, Value};

use super::answers::Answers;
use super::Setup;
use crate::admin::pages;
use crate::deployment::Deployment;

/// Whose it is, and what it is called, until there are callers with names.
const OWNER: &str = "me";
const NAME: &str = "first";

impl Setup<'_> {
    pub fn first_key(&self, answers: &Answers) -> anyhow::Result<()> {
        self.say("8. The first API key, for your callers; it is shown once");
        let origin = answers.get("PUBLIC_URL").unwrap_or("<the origin>");
        let command = format!("ops keys create --owner {OWNER} --name {NAME} --url {origin}");
        self.would(&format!("run {command}"));
        if self.dry_run {
            return Ok(());
        }
        let admin_key = self.admin_key();
        let admin_key = admin_key.context("ADMIN_KEY is wanted")?;
        let deployment = Deployment::of(origin, &admin_key);
        let keys = pages(
            |path| deployment.get(path),
            "/api/admin/keys",
            "data",
            |_| (),
        )?;
        if let Some(key) = keys.iter().find(|key| is_first(key)) {
            let id = key["id"].as_str().unwrap_or_default();
            self.steps.line(&format!(
                "there is one, {id}; `ops keys rotate {id}` shows another secret"
            ));
            return Ok(());
        }
        let body = json!({ "owner": OWNER, "name": NAME, "scopes": ["jobs:write", "jobs:read"] });
        let made = deployment.post("/api/admin/keys", &body)?;
        let secret = made["secret"].as_str().context("the key has no secret")?;
        self.steps.line(secret);
        Ok(())
    }
}

fn is_first(key: &Value) -> bool {
    key["name"] == NAME && key["owner"] == OWNER && key["revoked_at"].is_null()
}
