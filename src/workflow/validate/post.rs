//! The body of `POST /prompt`: what stands around the prompt, in the server's order of looking.

use super::problem::{Kind, Problem};
use super::quotes::Quotes;
use super::{judge, Outcome, Targets};
use crate::workflow::prompt::Prompt;
use crate::workflow::python::{to_float, Dict, Reader, Value};
use crate::workflow::schema::Schema;

/// What the server would answer to this body.
pub fn post(body: &[u8], schema: &Schema) -> Outcome {
    match Reader::new(body).and_then(Reader::document) {
        Ok(body) => answer(body, schema).unwrap_or_else(Outcome::refused),
        Err(error) => Outcome::refused(Problem::unreadable(error.to_string())),
    }
}

fn answer(body: Value<'_>, schema: &Schema) -> Result<Outcome, Problem> {
    let mut body = fields(body)?;
    let number = body.get("number").map(number).transpose()?;
    let prompt = body.take("prompt").ok_or_else(Problem::no_prompt)?;
    let prompt_id = body.get("prompt_id").map_or(Ok(None), prompt_id)?;
    let prompt = Prompt::from_value(prompt);
    let prompt = prompt.map_err(|error| Problem::unreadable(error.to_string()))?;
    let targets = match body.get("partial_execution_targets") {
        Some(Value::List(targets)) => Targets::Named(targets),
        _ => Targets::All,
    };
    let outcome = judge(&prompt, Some(schema), targets, Quotes::Whole);
    // The server writes into `extra_data` once the prompt is judged; any other kind breaks it.
    let takes_entries = matches!(body.get("extra_data"), None | Some(Value::Dict(_)));
    if !takes_entries && (outcome.is_accepted() || body.get("client_id").is_some()) {
        return Err(Problem::unreadable("extra_data must be an object"));
    }
    Ok(if outcome.is_accepted() {
        Outcome {
            prompt_id,
            number,
            ..outcome
        }
    } else {
        outcome
    })
}

/// The fields of the body. In text and in lists the server searches for the names of fields, and
/// breaks when it finds one.
fn fields(body: Value<'_>) -> Result<Dict<'_>, Problem> {
    let holds = |name: &str| match &body {
        Value::Text(text) => text.contains(name),
        Value::List(items) => items.iter().any(|item| item.as_text() == Some(name)),
        _ => true,
    };
    let breaks = holds("number") || holds("prompt");
    match body {
        Value::Dict(fields) => Ok(fields),
        _ if breaks => Err(Problem::unreadable("the body must be an object")),
        _ => Err(Problem::no_prompt()),
    }
}

fn number(value: &Value<'_>) -> Result<f64, Problem> {
    to_float(value).map_err(|raised| Problem::unreadable(format!("number: {}", raised.text)))
}

/// Null, or a UUID in canonical lower-case form.
fn prompt_id(value: &Value<'_>) -> Result<Option<String>, Problem> {
    if matches!(value, Value::None) {
        return Ok(None);
    }
    let given = value.as_text().filter(|text| {
        uuid::Uuid::try_parse(text).is_ok_and(|uuid| uuid.hyphenated().to_string() == **text)
    });
    given.map(|text| Some(text.to_owned())).ok_or_else(|| {
        Problem::new(
            Kind::InvalidPromptId,
            "prompt_id must be a valid UUID",
            "prompt_id must be a UUID string in canonical lowercase hyphenated form; \
             omit it to let the server generate one",
            Vec::new(),
        )
    })
}
