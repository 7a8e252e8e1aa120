//! What runs before an upload, and whether Cloudflare would go back to it.
//!
//! It refuses to across a migration of Durable Objects (Cloudflare, Workers, Rollbacks), and an
//! upload applies those that `wrangler.toml` has behind the one of what runs. So the way back is
//! known, and told, before anything is changed.

use anyhow::Context;
use serde_json::Value;

use super::pipeline::{json_in, Pipeline};
use crate::wrangler::{line, Absent};

/// Where a Worker that does not hold goes.
#[derive(Debug, PartialEq, Eq)]
pub enum WayBack {
    /// To this version.
    To(String),
    /// Nowhere: why, and what to do instead.
    Nowhere { why: String, instead: &'static str },
}

const NOTHING_SERVED: &str = "mend it and deploy again: nothing was served before";
const ACROSS: &str = "mend it and deploy again, or deploy the code of before with these \
     [[migrations]] and the classes that they name (docs/OPERATIONS.md, A bad deploy)";

impl WayBack {
    fn nowhere(why: impl Into<String>, instead: &'static str) -> Self {
        let why = why.into();
        Self::Nowhere { why, instead }
    }
}

/// What runs before an upload.
pub struct Before {
    /// `None`: nothing is deployed yet, or this is a rehearsal.
    pub running: Option<String>,
    pub way_back: WayBack,
}

/// What runs, in a rehearsal, which asks nobody.
const UNKNOWN: &str = "<what runs now>";

impl Pipeline<'_> {
    /// What must stop a deploy is among what `problems` are told.
    pub fn before(&self, problems: &mut Vec<String>) -> anyhow::Result<Before> {
        let tags = self.project.object_migrations();
        if self.dry_run {
            return Ok(self.rehearsed(tags.last().map_or("none", String::as_str)));
        }
        let running = self.running()?;
        let way_back = match &running {
            None => WayBack::nowhere("nothing is deployed yet", NOTHING_SERVED),
            Some(id) => {
                let view = format!("versions view {id} --json");
                let view = self.words(&view);
                self.shown(&view);
                let version = json_in(&self.wrangler.run(&view)?, '{')?;
                judge(id, &version, &tags).unwrap_or_else(|problem| {
                    problems.push(problem);
                    WayBack::To(id.clone())
                })
            }
        };
        self.steps.line(&match &way_back {
            WayBack::To(version) => {
                let rollback = line(&self.words(&format!("rollback {version}")));
                format!("the way back, later: {rollback}")
            }
            WayBack::Nowhere { why, .. } => {
                format!("NO WAY BACK: {why}. If the new version does not hold, it stays")
            }
        });
        Ok(Before { running, way_back })
    }

    fn rehearsed(&self, last_tag: &str) -> Before {
        self.shown(&self.words("deployments status --json"));
        let env = self.name();
        self.steps.line(&format!(
            "would run wrangler versions view {UNKNOWN} --json --env {env}"
        ));
        self.steps.line(&format!(
            "a deploy says here whether there is a way back: none, if what runs has another \
             migration of Durable Objects than {last_tag}, or is a draft that has secrets alone"
        ));
        Before {
            running: None,
            way_back: WayBack::To(UNKNOWN.to_owned()),
        }
    }

    /// The version that runs; `None`: nothing is deployed yet.
    pub fn running(&self) -> anyhow::Result<Option<String>> {
        let status = self.words("deployments status --json");
        self.shown(&status);
        let Some(told) = self.wrangler.find(&status, Absent::Worker)? else {
            return Ok(None);
        };
        let id = serving(&json_in(&told, '{')?);
        id.context("wrangler named no version that runs").map(Some)
    }
}

/// Of two that share the traffic, the one with more of it.
fn serving(status: &Value) -> Option<String> {
    let versions = status["versions"].as_array()?;
    let share = |version: &Value| version["percentage"].as_f64().unwrap_or_default();
    let most = versions
        .iter()
        .max_by(|one, other| share(one).total_cmp(&share(other)))?;
    most["version_id"].as_str().map(str::to_owned)
}

/// By what `wrangler versions view` says of what runs; `Err`: why it must not be uploaded over.
fn judge(id: &str, version: &Value, tags: &[String]) -> Result<WayBack, String> {
    let resources = &version["resources"];
    let bindings = resources["bindings"].as_array();
    if bindings.is_some_and(|all| all.iter().all(|one| one["type"] == "secret_text")) {
        let why = "what runs is the draft that `wrangler secret put` makes before the first upload";
        return Ok(WayBack::nowhere(why, NOTHING_SERVED));
    }
    // One that does not say is gone back to, and Cloudflare's refusal told.
    let Some(tag) = resources["script_runtime"]["migration_tag"].as_str() else {
        return Ok(WayBack::To(id.to_owned()));
    };
    let Some(place) = tags.iter().position(|known| known == tag) else {
        return Err(format!(
            "what runs has the migration {tag} of Durable Objects, and wrangler.toml has not: \
             Cloudflare would be asked to apply all of them again, and refuse. Keep the \
             [[migrations]] of what runs"
        ));
    };
    let applied = tags[place + 1..].join(", ");
    if applied.is_empty() {
        return Ok(WayBack::To(id.to_owned()));
    }
    let why = format!(
        "the upload applies the migration {applied} of Durable Objects, and Cloudflare goes back \
         across none"
    );
    Ok(WayBack::nowhere(why, ACROSS))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(runtime: &Value, bindings: &Value) -> Result<WayBack, String> {
        let resources = json!({ "script_runtime": runtime, "bindings": bindings });
        let tags = ["v1", "v2", "v3"].map(str::to_owned);
        judge("before", &json!({ "resources": resources }), &tags)
    }

    fn why(way_back: Result<WayBack, String>) -> String {
        match way_back {
            Ok(WayBack::Nowhere { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Cloudflare refused the rollback, and only then was it known that there was none.
    #[test]
    fn there_is_no_way_back_across_a_migration_of_durable_objects_or_to_a_draft() {
        let database = json!([{ "type": "d1", "name": "DB" }]);
        let tagged = |tag: &str| judged(&json!({ "migration_tag": tag }), &database);
        let back = Ok(WayBack::To("before".to_owned()));
        assert_eq!(tagged("v3"), back);
        assert!(why(tagged("v1")).contains("applies the migration v2, v3"));
        let secrets = json!([{ "type": "secret_text", "name": "ADMIN_KEY" }]);
        for draft in [secrets, json!([])] {
            let why = why(judged(&json!({}), &draft));
            assert!(why.contains("the draft"), "{why}");
        }
        // What Cloudflare does not say is tried.
        assert_eq!(judged(&json!({}), &database), back);
        assert_eq!(judged(&json!({}), &Value::Null), back);
    }

    /// The code of before, deployed anew with its own `wrangler.toml`, is refused as an upload.
    #[test]
    fn code_that_does_not_know_what_was_applied_is_not_uploaded() {
        let later = judged(&json!({ "migration_tag": "v4" }), &Value::Null);
        let problem = later.unwrap_err();
        assert!(problem.contains("has the migration v4"), "{problem}");
    }

    #[test]
    fn of_two_versions_that_share_the_traffic_the_greater_one_is_gone_back_to() {
        let version = |id: &str, share: f64| json!({ "version_id": id, "percentage": share });
        let status = json!({ "versions": [version("new", 0.5), version("old", 99.5)] });
        assert_eq!(serving(&status).as_deref(), Some("old"));
        assert_eq!(serving(&json!({})), None);
    }
}
