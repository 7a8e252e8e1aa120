//! What goes in and comes out as a file, and the model files that must be there.

use std::collections::BTreeSet;

use super::labels;
use super::nodes::{Node, Nodes};
use super::sketch::{Found, Sketch};
use crate::workflow::contract::lint::MODEL_FILE_ENDS;
use crate::workflow::contract::{File, Kind, MediaKind, Model, Output};
use crate::workflow::python::Value;

/// Class, input, name of ours. Other classes are known by what the server says of their inputs.
const LOADERS: [(&str, &str, &str); 6] = [
    ("LoadImage", "image", "image"),
    ("LoadImageMask", "image", "mask"),
    ("LoadVideo", "file", "video"),
    ("VHS_LoadVideo", "video", "video"),
    ("LoadAudio", "audio", "audio"),
    ("VHS_LoadAudioUpload", "audio", "audio"),
];

/// How a server marks an input that takes an upload.
const MARKS: [(&str, &str); 3] = [
    ("image_upload", "image"),
    ("video_upload", "video"),
    ("audio_upload", "audio"),
];

/// Files travel inside the order in base64, and RunPod takes 10 MiB: a file of 7 MB fits.
const FILE_SIZE_BYTES_MAX: u64 = 7_000_000;

/// Below this a picture is a mistake; above, a decoder's memory ends.
const SIDE_PX_MIN: u32 = 32;
const PIXELS_MAX: u64 = 50_000_000;

/// Input of a loader, class where it matters, folder under ComfyUI's `models/`.
const FOLDERS: [(&str, &str, &str); 14] = [
    ("clip_name", "CLIPVisionLoader", "clip_vision"),
    ("model_name", "UpscaleModelLoader", "upscale_models"),
    ("name", "ModelPatchLoader", "model_patches"),
    ("ckpt_name", "", "checkpoints"),
    ("unet_name", "", "diffusion_models"),
    ("clip_name", "", "text_encoders"),
    ("text_encoder", "", "text_encoders"),
    ("vae_name", "", "vae"),
    ("lora_name", "", "loras"),
    ("control_net_name", "", "controlnet"),
    ("style_model_name", "", "style_models"),
    ("gligen_name", "", "gligen"),
    ("hypernetwork_name", "", "hypernetworks"),
    ("audio_encoder_name", "", "audio_encoders"),
];

pub fn find(nodes: &Nodes, sketch: &mut Sketch) {
    let loaded = nodes.iter().flat_map(|node| {
        let inputs = node.inputs.keys();
        let inputs = inputs.filter_map(move |input| {
            let name = loads(nodes, &node, input)?;
            Some((name, node.text(input)?, node, input.as_str()))
        });
        inputs.collect::<Vec<_>>()
    });
    let mut files: Vec<((&'static str, &str), Found)> = Vec::new();
    for (name, file, node, input) in loaded {
        match files.iter_mut().find(|(known, _)| *known == (name, file)) {
            Some((_, found)) => found.to.push(node.place(input)),
            None => files.push((
                (name, file),
                Found {
                    name,
                    title: node.title.map(str::to_owned),
                    required: true,
                    kind: kind(name),
                    to: vec![node.place(input)],
                },
            )),
        }
    }
    for (_, found) in files {
        sketch.add(found);
    }
}

/// What an input of a node takes an upload as, if it does.
fn loads(nodes: &Nodes, node: &Node, input: &str) -> Option<&'static str> {
    let known = LOADERS
        .iter()
        .find(|(class, name, _)| *class == node.class && *name == input);
    if let Some((_, _, name)) = known {
        return Some(name);
    }
    let options = &nodes.spec(node, input)?.options;
    let marked = |mark: &str| options.get(mark).is_some_and(Value::is_truthy);
    MARKS
        .iter()
        .find(|(mark, _)| marked(mark))
        .map(|(_, name)| *name)
}

fn kind(name: &str) -> Kind {
    let file = |content_types: &[&str]| File {
        content_types: content_types.iter().map(|&it| it.to_owned()).collect(),
        size_bytes_max: FILE_SIZE_BYTES_MAX,
        side_min_px: None,
        pixels_max: None,
        aspect_max: None,
        urls: false,
    };
    match name {
        "video" => Kind::Video(file(&["video/mp4", "video/webm", "video/quicktime"])),
        "audio" => Kind::Audio(file(&[
            "audio/mpeg",
            "audio/x-wav",
            "audio/x-flac",
            "audio/ogg",
        ])),
        _ => Kind::Image(File {
            side_min_px: Some(SIDE_PX_MIN),
            pixels_max: Some(PIXELS_MAX),
            ..file(&["image/png", "image/jpeg", "image/webp"])
        }),
    }
}

/// Every node that names the files it saves.
pub fn outputs(nodes: &Nodes) -> Vec<Output> {
    let saves = nodes
        .iter()
        .filter(|n| n.inputs.contains_key("filename_prefix"));
    let outputs = saves.map(|node| {
        let kind = saved(node.class);
        Output {
            node: Some(node.id.to_owned()),
            kind,
            label: labels::of_output(kind),
        }
    });
    outputs.collect()
}

/// What a node of this class saves, told by its name.
fn saved(class: &str) -> MediaKind {
    let named = |words: &[&str]| words.iter().any(|word| class.contains(word));
    if named(&["Video", "WEBM"]) {
        MediaKind::Video
    } else if named(&["Audio"]) {
        MediaKind::Audio
    } else if named(&["Latent"]) {
        MediaKind::Latent
    } else if named(&["Text", "String"]) {
        MediaKind::Text
    } else if named(&[
        "GLB",
        "3D",
        "Mesh",
        "Model",
        "Checkpoint",
        "LoRA",
        "CLIPSave",
        "VAESave",
    ]) {
        MediaKind::File
    } else {
        MediaKind::Image
    }
}

/// The model files that the prompt names, each with the folder where it belongs.
pub fn models(nodes: &Nodes, sketch: &mut Sketch) -> Vec<Model> {
    let mut files = BTreeSet::new();
    let mut models = Vec::new();
    for node in nodes.iter() {
        for (input, value) in node.inputs {
            let file = value.as_str().filter(|text| is_model(text));
            let Some(file) = file.filter(|file| files.insert(*file)) else {
                continue;
            };
            let folder = folder(node.class, input);
            if folder.is_none() {
                let id = node.id;
                sketch.note(format!("the folder of {file} (node {id}) is a guess"));
            }
            models.push(Model {
                folder: folder.unwrap_or(input.trim_end_matches("_name")).to_owned(),
                file: file.to_owned(),
            });
        }
    }
    models
}

pub fn is_model(text: &str) -> bool {
    MODEL_FILE_ENDS.iter().any(|end| text.ends_with(end))
}

/// A loader may have several inputs of one sort: `clip_name1`, `clip_name2`.
fn folder(class: &str, input: &str) -> Option<&'static str> {
    let input = input.trim_end_matches(|c: char| c.is_ascii_digit());
    let found = FOLDERS
        .iter()
        .find(|(name, of, _)| *name == input && (of.is_empty() || *of == class));
    found.map(|(_, _, folder)| *folder)
}
