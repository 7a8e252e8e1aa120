//! `/api/templates`: contracts, from which a page draws its form.

use serde_json::json;

use super::answer::Answer;
use super::error::{ApiError, Code};
use super::path::Path;
use crate::workflow::template;

/// `GET /api/templates`: every template, with what a chooser shows.
pub async fn list() -> Result<Answer, ApiError> {
    let all: Vec<_> = template::all()
        .map(|template| {
            let contract = &template.contract;
            json!({
                "name": template.name(),
                "version": contract.version,
                "title": contract.title,
                "description": contract.description,
                "public": contract.public,
                "default": template.name() == template::DEFAULT,
            })
        })
        .collect();
    Answer::ok(&json!({ "templates": all }))
}

/// `GET /api/templates/{name}`: what a page draws its form from, and the hash that jobs record.
pub async fn one(Path(name): Path<String>) -> Result<Answer, ApiError> {
    let template = template::find(&name)
        .ok_or_else(|| ApiError::new(Code::NotFound, "there is no such template"))?;
    Answer::ok(&json!({ "template": template.contract.card(), "hash": template.hash() }))
}
