//! `ops webhooks`: what callers were not told, and telling it again.

use clap::Subcommand;
use serde_json::{json, Map, Value};

use crate::admin::{pages, Changing};

/// Show webhooks that nobody took, send them again, and show or change a signing secret
#[derive(clap::Args)]
#[command(after_help = "\
The key comes from the environment: ADMIN_KEY, the operator's or, for the secret, any API key.
Exit status: 0 when it was done, 1 when it was refused, 2 when nobody answered or the command line
is wrong.

Example:
  export ADMIN_KEY=... EDGE_QUEUE_URL=https://queue.example.com
  ops webhooks list
  ops webhooks replay --since 2026-01-31T12:00:00Z")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,

    #[command(flatten)]
    changing: Changing,
}

#[derive(Subcommand)]
enum Verb {
    /// List events that nobody took, the longest missed first
    #[command(after_help = "Example:\n  ops webhooks list --json")]
    List,
    Replay(Replay),
    Secret(Secret),
}

/// Send events again that nobody took, but for receivers that want no more
#[derive(clap::Args)]
#[command(after_help = "Example:\n  ops webhooks replay --since 2026-01-31T12:00:00Z")]
struct Replay {
    /// Only those missed since then
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
}

/// Show the secret that signs the webhooks of this key
#[derive(clap::Args)]
#[command(after_help = "Example:\n  ops webhooks secret --rotate")]
struct Secret {
    /// Make another one; the one of before signs, too, for a week
    #[arg(long)]
    rotate: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let changing = &arguments.changing;
    let deployment = &changing.asked.deployment;
    let answer = match &arguments.verb {
        Verb::List => {
            let all = pages(
                |path| deployment.get(path),
                "/api/admin/deliveries",
                "deliveries",
                |_| (),
            )?;
            json!({ "deliveries": all })
        }
        Verb::Replay(replay) => replay.run(changing)?,
        Verb::Secret(Secret { rotate: false }) => deployment.get("/api/webhooks/secret")?,
        Verb::Secret(Secret { rotate: true }) => {
            changing.post("/api/webhooks/secret", &Value::Null)?
        }
    };
    changing.asked.tell(&answer, shown)
}

impl Replay {
    /// A page at a time, until nothing is left.
    fn run(&self, changing: &Changing) -> anyhow::Result<Value> {
        let since = self.since.iter();
        let body: Map<String, Value> = since
            .map(|since| ("since".to_owned(), since.as_str().into()))
            .collect();
        let body = Value::Object(body);
        let mut replayed = 0;
        loop {
            let page = changing.post("/api/admin/deliveries/replay", &body)?;
            if changing.dry_run {
                return Ok(page);
            }
            replayed += page["replayed"].as_u64().unwrap_or(0);
            if page["has_more"] != true {
                return Ok(json!({ "replayed": replayed }));
            }
        }
    }
}

/// For people: a line for each event, or what was done.
fn shown(answer: &Value) -> String {
    let word = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    if let Some(deliveries) = answer["deliveries"].as_array() {
        let line = |one: &Value| {
            let last = one["log"].as_array().and_then(|log| log.last());
            let status = last.and_then(|last| last["status"].as_u64());
            let status = status.map_or_else(|| "no answer".to_owned(), |s| s.to_string());
            let when = word(one, "missed_at");
            format!(
                "{when}  {}  {}  {status}\n",
                word(one, "id"),
                word(one, "type")
            )
        };
        return deliveries.iter().map(line).collect();
    }
    if let Some(replayed) = answer["replayed"].as_u64() {
        return format!("{replayed} sent again\n");
    }
    format!("{}\n", word(answer, "secret"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_event_is_a_line_with_its_last_answer() {
        let missed = json!({"deliveries": [
            {"id": "evt_1", "type": "job.failed", "missed_at": "2026-01-01T00:00:00.000Z",
             "log": [{"status": 500}, {"status": 503}]},
            {"id": "evt_2", "type": "job.queued", "missed_at": "2026-01-02T00:00:00.000Z",
             "log": [{"status": null}]},
        ]});
        let expected = "2026-01-01T00:00:00.000Z  evt_1  job.failed  503\n\
            2026-01-02T00:00:00.000Z  evt_2  job.queued  no answer\n";
        assert_eq!(shown(&missed), expected);
        assert_eq!(shown(&json!({"replayed": 3})), "3 sent again\n");
        assert_eq!(
            shown(&json!({"ok": true, "secret": "whsec_x"})),
            "whsec_x\n"
        );
    }
}
