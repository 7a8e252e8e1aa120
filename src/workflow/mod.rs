//! ComfyUI, and nothing but ComfyUI: the only place that knows what a node is.

pub mod convert;
pub mod graph;
pub mod json;
