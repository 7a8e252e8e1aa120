//! What `wrangler.toml` must say of an environment before it can be deployed.

use super::Target;
use crate::project::{Environment, Project, NO_ENDPOINT};

/// Bindings that the Worker reads, by the table that declares them.
const BINDINGS: [(&str, &str); 2] = [("d1_databases", "DB"), ("r2_buckets", "BLOBS")];
const OBJECTS: [&str; 2] = ["WATCHERS", "GATES"];
/// Says which version answers.
const VERSION: &str = "VERSION";
const LIMITERS: [&str; 4] = ["RATE_KEYS", "RATE_SESSIONS", "RATE_ADDRESSES", "RATE_MINTS"];

/// A database id that nobody has filled in.
const NO_DATABASE: &str = "00000000-0000-0000-0000-";
const NO_URL: &str = "https://replace-me.invalid";

/// Whether nobody has put a value there yet.
pub fn is_placeholder(value: &str) -> bool {
    value.is_empty()
        || value == NO_ENDPOINT
        || value.starts_with(NO_URL)
        || value.starts_with(NO_DATABASE)
}

/// Secrets without which it would not serve.
pub const fn secrets(target: Target) -> &'static [&'static str] {
    match target {
        Target::Staging => &["TOKEN_SECRETS"],
        Target::Production => &["TOKEN_SECRETS", "RUNPOD_API_KEY", "ADMIN_KEY"],
    }
}

pub fn problems(project: &Project, target: Target) -> Vec<String> {
    let mut problems = unbound(project, target);
    if let Some(section) = project.section(target.environment()) {
        problems.extend(placeholders(project, target, section));
    }
    problems
}

/// Bindings that are not there; before a setup has filled in the rest, they are all there is.
pub fn unbound(project: &Project, target: Target) -> Vec<String> {
    let name = target.environment().name();
    let Some(section) = project.section(target.environment()) else {
        return vec![format!("wrangler.toml has no [env.{name}]")];
    };
    let mut problems = Vec::new();
    let bound = |table: &str, key: &str, wanted: &str| {
        let list = section.get(table).and_then(toml::Value::as_array);
        let mut list = list.into_iter().flatten();
        list.any(|one| one.get(key).and_then(toml::Value::as_str) == Some(wanted))
    };
    for (table, binding) in BINDINGS {
        if !bound(table, "binding", binding) {
            problems.push(format!("[[env.{name}.{table}]] has no binding {binding}"));
        }
    }
    for limiter in LIMITERS {
        if !bound("ratelimits", "name", limiter) {
            problems.push(format!("[[env.{name}.ratelimits]] has no name {limiter}"));
        }
    }
    let version = section.get("version_metadata");
    if version.and_then(|it| it.get("binding")?.as_str()) != Some(VERSION) {
        problems.push(format!(
            "[env.{name}.version_metadata] has no binding {VERSION}"
        ));
    }
    let objects = section
        .get("durable_objects")
        .and_then(|it| it.get("bindings"));
    let objects = objects.and_then(toml::Value::as_array);
    for wanted in OBJECTS {
        let mut objects = objects.into_iter().flatten();
        let has = objects.any(|one| one.get("name").and_then(toml::Value::as_str) == Some(wanted));
        if !has {
            problems.push(format!(
                "[[env.{name}.durable_objects.bindings]] has no name {wanted}"
            ));
        }
    }
    problems
}

/// The Worker would take these for real values.
fn placeholders(project: &Project, target: Target, section: &toml::Table) -> Vec<String> {
    let name = target.environment().name();
    let var = |key: &str| {
        let vars = section.get("vars")?;
        vars.get(key)?.as_str().map(str::to_owned)
    };
    let mut problems = Vec::new();
    let id = project
        .database(target.environment(), "database_id")
        .unwrap_or_default();
    if is_placeholder(&id) {
        let what =
            "database_id is a placeholder: ops setup fills it in, wrangler d1 create prints one";
        problems.push(format!("[[env.{name}.d1_databases]] {what}"));
    }
    if var("PUBLIC_URL").is_none_or(|url| is_placeholder(&url)) {
        problems.push(format!(
            "[env.{name}.vars] PUBLIC_URL is a placeholder: the Worker's origin"
        ));
    }
    let has_endpoint = project.endpoint(target.environment()).is_some();
    if target.environment() == Environment::Production && !has_endpoint {
        problems.push(format!(
            "[env.{name}.vars] RUNPOD_ENDPOINT_ID is a placeholder"
        ));
    }
    problems
}
