//! `multipart/form-data`, so that `curl -F` and a plain HTML form can create a job.

use axum::body::{Body, Bytes};
use axum::http::{header, HeaderMap};
use futures::{stream, StreamExt};
use multer::{Field, Multipart};
use serde_json::{Map, Value};

use super::create_body::upload;
use super::error::{ApiError, Code};
use super::limits;
use crate::ports::{Broken, ByteStream};
use crate::queue::create::Upload;
use crate::workflow::{check, template};

/// Parts of one form; a contract has fewer inputs.
const PARTS_MAX: usize = 128;

const ONE_FILE: &str = "a form with exactly one file is wanted here";

/// Fields whose value is JSON by nature.
const JSON_FIELDS: [&str; 6] = [
    "inputs",
    "labels",
    "workflow",
    "images",
    "priority",
    "webhook_events_filter",
];

/// Fields as a JSON body would have them: files by their hash, numbers as numbers.
#[derive(Default)]
pub struct Form {
    pub fields: Map<String, Value>,
    pub uploads: Vec<Upload>,
}

/// Reads a form to its end.
pub async fn read(headers: &HeaderMap, bytes: Bytes) -> Result<Form, ApiError> {
    let whole = stream::iter([Ok::<_, std::io::Error>(bytes)]);
    let mut parts = Multipart::new(whole, boundary(headers)?);
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

/// The only file of a form, as it comes. A second one breaks the stream at its end.
pub async fn only_file(headers: &HeaderMap, body: Body) -> Result<ByteStream, ApiError> {
    let mut parts = Multipart::new(limits::stream(body), boundary(headers)?);
    let next = next_file(&mut parts).await;
    let file = next.map_err(|broken| limits::unreadable(&broken))?;
    let file = file.ok_or_else(|| broken(ONE_FILE))?;
    let pieces = stream::try_unfold((parts, file), |(mut parts, mut file)| async move {
        if let Some(piece) = file.chunk().await.map_err(unread)? {
            return Ok(Some((piece, (parts, file))));
        }
        drop(file);
        match next_file(&mut parts).await? {
            Some(_) => Err(Broken::Refused(ONE_FILE.into())),
            None => Ok(None),
        }
    });
    Ok(pieces.boxed())
}

async fn next_file(parts: &mut Multipart<'static>) -> Result<Option<Field<'static>>, Broken> {
    for _ in 0..PARTS_MAX {
        match parts.next_field().await.map_err(unread)? {
            None => return Ok(None),
            Some(part) if part.file_name().is_some() => return Ok(Some(part)),
            Some(_) => {}
        }
    }
    Err(Broken::Refused("the form has more than 128 parts".into()))
}

/// A body that broke off, or a form that is none.
fn unread(error: multer::Error) -> Broken {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Broken>() {
            Ok(broken) => *broken,
            Err(cause) => Broken::Cut(cause.to_string()),
        },
        multer::Error::IncompleteStream
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteFieldData { .. } => Broken::Cut(error.to_string()),
        _ => Broken::Refused(format!("the form cannot be read: {error}")),
    }
}

fn boundary(headers: &HeaderMap) -> Result<String, ApiError> {
    let content_type = headers.get(header::CONTENT_TYPE);
    content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| multer::parse_boundary(value).ok())
        .ok_or_else(|| broken("the content type names no boundary"))
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
