//! Classes that ComfyUI gave up and replaces by others when a prompt still names them.

use crate::workflow::python::Dict;
use crate::workflow::schema::Schema;

/// What stands for a class that a server no longer has.
#[derive(Debug)]
pub(super) struct Replacement {
    old: &'static str,
    pub class: &'static str,
    inputs: &'static [(&'static str, Source)],
}

/// Where a new input comes from.
#[derive(Debug)]
enum Source {
    Old(&'static str),
    Fixed(&'static str),
}

/// Those of ComfyUI 0.33.0. Without a list of inputs the new node starts with none.
const REPLACEMENTS: &[Replacement] = &[
    Replacement {
        old: "ResizeImagesByLongerEdge",
        class: "ImageScaleToMaxDimension",
        inputs: &[
            ("image", Source::Old("images")),
            ("largest_size", Source::Old("longer_edge")),
            ("upscale_method", Source::Fixed("lanczos")),
        ],
    },
    Replacement {
        old: "ImageBatch",
        class: "BatchImagesNode",
        inputs: &[
            ("images.image0", Source::Old("image1")),
            ("images.image1", Source::Old("image2")),
        ],
    },
    Replacement {
        old: "ImageScaleBy",
        class: "ResizeImageMaskNode",
        inputs: &[
            ("input", Source::Old("image")),
            ("resize_type", Source::Fixed("scale by multiplier")),
            ("resize_type.multiplier", Source::Old("scale_by")),
            ("scale_method", Source::Old("upscale_method")),
        ],
    },
    Replacement {
        old: "T2IAdapterLoader",
        class: "ControlNetLoader",
        inputs: &[("control_net_name", Source::Old("t2i_adapter_name"))],
    },
    renamed("Load3DAnimation", "Load3D"),
    renamed("Preview3DAnimation", "Preview3D"),
    renamed("SDV_img2vid_Conditioning", "SVD_img2vid_Conditioning"),
    renamed("ConditioningAverage ", "ConditioningAverage"),
];

const fn renamed(old: &'static str, class: &'static str) -> Replacement {
    Replacement {
        old,
        class,
        inputs: &[],
    }
}

/// What replaces this class on a server that has no such class but has its successor.
pub(super) fn find(class: &str, schema: Option<&Schema>) -> Option<&'static Replacement> {
    let schema = schema?;
    let found = of(class)?;
    let applies = schema.class(class).is_none() && schema.class(found.class).is_some();
    applies.then_some(found)
}

/// The successor of a class, whether or not a server has either.
pub(super) fn of(class: &str) -> Option<&'static Replacement> {
    REPLACEMENTS
        .iter()
        .find(|replacement| replacement.old == class)
}

impl Replacement {
    /// The first old input that is needed and not there.
    pub fn missing_input(&self, old: &Dict<'_>) -> Option<&'static str> {
        self.inputs.iter().find_map(|(_, source)| match source {
            Source::Old(name) if old.get(name).is_none() => Some(*name),
            Source::Old(_) | Source::Fixed(_) => None,
        })
    }

    pub fn inputs<'v>(&self, old: &Dict<'v>) -> Dict<'v> {
        let mut inputs = Dict::default();
        for (name, source) in self.inputs {
            let value = match source {
                Source::Old(old_name) => old.get(old_name).cloned(),
                Source::Fixed(value) => Some((*value).into()),
            };
            if let Some(value) = value {
                inputs.push(*name, value);
            }
        }
        inputs
    }
}
