//! `ops golden`: fixed inputs through every template, and what came of them before.

mod pictures;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use edge_queue::testing::golden::{cases, outcome, Outcome};
use serde_json::json;

use crate::exit;
use crate::files;
use crate::project::Project;
use crate::told;

/// Compare what fixed inputs make of every template with what they made before
#[derive(clap::Args)]
#[command(after_help = "\
The cases are tests/golden/<template>/<case>: inputs.json, and the prompt or the violations that
they make. Prompts are always compared, on this machine. Pictures are made by a deployment, one for
each template that takes no file, and compared by what they look like.

Example:
  ops golden run
  ops golden record --base-url http://127.0.0.1:8787 --pictures before
  ops golden run --base-url http://127.0.0.1:8787 --pictures before --report golden.html")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(Run),
    Record(Record),
    Diff(Diff),
}

/// Compare the prompts and, with a deployment, its pictures with those recorded
#[derive(clap::Args)]
#[command(after_help = "\
Exit status: 0 when nothing differs, 1 when something does, 2 when it could not be compared.

Example:
  ops golden run --json")]
struct Run {
    /// Whose pictures to compare; without it the prompts alone
    #[arg(long, value_name = "URL", requires = "pictures")]
    base_url: Option<String>,

    /// The folder of recorded pictures
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,

    #[command(flatten)]
    told: Told,
}

/// Write down what the prompts are now and, with a deployment, its pictures
#[derive(clap::Args)]
#[command(after_help = "\
Exit status: 0 when all was recorded, 2 when something could not be.

Example:
  ops golden record --base-url http://127.0.0.1:8787 --pictures before")]
struct Record {
    /// Whose pictures to record; without it the prompts alone
    #[arg(long, value_name = "URL", requires = "pictures")]
    base_url: Option<String>,

    /// The folder to write pictures into
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,

    /// Say what would be written
    #[arg(long)]
    dry_run: bool,

    /// As JSON: {`dry_run`, written, pictures}
    #[arg(long)]
    json: bool,
}

/// Compare two folders of recorded pictures
#[derive(clap::Args)]
#[command(after_help = "\
Exit status: 0 when all look the same, 1 when some do not, 2 when they could not be compared.

Example:
  ops golden diff before after --report golden.html")]
struct Diff {
    #[command(flatten)]
    told: Told,

    /// Recorded before
    #[arg(value_name = "DIR")]
    before: PathBuf,

    /// Recorded after
    #[arg(value_name = "DIR")]
    after: PathBuf,
}

/// What counts as a difference, and how it is told
#[derive(clap::Args)]
struct Told {
    /// Where to write a page with both pictures side by side
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Of 64 bits, as many may differ in the look of two pictures
    #[arg(long, value_name = "BITS", default_value_t = pictures::DISTANCE_MAX)]
    tolerance: u32,

    /// As JSON: {ok, prompts: [text], pictures: [{case, distance, same}]}
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.verb {
        Verb::Run(run) => compare(run),
        Verb::Record(record) => record_all(record),
        Verb::Diff(diff) => {
            let seen = pictures::compare(&diff.before, &diff.after, diff.told.tolerance)?;
            tell(&[], &seen, &diff.told)
        }
    }
}

/// Prompts and violations that are not as they are written down, each in a sentence.
pub fn differences(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut differences = Vec::new();
    for case in cases(&root.join("tests/golden"))? {
        let Outcome { file, text } = outcome(&case)?;
        let written = std::fs::read_to_string(case.folder.join(file)).unwrap_or_default();
        if written != text {
            differences.push(format!(
                "{}: {}",
                case.name(),
                difference(file, &written, &text)
            ));
        }
    }
    Ok(differences)
}

/// The hash of a prompt says most; for the rest the first line that differs.
fn difference(file: &str, written: &str, text: &str) -> String {
    let hash = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        value["hash"].as_str().map(str::to_owned)
    };
    match (hash(written), hash(text)) {
        (Some(before), Some(now)) if before != now => {
            format!("its prompt was {before} and is {now}")
        }
        _ if written.is_empty() => format!("{file} is not written down"),
        _ => {
            let lines = written.lines().zip(text.lines());
            let other = lines.into_iter().find(|(before, now)| before != now);
            let (before, now) = other.unwrap_or(("", "longer or shorter"));
            format!("{file} had `{}` and has `{}`", before.trim(), now.trim())
        }
    }
}

fn compare(run: &Run) -> anyhow::Result<ExitCode> {
    let root = Project::find()?.root;
    let prompts = differences(&root)?;
    match (&run.base_url, &run.pictures) {
        (Some(url), Some(before)) => {
            let after = tempfile::tempdir()?;
            pictures::record(&root, url, after.path())?;
            let seen = pictures::compare(before, after.path(), run.told.tolerance)?;
            // While the pictures are there.
            tell(&prompts, &seen, &run.told)
        }
        _ => tell(&prompts, &[], &run.told),
    }
}

fn record_all(record: &Record) -> anyhow::Result<ExitCode> {
    let root = Project::find()?.root;
    let mut written = Vec::new();
    for case in cases(&root.join("tests/golden"))? {
        let Outcome { file, text } = outcome(&case)?;
        let path = case.folder.join(file);
        if std::fs::read_to_string(&path).unwrap_or_default() == text {
            continue;
        }
        let how = if record.dry_run {
            "would write"
        } else {
            "wrote"
        };
        if !record.json {
            println!("{how} {}", path.display());
        }
        written.push(path.clone());
        if record.dry_run {
            continue;
        }
        files::write(&path, &text)?;
        let other = if file == "prompt.json" {
            "violations.json"
        } else {
            "prompt.json"
        };
        files::remove_if_there(&case.folder.join(other))?;
    }
    let mut pictures = 0;
    if let (Some(url), Some(folder), false) = (&record.base_url, &record.pictures, record.dry_run) {
        pictures = pictures::record(&root, url, folder)?;
        if !record.json {
            println!("{pictures} pictures in {}", folder.display());
        }
    }
    if record.json {
        let told = json!({ "dry_run": record.dry_run, "written": written, "pictures": pictures });
        told::json(&told)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(prompts: &[String], seen: &[pictures::Seen], told: &Told) -> anyhow::Result<ExitCode> {
    let is_same = prompts.is_empty() && seen.iter().all(|seen| seen.same);
    if let Some(page) = &told.report {
        files::write(page, &report::page(prompts, seen)?)?;
    }
    if told.json {
        told::json(&json!({ "ok": is_same, "prompts": prompts, "pictures": seen }))?;
    } else {
        print!("{}", report::text(prompts, seen));
    }
    Ok(if is_same {
        ExitCode::SUCCESS
    } else {
        exit::FOUND
    })
}
