//! What a deployment knows of its endpoint, asked as a caller would: it judges a workflow by the
//! endpoint's inventory before anything is ordered.
//!
//! Each template's prompt is sent as a workflow of one's own, with an output beside it that is
//! linked to nothing: it is refused with everything that is wrong, and never becomes a job.

use std::collections::BTreeSet;

use edge_queue::workflow::template::Template;
use serde_json::{json, Value};

use super::needs;
use crate::smoke::wire::{Answered, Wire};

/// The output that is linked to nothing.
const BROKEN: &str = "check";

pub enum Known {
    /// Why nothing can be compared.
    Nothing(String),
    /// What our templates need and the endpoint does not have, by what the deployment knows.
    Missing(Vec<String>),
}

/// Everything that the templates need, those of `only` alone if any are named.
pub fn missing(wire: &Wire, endpoint: &str, only: &[String]) -> anyhow::Result<Known> {
    let known = wire.get("/api/admin/inventory")?;
    if known.status == 404 {
        let advice = "ops inventory pull --from <its ComfyUI>";
        let why = format!("the deployment has no inventory of its endpoint: {advice}");
        return Ok(Known::Nothing(why));
    }
    if known.status != 200 {
        return Ok(Known::Nothing(known.complaint()));
    }
    let theirs = known.json()["inventory"]["endpoint"].take();
    if theirs != endpoint {
        let why = format!("the deployment's endpoint is {theirs}, and not {endpoint}");
        return Ok(Known::Nothing(why));
    }
    let mut missing = Vec::new();
    for template in needs::wanted(only) {
        // A task of another worker is no workflow.
        if template.contract.requires.node_classes.is_empty() {
            continue;
        }
        missing.extend(of(wire, template)?);
    }
    Ok(Known::Missing(missing))
}

fn of(wire: &Wire, template: &Template) -> anyhow::Result<Vec<String>> {
    let mut workflow = template.prompt.clone();
    workflow[BROKEN] = json!({"class_type": "SaveImage", "inputs": {
        "images": ["linked to nothing", 0], "filename_prefix": BROKEN,
    }});
    let answer = wire.post("/api/queue/create", &[], &json!({ "workflow": workflow }))?;
    if answer.status != 422 {
        return Ok(vec![not_judged(wire, template, &answer)?]);
    }
    let body = answer.json();
    let details = body["details"].as_array().into_iter().flatten();
    let found: BTreeSet<String> = details
        .filter_map(|detail| told(template, &workflow, detail))
        .collect();
    Ok(found.into_iter().collect())
}

/// A deployment that takes what is linked to nothing is broken; its job is not wanted.
fn not_judged(wire: &Wire, template: &Template, answer: &Answered) -> anyhow::Result<String> {
    let name = template.name();
    let body = answer.json();
    let Some(id) = body["job_id"].as_str() else {
        return Ok(format!("{name}: {}", answer.complaint()));
    };
    wire.post(&format!("/api/queue/cancel/{id}"), &[], &json!({}))?;
    Ok(format!(
        "{name}: a workflow with an output linked to nothing was accepted as {id}"
    ))
}

/// A violation, if it is about a class or a model file that the template needs.
fn told(template: &Template, workflow: &Value, violation: &Value) -> Option<String> {
    let requires = &template.contract.requires;
    let place = violation["path"].as_str()?.strip_prefix("/workflow")?;
    let name = template.name();
    match violation["code"].as_str()? {
        "missing_node_type" => {
            let class = workflow.pointer(place)?["class_type"].as_str()?;
            let is_needed = requires.node_classes.iter().any(|needed| needed == class);
            is_needed.then(|| needs::no_class(name, class))
        }
        "value_not_in_list" => {
            let value = workflow.pointer(place)?.as_str()?;
            let model = requires.models.iter().find(|model| model.file == value)?;
            Some(needs::no_model(name, model))
        }
        _ => None,
    }
}
