//! `/api/result/*`: the bytes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{header, HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_range_header::parse_range_header;

use super::answer::blob_response;
use super::auth::Caller;
use super::error::ApiError;
use super::path::Path;
use super::queue::if_none_match;
use crate::app::App;
use crate::ports::{BlobMeta, ByteRange};
use crate::queue::read::{self, ResultKey};
use crate::token::LinkProof;

/// Results never change; a shared cache must not keep what a link opened.
const CACHE: &str = "private, max-age=3600, immutable";

/// `GET /api/result/{key}` and HEAD: by a signed link, or by the owner's key.
///
/// 1. a valid signature opens the key without a database read; 2. else the caller must own the job;
/// 3. the object store answers, in whole or in part.
pub async fn result(
    State(app): State<Arc<App>>,
    Path(key): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let key = ResultKey::parse(&key).ok_or_else(nothing)?;
    // 1. and 2.
    if !has_link(&app, &key, parts.uri.query()) {
        let Caller(call) = Caller::from_request_parts(&mut parts, &app).await?;
        if !read::may_read_result(&app, &call, &key).await? {
            return Err(nothing());
        }
    }
    // 3.
    serve(&app, &key, &parts.method, &parts.headers).await
}

/// The bytes, in whole or in part, to somebody who may have them.
async fn serve(
    app: &App,
    key: &ResultKey,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let needs_meta = method == Method::HEAD
        || headers.contains_key(header::RANGE)
        || headers.contains_key(header::IF_NONE_MATCH);
    if needs_meta {
        let Some(meta) = read::result_meta(app, key).await? else {
            return Err(missing(app, key).await);
        };
        return with_meta(app, key, method, headers, meta).await;
    }
    let Some(blob) = read::result(app, key, None).await? else {
        return Err(missing(app, key).await);
    };
    let response = blob_response(blob.body);
    Ok(described(response, key, &blob.meta, blob.meta.size_bytes))
}

async fn with_meta(
    app: &App,
    key: &ResultKey,
    method: &Method,
    headers: &HeaderMap,
    meta: BlobMeta,
) -> Result<Response, ApiError> {
    if if_none_match(headers, &etag(key)) {
        let response = StatusCode::NOT_MODIFIED.into_response();
        return Ok(tagged(response, key));
    }
    if method == Method::HEAD {
        let response = Body::empty().into_response();
        let size_bytes = meta.size_bytes;
        return Ok(described(response, key, &meta, size_bytes));
    }
    let Some(range) = asked_range(headers, key, &meta)? else {
        let blob = read::result(app, key, None).await?.ok_or_else(nothing)?;
        return Ok(described(
            blob_response(blob.body),
            key,
            &meta,
            meta.size_bytes,
        ));
    };
    let blob = read::result(app, key, Some(range))
        .await?
        .ok_or_else(nothing)?;
    let mut response = described(blob_response(blob.body), key, &meta, range.length);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let last = range.offset + range.length - 1;
    let part = format!("bytes {}-{last}/{}", range.offset, meta.size_bytes);
    set(&mut response, header::CONTENT_RANGE, &part);
    Ok(response)
}

/// The one range asked for; `None`: none, several, or one of an older version of the bytes.
fn asked_range(
    headers: &HeaderMap,
    key: &ResultKey,
    meta: &BlobMeta,
) -> Result<Option<ByteRange>, ApiError> {
    let if_range = headers.get(header::IF_RANGE);
    if if_range.is_some_and(|tag| tag.as_bytes() != etag(key).as_bytes()) {
        return Ok(None);
    }
    let Some(text) = headers.get(header::RANGE).and_then(|v| v.to_str().ok()) else {
        return Ok(None);
    };
    if !text.starts_with("bytes=") {
        return Ok(None);
    }
    let parsed = parse_range_header(text).and_then(|parsed| parsed.validate(meta.size_bytes));
    let ranges = parsed.map_err(|_| ApiError::range(meta.size_bytes))?;
    Ok(match ranges.as_slice() {
        [range] => Some(ByteRange {
            offset: *range.start(),
            length: range.end() - range.start() + 1,
        }),
        _ => None,
    })
}

fn has_link(app: &App, key: &ResultKey, query: Option<&str>) -> bool {
    let Some(query) = query else {
        return false;
    };
    let uri = format!("/?{query}").parse().unwrap_or_default();
    let proof = axum::extract::Query::<LinkProof>::try_from_uri(&uri);
    proof.is_ok_and(|proof| app.signer.verify_link(&key.key, &proof.0, app.now()))
}

fn described(response: Response, key: &ResultKey, meta: &BlobMeta, length: u64) -> Response {
    let mut response = tagged(response, key);
    set(
        &mut response,
        header::CONTENT_TYPE,
        &meta.label.content_type,
    );
    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    set(
        &mut response,
        header::CONTENT_DISPOSITION,
        &disposition(meta),
    );
    response
}

fn tagged(mut response: Response, key: &ResultKey) -> Response {
    set(&mut response, header::ETAG, &etag(key));
    set(&mut response, header::CACHE_CONTROL, CACHE);
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    // Whatever the bytes are, a browser runs nothing of them in our origin.
    set(
        &mut response,
        header::CONTENT_SECURITY_POLICY,
        "sandbox; default-src 'none'",
    );
    response
}

/// A key is written once: the settle that wrote it is in its name.
fn etag(key: &ResultKey) -> String {
    format!("\"{}\"", key.key)
}

/// Pictures, films and sounds are shown in a page; everything else is only saved.
fn disposition(meta: &BlobMeta) -> String {
    let name = &meta.label.name;
    let shown = ["image/", "video/", "audio/"];
    let is_shown = shown
        .iter()
        .any(|kind| meta.label.content_type.starts_with(kind));
    let how = if is_shown { "inline" } else { "attachment" };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    format!("{how}; filename=\"{name}\"")
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).ok();
    response
        .headers_mut()
        .extend(value.map(|value| (name, value)));
}

/// Told only once the object store has nothing: then a read of the database says why.
async fn missing(app: &App, key: &ResultKey) -> ApiError {
    read::missing(app, key)
        .await
        .err()
        .map_or_else(nothing, ApiError::from)
}

fn nothing() -> ApiError {
    ApiError::new(super::error::Code::NotFound, "there is no such result")
}
