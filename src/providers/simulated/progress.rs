//! What the simulated GPU tells while it works.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde_json::{json, Value};

use super::{paint, Plan};
use crate::parse;

/// Times that it tells something: enough to watch, in the second or two that a job runs.
const TIMES: u32 = 4;
/// The longer side of a preview, as in ComfyUI.
const PREVIEW_SIDE: u32 = 256;

pub struct Told {
    /// When, as a part of the running time.
    pub permille: u64,
    /// The body of the request.
    pub body: String,
}

/// Through the nodes of the prompt, in the order of their ids.
pub fn told(plan: &Plan, prompt: &str) -> Vec<Told> {
    let prompt: Value = parse::json(prompt).unwrap_or_default();
    let nodes: Vec<(&String, &Value)> = prompt.as_object().into_iter().flatten().collect();
    let longest = plan.width.max(plan.height).max(PREVIEW_SIDE);
    let side = |side: u32| (side * PREVIEW_SIDE / longest).max(1);
    let preview = paint::png(&plan.pattern, 0, side(plan.width), side(plan.height));
    let preview = STANDARD.encode(preview);
    let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    let tell = |n: u32| {
        let permille = n * 1000 / (TIMES + 1);
        let done = n.saturating_mul(count) / (TIMES + 1);
        let (id, node) = nodes.get(done as usize).copied()?;
        let class = node["class_type"].as_str();
        let body = json!({
            "nodes_done": done,
            "nodes_total": count,
            "current_node": id,
            "current_node_class": class,
            "step": n,
            "steps": TIMES,
            "message": format!("{} {n}/{TIMES}", class.unwrap_or("task")),
            "value": f64::from(permille) / 1000.0,
            "preview": {
                "node_id": id,
                "content_type": "image/png",
                "data_base64": preview,
            },
        });
        Some(Told {
            permille: permille.into(),
            body: body.to_string(),
        })
    };
    (1..=TIMES).filter_map(tell).collect()
}
