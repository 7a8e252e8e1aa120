//! A caller's own workflow, checked against what the endpoint has.
//!
//! With an inventory of the endpoint an editor graph is converted, and any fault refuses: ComfyUI
//! would run what is sound of a half-broken prompt, and files would be missing that somebody paid
//! for. Without one a prompt is checked for its structure only, and its job says so.

use std::collections::BTreeSet;

use litemap::LiteMap;
use std::num::NonZeroUsize;

use serde_json::value::{to_raw_value, RawValue};
use serde_json::{Map, Value};

use super::plan::{fact_of, not_a_file, Plan, PlannedFile};
use super::references::Staged;
use super::{foreign, CreateError, Unfit, Upload, RAW};
use crate::app::App;
use crate::queue::{Call, QueueError};
use crate::store::inventories::{self, Loaded};
use crate::workflow::compile;
use crate::workflow::contract::{Protocol, EXECUTION_LIMIT_MS_DEFAULT};
use crate::workflow::convert::{self, Definitions};
use crate::workflow::graph::Graph;
use crate::workflow::inventory::{document, CLASS_NAME_BYTES_MAX};
use crate::workflow::prompt::{is_editor_graph, Prompt};
use crate::workflow::schema::Schema;
use crate::workflow::validate::{self, Outcome};
use crate::workflow::violation::{nearest, pointer_step, quoted, Violation, VIOLATIONS_MAX};

/// How long a caller's own workflow is supposed to take, knowing nothing about it.
const RAW_USUAL_MS: u64 = 30_000;

/// Most node classes of one workflow. The largest official templates use some fifty; more than this
/// would let one create load most of an inventory.
const CLASSES_MAX: usize = 1_000;

/// Unknown classes that get a suggestion: each is compared with every class of the endpoint.
const SUGGESTED_MAX: usize = 5;

/// An isolate has 128 MB for everything: a conversion here may take an eighth of what `ops convert`
/// may, 16 MB of nodes and 4 MB of prompt. Of 185 official templates none needs a tenth of that.
const CONVERT_SHARE: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// Files that RunPod's result has room for: of a workflow with more outputs some would be missing,
/// when the GPU is paid for.
const OUTPUTS_MAX: usize = 256;

/// The caller's names of files, which stand in the job's row: a list shows a hundred rows at once.
const NAMES_BYTES_MAX: usize = 64 << 10;

const ROOT: &str = "/workflow";

/// Everything wrong with the workflow at once, or a job that can be recorded.
pub async fn plan(
    app: &App,
    call: &Call,
    staged: Staged,
    images: &[(String, Upload)],
) -> Result<Plan, CreateError> {
    let Staged {
        prompt: workflow,
        files,
    } = staged;
    let graph = if is_editor_graph(&workflow) {
        Some(Graph::from_value(&workflow).map_err(|error| one(error.code(), &error.to_string()))?)
    } else {
        None
    };
    let names = classes(&workflow, graph.as_ref())?;
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    let endpoint = app.providers.current.endpoint();
    let loaded = inventories::load(&*app.db, endpoint, &asked).await?;
    let prompt = match (&loaded, &graph) {
        (None, Some(_)) => return Err(CreateError::EditorGraph { is_empty: false }),
        (None, None) => {
            structure(&workflow)?;
            workflow
        }
        (Some(loaded), graph) => {
            let has = Has::read(loaded, &uploads(&files, images))?;
            let prompt = match graph {
                Some(graph) => has.convert(app, graph)?,
                None => workflow,
            };
            if graph.is_some() && prompt.as_object().is_some_and(Map::is_empty) {
                return Err(CreateError::EditorGraph { is_empty: true });
            }
            match has.judge(&prompt, graph.as_ref())? {
                Verdict::Faultless => prompt,
                Verdict::Faulty(fault) => return Err(fault),
                Verdict::Unknown(unknown) => return Err(suggest(app, endpoint, unknown).await?),
            }
        }
    };
    foreign::check(call, &prompt)?;
    let mut plan = planned(prompt, images, loaded.map(|loaded| loaded.hash))?;
    plan.files.extend(files);
    let names = plan.outputs.iter().map(|output| {
        let node_id = output.node_id.as_ref().map_or(0, String::len);
        node_id + output.caller_prefix.len()
    });
    if plan.outputs.len() > OUTPUTS_MAX || names.sum::<usize>() > NAMES_BYTES_MAX {
        let message = format!(
            "more than {OUTPUTS_MAX} nodes name files, or their names take more than 64 KiB"
        );
        return Err(one("too_large", &message));
    }
    Ok(plan)
}

/// The names that files loaders may ask for.
fn uploads(staged: &[PlannedFile], images: &[(String, Upload)]) -> Vec<String> {
    let inline = images.iter().map(|(name, _)| name.clone());
    let stored = staged.iter().map(|file| file.name.clone());
    inline.chain(stored).collect()
}

/// What must be loaded to convert and judge the workflow. What is no name of a class is not looked
/// for, and so not found.
fn classes(workflow: &Value, graph: Option<&Graph>) -> Result<BTreeSet<String>, CreateError> {
    let mut names = if let Some(graph) = graph {
        validate::with_successors(convert::classes(graph))
    } else {
        let prompt = Prompt::from_json(workflow);
        validate::classes(&prompt.map_err(|error| one("no_prompt", &error.to_string()))?)
    };
    names.retain(|name| name.len() <= CLASS_NAME_BYTES_MAX);
    if names.len() > CLASSES_MAX {
        let message = format!("the workflow uses more than {CLASSES_MAX} node classes");
        return Err(one("too_large", &message));
    }
    Ok(names)
}

/// Whether nothing is wrong that can be told without an inventory.
fn structure(workflow: &Value) -> Result<(), CreateError> {
    let prompt = Prompt::from_json(workflow);
    let prompt = prompt.map_err(|error| one("no_prompt", &error.to_string()))?;
    let outcome = validate::structure(&prompt);
    if outcome.is_faultless() {
        Ok(())
    } else {
        Err(faulty(&outcome))
    }
}

/// What the endpoint has, as far as the workflow uses it, with the files that come along.
struct Has {
    object_info: String,
    schema: Schema,
}

enum Verdict {
    Faultless,
    Faulty(CreateError),
    /// Node classes that the endpoint has not: where they stand, and their names.
    Unknown(Vec<(String, String)>),
}

impl Has {
    /// `uploads` are the names of files that go along.
    fn read(loaded: &Loaded, uploads: &[String]) -> Result<Self, CreateError> {
        let classes = loaded.classes.iter();
        let object_info = document(classes.map(|(name, entry)| (name.as_str(), entry.as_str())));
        let mut schema = Schema::read(object_info.as_bytes()).map_err(unreadable)?;
        schema.add_uploads(uploads);
        Ok(Self {
            object_info,
            schema,
        })
    }

    /// As `ops convert` does it: of `{a|b}` the first.
    fn convert(&self, app: &App, graph: &Graph) -> Result<Value, CreateError> {
        let definitions = Definitions::parse(self.object_info.as_bytes()).map_err(unreadable)?;
        let options = convert::Options {
            now: Some(app.now()),
            share: CONVERT_SHARE,
            ..convert::Options::default()
        };
        let prompt = convert::convert(graph, &definitions, &options);
        let prompt = prompt.map_err(|error| one(error.code(), &error.to_string()))?;
        Ok(prompt.into())
    }

    fn judge(&self, prompt: &Value, graph: Option<&Graph>) -> Result<Verdict, CreateError> {
        let prompt = Prompt::from_json(prompt);
        let prompt = prompt.map_err(|error| one("no_prompt", &error.to_string()))?;
        let outcome = validate::validate(&prompt, &self.schema);
        if outcome.is_faultless() {
            return Ok(Verdict::Faultless);
        }
        let unknown: Vec<_> = match graph {
            _ if !outcome.is_missing_class() => Vec::new(),
            Some(graph) => {
                convert::unknown_classes(graph, |name| self.schema.class(name).is_some())
                    .into_iter()
                    .map(|class| (ROOT.to_owned(), class))
                    .collect()
            }
            None => validate::unknown_classes(&prompt, &self.schema)
                .into_iter()
                .map(|(node, class)| (format!("{ROOT}/{}", pointer_step(node)), class.to_owned()))
                .collect(),
        };
        Ok(if unknown.is_empty() {
            Verdict::Faulty(faulty(&outcome))
        } else {
            Verdict::Unknown(unknown)
        })
    }
}

/// Every unknown class with the nearest that the endpoint has: one more read, of names, which only
/// a refusal pays.
async fn suggest(
    app: &App,
    endpoint: &str,
    unknown: Vec<(String, String)>,
) -> Result<CreateError, CreateError> {
    let names = inventories::names(&*app.db, endpoint).await?;
    let mut near: LiteMap<String, Option<&str>> = LiteMap::new();
    let violation = |(path, class): (String, String)| {
        if convert::is_browser_only(&class) {
            let message = format!(
                "{class} exists only in the browser, and no server has it: send what Export (API) \
                 gives there, or connect without it"
            );
            return Violation::new(path, validate::Kind::MissingNodeType.as_str(), message);
        }
        if near.len() < SUGGESTED_MAX && !near.contains_key(&class) {
            let found = nearest(&class, names.iter().map(String::as_str));
            near.insert(class.clone(), found);
        }
        let hint = near.get(&class).copied().flatten();
        let hint = hint.map_or(String::new(), |near| format!("; did you mean {near}?"));
        let message = format!("the endpoint has no node class {}{hint}", quoted(&class));
        Violation::new(path, validate::Kind::MissingNodeType.as_str(), message)
    };
    let told = unknown.into_iter().take(VIOLATIONS_MAX);
    Ok(CreateError::unfit(told.map(violation).collect()))
}

/// It was readable when it was put.
fn unreadable(error: impl std::fmt::Display) -> CreateError {
    let message = format!("the stored inventory cannot be read: {error}");
    CreateError::Queue(QueueError::Broken(message))
}

fn faulty(outcome: &Outcome) -> CreateError {
    CreateError::Workflow(Box::new(Unfit {
        violations: outcome.violations(ROOT),
        // A map with texts as keys always serializes.
        node_errors: to_raw_value(&outcome.by_node()).ok(),
    }))
}

fn one(code: &'static str, message: &str) -> CreateError {
    CreateError::unfit(vec![Violation::new(ROOT, code, message)])
}

fn planned(
    mut prompt: Value,
    images: &[(String, Upload)],
    inventory_hash: Option<String>,
) -> Result<Plan, CreateError> {
    let outputs = compile::rename_outputs(&mut prompt);
    prompt.sort_all_objects();
    let prompt = prompt.to_string();
    let hash = blake3::hash(prompt.as_bytes()).to_hex().to_string();
    let mut files = Vec::new();
    for (name, upload) in images {
        let fact = fact_of(&upload.bytes).ok_or_else(|| not_a_file(upload))?;
        files.push(PlannedFile {
            input: None,
            name: name.clone(),
            content_type: fact.content_type,
            size_bytes: fact.size_bytes,
            hash: upload.reference.clone(),
            key: None,
            bytes: Some(upload.bytes.clone()),
        });
    }
    Ok(Plan {
        template: RAW.into(),
        template_version: "0".into(),
        template_hash: hash.clone(),
        protocol: Protocol::Comfyui,
        inputs: RawValue::NULL.to_owned(),
        prompt,
        prompt_hash: hash,
        outputs,
        files,
        execution_limit_ms: EXECUTION_LIMIT_MS_DEFAULT,
        usual_ms: RAW_USUAL_MS,
        inventory_hash,
    })
}
