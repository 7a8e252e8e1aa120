//! Which node a returned file comes from.
//!
//! The stock RunPod worker returns file names without node ids and without subfolders. So every
//! output node gets a `filename_prefix` of ours, `eq<i>`; ComfyUI makes `eq<i>_00001_.png` of it,
//! which [`node_of`] reads back. The caller sees the prefix that its workflow had ([`shown_name`]).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::contract::{Label, MediaKind, Output};
use super::changes::Changes;

/// The input by which ComfyUI's output nodes name their files.
const PREFIX_INPUT: &str = "filename_prefix";

/// How a prefix of ours begins, where it stands in a compact prompt.
const PREFIX_OF_OURS: &str = r#""filename_prefix":"eq"#;

/// A file, or several, that must come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedOutput {
    /// None under the `task` protocol, where there are no nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<String>,
    /// None where a raw prompt does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediaKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Ours, in the prompt that is sent; empty under the `task` protocol.
    pub prefix: String,
    /// The caller's, to be shown.
    pub caller_prefix: String,
}

/// The outputs of a contract whose nodes the rules left in the prompt, each prefixed.
pub fn prefix_outputs(outputs: &[Output], changes: &mut Changes) -> Vec<ExpectedOutput> {
    let mut expected = Vec::new();
    for output in outputs {
        let Some(node_id) = &output.node else {
            continue;
        };
        let Some(place) = changes.member(node_id).and_then(prefix_place) else {
            continue;
        };
        let prefix = prefix(expected.len());
        let caller_prefix = replace_text(place, &prefix);
        expected.push(ExpectedOutput {
            node_id: Some(node_id.clone()),
            kind: Some(output.kind),
            label: Some(output.label.clone()),
            prefix,
            caller_prefix,
        });
    }
    expected
}

/// The same for a caller's own API-format prompt: every node that names its files.
pub fn rename_outputs(prompt: &mut Value) -> Vec<ExpectedOutput> {
    let nodes = prompt.as_object().into_iter().flatten();
    let mut node_ids: Vec<String> = nodes.map(|(id, _)| id.clone()).collect();
    node_ids.sort();
    let mut expected = Vec::new();
    for node_id in node_ids {
        let Some(place) = prompt.get_mut(&node_id).and_then(prefix_place) else {
            continue;
        };
        let prefix = prefix(expected.len());
        let caller_prefix = replace_text(place, &prefix);
        expected.push(ExpectedOutput {
            node_id: Some(node_id),
            kind: None,
            label: None,
            prefix,
            caller_prefix,
        });
    }
    expected
}

/// Gives every output node its caller's prefix again.
pub fn restore_outputs(prompt: &mut Value, outputs: &[ExpectedOutput]) {
    for output in outputs {
        let node = output.node_id.as_deref();
        let node = node.and_then(|node| prompt.get_mut(node));
        if let Some(place) = node.and_then(prefix_place) {
            replace_text(place, &output.caller_prefix);
        }
    }
}

/// A task's outputs: their kinds and labels, in the order in which they come.
pub fn unnamed_outputs(outputs: &[Output]) -> Vec<ExpectedOutput> {
    let unnamed = outputs.iter().map(|output| ExpectedOutput {
        node_id: output.node.clone(),
        kind: Some(output.kind),
        label: Some(output.label.clone()),
        prefix: String::new(),
        caller_prefix: String::new(),
    });
    unnamed.collect()
}

/// The same compact prompt with `-<mark>` behind every prefix of ours, as it is sent. Quotes inside
/// of texts are escaped, so this is found only where a member has that name.
pub fn mark_outputs(prompt: &str, mark: &str) -> String {
    let mut parts = prompt.split(PREFIX_OF_OURS);
    let mut marked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        marked.push_str(PREFIX_OF_OURS);
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        marked.push_str(&part[..digits]);
        if part[digits..].starts_with('"') {
            marked.push('-');
            marked.push_str(mark);
        }
        marked.push_str(&part[digits..]);
    }
    marked
}

/// The output that a returned file belongs to; None for a file that is not named as we asked.
pub fn node_of<'a>(file_name: &str, outputs: &'a [ExpectedOutput]) -> Option<&'a ExpectedOutput> {
    let base = file_name.rsplit(['/', '\\']).next()?;
    outputs
        .iter()
        .find(|output| counter(base, &output.prefix).is_some())
}

/// The file's name as the caller's own workflow would have made it.
pub fn shown_name(file_name: &str, output: &ExpectedOutput) -> String {
    let base = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name);
    let caller = output.caller_prefix.rsplit('/').next().unwrap_or_default();
    match counter(base, &output.prefix) {
        Some(counter) if !caller.is_empty() => format!("{caller}{counter}"),
        _ => base.to_owned(),
    }
}

/// What ComfyUI appended to a prefix, marked or not: `_00001_.png`, or `_00001.mp4` by some video
/// nodes.
fn counter<'a>(base: &'a str, prefix: &str) -> Option<&'a str> {
    if prefix.is_empty() {
        return None;
    }
    let marked = base.strip_prefix(prefix)?;
    let counter = match marked.strip_prefix('-') {
        Some(mark) => mark.trim_start_matches(|c: char| c.is_ascii_hexdigit()),
        None => marked,
    };
    let digits = counter.strip_prefix('_')?;
    digits
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(counter)
}

/// Without a slash (subfolders are not returned) and without `%`, which ComfyUI would expand.
fn prefix(index: usize) -> String {
    format!("eq{index}")
}

/// A linked prefix is left alone: it is computed by the workflow itself.
fn prefix_place(node: &mut Value) -> Option<&mut Value> {
    let prefix = node.get_mut("inputs")?.get_mut(PREFIX_INPUT)?;
    prefix.is_string().then_some(prefix)
}

fn replace_text(place: &mut Value, text: &str) -> String {
    match std::mem::replace(place, text.into()) {
        Value::String(before) => before,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn renamed() -> (Value, Vec<ExpectedOutput>) {
        let mut prompt = json!({
            "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "fox/red"}},
            "20": {"class_type": "SaveVideo", "inputs": {"filename_prefix": "video/ComfyUI"}},
            "21": {"class_type": "SaveImage", "inputs": {"filename_prefix": ["4", 0]}},
            "22": {"class_type": "PreviewImage", "inputs": {}},
        });
        let outputs = rename_outputs(&mut prompt);
        (prompt, outputs)
    }

    #[test]
    fn every_node_that_names_its_files_gets_a_prefix_of_ours() {
        let (prompt, outputs) = renamed();
        assert_eq!(outputs.len(), 2);
        assert_eq!(
            prompt["9"]["inputs"]["filename_prefix"],
            outputs[1].prefix.as_str()
        );
        assert_eq!(prompt["21"]["inputs"]["filename_prefix"], json!(["4", 0]));
    }

    #[test]
    fn a_returned_name_leads_back_to_its_node() {
        let (_, outputs) = renamed();
        let node = |name: &str| node_of(name, &outputs).and_then(|o| o.node_id.as_deref());
        assert_eq!(node("eq0_00001_.mp4"), Some("20"));
        assert_eq!(node("eq1_00012_.png"), Some("9"));
        assert_eq!(node("some/folder/eq1_00001.webm"), Some("9"));
        assert_eq!(node("eq10_00001_.png"), None);
        assert_eq!(node("ComfyUI_00001_.png"), None);
        assert_eq!(node(""), None);
    }

    /// Two jobs of one worker share its folder of outputs, and a workflow of the one can name files
    /// there: `eq0_00001_.png` was everybody's first.
    #[test]
    fn files_of_one_job_have_names_that_another_cannot_guess_and_lead_back_all_the_same() {
        let (mut prompt, outputs) = renamed();
        prompt["30"] = json!({"inputs": {"text": "\"filename_prefix\":\"eq0\""}});
        prompt["31"] = json!({"inputs": {"filename_prefix": ["eq0", 0], "mode": "eq0"}});
        let marked = mark_outputs(&prompt.to_string(), "0f9a");
        let marked: Value = serde_json::from_str(&marked).unwrap();
        for (id, prefix) in [("20", "eq0-0f9a"), ("9", "eq1-0f9a")] {
            assert_eq!(marked[id]["inputs"]["filename_prefix"], prefix);
            prompt[id]["inputs"]["filename_prefix"] = prefix.into();
        }
        assert_eq!(marked, prompt, "nothing else has changed");
        let returned = "eq1-0f9a_00012_.png";
        let output = node_of(returned, &outputs).unwrap();
        assert_eq!(output.node_id.as_deref(), Some("9"));
        assert_eq!(shown_name(returned, output), "red_00012_.png");
    }

    #[test]
    fn the_caller_sees_its_own_prefix() {
        let (_, outputs) = renamed();
        assert_eq!(shown_name("eq1_00012_.png", &outputs[1]), "red_00012_.png");
        assert_eq!(
            shown_name("ComfyUI_temp.png", &outputs[1]),
            "ComfyUI_temp.png"
        );
    }

    #[test]
    fn eleven_outputs_are_told_apart() {
        let nodes: serde_json::Map<_, _> = (0..11)
            .map(|i| (i.to_string(), json!({"inputs": {"filename_prefix": "x"}})))
            .collect();
        let outputs = rename_outputs(&mut Value::Object(nodes));
        let found = node_of("eq10_00001_.png", &outputs);
        assert_eq!(found.map(|o| o.prefix.as_str()), Some("eq10"));
    }
}
