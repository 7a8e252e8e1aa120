//! `/api/v2/assets/*`: the caller's files, by id and by content.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::{answer, view};
use crate::app::App;
use crate::http::auth::Caller;
use crate::http::error::{ApiError, Code};
use crate::http::inputs::refused;
use crate::http::limits::{self, Bodies};
use crate::http::path::Path;
use crate::http::{form, parsed};
use crate::id::AssetId;
use crate::media;
use crate::queue::assets::{self, Deleted, Found};
use crate::queue::inputs::{self, Incoming, Refusal, Said, UPLOAD_BYTES_MAX};
use crate::queue::intake::Unfit;
use crate::queue::Call;
use crate::workflow::violation::Violation;

/// A path of a file system is never longer.
const NAME_LENGTH_MAX: usize = 1_024;
/// A body that only names a hash.
const FROM_HASH_BYTES_MAX: usize = 64 << 10;

/// `POST /api/v2/assets`: one file as a form, stored while it arrives. The bytes themselves tell
/// what they are.
pub async fn upload(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    limits::declared_within(&headers, UPLOAD_BYTES_MAX + form::FRAME_BYTES_MAX)?;
    let form = match form::one_file(&app, &headers, body).await? {
        Ok(form) => form,
        Err(texts) => return Err(no_file(&texts)),
    };
    let texts = form.texts;
    let incoming = Incoming {
        source: form.file,
        size_bytes: None,
        unknown: Some(media::unknown(&form.name)),
        said: Box::new(move || said(&texts.take()).map_err(Refusal::Described)),
    };
    let uploaded = inputs::upload(&app, &call, incoming).await?;
    let (asset, is_new) = uploaded.map_err(|refusal| match refusal {
        // This surface has no code of its own for it.
        Refusal::Unfit(unfit @ Unfit::Picture(_)) => wrong("/file", &unfit.to_string()),
        Refusal::Unfit(Unfit::UnknownKind) => wrong(
            "/file",
            "the file is empty, or of a kind that only a key may send",
        ),
        other => refused(other),
    })?;
    let mut shown = view::upload(&app, &asset);
    shown.created_new = Some(is_new);
    answer(status(is_new), &shown)
}

/// What the texts of an upload say, or everything that is wrong with them.
fn said(texts: &Map<String, Value>) -> Result<Said, Vec<Violation>> {
    let mut violations = Vec::new();
    let mut violated = |path: &str, message: &str| violations.push(violation(path, message));
    let name = name(texts).unwrap_or_else(|message| {
        violated("/file_path", message);
        None
    });
    if !texts.contains_key("file_path") {
        violated("/file_path", "a file name is wanted");
    }
    if !texts.contains_key("content_type") {
        violated("/content_type", "a media type is wanted");
    }
    let hash = texts.get("expected_hash").and_then(hash_in);
    if hash.is_none() && texts.contains_key("expected_hash") {
        violated("/expected_hash", HASH_WANTED);
    }
    let said = Said {
        name: name.map(str::to_owned),
        hash: hash.map(str::to_owned),
    };
    violations.is_empty().then_some(said).ok_or(violations)
}

fn no_file(texts: &Map<String, Value>) -> ApiError {
    let mut violations = vec![violation("/file", "the part file with the bytes is wanted")];
    violations.extend(said(texts).err().unwrap_or_default());
    ApiError::violations(Code::ContractViolation, violations)
}

/// `POST /api/v2/assets/from-hash`: the caller's asset of these bytes, without sending them.
pub async fn from_hash(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let bodies = Bodies::of(&app, &call.rights);
    let bytes = bodies.read(&headers, body, FROM_HASH_BYTES_MAX).await?;
    let (fields, _share) = parsed::object(&bodies.room, &bytes)?;
    let hash = fields.get("hash").and_then(hash_in);
    let hash = hash.ok_or_else(|| wrong("/hash", HASH_WANTED))?;
    let name = name(&fields).map_err(|message| wrong("/file_path", message))?;
    let renewed = assets::renew(&app, &call, hash, name).await?;
    let asset = renewed.ok_or_else(no_bytes)?;
    let mut shown = view::upload(&app, &asset);
    shown.created_new = Some(false);
    answer(status(false), &shown)
}

/// `HEAD /api/v2/assets/by-hash/{hash}`: whether the caller has uploaded these bytes.
pub async fn by_hash(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(hash): Path<String>,
) -> Result<StatusCode, ApiError> {
    let found = match bare_hash(&hash) {
        Some(hash) => assets::find_hash(&app, &call, hash).await?,
        None => None,
    };
    found.map(|_| StatusCode::OK).ok_or_else(no_bytes)
}

/// `GET /api/v2/assets/{id}`: what is known of it, with a fresh link to its bytes.
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let found = find(&app, &call, &id).await?;
    answer(StatusCode::OK, &view::found(&app, &found))
}

/// `GET /api/v2/assets/{id}/content` and HEAD: where the bytes are, by a fresh link that needs no
/// key. The clients follow it, or hand it on to somebody who has none.
pub async fn content(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let found = find(&app, &call, &id).await?;
    let link = [(header::LOCATION, view::found(&app, &found).url)];
    Ok((StatusCode::FOUND, link).into_response())
}

/// `DELETE /api/v2/assets/{id}`: an upload that no unfinished job needs.
pub async fn delete(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = AssetId::parse(&id).ok_or_else(no_asset)?;
    match assets::delete(&app, &call, id).await? {
        Deleted::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        Deleted::NoAsset => Err(no_asset()),
        Deleted::InUse => {
            let message = "a job depends on this asset";
            Err(ApiError::new(Code::AssetInUse, message))
        }
    }
}

async fn find(app: &App, call: &Call, id: &str) -> Result<Found, ApiError> {
    let id = AssetId::parse(id).ok_or_else(no_asset)?;
    assets::find(app, call, id).await?.ok_or_else(no_asset)
}

fn status(is_new: bool) -> StatusCode {
    if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    }
}

const HASH_WANTED: &str = "a hash is blake3: and 64 hexadecimal characters, in lower case";

fn hash_in(value: &Value) -> Option<&str> {
    bare_hash(value.as_str()?)
}

fn bare_hash(text: &str) -> Option<&str> {
    let bare = text.strip_prefix("blake3:")?;
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (bare.len() == 64 && bare.bytes().all(is_hex)).then_some(bare)
}

fn name(fields: &Map<String, Value>) -> Result<Option<&str>, &'static str> {
    match fields.get("file_path") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name))
            if (1..=NAME_LENGTH_MAX).contains(&name.len())
                && !name.chars().any(char::is_control) =>
        {
            Ok(Some(name))
        }
        Some(_) => Err("a file name is 1 to 1,024 bytes without control characters"),
    }
}

fn wrong(path: &str, message: &str) -> ApiError {
    ApiError::violations(Code::ContractViolation, vec![violation(path, message)])
}

fn violation(path: &str, message: &str) -> Violation {
    Violation::new(path, "wrong_type", message)
}

fn no_asset() -> ApiError {
    ApiError::new(Code::NotFound, "there is no such asset")
}

fn no_bytes() -> ApiError {
    ApiError::new(Code::BlobNotFound, "there are no such bytes of yours")
}
