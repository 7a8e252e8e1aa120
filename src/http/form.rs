//! `multipart/form-data`, so that `curl -F` and a plain HTML form can create a job.

use axum::body::Bytes;
use axum::http::{header, HeaderMap};
use serde_json::{Map, Value};

use super::create_body::upload;
use super::error::{ApiError, Code};
use crate::queue::create::Upload;
use crate::workflow::{check, template};

/// Parts of one form; a contract has fewer inputs.
const PARTS_MAX: usize = 128;

/// Fields whose value is JSON by nature.
const JSON_FIELDS: [&str; 5] = ["inputs", "labels", "workflow", "images", "priority"];

/// Fields as a JSON body would have them: files by their hash, numbers as numbers.
#[derive(Default)]
pub struct Form {
    pub fields: Map<String, Value>,
    pub uploads: Vec<Upload>,
}

/// Reads a form to its end.
pub async fn read(headers: &HeaderMap, bytes: Bytes) -> Result<Form, ApiError> {
    let content_type = headers.get(header::CONTENT_TYPE);
    let boundary = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| multer::parse_boundary(value).ok())
        .ok_or_else(|| broken("the content type names no boundary"))?;
    let whole = futures::stream::iter([Ok::<_, std::io::Error>(bytes)]);
    let mut parts = multer::Multipart::new(whole, boundary);
    let mut form = Form::default();
    let mut texts = Vec::new();
    for _ in 0..PARTS_MAX {
        let Some(part) = parts.next_field().await.map_err(|e| unreadable(&e))? else {
            form.take_texts(texts);
            return Ok(form);
        };
        let Some(name) = part.name().map(str::to_owned) else {
            return Err(broken("a part has no name"));
        };
        let is_file = part.file_name().is_some();
        let content = part.bytes().await.map_err(|e| unreadable(&e))?;
        if is_file {
            form.take_file(name, content);
        } else {
            let text = String::from_utf8(content.into());
            texts.push((name, text.map_err(|_| broken("a field is not UTF-8"))?));
        }
    }
    Err(broken(&format!("the form has more than {PARTS_MAX} parts")))
}

impl Form {
    fn take_file(&mut self, name: String, content: Bytes) {
        let upload = upload(format!("/{name}"), content);
        self.fields.insert(name, upload.reference.clone().into());
        self.uploads.push(upload);
    }

    /// A form knows texts only: the contract says which of them are numbers.
    fn take_texts(&mut self, texts: Vec<(String, String)>) {
        let (json, plain): (Vec<_>, Vec<_>) = texts
            .into_iter()
            .partition(|(name, _)| JSON_FIELDS.contains(&name.as_str()));
        for (name, text) in json {
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            self.fields.insert(name, value);
        }
        let chosen = plain.iter().find(|(name, _)| name == "template");
        let template = chosen.map_or(template::DEFAULT, |(_, text)| text.as_str());
        match template::find(template) {
            Some(template) => self
                .fields
                .extend(check::from_form(&template.contract, plain)),
            None => self
                .fields
                .extend(plain.into_iter().map(|(name, text)| (name, text.into()))),
        }
    }
}

fn unreadable(error: &multer::Error) -> ApiError {
    broken(&format!("the form cannot be read: {error}"))
}

fn broken(message: &str) -> ApiError {
    ApiError::new(Code::InvalidRequest, message)
}
