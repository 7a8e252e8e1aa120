//! Requests and responses across the border, without the detours of the general conversion: small
//! bodies are copied once, the platform's streams are handed on unopened.

use axum::body::Body;
use axum::http::{self, Method, Response, Uri};
use http_body_util::BodyExt;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Promise, Uint8Array};
use worker::send::SendWrapper;
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys;

use super::pieces;
use crate::http::{Forward, PlatformBody, PROXY_PREFIX};
use crate::parse;

#[wasm_bindgen(module = "/src/cloudflare/border.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn described(request: &web_sys::Request) -> Result<String, JsValue>;
    #[wasm_bindgen(catch)]
    fn forward(
        request: &web_sys::Request,
        url: &str,
        headers: &str,
        own: &str,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_name = response)]
    fn whole(status: u16, headers: &str, body: Option<&[u8]>)
        -> Result<web_sys::Response, JsValue>;
    #[wasm_bindgen(catch, js_name = response)]
    fn streamed(
        status: u16,
        headers: &str,
        body: &web_sys::ReadableStream,
    ) -> Result<web_sys::Response, JsValue>;
}

/// Up to here a request's body is taken in one piece, before anybody asks whether it is wanted: no
/// more than one piece of a longer one.
const WHOLE_BYTES_MAX: usize = 64 << 10;

const AWAY: &str = r#"{"ok":false,"error":"unavailable","message":"the ComfyUI does not answer"}"#;

/// A stream of the platform on its way out.
pub struct Handle(pub SendWrapper<web_sys::ReadableStream>);

/// A request of the platform as one of ours.
pub async fn question(request: &web_sys::Request) -> worker::Result<http::Request<Body>> {
    let (method, url, headers): (String, String, Vec<(String, String)>) =
        parse::json(&described(request)?)?;
    let declared = headers.iter().find(|(name, _)| name == "content-length");
    let length = declared.and_then(|(_, text)| text.parse::<usize>().ok());
    let mut builder = http::Request::builder()
        .method(Method::from_bytes(method.as_bytes()).map_err(|e| e.to_string())?)
        .uri(path_and_query(&url)?);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    // What is handed on is handed on unread.
    let is_forwarded = builder
        .uri_ref()
        .is_some_and(|uri| uri.path().starts_with(PROXY_PREFIX));
    let body = if is_forwarded {
        Body::empty()
    } else {
        body(request, length).await?
    };
    Ok(builder.body(body).map_err(|error| error.to_string())?)
}

fn path_and_query(url: &str) -> worker::Result<Uri> {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let path = url[after_scheme..]
        .find('/')
        .map_or("/", |at| &url[after_scheme + at..]);
    let path = path.split('#').next().unwrap_or("/");
    Ok(path
        .parse()
        .map_err(|error: http::uri::InvalidUri| error.to_string())?)
}

async fn body(request: &web_sys::Request, length: Option<usize>) -> worker::Result<Body> {
    let Some(stream) = request.body() else {
        return Ok(Body::empty());
    };
    if length.is_some_and(|length| length <= WHOLE_BYTES_MAX) {
        let buffer = JsFuture::from(request.array_buffer()?).await?;
        return Ok(Uint8Array::new(&buffer).to_vec().into());
    }
    Ok(Body::from_stream(pieces::of_request(&stream)))
}

/// One of our responses to `request` as the platform's.
pub async fn answer(
    request: &web_sys::Request,
    mut answered: Response<Body>,
) -> worker::Result<web_sys::Response> {
    let handle = answered.extensions_mut().remove::<PlatformBody>();
    let passed = answered.extensions_mut().remove::<Forward>();
    let (parts, body) = answered.into_parts();
    let headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
        .collect();
    let headers = serde_json::to_string(&headers)?;
    if let Some(passed) = passed {
        return hand_on(request, &passed, &headers).await;
    }
    let status = parts.status.as_u16();
    let handle = handle
        .as_ref()
        .and_then(|body| body.0.downcast_ref::<Handle>());
    if let Some(handle) = handle {
        return Ok(streamed(status, &headers, &handle.0 .0)?);
    }
    let bytes = body.collect().await.map_err(|error| error.to_string())?;
    let bytes = bytes.to_bytes();
    let bytes = (!bytes.is_empty()).then_some(&*bytes);
    Ok(whole(status, &headers, bytes)?)
}

/// Who is asked may be away: then the caller hears so from us.
async fn hand_on(
    request: &web_sys::Request,
    passed: &Forward,
    own: &str,
) -> worker::Result<web_sys::Response> {
    let headers = serde_json::to_string(&passed.headers)?;
    let asked = forward(request, &passed.url, &headers, own)?;
    match JsFuture::from(asked).await {
        Ok(answer) => Ok(answer.unchecked_into()),
        Err(_) => Ok(whole(502, own, Some(AWAY.as_bytes()))?),
    }
}
