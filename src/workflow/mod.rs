//! ComfyUI, and nothing but ComfyUI: the only place that knows what a node is.

pub mod canvas;
pub mod check;
pub mod compile;
pub mod contract;
pub mod raw;
pub mod template;
pub mod violation;
