//! `ops keys`: API keys of a deployment.

use clap::Subcommand;
use serde_json::{json, Map, Value};

use crate::admin::{pages, Changing};

/// Make, list, revoke and rotate the API keys of a deployment
#[derive(clap::Args)]
#[command(after_help = "\
The operator's key comes from the environment: ADMIN_KEY. A secret is shown once, when it is made.
Exit status: 0 when it was done, 1 when it was refused, 2 when nobody answered or the command line
is wrong.

Example:
  export ADMIN_KEY=... EDGE_QUEUE_URL=https://queue.example.com
  ops keys create --owner shop --name 'the shop' --scope jobs:write --scope jobs:read
  ops keys rotate 0123456789ab --grace-hours 48")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,

    #[command(flatten)]
    changing: Changing,
}

#[derive(Subcommand)]
enum Verb {
    Create(Create),
    /// List every key, without its secret
    #[command(after_help = "Example:\n  ops keys list --json")]
    List,
    Revoke(Revoke),
    Rotate(Rotate),
}

/// Make a key, and show its secret once
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  ops keys create --owner shop --name 'the shop' --jobs-per-day 500 --live-jobs 20")]
struct Create {
    /// Whose jobs they are: keys of one owner see the same jobs
    #[arg(long)]
    owner: String,

    /// What people call the key
    #[arg(long)]
    name: String,

    /// What it may do: jobs:write, jobs:read, workflows:raw, admin
    #[arg(long = "scope", default_values = ["jobs:write", "jobs:read"])]
    scopes: Vec<String>,

    /// Jobs and retries a minute
    #[arg(long, value_name = "COUNT")]
    jobs_per_minute: Option<u32>,

    /// Jobs and retries a day, UTC
    #[arg(long, value_name = "COUNT")]
    jobs_per_day: Option<u32>,

    /// Jobs of the owner that have not ended
    #[arg(long, value_name = "COUNT")]
    live_jobs: Option<u32>,

    /// Until it ends by itself
    #[arg(long, value_name = "DAYS")]
    expires_in_days: Option<u32>,
}

/// End a key: it creates nothing more from now on, and reads for 30 s at most
#[derive(clap::Args)]
#[command(after_help = "Example:\n  ops keys revoke 0123456789ab")]
struct Revoke {
    /// As `ops keys list` shows it
    id: String,
}

/// Give a key another secret, and show it once
#[derive(clap::Args)]
#[command(after_help = "Example:\n  ops keys rotate 0123456789ab --grace-hours 48")]
struct Rotate {
    /// As `ops keys list` shows it
    id: String,

    /// How long the secret of before is good, too
    #[arg(long, default_value_t = 24, value_name = "HOURS")]
    grace_hours: u32,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let changing = &arguments.changing;
    let deployment = &changing.asked.deployment;
    let answer = match &arguments.verb {
        Verb::Create(create) => changing.post("/api/admin/keys", &create.body())?,
        Verb::List => {
            let get = |path: &str| deployment.get(path);
            json!({ "data": pages(get, "/api/admin/keys", "data", |_| ())? })
        }
        Verb::Revoke(Revoke { id }) => {
            changing.post(&format!("{}/revoke", key_path(id)), &json!({}))?
        }
        Verb::Rotate(Rotate { id, grace_hours }) => {
            let body = json!({ "grace_s": u64::from(*grace_hours) * 3_600 });
            changing.post(&format!("{}/rotate", key_path(id)), &body)?
        }
    };
    changing.asked.tell(&answer, shown)
}

impl Create {
    fn body(&self) -> Value {
        let life_s = self.expires_in_days.map(|days| u64::from(days) * 86_400);
        let body = json!({
            "owner": self.owner,
            "name": self.name,
            "scopes": self.scopes,
            "jobs_per_minute": self.jobs_per_minute,
            "jobs_per_day": self.jobs_per_day,
            "live_jobs": self.live_jobs,
            "expires_in_s": life_s,
        });
        let given = body.as_object().cloned().unwrap_or_default();
        let given = given.into_iter().filter(|(_, value)| !value.is_null());
        Value::Object(given.collect::<Map<_, _>>())
    }
}

/// An id is hexadecimal; anything else names no key, and must not name another path.
fn key_path(id: &str) -> String {
    let plain: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("/api/admin/keys/{plain}")
}

/// For people: a line for each key, and the secret alone on the last.
fn shown(answer: &Value) -> String {
    let mut text = String::new();
    let many = answer["data"].as_array().cloned();
    let keys = many.unwrap_or_else(|| vec![answer["key"].clone()]);
    for key in &keys {
        let word = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
        let scopes = key["scopes"].as_array().into_iter().flatten();
        let scopes: Vec<&str> = scopes.filter_map(Value::as_str).collect();
        let ends = [
            ("revoked", word("revoked_at")),
            ("expires", word("expires_at")),
            ("old secret until", word("old_secret_until")),
        ];
        // What ended it says all.
        let end = ends.iter().find(|(_, at)| !at.is_empty());
        let end = end.map_or_else(String::new, |(what, at)| format!("  {what} {at}"));
        let (id, owner, name) = (word("id"), word("owner"), word("name"));
        let scopes = scopes.join(",");
        let line = [id, owner, name, scopes + &end];
        text.push_str(&line.join("  "));
        text.push('\n');
    }
    if let Some(secret) = answer["secret"].as_str() {
        text.push_str("shown this once:\n");
        text.push_str(secret);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn create(line: &str) -> Value {
        let matches = Cli::command()
            .try_get_matches_from(line.split(' '))
            .unwrap();
        match Cli::from_arg_matches(&matches).unwrap().arguments.verb {
            Verb::Create(create) => create.body(),
            Verb::List | Verb::Revoke(_) | Verb::Rotate(_) => panic!("{line}"),
        }
    }

    #[test]
    fn a_key_reads_and_writes_jobs_unless_told_otherwise() {
        let plain = create("keys create --owner shop --name it");
        let expected =
            json!({"owner": "shop", "name": "it", "scopes": ["jobs:write", "jobs:read"]});
        assert_eq!(plain, expected);
        let line =
            "keys create --owner a --name b --scope admin --jobs-per-day 5 --expires-in-days 1";
        let limited = create(line);
        assert_eq!(limited["scopes"], json!(["admin"]));
        assert_eq!(
            (&limited["jobs_per_day"], &limited["expires_in_s"]),
            (&5.into(), &86_400.into())
        );
    }

    #[test]
    fn an_id_never_leads_to_another_path() {
        assert_eq!(key_path("../sweep?x=1#"), "/api/admin/keys/sweepx1");
    }

    #[test]
    fn a_secret_stands_alone_on_the_last_line() {
        let key = json!({"id": "0a", "owner": "shop", "name": "it", "scopes": ["admin"],
            "revoked_at": null, "expires_at": "2027-01-01T00:00:00.000Z"});
        let text = shown(&json!({"key": key, "secret": "eqk_x"}));
        let expected = "0a  shop  it  admin  expires 2027-01-01T00:00:00.000Z\n\
            shown this once:\neqk_x\n";
        assert_eq!(text, expected);
        assert_eq!(shown(&json!({"data": []})), "");
    }

    #[test]
    fn every_verb_shows_an_example() {
        let cli = Cli::command();
        for verb in ["create", "revoke", "rotate"] {
            let help = cli
                .find_subcommand(verb)
                .and_then(clap::Command::get_after_help);
            let help = help.map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("  ops keys {verb} ")), "{verb}");
        }
    }
}
