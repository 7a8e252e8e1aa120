//! Requests and responses across the border, without the detours of the general conversion: small
//! bodies are copied once, the platform's streams are handed on unopened.

use axum::body::Body;
use axum::http::{self, Method, Response, Uri};
use http_body_util::BodyExt;
use wasm_bindgen::JsCast;
use worker::js_sys::{self, Uint8Array};
use worker::send::SendWrapper;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{web_sys, Headers, ResponseBody, Result};

use super::pieces;
use crate::http::PlatformBody;

/// Up to here a request's body is taken in one piece.
const WHOLE_BYTES_MAX: usize = 1 << 20;

/// A stream of the platform on its way out.
pub struct Handle(pub SendWrapper<web_sys::ReadableStream>);

/// A request of the platform as one of ours.
pub async fn question(request: &web_sys::Request) -> Result<http::Request<Body>> {
    let mut builder = http::Request::builder()
        .method(Method::from_bytes(request.method().as_bytes()).map_err(|e| e.to_string())?)
        .uri(path_and_query(&request.url())?);
    for pair in js_sys::try_iter(&request.headers())?.into_iter().flatten() {
        let pair: js_sys::Array = pair?.unchecked_into();
        let text = |at| pair.get(at).as_string().unwrap_or_default();
        builder = builder.header(text(0), text(1));
    }
    let body = body(request).await?;
    Ok(builder.body(body).map_err(|error| error.to_string())?)
}

fn path_and_query(url: &str) -> Result<Uri> {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let path = url[after_scheme..]
        .find('/')
        .map_or("/", |at| &url[after_scheme + at..]);
    let path = path.split('#').next().unwrap_or("/");
    Ok(path
        .parse()
        .map_err(|error: http::uri::InvalidUri| error.to_string())?)
}

async fn body(request: &web_sys::Request) -> Result<Body> {
    let Some(stream) = request.body() else {
        return Ok(Body::empty());
    };
    let declared = request.headers().get("content-length")?;
    let length = declared.and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length <= WHOLE_BYTES_MAX) {
        let buffer = JsFuture::from(request.array_buffer()?).await?;
        return Ok(Uint8Array::new(&buffer).to_vec().into());
    }
    Ok(Body::from_stream(pieces::of_request(&stream)))
}

/// One of our responses as the platform's.
pub async fn answer(mut response: Response<Body>) -> Result<web_sys::Response> {
    let handle = response.extensions_mut().remove::<PlatformBody>();
    let (parts, body) = response.into_parts();
    let headers = web_sys::Headers::new()?;
    for (name, value) in &parts.headers {
        headers.append(name.as_str(), value.to_str().unwrap_or_default())?;
    }
    let handle = handle
        .as_ref()
        .and_then(|body| body.0.downcast_ref::<Handle>());
    let body = if let Some(handle) = handle {
        ResponseBody::Stream(handle.0 .0.clone())
    } else {
        let bytes = body
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        if bytes.is_empty() {
            ResponseBody::Empty
        } else {
            ResponseBody::Body(bytes.into())
        }
    };
    let response = worker::Response::builder()
        .with_status(parts.status.as_u16())
        .with_headers(Headers(headers))
        .body(body);
    Ok(response.into())
}
