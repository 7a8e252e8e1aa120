//! `ops reconcile`: what does not fit together between rows, objects, watchers and provider.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{json, Value};

use crate::admin::{progress, Admin};
use crate::clock::wait;
use crate::deployment::Deployment;
use crate::exit;
use crate::told;

/// In the order in which they are looked at.
const PARTS: [&str; 5] = ["jobs", "uploads", "objects", "credits", "provider"];

/// What the provider counts and what we count are read at two moments: only what is seen twice,
/// this far apart, is told.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Find what does not fit between database, files, watchers and provider, and with --apply mend it
#[derive(clap::Args)]
#[command(after_help = "\
Every job, upload, object and ledger is looked at, in bounded pages. Found are: jobs without a
watcher, jobs that ended with an attempt still live, due times that are missing or left over,
results and inputs whose file is gone, uploads without a file, files that no row points to, ledgers
that hold other credits than the jobs under way, and jobs at the provider that nobody here knows.
What is young is left alone: it may be half way in.
Without --apply nothing is changed. With it each finding is looked at once more before it is mended:
it is safe twice, and while traffic flows. What cannot be mended is told all the same.
Exit status: 0 when all fits or was mended, 1 when something is left, 2 when the deployment could
not be asked.

Example:
  export ADMIN_KEY=...
  ops reconcile --url https://queue.example.com
  ops reconcile --url https://queue.example.com --apply --json")]
pub struct Arguments {
    #[command(flatten)]
    deployment: Deployment,

    /// Mend what can be mended
    #[arg(long)]
    apply: bool,

    /// As JSON: {examined, findings: [{code, subject, says, would, mended}]}
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let admin = Admin(&arguments.deployment);
    let mut examined = BTreeMap::new();
    let mut findings = Vec::new();
    for part in PARTS {
        let (count, mut found) = walk(&admin, part, arguments.apply)?;
        if part == "provider" && !found.is_empty() {
            wait(AGAIN_AFTER);
            found = walk(&admin, part, arguments.apply)?.1;
        }
        examined.insert(part, count);
        findings.extend(found);
    }
    if arguments.json {
        told::json(&json!({ "examined": examined, "findings": findings }))?;
    } else {
        findings.iter().for_each(show);
        println!("{}", summary(&examined, &findings, arguments.apply));
    }
    let is_left = findings.iter().any(|finding| finding["mended"] != true);
    Ok(if is_left {
        exit::FOUND
    } else {
        ExitCode::SUCCESS
    })
}

fn walk(admin: &Admin<'_>, part: &'static str, apply: bool) -> anyhow::Result<(u64, Vec<Value>)> {
    let bar = progress(part);
    let (mut examined, mut findings, mut cursor) = (0, Vec::new(), Value::Null);
    loop {
        let body = json!({ "part": part, "cursor": cursor, "apply": apply });
        let mut page = admin.post("/api/admin/reconcile", &body)?;
        let count = page["examined"].as_u64().unwrap_or(0);
        examined += count;
        bar.inc(count);
        let found = page["findings"].as_array_mut().map(std::mem::take);
        findings.extend(found.unwrap_or_default());
        bar.set_message(format!("{} found", findings.len()));
        cursor = page["next_cursor"].take();
        if cursor.is_null() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok((examined, findings))
}

fn show(finding: &Value) {
    let text = |name: &str| finding[name].as_str().unwrap_or_default();
    let (code, subject, says) = (text("code"), text("subject"), text("says"));
    let deed = match (finding["mended"] == true, finding["would"].as_str()) {
        (true, Some(would)) => format!("mended: {would}"),
        (false, Some(would)) => format!("would {would}"),
        (_, None) => "nothing here mends it".to_owned(),
    };
    println!("{subject}  {code}: {says}; {deed}");
}

fn summary(examined: &BTreeMap<&str, u64>, findings: &[Value], apply: bool) -> String {
    let counts: Vec<_> = examined
        .iter()
        .map(|(part, n)| format!("{n} {part}"))
        .collect();
    let mended = findings.iter().filter(|it| it["mended"] == true).count();
    let can = findings.iter().filter(|it| it["would"].is_string()).count();
    let advice = if !apply && can > 0 {
        ": add --apply to mend what can be"
    } else {
        ""
    };
    format!(
        "examined {}; {} findings, {mended} mended{advice}",
        counts.join(", "),
        findings.len()
    )
}
