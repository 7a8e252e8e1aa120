//! Routes that prove and measure the build; never in a release.

use axum::body::{to_bytes, Body};
use axum::http::{Request, Response};
use serde::Deserialize;
use serde_json::{json, Map, Value};

use crate::parse;
use crate::workflow::check::{check, Asked, Files};
use crate::workflow::compile::compile;
use crate::workflow::prompt::Prompt;
use crate::workflow::schema::Schema;
use crate::workflow::template::Template;
use crate::workflow::validate::validate;

/// `GET`: panics, so that a test can show what else goes on.
pub const PANIC: &str = "/api/debug/panic";

/// `POST`: compiles and judges a template again and again, so that its processor time can be told.
pub const JUDGE: &str = "/api/debug/judge";

/// Far above the case of the bench.
const BODY_SIZE_BYTES_MAX: usize = 1024 * 1024;

#[derive(Deserialize)]
struct Question {
    contract: String,
    template: String,
    object_info: String,
    inputs: Map<String, Value>,
    seed: u64,
    rounds: u32,
}

/// The hash of the prompt that every round made, and whether it was without fault.
pub async fn judge(request: Request<Body>) -> Response<Body> {
    let body = to_bytes(request.into_body(), BODY_SIZE_BYTES_MAX).await;
    let question = body.ok().and_then(|body| parse::json_bytes(&body).ok());
    let answer = question.and_then(|question: Question| rounds(&question));
    Response::new(json!(answer).to_string().into())
}

fn rounds(question: &Question) -> Option<Value> {
    let template = Template::parse(&question.contract, &question.template).ok()?;
    let schema = Schema::read(question.object_info.as_bytes()).ok()?;
    let asked = Asked {
        inputs: &question.inputs,
        shorthands: &Map::new(),
        files: &Files::new(),
        seed_if_random: question.seed,
    };
    let mut last = None;
    for _ in 0..question.rounds {
        let compiled = compile(&template, &check(&template.contract, &asked).ok()?);
        let prompt = Prompt::read(compiled.prompt.as_bytes()).ok()?;
        let is_faultless = validate(&prompt, &schema).is_faultless();
        last = Some(json!({ "prompt_hash": compiled.hash, "faultless": is_faultless }));
    }
    last
}
