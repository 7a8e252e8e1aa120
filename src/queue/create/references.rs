//! Asset references in a caller's own workflow: objects `{"__type": "core/ASSET", "info": {"id"}}`
//! where a file name would stand. Each becomes the name under which its bytes go along.

use litemap::LiteMap;

use serde_json::{json, Value};

use super::plan::PlannedFile;
use super::CreateError;
use crate::app::App;
use crate::id::AssetId;
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
    let mut places = Vec::new();
    collect(&mut prompt, &mut places);
    let mut files: LiteMap<String, PlannedFile> = LiteMap::new();
    let mut missing = Vec::new();
    // What is referred to twice is read once.
    let mut names: LiteMap<AssetId, Option<String>> = LiteMap::new();
    for (n, (path, place)) in places.into_iter().enumerate() {
        let id = place["info"]["id"].as_str().unwrap_or_default();
        let asset = AssetId::parse(id).filter(|_| n < REFERENCES_MAX);
        if let Some(asset) = asset.filter(|asset| !names.contains_key(asset)) {
            let file = assets::find(app, call, asset).await?.as_ref().map(planned);
            names.insert(asset, file.as_ref().map(|file| file.name.clone()));
            files.extend(file.map(|file| (file.name.clone(), file)));
        }
        match asset.and_then(|asset| names[&asset].clone()) {
            Some(name) => *place = name.into(),
            None if missing.len() < VIOLATIONS_MAX => {
                missing.push(not_there(&path, id, n));
            }
            None => {}
        }
    }
    if !missing.is_empty() {
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

/// References stand in the inputs of nodes, and nowhere else.
fn collect<'a>(prompt: &'a mut Value, places: &mut Vec<(String, &'a mut Value)>) {
    for (id, node) in prompt.as_object_mut().into_iter().flatten() {
        let inputs = node.get_mut("inputs").and_then(Value::as_object_mut);
        for (name, value) in inputs.into_iter().flatten() {
            if value.get("__type").is_some_and(|kind| kind == TYPE) {
                let (id, name) = (pointer_step(id), pointer_step(name));
                places.push((format!("/workflow/{id}/inputs/{name}"), value));
            }
        }
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
    for node in prompt
        .as_object_mut()
        .into_iter()
        .flat_map(|nodes| nodes.values_mut())
    {
        let inputs = node.get_mut("inputs").and_then(Value::as_object_mut);
        for value in inputs.into_iter().flat_map(|inputs| inputs.values_mut()) {
            let named = files.iter().find(|file| *value == file.name.as_str());
            let id = named
                .filter(|file| file.name.starts_with("asset-"))
                .and_then(|file| AssetId::of_upload(&file.hash));
            if let Some(id) = id {
                *value = json!({"__type": TYPE, "info": {"id": id.to_string()}});
            }
        }
    }
}
