//! What a create will do, before it does anything: the compiled prompt and the files that go along.
//! Reads the caller's uploads and writes nothing.

use litemap::LiteMap;

use bytes::Bytes;
use serde_json::value::{to_raw_value, RawValue};
use serde_json::{Map, Value};

use super::{raw, references, CreateError, Request, Upload, Work};
use crate::app::App;
use crate::media::{self, Flaw};
use crate::queue::{Call, QueueError};
use crate::store::assets::{self, Asset};
use crate::workflow::check::{self, Asked, FileFact, Files};
use crate::workflow::compile::{self, Compiled, ExpectedOutput};
use crate::workflow::contract::Protocol;
use crate::workflow::template::{self, Template};
use crate::workflow::violation::{nearest, quoted, Violation};

/// A file that goes to the provider with the prompt.
#[derive(Clone, Debug)]
pub struct PlannedFile {
    pub input: Option<String>,
    pub name: String,
    pub content_type: String,
    pub size_bytes: u64,
    pub hash: String,
    /// Where an upload lies already.
    pub key: Option<String>,
    /// What came with the request and is not stored yet.
    pub bytes: Option<Bytes>,
}

#[derive(Debug)]
pub struct Plan {
    pub template: String,
    pub template_version: String,
    pub template_hash: String,
    pub protocol: Protocol,
    pub inputs: Box<RawValue>,
    pub prompt: String,
    pub prompt_hash: String,
    pub outputs: Vec<ExpectedOutput>,
    pub files: Vec<PlannedFile>,
    pub execution_limit_ms: u64,
    pub usual_ms: u64,
    /// The inventory that a caller's own workflow was checked against.
    pub inventory_hash: Option<String>,
}

/// Everything wrong with the request at once, or a job that can be recorded.
pub async fn plan(
    app: &App,
    call: &Call,
    request: &Request,
    work: Work,
) -> Result<Plan, CreateError> {
    let plan = match work {
        Work::Template {
            name,
            inputs,
            shorthands,
        } => from_template(app, call, request, &name, (&inputs, &shorthands)).await?,
        Work::Raw { workflow, images } => {
            let mut violations = request.violations.clone();
            violations.extend(images.iter().filter_map(|(_, image)| flaw_of(image)));
            if !violations.is_empty() {
                return Err(CreateError::Violations(violations));
            }
            let staged = references::stage(app, call, workflow).await?;
            raw::plan(app, call, staged, &images).await?
        }
    };
    fits(app, &plan)?;
    Ok(plan)
}

async fn from_template(
    app: &App,
    call: &Call,
    request: &Request,
    name: &str,
    (inputs, shorthands): (&Map<String, Value>, &Map<String, Value>),
) -> Result<Plan, CreateError> {
    let mut violations = request.violations.clone();
    violations.extend(request.uploads.iter().filter_map(flaw_of));
    let Some(template) = template::find(name) else {
        violations.push(unknown_template(name));
        return Err(CreateError::Violations(violations));
    };
    let mut asked = Asked {
        inputs,
        shorthands,
        files: &Files::new(),
        seed_if_random: u64::from_be_bytes(app.random()),
    };
    let known = known_files(app, call, request, template, &asked).await?;
    let facts = known
        .iter()
        .map(|(input, file)| (input.clone(), file.fact.clone()));
    let facts = facts.collect();
    asked.files = &facts;
    let checked = match check::check(&template.contract, &asked) {
        Ok(checked) if violations.is_empty() => checked,
        Ok(_) => return Err(CreateError::Violations(violations)),
        Err(found) => {
            violations.extend(found);
            return Err(CreateError::Violations(violations));
        }
    };
    let compiled = compile::compile(template, &checked);
    let unsendable = unsendable(&compiled);
    if !unsendable.is_empty() {
        return Err(CreateError::Violations(unsendable));
    }
    let inputs = to_raw_value(&checked.inputs);
    let inputs = inputs.map_err(|error| QueueError::Broken(error.to_string()))?;
    Ok(planned(template, compiled, inputs, known))
}

/// A worker that speaks `{task, payload}` fetches its files: bytes of ours have no way to it.
fn unsendable(compiled: &Compiled) -> Vec<Violation> {
    let wants_links = compiled.protocol == Protocol::Task;
    let files = compiled.files.iter().filter(|_| wants_links);
    files
        .map(|file| {
            let message = "this template's worker fetches its files itself: give an https URL";
            Violation::new(format!("/inputs/{}", file.input), "url_wanted", message)
        })
        .collect()
}

fn planned(
    template: &Template,
    compiled: Compiled,
    inputs: Box<RawValue>,
    mut known: LiteMap<String, KnownFile>,
) -> Plan {
    let files = compiled.files.into_iter().filter_map(|file| {
        let known = known.remove(&file.input)?;
        Some(PlannedFile {
            input: Some(file.input),
            name: file.name,
            content_type: known.fact.content_type,
            size_bytes: known.fact.size_bytes,
            hash: known.hash,
            key: known.key,
            bytes: known.bytes,
        })
    });
    let limits = &template.contract.limits;
    Plan {
        template: template.name().to_owned(),
        template_version: template.contract.version.clone(),
        template_hash: template.hash().to_owned(),
        protocol: compiled.protocol,
        inputs,
        prompt: compiled.prompt,
        prompt_hash: compiled.hash,
        outputs: compiled.outputs,
        files: files.collect(),
        execution_limit_ms: limits.execution_limit_ms,
        usual_ms: limits.usual_duration_ms,
        inventory_hash: None,
    }
}

/// A file of the caller's, found before the contract is asked.
struct KnownFile {
    fact: FileFact,
    hash: String,
    key: Option<String>,
    bytes: Option<Bytes>,
}

async fn known_files(
    app: &App,
    call: &Call,
    request: &Request,
    template: &Template,
    asked: &Asked<'_>,
) -> Result<LiteMap<String, KnownFile>, CreateError> {
    let mut known = LiteMap::new();
    let mut keys = Vec::new();
    for asked in check::file_references(&template.contract, asked) {
        let upload = request
            .uploads
            .iter()
            .find(|u| u.reference == asked.reference);
        match upload {
            Some(upload) => {
                let fact = fact_of(&upload.bytes);
                let file = fact.map(|fact| KnownFile {
                    fact,
                    hash: upload.reference.clone(),
                    key: None,
                    bytes: Some(upload.bytes.clone()),
                });
                known.extend(file.map(|file| (asked.input, file)));
            }
            None => keys.push(asked),
        }
    }
    if keys.is_empty() {
        return Ok(known);
    }
    let hashes: Vec<&str> = keys.iter().map(|asked| asked.reference.as_str()).collect();
    let found = assets::find(&*app.db, &call.caller, &hashes).await?;
    for asked in &keys {
        let asset = found.iter().find(|asset| asset.hash == asked.reference);
        known.extend(asset.map(|asset| (asked.input.clone(), from_asset(asset))));
    }
    Ok(known)
}

fn from_asset(asset: &Asset) -> KnownFile {
    KnownFile {
        fact: FileFact {
            kind: asset.kind,
            content_type: asset.content_type.clone(),
            size_bytes: asset.size_bytes,
            width: asset.width,
            height: asset.height,
        },
        hash: asset.hash.clone(),
        key: Some(asset.key.clone()),
        bytes: None,
    }
}

/// What makes a picture that came with the request unusable, whatever the contract says.
fn flaw_of(upload: &Upload) -> Option<Violation> {
    let flaw = media::sniff(&upload.bytes)?.flaw_of_input(&upload.bytes)?;
    let code = match flaw {
        Flaw::BrokenHeader => "broken_picture",
        Flaw::TooManyPixels(..) => "too_many_pixels",
        Flaw::NotStill => "wrong_content_type",
    };
    Some(Violation::new(&upload.path, code, flaw.to_string()))
}

/// `None`: the bytes are of no kind that any input takes.
pub(super) fn fact_of(bytes: &[u8]) -> Option<FileFact> {
    let media = media::sniff(bytes)?;
    Some(FileFact {
        kind: media.kind,
        content_type: media.content_type.to_owned(),
        size_bytes: bytes.len() as u64,
        width: media.width,
        height: media.height,
    })
}

pub(super) fn not_a_file(upload: &Upload) -> CreateError {
    let message = "these bytes are no picture, video or sound that can be recognised";
    CreateError::Violations(vec![Violation::new(&upload.path, "wrong_kind", message)])
}

fn unknown_template(name: &str) -> Violation {
    let hint = nearest(name, template::names())
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default();
    let message = format!("there is no template {}{hint}", quoted(name));
    Violation::new("/template", "unknown_template", message)
}

/// The provider's limit covers the whole order: files travel in base64 beside the prompt.
fn fits(app: &App, plan: &Plan) -> Result<(), CreateError> {
    /// Names, quotes, the callback URL and the policy around the prompt.
    const FRAME_BYTES: usize = 2_048;
    let encoded = |file: &PlannedFile| {
        let size = usize::try_from(file.size_bytes).unwrap_or(usize::MAX);
        size.div_ceil(3).saturating_mul(4)
    };
    let files = plan
        .files
        .iter()
        .map(encoded)
        .fold(0, usize::saturating_add);
    let total = (FRAME_BYTES + plan.prompt.len()).saturating_add(files);
    let most = app.providers.current.order_bytes_max();
    if total <= most {
        return Ok(());
    }
    let largest = plan.files.iter().max_by_key(|file| file.size_bytes);
    let path = match largest.map(|file| &file.input) {
        Some(Some(input)) => format!("/inputs/{input}"),
        Some(None) => "/images".to_owned(),
        None => "/workflow".to_owned(),
    };
    let message = format!(
        "the job needs {total} bytes as it is sent to the GPU, and at most {most} are taken; \
         files count a third more than their size"
    );
    Err(CreateError::TooLarge { path, message })
}
