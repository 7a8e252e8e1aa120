//! Asset references in a caller's own workflow: objects `{"__type": "core/ASSET", "info": {"id"}}`
//! where a file name would stand, also inside of lists and objects. Each becomes the name under
//! which its bytes go along.

use litemap::LiteMap;

use serde_json::{json, Value};

use super::plan::PlannedFile;
use super::CreateError;
use crate::app::App;
use crate::id::{AssetId, JobId};
use crate::queue::assets::{self, Found};
use crate::queue::Call;
use crate::store::jobs::InputFile;
use crate::workflow::violation::{pointer_step, quoted, Violation, VIOLATIONS_MAX};

const TYPE: &str = "core/ASSET";

/// Each costs a read, and all of them have to fit into one order.
const REFERENCES_MAX: usize = 64;

/// A workflow with names for references, and the files they name.
pub struct Staged {
    pub prompt: Value,
    pub files: Vec<PlannedFile>,
}

/// Resolves every reference, or says which of them lead nowhere.
pub async fn stage(app: &App, call: &Call, mut prompt: Value) -> Result<Staged, CreateError> {
    let mut files: LiteMap<String, PlannedFile> = LiteMap::new();
    let mut missing = Vec::new();
    // What is referred to twice is read once.
    let mut names: LiteMap<AssetId, Option<String>> = LiteMap::new();
    let mut n = 0;
    for input in inputs(&mut prompt) {
        for place in input.places {
            let id = place["info"]["id"].as_str().unwrap_or_default();
            let asset = AssetId::parse(id).filter(|_| n < REFERENCES_MAX);
            if let Some(asset) = asset.filter(|asset| !names.contains_key(asset)) {
                let file = assets::find(app, call, asset).await?.as_ref().map(planned);
                names.insert(asset, file.as_ref().map(|file| file.name.clone()));
                files.extend(file.map(|file| (file.name.clone(), file)));
            }
            let Some(name) = asset.and_then(|asset| names[&asset].clone()) else {
                // One of an input says enough.
                missing.push(not_there(&input.path, id, n));
                break;
            };
            *place = name.into();
            n += 1;
        }
    }
    if !missing.is_empty() {
        missing.truncate(VIOLATIONS_MAX);
        return Err(CreateError::MissingAssets(missing));
    }
    let files = files.into_iter().map(|(_, file)| file).collect();
    Ok(Staged { prompt, files })
}

fn not_there(path: &str, id: &str, n: usize) -> Violation {
    let message = if n >= REFERENCES_MAX {
        format!("a workflow refers to at most {REFERENCES_MAX} assets")
    } else if id.is_empty() {
        "an asset reference is {\"__type\": \"core/ASSET\", \"info\": {\"id\": …}}".into()
    } else {
        format!("there is no asset {} of yours", quoted(id))
    };
    Violation::new(path, "missing_asset", message)
}

/// An input of a node, and where in it references stand.
struct Input<'a> {
    path: String,
    places: Vec<&'a mut Value>,
}

/// References stand in the inputs of nodes, and nowhere else.
fn inputs(prompt: &mut Value) -> Vec<Input<'_>> {
    let mut found = Vec::new();
    for (id, node) in prompt.as_object_mut().into_iter().flatten() {
        let inputs = node.get_mut("inputs").and_then(Value::as_object_mut);
        for (name, value) in inputs.into_iter().flatten() {
            let mut places = Vec::new();
            find(value, &is_reference, &mut places);
            if !places.is_empty() {
                let (id, name) = (pointer_step(id), pointer_step(name));
                let path = format!("/workflow/{id}/inputs/{name}");
                found.push(Input { path, places });
            }
        }
    }
    found
}

fn is_reference(value: &Value) -> bool {
    value.get("__type").is_some_and(|kind| kind == TYPE)
}

/// Every value in this one that is `wanted`. No reader of JSON nests so deep that this could not
/// follow.
fn find<'a>(value: &'a mut Value, wanted: &dyn Fn(&Value) -> bool, found: &mut Vec<&'a mut Value>) {
    if wanted(value) {
        found.push(value);
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| find(item, wanted, found)),
        Value::Object(members) => {
            let members = members.values_mut();
            members.for_each(|member| find(member, wanted, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn planned(found: &Found) -> PlannedFile {
    let (hash, content_type, size_bytes, name) = match found {
        Found::Upload(asset) => (
            &asset.hash,
            &asset.content_type,
            asset.size_bytes,
            asset.name.as_deref(),
        ),
        Found::Output { job, i } => {
            let output = &job.outputs[*i];
            let name = Some(output.name.as_str());
            (&output.hash, &output.content_type, output.size_bytes, name)
        }
    };
    PlannedFile {
        input: None,
        name: staged_name(hash, name),
        content_type: content_type.clone(),
        size_bytes,
        hash: hash.clone(),
        key: Some(found.key().to_owned()),
        bytes: None,
    }
}

/// Told apart by the content, because the worker keeps files of the same name from job to job; with
/// the ending that ComfyUI's loaders look at.
fn staged_name(hash: &str, name: Option<&str>) -> String {
    let plain = |ending: &&str| {
        (1..=8).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let ending = name
        .and_then(|name| name.rsplit_once('.'))
        .map(|parts| parts.1);
    let ending = ending.filter(plain).unwrap_or("bin");
    format!("asset-{}.{ending}", &hash[..hash.len().min(32)])
}

/// Puts the references back where a stored prompt has the names of staged files.
pub fn restore(prompt: &mut Value, files: &[InputFile]) {
    let staged = |value: &Value| {
        let named = files.iter().find(|file| *value == file.name.as_str());
        named.filter(|file| file.name.starts_with("asset-"))
    };
    let mut places = Vec::new();
    for node in prompt.as_object_mut().into_iter().flatten() {
        if let Some(inputs) = node.1.get_mut("inputs") {
            find(inputs, &|value| staged(value).is_some(), &mut places);
        }
    }
    for place in places {
        if let Some(id) = staged(place).and_then(asset) {
            *place = json!({"__type": TYPE, "info": {"id": id.to_string()}});
        }
    }
}

/// The asset that a staged file was: what lies under a job's id is an output of that job.
fn asset(file: &InputFile) -> Option<AssetId> {
    let (first, rest) = file.key.split_once('/')?;
    let Some(job) = JobId::parse(first) else {
        return AssetId::of_upload(&file.hash);
    };
    let (number, _) = rest.rsplit('/').next()?.split_once('.')?;
    Some(AssetId::of_output(job, number.parse().ok()?))
}
