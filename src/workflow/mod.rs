//! ComfyUI, and nothing but ComfyUI: the only place that knows what a node is.

pub mod prompt;
pub mod python;
pub mod schema;
pub mod validate;
