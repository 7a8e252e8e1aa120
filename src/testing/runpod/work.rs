//! What the workers of the fake endpoint return: the stock ComfyUI worker's shapes, and a worker
//! of the operator's own for `{task, payload}`.

use std::collections::BTreeMap;

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde_json::{json, Value};

use super::picture;
use super::plan::Outcome;

/// How a job ends on the wire.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) status: &'static str,
    pub(super) output: Option<Value>,
    pub(super) error: Option<String>,
}

impl Ending {
    fn completed(output: Value) -> Self {
        Self {
            status: "COMPLETED",
            output: Some(output),
            error: None,
        }
    }

    fn failed(error: impl Into<String>) -> Self {
        Self {
            status: "FAILED",
            output: None,
            error: Some(error.into()),
        }
    }

    fn silent(status: &'static str) -> Self {
        Self {
            status,
            output: None,
            error: None,
        }
    }

    pub(super) fn canceled() -> Self {
        Self::silent("CANCELLED")
    }

    pub(super) fn worker_lost() -> Self {
        Self::failed("job timed out after 1 retries")
    }

    pub(super) fn execution_timeout() -> Self {
        Self::failed("executionTimeout exceeded")
    }
}

/// A file a worker made.
pub(super) struct Made {
    pub(super) filename: String,
    pub(super) content_type: &'static str,
    pub(super) bytes: Vec<u8>,
}

pub(super) fn ending(outcome: &Outcome, input: &str, files_url: &str) -> Ending {
    match outcome {
        Outcome::Canceled => Ending::canceled(),
        Outcome::TimedOut => Ending::silent("TIMED_OUT"),
        Outcome::NoOutput => Ending::silent("COMPLETED"),
        Outcome::WorkerLost => Ending::worker_lost(),
        Outcome::ExecutionTimeout => Ending::execution_timeout(),
        Outcome::Given(output) => Ending::completed(output.clone()),
        Outcome::NoImages => {
            Ending::completed(json!({"images": [], "status": "success_no_images"}))
        }
        Outcome::OutputError => Ending::completed(json!({
            "message": "the image does not exist in the specified output folder: /comfyui/output",
            "status": "error",
        })),
        Outcome::ValidationFailed => Ending::failed(validation_text(input)),
        Outcome::NodeFailed => node_failed(input, "mat1 and mat2 shapes cannot be multiplied"),
        Outcome::OutOfMemory => node_failed(input, "CUDA out of memory"),
        Outcome::Exception => Ending::failed(exception_text()),
        Outcome::SimulatedUpload => Ending::completed(json!({"images": [{
            "data": "simulated_uploaded/ccbb8f11.png",
            "filename": "ComfyUI_00001_.png",
            "type": "s3_url",
        }]})),
        Outcome::Base64
        | Outcome::S3Url
        | Outcome::Multi { .. }
        | Outcome::VideoAsImage
        | Outcome::Sized { .. }
        | Outcome::ErrorsAndImages
        | Outcome::OldShape => delivered(outcome, input, files_url),
    }
}

fn delivered(outcome: &Outcome, input: &str, files_url: &str) -> Ending {
    let parsed: Value = serde_json::from_str(input).unwrap_or_default();
    if let Some(task) = parsed.get("task") {
        return Ending::completed(task_output(task, input));
    }
    if parsed.get("workflow").is_none() {
        return Ending::failed("Missing 'workflow' parameter");
    }
    if !nodes(&parsed)
        .iter()
        .any(|(_, class, _)| ends_a_graph(class))
    {
        return Ending::failed(
            "Prompt has no outputs. Raw response: {\"error\": {\"type\": \"prompt_no_outputs\", \
             \"message\": \"Prompt has no outputs\", \"details\": \"\", \"extra_info\": {}}, \
             \"node_errors\": {}}",
        );
    }
    let files = files(outcome, input);
    let image = |(index, file): (usize, &Made)| match outcome {
        Outcome::S3Url | Outcome::Sized { link: true, .. } => json!({
            "data": format!("{files_url}/{index}/{}", file.filename),
            "filename": file.filename,
            "type": "s3_url",
        }),
        _ => json!({
            "data": STANDARD.encode(&file.bytes),
            "filename": file.filename,
            "type": "base64",
        }),
    };
    let images: Vec<Value> = files.iter().enumerate().map(image).collect();
    Ending::completed(match (outcome, files.last()) {
        (_, None) => json!({"images": [], "status": "success_no_images"}),
        (Outcome::OldShape, Some(last)) => json!({
            "message": STANDARD.encode(&last.bytes),
            "refresh_worker": false,
            "status": "success",
        }),
        (Outcome::ErrorsAndImages, Some(_)) => json!({
            "errors": ["Failed to fetch image data for other.png from /view endpoint."],
            "images": images,
        }),
        _ => json!({"images": images}),
    })
}

/// The files of a finished prompt, in the order the worker lists them. Also serves the links.
pub(super) fn files(outcome: &Outcome, input: &str) -> Vec<Made> {
    let copies = match outcome {
        Outcome::Multi { count } => *count,
        _ => 1,
    };
    let parsed: Value = serde_json::from_str(input).unwrap_or_default();
    let mut counters: BTreeMap<String, u32> = BTreeMap::new();
    let mut made = Vec::new();
    for (id, class, inputs) in nodes(&parsed) {
        let Some(prefix) = saved_prefix(class, inputs) else {
            continue;
        };
        let sized = match outcome {
            Outcome::Sized { size_bytes, .. } => Some(*size_bytes),
            _ => None,
        };
        let video = sized.is_some() || matches!(outcome, Outcome::VideoAsImage) || is_video(class);
        for _ in 0..copies {
            let counter = counters.entry(prefix.to_owned()).or_default();
            *counter += 1;
            let seed = blake3::hash(format!("{input}{id}{counter}").as_bytes());
            // The worker does not return the folder that a prefix may name.
            let name = prefix.rsplit('/').next().unwrap_or(prefix);
            let (extension, content_type, bytes) = if video {
                let film = picture::mp4(seed.as_bytes());
                let film =
                    sized.map_or_else(|| film.clone(), |size| picture::stretched(&film, size));
                ("mp4", "video/mp4", film)
            } else {
                ("png", "image/png", picture::png(seed.as_bytes()))
            };
            made.push(Made {
                filename: format!("{name}_{counter:05}_.{extension}"),
                content_type,
                bytes,
            });
        }
    }
    made
}

pub(super) fn partner_key(input: &str) -> Option<String> {
    let parsed: Value = serde_json::from_str(input).ok()?;
    parsed["comfy_org_api_key"].as_str().map(str::to_owned)
}

/// What the files beside the prompt are called.
pub(super) fn image_names(input: &str) -> Vec<String> {
    let parsed: Value = serde_json::from_str(input).unwrap_or_default();
    let images = parsed.get("images").and_then(Value::as_array);
    let names = images
        .into_iter()
        .flatten()
        .map(|image| image["name"].as_str());
    names
        .map(|name| name.unwrap_or_default().to_owned())
        .collect()
}

/// Node id, class and inputs of each node of the prompt.
fn nodes(input: &Value) -> Vec<(&str, &str, &Value)> {
    let workflow = input.get("workflow").and_then(Value::as_object);
    let nodes = workflow.into_iter().flatten();
    nodes
        .filter_map(|(id, node)| {
            let class = node.get("class_type")?.as_str()?;
            Some((id.as_str(), class, node.get("inputs")?))
        })
        .collect()
}

/// Nodes whose files appear under `images` in ComfyUI's history. Previews are temporary and
/// skipped; audio and the video suite's `gifs` are under other keys, which the worker ignores.
fn saved_prefix<'i>(class: &str, inputs: &'i Value) -> Option<&'i str> {
    let elsewhere =
        class.starts_with("VHS_") || class.contains("Audio") || class.contains("Latent");
    let prefix = inputs.get("filename_prefix").and_then(Value::as_str);
    match prefix {
        Some(prefix) if !elsewhere => Some(prefix),
        None if class == "SaveImage" => Some("ComfyUI"),
        Some(_) | None => None,
    }
}

fn ends_a_graph(class: &str) -> bool {
    class.starts_with("Save") || class.starts_with("Preview") || class.starts_with("VHS_")
}

fn is_video(class: &str) -> bool {
    class.contains("Video") || class.contains("WEBM")
}

fn task_output(task: &Value, input: &str) -> Value {
    let seed = *blake3::hash(input.as_bytes()).as_bytes();
    let task = task.as_str().unwrap_or_default();
    if task.contains("video") || task == "rack_focus" {
        json!({"video": STANDARD.encode(picture::mp4(&seed))})
    } else {
        json!({"image": STANDARD.encode(picture::png(&seed))})
    }
}

fn first_node(input: &str) -> (String, String) {
    let parsed: Value = serde_json::from_str(input).unwrap_or_default();
    let nodes = nodes(&parsed);
    let first = nodes
        .first()
        .map(|(id, class, _)| ((*id).into(), (*class).into()));
    first.unwrap_or_else(|| ("4".into(), "CheckpointLoaderSimple".into()))
}

fn validation_text(input: &str) -> String {
    let (id, class) = first_node(input);
    format!(
        "Workflow validation failed:\n• Node {id} (errors): [{{'type': 'value_not_in_list', \
         'message': 'Value not in list', 'details': \"ckpt_name: 'nope.safetensors' not in []\", \
         'extra_info': {{'input_name': 'ckpt_name'}}}}]\n• Node {id} (dependent_outputs): ['9']\n\
         • Node {id} (class_type): {class}\n\nNo checkpoint models appear to be available. Please \
         check your model installation."
    )
}

fn node_failed(input: &str, why: &str) -> Ending {
    let (id, class) = first_node(input);
    let line =
        format!("Workflow execution error: Node Type: {class}, Node ID: {id}, Message: {why}\n");
    Ending {
        output: Some(json!({"details": [line]})),
        ..Ending::failed("Job processing failed")
    }
}

fn exception_text() -> String {
    json!({
        "error_message": "argument of type 'int' is not iterable",
        "error_traceback": "Traceback (most recent call last):\n  File \"/handler.py\", line 1\n",
        "error_type": "<class 'TypeError'>",
        "hostname": "mock",
        "runpod_version": "1.12.0",
        "worker_id": "mock",
    })
    .to_string()
}
