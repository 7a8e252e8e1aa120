//! `ops golden`: fixed inputs through every template, and what came of them before.

mod pictures;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use edge_queue::testing::golden::{cases, outcome, Case, Outcome};
use serde_json::json;

use crate::exit;
use crate::files;
use crate::project::Project;
use crate::told;

/// Compare what fixed inputs make of every template with what they made before
#[derive(clap::Args)]
#[command(after_help = "\
The cases are tests/golden/<template>/<case>: inputs.json, and the prompt or the violations that
they make. Prompts are always compared, on this machine. Pictures are made anew by the deployment
that --url names, of the first sound case of each template that makes pictures, and compared by
what they look like; on a live endpoint each is paid for. Where a
case has input pictures, they are made of their size alone, the same each time. A template that
fails is told, and the others go on.

Example:
  ops golden run
  ops golden record --url http://127.0.0.1:8787 --pictures before
  ops golden run --url http://127.0.0.1:8787 --pictures before --report golden.html")]
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
    #[arg(
        long,
        visible_alias = "base-url",
        value_name = "URL",
        requires = "pictures"
    )]
    url: Option<String>,

    /// The folder of recorded pictures
    #[arg(long, value_name = "DIR", requires = "url")]
    pictures: Option<PathBuf>,

    /// Only the pictures of these templates; all unless named
    #[arg(long = "template", value_name = "NAME", requires = "url")]
    templates: Vec<String>,

    #[command(flatten)]
    told: Told,
}

/// Write down what the prompts are now and, with a deployment, its pictures
#[derive(clap::Args)]
#[command(after_help = "\
Exit status: 0 when all was recorded, 1 when a template made no picture, 2 when nothing could be
recorded.

Example:
  ops golden record --url http://127.0.0.1:8787 --pictures before")]
struct Record {
    /// Whose pictures to record; without it the prompts alone
    #[arg(
        long,
        visible_alias = "base-url",
        value_name = "URL",
        requires = "pictures"
    )]
    url: Option<String>,

    /// The folder to write pictures into
    #[arg(long, value_name = "DIR", requires = "url")]
    pictures: Option<PathBuf>,

    /// Only the pictures of these templates; all unless named
    #[arg(long = "template", value_name = "NAME", requires = "url")]
    templates: Vec<String>,

    /// Say what would be written
    #[arg(long)]
    dry_run: bool,

    /// As JSON: {`dry_run`, written, ordered: [case], pictures, errors: [text]}
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

    /// As JSON: {ok, prompts: [text], pictures: [{case, distance, same}], errors: [text]}
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.verb {
        Verb::Run(run) => compare(run),
        Verb::Record(record) => record_all(record),
        Verb::Diff(diff) => {
            pictures::are_there(&diff.before)?;
            pictures::are_there(&diff.after)?;
            let seen = pictures::compare(&diff.before, &diff.after, diff.told.tolerance)?;
            let found = Found {
                seen: &seen,
                ..Found::default()
            };
            tell(&found, &diff.told)
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
    match (&run.url, &run.pictures) {
        (Some(url), Some(before)) => {
            // Before anything is ordered.
            pictures::are_there(before)?;
            let after = tempfile::tempdir()?;
            let cases = pictures::wanted(&root, &run.templates)?;
            let made = pictures::record(url, after.path(), &cases)?;
            let seen = pictures::compare(before, after.path(), run.told.tolerance)?;
            let is_wanted = |seen: &pictures::Seen| {
                let template = seen.case.split('/').next().unwrap_or_default();
                run.templates.is_empty() || run.templates.iter().any(|name| name == template)
            };
            let seen: Vec<_> = seen.into_iter().filter(is_wanted).collect();
            // While the pictures are there.
            let found = Found {
                prompts: &prompts,
                seen: &seen,
                errors: &made.errors,
            };
            tell(&found, &run.told)
        }
        _ => tell(&Found::prompts(&prompts), &run.told),
    }
}

fn record_all(record: &Record) -> anyhow::Result<ExitCode> {
    let root = Project::find()?.root;
    // Before anything is written.
    let ordered = match &record.url {
        Some(_) => pictures::wanted(&root, &record.templates)?,
        None => Vec::new(),
    };
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
    let mut made = pictures::Recorded::default();
    let names: Vec<String> = ordered.iter().map(Case::name).collect();
    if let (Some(url), Some(folder)) = (&record.url, &record.pictures) {
        if record.dry_run && !record.json {
            for name in &names {
                println!("would order the pictures of {name} from {url}");
            }
        }
        if !record.dry_run {
            made = pictures::record(url, folder, &ordered)?;
        }
        if !record.dry_run && !record.json {
            let (pictures, failed) = (made.pictures, made.errors.len());
            println!(
                "{pictures} pictures in {}, {failed} templates without",
                folder.display()
            );
        }
    }
    if record.json {
        let told = json!({
            "dry_run": record.dry_run,
            "written": written,
            "ordered": names,
            "pictures": made.pictures,
            "errors": made.errors,
        });
        told::json(&told)?;
    }
    Ok(if made.errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        exit::FOUND
    })
}

/// What a comparison came to.
#[derive(Default)]
pub struct Found<'a> {
    pub prompts: &'a [String],
    pub seen: &'a [pictures::Seen],
    /// Templates that made no picture, each in a sentence.
    pub errors: &'a [String],
}

impl<'a> Found<'a> {
    fn prompts(prompts: &'a [String]) -> Self {
        Self {
            prompts,
            ..Self::default()
        }
    }

    fn is_same(&self) -> bool {
        let looks_same = self.seen.iter().all(|seen| seen.same);
        self.prompts.is_empty() && self.errors.is_empty() && looks_same
    }
}

fn tell(found: &Found<'_>, told: &Told) -> anyhow::Result<ExitCode> {
    let is_same = found.is_same();
    if let Some(page) = &told.report {
        files::write(page, &report::page(found)?)?;
    }
    if told.json {
        let (prompts, seen, errors) = (found.prompts, found.seen, found.errors);
        told::json(&json!({
            "ok": is_same, "prompts": prompts, "pictures": seen, "errors": errors,
        }))?;
    } else {
        print!("{}", report::text(found));
    }
    Ok(if is_same {
        ExitCode::SUCCESS
    } else {
        exit::FOUND
    })
}
