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

/// Of so many objects one may be an orphan: settles that lost leave a few. Where there are more,
/// the database is an older one or another one, and R2 has no way back from a delete.
const OBJECTS_PER_ORPHAN: u64 = 20;

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
A file that is deleted is gone for good, and to a restored or a wrong database every newer result
looks like an orphan: while submission is paused, or when more than one object of twenty would go,
files are left as they are and it is said why, unless --delete-orphans is given, too.
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

    /// Delete files that no row points to, however many they are, and while submission is paused
    #[arg(long, requires = "apply")]
    delete_orphans: bool,

    /// As JSON: {examined, withheld, findings: [{code, subject, says, would, mended}]}
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let admin = Admin(&arguments.deployment);
    let mut examined = BTreeMap::new();
    let mut findings = Vec::new();
    let mut withheld = None;
    for part in PARTS {
        // What would be deleted is counted before anything is.
        let is_counted = part == "objects" && arguments.apply && !arguments.delete_orphans;
        let (mut count, mut found) = walk(&admin, part, arguments.apply && !is_counted)?;
        if is_counted && !found.is_empty() {
            let health = admin.get("/api/gpu/health")?;
            withheld = why_not(&health["endpoint"]["paused_at"], count, found.len());
            if withheld.is_none() {
                (count, found) = walk(&admin, part, true)?;
            }
        }
        if part == "provider" && !found.is_empty() {
            wait(AGAIN_AFTER);
            found = walk(&admin, part, arguments.apply)?.1;
        }
        examined.insert(part, count);
        findings.extend(found);
    }
    if arguments.json {
        let told = json!({ "examined": examined, "withheld": withheld, "findings": findings });
        told::json(&told)?;
    } else {
        findings.iter().for_each(show);
        if let Some(why) = &withheld {
            println!("no file was deleted: {why}");
        }
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

/// Why files are left as they are although `--apply` was given; `None`: they may go.
fn why_not(paused_at: &Value, objects: u64, orphans: usize) -> Option<String> {
    let advice = "read docs/DISASTER_RECOVERY.md, \"After any restore\", before --delete-orphans";
    if let Some(at) = paused_at.as_str() {
        let why = "after a restore every newer result looks like an orphan";
        return Some(format!(
            "submission is paused since {at}, and {why}: {advice}"
        ));
    }
    let is_few = orphans as u64 * OBJECTS_PER_ORPHAN <= objects;
    (!is_few).then(|| {
        let why = "is this the database that the files belong to?";
        format!("{orphans} of {objects} objects would go, and {why} Else {advice}")
    })
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
