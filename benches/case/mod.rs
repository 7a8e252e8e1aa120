//! The case that the benches judge: a prompt of 201 nodes, its classes and its contract.

// Each bench uses what it needs of it.
#![allow(dead_code)]

use std::fmt::Write;

use edge_queue::id::TemplateName;
use edge_queue::workflow::contract::Contract;
use edge_queue::workflow::draft;
use edge_queue::workflow::schema::Schema;

/// Node classes of a plain image workflow, with their real inputs and shorter lists of choices.
pub const OBJECT_INFO: &str = r#"{
    "CheckpointLoaderSimple": {"input": {"required": {
        "ckpt_name": [["sd_xl_base_1.0.safetensors", "v1-5-pruned-emaonly-fp16.safetensors"]]}},
        "output": ["MODEL", "CLIP", "VAE"], "output_node": false},
    "LoraLoader": {"input": {"required": {
        "model": ["MODEL", {}], "clip": ["CLIP", {}],
        "lora_name": [["detail.safetensors", "film.safetensors"]],
        "strength_model": ["FLOAT", {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01}],
        "strength_clip": ["FLOAT", {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01}]}},
        "output": ["MODEL", "CLIP"], "output_node": false},
    "CLIPTextEncode": {"input": {"required": {
        "text": ["STRING", {"multiline": true, "dynamicPrompts": true}], "clip": ["CLIP", {}]}},
        "output": ["CONDITIONING"], "output_node": false},
    "EmptyLatentImage": {"input": {"required": {
        "width": ["INT", {"default": 512, "min": 16, "max": 16384, "step": 8}],
        "height": ["INT", {"default": 512, "min": 16, "max": 16384, "step": 8}],
        "batch_size": ["INT", {"default": 1, "min": 1, "max": 4096}]}},
        "output": ["LATENT"], "output_node": false},
    "KSampler": {"input": {"required": {
        "model": ["MODEL", {}],
        "seed": ["INT", {"default": 0, "min": 0, "max": 18446744073709551615}],
        "steps": ["INT", {"default": 20, "min": 1, "max": 10000}],
        "cfg": ["FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1}],
        "sampler_name": [["dpmpp_2m", "dpmpp_2m_sde", "heun", "lcm", "ddim", "euler"]],
        "scheduler": [["simple", "karras", "exponential", "beta", "normal"]],
        "positive": ["CONDITIONING", {}], "negative": ["CONDITIONING", {}],
        "latent_image": ["LATENT", {}],
        "denoise": ["FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}]}},
        "output": ["LATENT"], "output_node": false},
    "VAEDecode": {"input": {"required": {"samples": ["LATENT", {}], "vae": ["VAE", {}]}},
        "output": ["IMAGE"], "output_node": false},
    "ResizeImageMaskNode": {"input": {"required": {
        "input": ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "input_type"}}],
        "resize_type": ["COMFY_DYNAMICCOMBO_V3", {"options": [
            {"key": "scale by multiplier", "inputs": {"required": {
                "multiplier": ["FLOAT", {"default": 1.0, "min": 0.01, "max": 8.0}]}}}]}],
        "scale_method": ["COMBO", {"options": ["nearest-exact", "bilinear", "area", "lanczos"]}]}},
        "output": ["COMFY_MATCHTYPE_V3"], "output_node": false, "api_node": false},
    "SaveImage": {"input": {"required": {
        "images": ["IMAGE", {}], "filename_prefix": ["STRING", {"default": "ComfyUI"}]}},
        "output": [], "output_node": true}}"#;

/// Each round adds eight nodes behind the lora of the round before.
const ROUNDS: usize = 25;

/// A prompt of 201 nodes: one checkpoint, then 25 times lora, texts, latent, sampler, picture.
pub fn prompt_text() -> String {
    let mut text = String::from(
        r#"{"c": {"class_type": "CheckpointLoaderSimple",
                 "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}}"#,
    );
    for round in 0..ROUNDS {
        let model = if round == 0 {
            "c".to_owned()
        } else {
            format!("{}:lora", round - 1)
        };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#",
            "{round}:lora": {{"class_type": "LoraLoader", "inputs": {{
                "model": ["{model}", 0], "clip": ["{model}", 1],
                "lora_name": "film.safetensors", "strength_model": 0.8, "strength_clip": 1}}}},
            "{round}:yes": {{"class_type": "CLIPTextEncode", "inputs": {{
                "text": "a red fox in the snow", "clip": ["{round}:lora", 1]}}}},
            "{round}:no": {{"class_type": "CLIPTextEncode", "inputs": {{
                "text": "blurry", "clip": ["{round}:lora", 1]}}}},
            "{round}:size": {{"class_type": "EmptyLatentImage", "inputs": {{
                "width": 1024, "height": 1024, "batch_size": 1}}}},
            "{round}:sampler": {{"class_type": "KSampler", "inputs": {{
                "model": ["{round}:lora", 0], "seed": 156680208700286, "steps": 20, "cfg": 8,
                "sampler_name": "euler", "scheduler": "normal", "positive": ["{round}:yes", 0],
                "negative": ["{round}:no", 0], "latent_image": ["{round}:size", 0],
                "denoise": 1}}}},
            "{round}:decode": {{"class_type": "VAEDecode", "inputs": {{
                "samples": ["{round}:sampler", 0], "vae": ["c", 2]}}}},
            "{round}:resize": {{"class_type": "ResizeImageMaskNode", "inputs": {{
                "input": ["{round}:decode", 0], "resize_type": "scale by multiplier",
                "resize_type.multiplier": 2, "scale_method": "lanczos"}}}},
            "{round}:save": {{"class_type": "SaveImage", "inputs": {{
                "images": ["{round}:resize", 0], "filename_prefix": "fox"}}}}"#
        );
    }
    text.push('}');
    text
}

pub fn schema() -> Schema {
    Schema::read(OBJECT_INFO.as_bytes()).unwrap_or_default()
}

/// The contract that `ops contract new` would make of it.
pub fn contract() -> Contract {
    let prompt = serde_json::from_str(&prompt_text()).unwrap_or_default();
    let drafted =
        TemplateName::parse("bench").and_then(|name| draft::draft(&name, &prompt, &schema()).ok());
    let Some(drafted) = drafted else {
        unreachable!("the prompt saves pictures");
    };
    drafted.contract
}
