//! The classes whose widgets `object_info` does not tell: the editor adds them by class name.

use std::sync::Arc;

use crate::workflow::json::Json;

use super::definitions::Class;
use super::error::ConvertError;
use super::inputs::WidgetKind;
use super::widgets::{Builder, Role, Widget};

/// Classes whose `filename_prefix` may hold `%Node.widget%`.
const SAVERS: [&str; 20] = [
    "SaveImage",
    "SaveImageAdvanced",
    "SaveSVGNode",
    "SaveVideo",
    "SaveAnimatedWEBP",
    "SaveWEBM",
    "SaveAnimatedPNG",
    "SaveAudio",
    "SaveAudioMP3",
    "SaveAudioOpus",
    "SaveAudioAdvanced",
    "SaveGLB",
    "Save3DAdvanced",
    "SaveGaussianSplat",
    "SavePointCloud",
    "CLIPSave",
    "VAESave",
    "ModelSave",
    "LoraSave",
    "SaveLatent",
];

pub fn is_saver(class: &str) -> bool {
    SAVERS.contains(&class)
}

/// Widgets that stand right after an input of the class.
pub fn after_input(class: &str, input: &str, builder: &mut Builder) -> Result<(), ConvertError> {
    match (class, input) {
        ("Load3D", "model_file") => {
            builder.push_extra("upload 3d model", "upload3dmodel", Role::Extra)?;
            let resources = "upload extra resources";
            builder.push_extra(resources, "uploadExtraResources", Role::Extra)?;
            builder.push_extra("clear", "clear", Role::Extra)
        }
        ("LoadImageOutput", "image") => {
            builder.push_extra("Auto-refresh after generation", "", Role::Hidden)?;
            builder.push_extra("refresh", "refresh", Role::Extra)
        }
        ("RecordAudio", "audio") => builder.push_extra("audio", "", Role::Hidden),
        ("CustomCombo", "choice") => {
            builder.push_extra("index", "", Role::ChoicePlace)?;
            add_options(builder)
        }
        _ => Ok(()),
    }
}

/// A custom combo has one empty option behind those that are filled in.
fn add_options(builder: &mut Builder) -> Result<(), ConvertError> {
    for number in 1.. {
        builder.push_extra(&format!("option{number}"), "", Role::Extra)?;
        let value = builder
            .widgets
            .last()
            .and_then(|option| option.value.as_ref());
        if !value.is_some_and(|value| value.is_truthy()) {
            break;
        }
    }
    mend_choice(&mut builder.widgets);
    Ok(())
}

/// A choice of nothing is the first option.
fn mend_choice(widgets: &mut [Widget]) {
    let first = widgets.iter().find(|widget| widget.name == "option1");
    let first = first.and_then(|option| option.value.clone());
    let choice = widgets.iter_mut().find(|widget| widget.name == "choice");
    let is_null = |widget: &Widget| widget.value.as_ref().is_some_and(|value| value.is_null());
    if let Some(choice) = choice.filter(|choice| is_null(choice)) {
        choice.value = first;
    }
}

/// Widgets at the end of the node's list, and what the editor mends in old files.
pub fn after_all(class: &Class, builder: &mut Builder) -> Result<(), ConvertError> {
    match class.name.as_str() {
        "WebcamCapture" => builder.push_extra("waiting for camera...", "capture", Role::Extra)?,
        "Preview3D" | "SaveGLB" => builder.push_extra("image", "", Role::Blank)?,
        "KSampler" | "KSamplerAdvanced" => mend_sampler(builder),
        _ => {}
    }
    let uploads = builder.widgets.iter().any(|widget| {
        let Role::Input { spec, .. } = widget.role else {
            return false;
        };
        matches!(spec.kind, WidgetKind::Combo { uploads: true, .. })
    });
    if uploads {
        builder.push_extra("upload", "", Role::Hidden)?;
    }
    Ok(())
}

/// Samplers once were called `sample_euler` and so on.
fn mend_sampler(builder: &mut Builder) {
    let sampler = builder
        .widgets
        .iter_mut()
        .find(|widget| widget.name == "sampler_name");
    if let Some(widget) = sampler {
        let name = widget.value.as_deref().and_then(Json::as_text);
        if let Some(name) = name.and_then(|name| name.strip_prefix("sample_")) {
            widget.value = Some(Arc::new(Json::Text(name.to_owned())));
        }
    }
}
