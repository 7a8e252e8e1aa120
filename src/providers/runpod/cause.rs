//! The cause of a failure, read from the words of RunPod, its stock worker, ComfyUI and `PyTorch`.

use crate::job::Cause;

/// What a worker, its ComfyUI and `PyTorch` write when memory runs out.
const OUT_OF_MEMORY: [&str; 6] = [
    "out of memory",
    "OutOfMemoryError",
    "Allocation on device",
    "ALLOC_FAILED",
    "DefaultCPUAllocator",
    "not enough memory",
];

/// The platform's words for a worker that vanished twice, and the worker's own for a ComfyUI that
/// died, never came up, or forgot what it had run.
const WORKER_LOST: [&str; 5] = [
    "job timed out after",
    "not reachable after multiple retries",
    "WebSocket communication error",
    "HTTP communication error with ComfyUI",
    "not found in history",
];

const NODE_MISSING: [&str; 3] = [
    "The custom node may not be installed",
    "Cannot execute because node ",
    "missing_node_type",
];

/// The worker died only where no node tells of its own failure: the stock worker looks into the
/// history too early and then says both.
pub(super) fn of(text: &str, names_a_node: bool) -> Cause {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["executionTimeout exceeded"]) {
        Cause::ExecutionTimeout
    } else if says(&OUT_OF_MEMORY) {
        Cause::OutOfMemory
    } else if says(&NODE_MISSING) {
        Cause::NodeMissing
    } else if names_a_missing_model(text) {
        Cause::ModelMissing
    } else if says(&["Workflow validation failed", "Raw response:"]) {
        Cause::WorkflowRefused
    } else if names_a_node {
        Cause::NodeFailed
    } else if says(&WORKER_LOST) {
        Cause::WorkerLost
    } else {
        Cause::WorkerFailed
    }
}

/// What ComfyUI says of a file that is not in one of its folders: `ckpt_name: 'x.safetensors' not
/// in […]`, or that the folder is empty.
fn names_a_missing_model(text: &str) -> bool {
    const ENDINGS: [&str; 8] = [
        ".safetensors'",
        ".ckpt'",
        ".pt'",
        ".pth'",
        ".bin'",
        ".sft'",
        ".gguf'",
        ".onnx'",
    ];
    let is_file = |before: &str| ENDINGS.iter().any(|ending| before.ends_with(ending));
    let told = text.match_indices(" not in ").map(|(at, _)| &text[..at]);
    told.into_iter().any(is_file) || text.contains("models appear to be available")
}

/// What somebody can do about it, to be put after what the worker said.
pub(super) fn advice(cause: Cause) -> &'static str {
    if cause == Cause::ModelMissing {
        "\nPut the model file on the endpoint's workers, or name one that is there."
    } else if cause == Cause::NodeMissing {
        "\nInstall the custom node on the endpoint's workers, or use another workflow."
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::super::failure::read;
    use super::super::json::Json;
    use super::*;

    use Cause::{
        ExecutionTimeout, ModelMissing, NodeFailed, NodeMissing, OutOfMemory, WorkerFailed,
        WorkerLost, WorkflowRefused,
    };

    /// The cause that a text tells, whatever else is in it.
    fn told(error: &str, expected: Cause) {
        let error = serde_json::json!({"error": error}).to_string();
        let job: Json = serde_json::from_str(&error).unwrap();
        let failure = read(job.get("error"), None);
        assert_eq!(failure.cause, expected, "{error}");
        let advised = matches!(expected, ModelMissing | NodeMissing);
        assert_eq!(
            failure.message.contains("endpoint's workers"),
            advised,
            "{error}"
        );
    }

    #[test]
    fn the_cause_is_read_from_what_runpod_its_worker_comfyui_and_pytorch_write() {
        let node = "Workflow execution error: Node Type: KSampler, Node ID: 3, Message: ";
        let refused = "Workflow validation failed:\n• Node 4 (errors): [{'details': \"";
        for (text, cause) in [
            ("executionTimeout exceeded".into(), ExecutionTimeout),
            ("job timed out after 1 retries".into(), WorkerLost),
            (
                "ComfyUI server (127.0.0.1:8188) not reachable after multiple retries.".into(),
                WorkerLost,
            ),
            (
                "WebSocket communication error: ComfyUI HTTP unreachable during websocket \
                 reconnect"
                    .into(),
                WorkerLost,
            ),
            (
                "Prompt ID x not found in history after execution.".into(),
                WorkerLost,
            ),
            (format!("{node}CUDA out of memory"), OutOfMemory),
            (
                format!("{node}Allocation on device 0 would exceed"),
                OutOfMemory,
            ),
            (
                "torch.cuda.OutOfMemoryError: Tried to allocate 2 GiB".into(),
                OutOfMemory,
            ),
            (
                format!("{node}mat1 and mat2 shapes cannot be multiplied"),
                NodeFailed,
            ),
            (
                format!("Job processing failed, prompt ID not found in history.: {node}no"),
                NodeFailed,
            ),
            (
                format!("{refused}ckpt_name: 'x.safetensors' not in ['y.ckpt']\"}}]"),
                ModelMissing,
            ),
            (
                format!("{refused}\"}}]\n\nNo checkpoint models appear to be available."),
                ModelMissing,
            ),
            (
                format!("{refused}sampler_name: 'x' not in ['euler']\"}}]"),
                WorkflowRefused,
            ),
            (
                "Cannot execute because node FooLoader does not exist.. Raw response: {}".into(),
                NodeMissing,
            ),
            (
                "Prompt has no outputs. Raw response: {}".into(),
                WorkflowRefused,
            ),
            ("Please provide input".into(), WorkerFailed),
        ] {
            told(&text, cause);
        }
    }
}
