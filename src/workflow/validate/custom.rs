//! The few classes that check some of their inputs themselves, after all others were looked at.
//!
//! Files are judged by the choices of the same input, which list the input folder; whether an
//! output or a temporary file is there, only the server knows, so they count as absent. The choices
//! of the loaders of 3D models list another folder, so their files count as present.

use super::bind::Bound;
use super::expand::{is_link, Inputs};
use super::problem::Problem;
use super::value::unwrap;
use crate::workflow::python::{text, Raised, Value};
use crate::workflow::schema::Spec;

/// What a class does about its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SelfCheck {
    /// The file named by this input must exist; the noun goes into the sentence.
    File(&'static str, &'static str),
    /// The file must exist or be none; takes every input along.
    Model3d,
    /// Every input may be anything; this one must be there.
    AllOf(&'static str),
    /// This input may be anything.
    Anything(&'static str),
    Ratio,
    TripoTask,
}

impl SelfCheck {
    pub fn of(class: &str) -> Option<Self> {
        Some(match class {
            "LoadImage" | "LoadImageMask" | "LoadImageOutput" | "WebcamCapture" => {
                Self::File("image", "image")
            }
            "LoadLatent" => Self::File("latent", "latent"),
            "LoadAudio" => Self::File("audio", "audio"),
            "LoadVideo" => Self::File("file", "video"),
            "Load3D" | "Load3DAdvanced" => Self::Model3d,
            "CustomCombo" => Self::AllOf("choice"),
            "ModelAttentionBackend" => Self::Anything("attention"),
            "SelectModelDevice" | "SelectCLIPDevice" | "SelectVAEDevice" => {
                Self::Anything("device")
            }
            "FluxProUltraImageNode" => Self::Ratio,
            "TripoConversionNode" => Self::TripoTask,
            _ => return None,
        })
    }

    /// Whether range and choices of this input are left to the class.
    pub fn covers(self, input: &str) -> bool {
        match self {
            Self::File(name, _) | Self::Anything(name) => name == input,
            Self::Model3d | Self::AllOf(_) => true,
            Self::Ratio => input == "aspect_ratio",
            Self::TripoTask => false,
        }
    }

    /// Whether the class compares the types of links itself.
    pub fn compares_types(self) -> bool {
        self == Self::TripoTask
    }

    /// The class's own verdict on a node; `received` gives the type that a linked input gets.
    pub fn run<'v>(
        self,
        node: &Bound<'v>,
        inputs: &Inputs<'v>,
        received: impl Fn(&str) -> Option<&'v Value<'v>>,
    ) -> Result<Vec<Problem>, Raised> {
        match self {
            Self::File(input, noun) => run_file(node, inputs, input, noun),
            Self::Model3d => run_model_3d(node, inputs),
            Self::AllOf(input) => argument(node, input).map(|_| Vec::new()),
            Self::Anything(_) => Ok(Vec::new()),
            Self::Ratio => run_ratio(node),
            Self::TripoTask => run_tripo(received("original_model_task_id")),
        }
    }
}

fn run_file(
    node: &Bound<'_>,
    inputs: &Inputs<'_>,
    input: &'static str,
    noun: &str,
) -> Result<Vec<Problem>, Raised> {
    let value = argument(node, input)?;
    let file = file_name(value)?;
    let mut expected = inputs.expected.iter();
    let spec = expected.find(|expected| expected.name == input);
    let spec = spec.and_then(|expected| expected.spec);
    let choices = spec.and_then(Spec::choices).unwrap_or_default();
    if spec.is_some_and(Spec::is_left_out) || is_present(file, choices) {
        return Ok(Vec::new());
    }
    let sentence = format!("Invalid {noun} file: {file}");
    Ok(vec![Problem::custom(input, &sentence)])
}

fn run_model_3d(node: &Bound<'_>, inputs: &Inputs<'_>) -> Result<Vec<Problem>, Raised> {
    let value = argument(node, "model_file")?;
    if !value.is_truthy() || value.as_text() == Some("none") {
        return Ok(Vec::new());
    }
    let file = file_name(value)?;
    if path_inside(folder_of(file).1).is_some() {
        return Ok(Vec::new());
    }
    let sentence = format!("Invalid 3D model file: {file}");
    let given = node.inputs.iter().flat_map(|inputs| inputs.iter());
    let taken = given.filter(|(name, value)| {
        is_link(value)
            || inputs
                .expected
                .iter()
                .any(|expected| expected.name == **name)
    });
    Ok(taken
        .map(|(name, _)| Problem::custom(name, &sentence))
        .collect())
}

fn run_ratio(node: &Bound<'_>) -> Result<Vec<Problem>, Raised> {
    let value = text(argument(node, "aspect_ratio")?);
    let sides = value.split_once(':').and_then(|(width, height)| {
        Some((
            width.trim().parse::<u32>().ok()?,
            height.trim().parse::<u32>().ok()?,
        ))
    });
    let is_wide = |a: u32, b: u32| u64::from(a) > 4 * u64::from(b);
    match sides {
        Some((width, height))
            if height > 0 && !is_wide(width, height) && !is_wide(height, width) =>
        {
            Ok(Vec::new())
        }
        _ => {
            let sentence = format!("the aspect ratio must lie between 1:4 and 4:1, not {value}");
            Err(Raised::new("TypeError", sentence))
        }
    }
}

fn run_tripo(received: Option<&Value<'_>>) -> Result<Vec<Problem>, Raised> {
    let Some(received) = received else {
        return Err(Raised::new("KeyError", "'original_model_task_id'"));
    };
    if matches!(
        received.as_text(),
        Some("MODEL_TASK_ID" | "RIG_TASK_ID" | "RETARGET_TASK_ID")
    ) {
        return Ok(Vec::new());
    }
    let sentence = "original_model_task_id must come from a Tripo task that made a model";
    Ok(vec![Problem::custom("input_types", sentence)])
}

/// What a class's function is called with: a link counts as None, a missing input cannot be called.
fn argument<'n, 'v>(node: &'n Bound<'v>, name: &str) -> Result<&'n Value<'v>, Raised> {
    let given = node
        .inputs
        .as_ref()
        .and_then(|inputs| inputs.get(name))
        .map(unwrap);
    match given {
        Some(value) if is_link(value) => Ok(&Value::None),
        Some(value) => Ok(value),
        None => {
            let is_v3 = node.class.is_some_and(|class| class.is_v3);
            let function = if is_v3 {
                "validate_inputs"
            } else {
                "VALIDATE_INPUTS"
            };
            // These two inherit the function.
            let owner = match node.class_name {
                "LoadImageOutput" | "WebcamCapture" => "LoadImage",
                own => own,
            };
            let sentence =
                format!("{owner}.{function}() missing 1 required positional argument: '{name}'");
            Err(Raised::new("TypeError", sentence))
        }
    }
}

fn file_name<'n>(value: &'n Value<'_>) -> Result<&'n str, Raised> {
    value.as_text().ok_or_else(|| {
        let given = value.type_name();
        let sentence = format!("'{given}' object has no attribute 'endswith'");
        Raised::new("AttributeError", sentence)
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Folder {
    Input,
    Other,
}

/// The folder that a suffix names, and the rest of the name. The suffix and the character before it
/// are cut off, whatever that is.
fn folder_of(file: &str) -> (Folder, &str) {
    let suffixes = [
        ("[output]", Folder::Other),
        ("[input]", Folder::Input),
        ("[temp]", Folder::Other),
    ];
    for (suffix, folder) in suffixes {
        if let Some(name) = file.strip_suffix(suffix) {
            let mut name = name.chars();
            name.next_back();
            return (folder, name.as_str());
        }
    }
    (Folder::Input, file)
}

/// The path without detours, or nothing if it leads out of its folder.
fn path_inside(name: &str) -> Option<String> {
    if name.starts_with('/') || name.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn is_present(file: &str, choices: &[Value<'_>]) -> bool {
    let (folder, name) = folder_of(file);
    let Some(path) = path_inside(name) else {
        return false;
    };
    if path.is_empty() {
        return true;
    }
    let listed = choices.iter().any(|choice| choice.as_text() == Some(&path));
    folder == Folder::Input && listed && !name.ends_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, present: bool) {
        let choices = ["a.png", "sub/b.png"].map(Value::from);
        assert_eq!(is_present(file, &choices), present, "{file}");
    }

    #[test]
    fn a_file_is_present_when_its_folder_lists_it() {
        check("a.png", true);
        check("a.png [input]", true);
        check("a.png [output]", false);
        check("./sub/../a.png", true);
        check("sub/b.png", true);
        check("A.png", false);
        check("a.png/", false);
        check("../a.png", false);
        check("/a.png", false);
        check("", true);
        check(" [temp]", true);
        check("[input]", true);
        check(".", true);
    }
}
