//! `ops contract check`: every flaw of contracts, built in or on disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use edge_queue::workflow::contract::{lint, Contract, Protocol};
use edge_queue::workflow::prompt::Prompt;
use edge_queue::workflow::schema::Schema;
use edge_queue::workflow::template;
use edge_queue::workflow::validate::{expect_uploads, validate};
use serde::Serialize;
use serde_json::Value;

use crate::exit;
use crate::folder::{self, upload_places, Folder};
use crate::told;

/// Tell every flaw of contracts and of the templates they belong to
#[derive(clap::Args)]
#[command(after_help = "\
A contract is named by a template that is built in, or is a folder with contract.json, template.json
and perhaps schema.json, or a contract.json beside its template.json. Without any, all that are
built in are checked. With a schema.json the template is also judged as ComfyUI would judge it.
Each flaw is told with its place: a JSON Pointer into contract.json, or into template.json after
`template:`. docs/CONTRACT.md lists the codes.
Exit status: 0 without flaws, 1 with flaws, 2 when something could not be read.

Example:
  ops contract check text-to-image src/workflow/templates/flux-portrait")]
pub struct Arguments {
    /// As JSON: a list of {contract, flaws: [{path, code, message}]}
    #[arg(long)]
    json: bool,

    /// Names of templates that are built in, files, folders
    #[arg(value_name = "NAME|FILE|DIR")]
    contracts: Vec<String>,
}

/// What is wrong with one contract.
#[derive(Serialize)]
struct Report {
    contract: String,
    flaws: Vec<Flaw>,
}

#[derive(Serialize)]
pub struct Flaw {
    path: String,
    code: String,
    message: String,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut reports = Vec::new();
    if arguments.contracts.is_empty() {
        reports.extend(template::all().map(built_in));
    }
    for name in &arguments.contracts {
        reports.push(match template::find(name) {
            Some(template) => built_in(template),
            None => on_disk(name)?,
        });
    }
    if arguments.json {
        told::json(&reports)?;
    } else {
        reports.iter().for_each(show);
    }
    let is_sound = reports.iter().all(|report| report.flaws.is_empty());
    Ok(if is_sound {
        ExitCode::SUCCESS
    } else {
        exit::FOUND
    })
}

/// Every flaw of the templates that are built in, each in a sentence.
pub fn flaws_of_all() -> Vec<String> {
    let reports = template::all().map(built_in);
    let flaws = reports.flat_map(|report| {
        let contract = report.contract;
        let flaws = report.flaws.into_iter();
        flaws.map(move |flaw| format!("{contract}: {} {}", flaw.path, flaw.message))
    });
    flaws.collect()
}

fn built_in(template: &template::Template) -> Report {
    Report {
        contract: template.name().to_owned(),
        flaws: lint(&template.contract, &template.prompt),
    }
}

fn on_disk(name: &str) -> anyhow::Result<Report> {
    let path = Path::new(name);
    if !path.exists() {
        let known: Vec<_> = template::names().collect();
        anyhow::bail!(
            "{name} is no file or folder, and no template that is built in: there are {}",
            known.join(", ")
        );
    }
    Ok(Report {
        contract: name.to_owned(),
        flaws: flaws(&Folder::read(path)?)?,
    })
}

/// Every flaw of a template on disk.
pub fn flaws(folder: &Folder) -> anyhow::Result<Vec<Flaw>> {
    let prompt = folder::parse(&folder.template, &folder.path.join(folder::TEMPLATE))?;
    let contract = match Contract::parse(&folder.contract) {
        Ok(contract) => contract,
        Err(error) => return Ok(vec![flaw("", "unreadable", error.to_string())]),
    };
    let mut flaws = lint(&contract, &prompt);
    let own = folder.path.canonicalize().ok();
    let own = own.as_deref().and_then(Path::file_name);
    if own.is_some_and(|own| own != contract.name.as_str()) {
        let message = "the name is not that of the folder, by which the template is found";
        flaws.push(flaw("/name", "bad_name", message.to_owned()));
    }
    flaws.extend(faults(folder, &contract, &prompt)?);
    Ok(flaws)
}

fn lint(contract: &Contract, prompt: &Value) -> Vec<Flaw> {
    let flaws = lint::lint(contract, prompt).into_iter();
    flaws.map(|it| flaw(it.path, it.code, it.message)).collect()
}

/// What ComfyUI with the folder's node classes would refuse in the template as it stands, and in
/// every prompt that the rules make of it.
fn faults(folder: &Folder, contract: &Contract, prompt: &Value) -> anyhow::Result<Vec<Flaw>> {
    let schema = folder.schema()?;
    let Some(mut schema) = schema.filter(|_| contract.protocol == Protocol::Comfyui) else {
        return Ok(Vec::new());
    };
    expect_uploads(&mut schema, prompt, upload_places(contract));
    let mut flaws = refused(prompt, &schema, "");
    let mut told: BTreeSet<_> = flaws.iter().map(Flaw::place).collect();
    // Of too many ways lint tells already.
    lint::each_way(contract, prompt, |inputs, switched| {
        let when = format!(", when the inputs are {}", Value::Object(inputs.clone()));
        for flaw in refused(switched, &schema, &when) {
            if told.insert(flaw.place()) {
                flaws.push(flaw);
            }
        }
    });
    Ok(flaws)
}

/// What is no prompt at all is a flaw already.
fn refused(prompt: &Value, schema: &Schema, when: &str) -> Vec<Flaw> {
    let Ok(prompt) = Prompt::from_json(prompt) else {
        return Vec::new();
    };
    let faults = validate(&prompt, schema)
        .violations("template:")
        .into_iter();
    let faults = faults.map(|it| flaw(it.path, it.code, it.message + when));
    faults.collect()
}

impl Flaw {
    /// Where it is and of which sort: in how many ways of the rules does not matter.
    fn place(&self) -> (String, String) {
        (self.path.clone(), self.code.clone())
    }
}

fn flaw(path: impl Into<String>, code: &str, message: String) -> Flaw {
    Flaw {
        path: path.into(),
        code: code.to_owned(),
        message,
    }
}

fn show(report: &Report) {
    let name = &report.contract;
    if report.flaws.is_empty() {
        println!("{name}: no flaw");
        return;
    }
    show_flaws(name, &report.flaws);
}

pub fn show_flaws(name: &str, flaws: &[Flaw]) {
    let many = if flaws.len() == 1 { "" } else { "s" };
    println!("{name}: {} flaw{many}", flaws.len());
    for flaw in flaws {
        let path = if flaw.path.is_empty() {
            "/"
        } else {
            &flaw.path
        };
        println!("  {path}  {}  {}", flaw.code, flaw.message);
    }
}
