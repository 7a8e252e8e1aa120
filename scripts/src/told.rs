//! What a command answers with `--json`: one document, on one line of standard output, also where
//! it fails.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::json;

/// Whether this process has answered.
static HAS_TOLD: AtomicBool = AtomicBool::new(false);

pub fn json(answer: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string(answer)?;
    text.push('\n');
    HAS_TOLD.store(true, Ordering::Relaxed);
    // A reader may close it at any time.
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// The answer of a command that broke off before it had one.
pub fn broken_off(error: &anyhow::Error) {
    if !HAS_TOLD.load(Ordering::Relaxed) {
        // Standard error says it, too.
        drop(json(&json!({ "ok": false, "error": format!("{error:#}") })));
    }
}
