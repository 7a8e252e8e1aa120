//! What conversion needs of `object_info`: for every node class its sockets and widgets, in order.

use std::collections::HashMap;

use crate::workflow::graph::GraphError;
use crate::workflow::json::{self, Json};

use super::inputs::{self, InputSpec};

/// The largest `object_info` that is read. A server with hundreds of custom nodes answers with some
/// 20 MB.
pub const OBJECT_INFO_BYTES_MAX: usize = 32 << 20;

/// The node classes of one server.
#[derive(Debug, Default)]
pub struct Definitions {
    classes: HashMap<String, Class>,
}

#[derive(Debug)]
pub struct Class {
    pub name: String,
    /// What the editor calls a node that has no title of its own.
    pub title: String,
    /// Required inputs, then optional ones, as `input_order` says.
    pub inputs: Vec<InputSpec>,
    pub outputs: Vec<Output>,
}

#[derive(Debug)]
pub struct Output {
    pub type_name: String,
    /// The template whose common type the output has (`COMFY_MATCHTYPE_V3`).
    pub template: Option<String>,
}

impl Definitions {
    /// Reads the answer of `GET /object_info`, as text: the order of some of its objects matters.
    pub fn parse(text: &[u8]) -> Result<Self, GraphError> {
        if text.len() > OBJECT_INFO_BYTES_MAX {
            return Err(GraphError::TooLarge {
                what: "bytes of object_info",
                limit: OBJECT_INFO_BYTES_MAX,
            });
        }
        let info: Json = json::parse(text).map_err(|e| GraphError::InvalidJson(e.to_string()))?;
        let classes = info.entries().iter();
        Ok(Self {
            classes: classes
                .map(|(name, info)| (name.clone(), Class::read(name, info)))
                .collect(),
        })
    }

    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.get(name)
    }
}

impl Class {
    fn read(name: &str, info: &Json) -> Self {
        Self {
            name: name.to_owned(),
            title: title_of(name, info),
            inputs: inputs::read_class(info.get("input"), info.get("input_order")),
            outputs: read_outputs(info),
        }
    }
}

/// The display name, but for six classes that the editor's own English names override.
fn title_of(name: &str, info: &Json) -> String {
    let own = match name {
        "LTXVConcatAVLatent" | "LTXVSeparateAVLatent" => name,
        "ByteDanceSeedreamNodeV2" => "ByteDance Seedream 4.5 & 5.0",
        "ByteDance2ReferenceNode" => "ByteDance Seedance 2.5 Reference to Video",
        "IdeogramPImage" => "Ideogram P-Image",
        "TopazImageEnhance" => "Topaz Image Enhance",
        _ => info
            .get("display_name")
            .and_then(Json::as_text)
            .filter(|title| !title.is_empty())
            .unwrap_or(name),
    };
    own.to_owned()
}

fn read_outputs(info: &Json) -> Vec<Output> {
    let templates = info.get("output_matchtypes").map_or(&[][..], Json::items);
    let types = info.get("output").map_or(&[][..], Json::items);
    types
        .iter()
        .enumerate()
        .map(|(slot, type_name)| Output {
            // A list of options is a combo.
            type_name: type_name.as_text().unwrap_or("COMBO").to_owned(),
            template: templates
                .get(slot)
                .and_then(Json::as_text)
                .map(str::to_owned),
        })
        .collect()
}
