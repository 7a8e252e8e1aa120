//! ComfyUI, and nothing but ComfyUI: the only place that knows what a node is.

pub mod canvas;
pub mod check;
pub mod compile;
pub mod contract;
pub mod convert;
pub mod draft;
pub mod graph;
pub mod inventory;
pub mod json;
pub mod prompt;
pub mod python;
pub mod schema;
pub mod template;
pub mod validate;
pub mod violation;
