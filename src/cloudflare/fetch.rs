//! The runtime's `fetch` behind the port [`Http`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use wasm_bindgen::JsValue;
use worker::js_sys::Uint8Array;
use worker::send::SendFuture;
use worker::web_sys;
use worker::{AbortSignal, Error, Fetch, Headers, Request, RequestInit, RequestRedirect, Response};

use crate::ports::{Http, HttpError, HttpRequest, HttpResponse, Method};

pub struct RuntimeFetch;

#[async_trait]
impl Http for RuntimeFetch {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        SendFuture::new(send(request)).await
    }
}

async fn send(asked: HttpRequest) -> Result<HttpResponse, HttpError> {
    let most = asked.answer_bytes_max;
    let signal: AbortSignal = web_sys::AbortSignal::timeout_with_u32(asked.timeout_ms).into();
    // Nothing has left while the request is being made.
    let request = outgoing(&asked).map_err(|error| HttpError::NotSent(error.to_string()))?;
    let answer = Fetch::Request(request).send_with_signal(&signal).await;
    let mut answer = answer.map_err(|error| HttpError::Unknown(text(&error)))?;
    let headers: BTreeMap<String, String> = answer.headers().entries().collect();
    let body = body(&mut answer, &headers, most).await?;
    Ok(HttpResponse {
        status: answer.status_code(),
        headers,
        body,
    })
}

fn outgoing(asked: &HttpRequest) -> worker::Result<Request> {
    let headers = Headers::new();
    for (name, value) in &asked.headers {
        headers.set(name, value)?;
    }
    let mut init = RequestInit::new();
    init.with_headers(headers)
        .with_redirect(RequestRedirect::Manual);
    match asked.method {
        Method::Get => init.with_method(worker::Method::Get),
        Method::Post => init
            .with_method(worker::Method::Post)
            .with_body(Some(JsValue::from(Uint8Array::from(asked.body.as_ref())))),
    };
    Request::new_with_init(&asked.url, &init)
}

/// Refuses by the declared length where there is one, else counts while reading.
async fn body(
    answer: &mut Response,
    headers: &BTreeMap<String, String>,
    most: usize,
) -> Result<Bytes, HttpError> {
    let declared = headers
        .get("content-length")
        .and_then(|text| text.parse::<usize>().ok());
    match declared {
        Some(length) if length > most => Err(HttpError::TooLarge(most)),
        Some(_) => {
            let bytes = answer
                .bytes()
                .await
                .map_err(|e| HttpError::Unknown(text(&e)))?;
            Ok(bytes.into())
        }
        None => {
            // An answer without a body has no stream.
            let Ok(mut stream) = answer.stream() else {
                return Ok(Bytes::new());
            };
            let mut bytes = Vec::new();
            while let Some(chunk) = stream.next().await {
                bytes.extend(chunk.map_err(|error| HttpError::Unknown(text(&error)))?);
                if bytes.len() > most {
                    return Err(HttpError::TooLarge(most));
                }
            }
            Ok(bytes.into())
        }
    }
}

/// `worker::Error` prints a stack of several lines; the first says what happened.
fn text(error: &Error) -> String {
    let all = error.to_string();
    all.lines().next().unwrap_or_default().to_owned()
}
