//! The body of a create, JSON or a form, read into one request.
//!
//! Top-level fields that are not named here are shorthands for inputs; whether they exist is for
//! the contract to say. Files inside the JSON are taken out and go by their hash from here on.

mod labels;
mod webhook;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde_json::{Map, Value};

use super::error::{ApiError, Code};
use super::fingerprint::{self, Given};
use super::limits::{self, Bodies};
use super::{form, parsed};
use crate::id::RequestKey;
use crate::queue::create::{Request, Upload, Work};
pub use labels::label_key_fits;

use crate::room::Share;
use crate::time::UnixMillis;
use crate::workflow::contract::Input;
use crate::workflow::template;
use crate::workflow::violation::{pointer_step, Violation, VIOLATIONS_MAX};

/// Either way from normal.
const PRIORITY_MAX: i64 = 10;
pub const MOMENT_WANTED: &str = "a moment as in 2026-01-31T12:00:00Z";
/// Pictures beside a workflow: as many as it may refer to in another way, and each is an object to
/// be stored before the job is.
const IMAGES_MAX: usize = 64;
/// As file systems have it.
const IMAGE_NAME_BYTES_MAX: usize = 255;
/// Base64 shorter than this cannot be a picture; it is a key or a mistake.
const INLINE_FILE_LENGTH_MIN: usize = 64;

/// The bytes of a request, and the room that is taken for what they became.
pub type Held = (Bytes, Share);

/// Reads the request, refusing what cannot be read and collecting what breaks a rule. What it holds
/// in memory is counted: keep it until the answer is.
pub async fn read(
    bodies: &Bodies<'_>,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Request, Held), ApiError> {
    let content_type = limits::content_type(headers);
    let is_form = content_type == "multipart/form-data";
    if !is_form && content_type != "application/json" {
        let message = "send application/json, or multipart/form-data with files";
        return Err(ApiError::new(Code::UnsupportedMediaType, message));
    }
    let held = bodies.read(headers, body, limits::CREATE_BYTES_MAX).await?;
    let mut reader = Reader::default();
    let (fields, share) = if is_form {
        let (form, share) = form::read(&bodies.room, headers, held.clone()).await?;
        reader.uploads = form.uploads;
        (form.fields, share)
    } else {
        parsed::object(&bodies.room, &held)?
    };
    Ok((reader.request(headers, fields)?, (held, share)))
}

/// The same for fields that another API's body was translated into.
pub fn of_fields(headers: &HeaderMap, fields: Map<String, Value>) -> Result<Request, ApiError> {
    Reader::default().request(headers, fields)
}

#[derive(Default)]
struct Reader {
    uploads: Vec<Upload>,
    violations: Vec<Violation>,
}

impl Reader {
    fn request(
        mut self,
        headers: &HeaderMap,
        mut fields: Map<String, Value>,
    ) -> Result<Request, ApiError> {
        let key = request_key(headers, fields.remove("request_id"))?;
        let labels = self.labels(fields.remove("labels"));
        let priority = self.priority(fields.remove("priority"));
        let start_by = self.moment("/start_by", fields.remove("start_by"));
        let deadline = self.moment("/deadline", fields.remove("deadline"));
        let webhook_url = self.webhook_url(fields.remove("webhook_url"));
        let webhook_events = self.webhook_events(fields.remove("webhook_events_filter"));
        let work = self.work(fields);
        let fingerprint = fingerprint::of(&Given {
            deadline,
            labels: &labels,
            priority,
            start_by,
            webhook_events: webhook_events.as_deref(),
            webhook_url: webhook_url.as_deref(),
            work: (&work).into(),
        });
        Ok(Request {
            key,
            fingerprint,
            work,
            uploads: self.uploads,
            labels,
            priority,
            partner_key: None,
            webhook_url,
            webhook_events,
            start_by,
            deadline,
            violations: self.violations,
        })
    }

    /// Of a hundred thousand faults as many are told as an answer carries: each of them takes more
    /// memory than what it is made of.
    fn wrong(&mut self, path: impl Into<String>, code: &'static str, message: &str) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation::new(path, code, message));
        }
    }

    fn work(&mut self, mut fields: Map<String, Value>) -> Work {
        let images = self.images(fields.remove("images"));
        if let Some(workflow) = fields.remove("workflow").filter(|v| !v.is_null()) {
            for name in fields.keys().take(VIOLATIONS_MAX) {
                let message = "cannot be given beside workflow, which is sent as it is";
                self.wrong(format!("/{}", pointer_step(name)), "unknown_input", message);
            }
            return Work::Raw { workflow, images };
        }
        let name = match fields.remove("template") {
            None | Some(Value::Null) => template::DEFAULT.to_owned(),
            Some(Value::String(name)) => name,
            Some(_) => {
                self.wrong(
                    "/template",
                    "wrong_type",
                    "the name of a template, as a text",
                );
                template::DEFAULT.to_owned()
            }
        };
        let mut inputs = match fields.remove("inputs") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(inputs)) => inputs,
            Some(_) => {
                self.wrong(
                    "/inputs",
                    "wrong_type",
                    "an object with a member for every input",
                );
                Map::new()
            }
        };
        self.give_images(&name, &mut inputs, images);
        self.take_files(&name, "/inputs", &mut inputs);
        self.take_files(&name, "", &mut fields);
        Work::Template {
            name,
            inputs,
            shorthands: fields,
        }
    }

    /// `images[{name, image}]`, as the stock worker takes them.
    fn images(&mut self, value: Option<Value>) -> Vec<(String, Upload)> {
        let items = match value {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.wrong("/images", "wrong_type", "a list of {name, image}");
                return Vec::new();
            }
        };
        if items.len() > IMAGES_MAX {
            let message = format!("at most {IMAGES_MAX} images");
            self.wrong("/images", "too_long", &message);
        }
        let mut images = Vec::new();
        for (i, item) in items.iter().take(IMAGES_MAX).enumerate() {
            let path = format!("/images/{i}");
            let name = item["name"].as_str();
            let name = name.filter(|name| name.len() <= IMAGE_NAME_BYTES_MAX);
            let (Some(name), Some(image)) = (name, item["image"].as_str()) else {
                let message = "an object {name, image}, both texts, the name at most 255 bytes";
                self.wrong(path, "wrong_type", message);
                continue;
            };
            match inline_file(image) {
                Some(bytes) => images.push((name.to_owned(), upload(path, bytes))),
                None => self.wrong(
                    format!("{path}/image"),
                    "wrong_type",
                    "the picture's bytes in base64, with or without data:…;base64, before them",
                ),
            }
        }
        images
    }

    /// An image is for the input of its name, else for the next file input that has none.
    fn give_images(
        &mut self,
        template: &str,
        inputs: &mut Map<String, Value>,
        images: Vec<(String, Upload)>,
    ) {
        let contract = template::find(template).map(|template| &template.contract);
        for (name, upload) in images {
            let all = contract.map(|contract| contract.inputs.as_slice());
            let mut files = all
                .unwrap_or_default()
                .iter()
                .filter(|i| i.kind.file().is_some());
            let free = |input: &&Input| !inputs.contains_key(&input.name);
            let named = files.clone().find(|input| input.name == name).filter(free);
            let Some(input) = named.or_else(|| files.find(free)) else {
                self.wrong(
                    upload.path,
                    "unknown_input",
                    "the template takes no more files",
                );
                continue;
            };
            inputs.insert(input.name.clone(), upload.reference.clone().into());
            self.uploads.push(upload);
        }
    }

    /// Replaces the bytes of file inputs by their hash.
    fn take_files(&mut self, template: &str, prefix: &str, fields: &mut Map<String, Value>) {
        let Some(template) = template::find(template) else {
            return;
        };
        for (name, value) in fields.iter_mut() {
            let input = template.contract.resolve(name);
            if input.is_none_or(|input| input.kind.file().is_none()) {
                continue;
            }
            let Some(bytes) = value.as_str().and_then(inline_file) else {
                continue;
            };
            let upload = upload(format!("{prefix}/{name}"), bytes);
            *value = upload.reference.clone().into();
            self.uploads.push(upload);
        }
    }

    fn moment(&mut self, path: &str, value: Option<Value>) -> Option<UnixMillis> {
        let value = value.filter(|value| !value.is_null() && value != "")?;
        let at = value.as_str().and_then(moment);
        if at.is_none() {
            self.wrong(path, "wrong_type", MOMENT_WANTED);
        }
        at
    }

    fn priority(&mut self, value: Option<Value>) -> i32 {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return 0;
        };
        let number = value
            .as_i64()
            .filter(|n| (-PRIORITY_MAX..=PRIORITY_MAX).contains(n));
        if number.is_none() {
            let message = format!("a whole number from -{PRIORITY_MAX} to {PRIORITY_MAX}");
            self.wrong("/priority", "wrong_type", &message);
        }
        number.and_then(|n| i32::try_from(n).ok()).unwrap_or(0)
    }
}

/// A moment as every answer of the API writes them.
pub fn moment(text: &str) -> Option<UnixMillis> {
    let at = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(UnixMillis::new(at.timestamp_millis()))
}

/// The header or the body names the create; both only if they agree.
fn request_key(
    headers: &HeaderMap,
    in_body: Option<Value>,
) -> Result<Option<RequestKey>, ApiError> {
    let bad = |path: &str| {
        let message = "an idempotency key is 1 to 255 printable ASCII characters";
        ApiError::at(Code::InvalidRequest, path, "bad_key", message)
    };
    let header = match headers.get("idempotency-key") {
        None => None,
        Some(value) => {
            let key = value.to_str().ok().and_then(RequestKey::parse);
            Some(key.ok_or_else(|| bad("/Idempotency-Key"))?)
        }
    };
    let body = match in_body {
        None | Some(Value::Null) => None,
        Some(value) => {
            let key = value.as_str().and_then(RequestKey::parse);
            Some(key.ok_or_else(|| bad("/request_id"))?)
        }
    };
    match (header, body) {
        (Some(header), Some(body)) if header != body => {
            let message = "the header Idempotency-Key and request_id name different creates";
            Err(ApiError::at(
                Code::InvalidRequest,
                "/request_id",
                "two_keys",
                message,
            ))
        }
        (header, body) => Ok(header.or(body)),
    }
}

/// Bytes in base64, bare or as a data URI. `None`: a key, a URL or something else.
fn inline_file(text: &str) -> Option<Bytes> {
    let encoded = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(";base64,")?.1,
        None if text.len() >= INLINE_FILE_LENGTH_MIN && !is_hash(text) => text,
        None => return None,
    };
    STANDARD.decode(encoded.trim()).ok().map(Bytes::from)
}

/// An `input_key` is a hash, and would be base64 too.
fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

pub fn upload(path: String, bytes: Bytes) -> Upload {
    Upload {
        path,
        reference: blake3::hash(&bytes).to_hex().to_string(),
        bytes,
    }
}
