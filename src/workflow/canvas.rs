//! How large a picture a prompt asks for.

use serde_json::Value;

/// Width and height of the first node, in order of ids, that is given both as numbers: the empty
/// latent that sampling starts from. `None` for prompts that take their size from an input picture.
pub fn size(prompt: &Value) -> Option<(u32, u32)> {
    prompt.as_object()?.values().find_map(|node| {
        let inputs = node.get("inputs")?;
        let side = |name| u32::try_from(inputs.get(name)?.as_u64()?).ok();
        Some((side("width")?, side("height")?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_comes_from_the_node_that_has_one() {
        let prompt = serde_json::json!({
            "1": {"class_type": "KSampler", "inputs": {"steps": 4}},
            "2": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 1328, "height": 752}},
        });
        assert_eq!(size(&prompt), Some((1328, 752)));
        assert_eq!(
            size(&serde_json::json!({"1": {"inputs": {"width": ["2", 0]}}})),
            None
        );
        assert_eq!(size(&serde_json::json!([1])), None);
    }
}
