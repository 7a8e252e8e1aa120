//! The runtime's `fetch` behind the port [`Http`].

use async_trait::async_trait;
use futures::{stream, StreamExt};
use wasm_bindgen::JsValue;
use worker::js_sys::Uint8Array;
use worker::send::SendFuture;
use worker::web_sys;
use worker::{
    AbortSignal, Error, Fetch, Headers, Request, RequestInit, RequestRedirect, ResponseBody,
};

use super::pieces;
use crate::ports::{Http, HttpAnswer, HttpError, HttpRequest, Method};

pub struct RuntimeFetch;

#[async_trait]
impl Http for RuntimeFetch {
    async fn open(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        SendFuture::new(open(request)).await
    }
}

async fn open(asked: HttpRequest) -> Result<HttpAnswer, HttpError> {
    let signal: AbortSignal = web_sys::AbortSignal::timeout_with_u32(asked.timeout_ms).into();
    // Nothing has left while the request is being made.
    let request = outgoing(&asked).map_err(|error| HttpError::NotSent(error.to_string()))?;
    let answer = Fetch::Request(request).send_with_signal(&signal).await;
    let answer = answer.map_err(|error| HttpError::Unknown(text(&error)))?;
    Ok(HttpAnswer {
        status: answer.status_code(),
        headers: answer.headers().entries().collect(),
        body: match answer.body() {
            ResponseBody::Stream(body) => pieces::of_answer(body).boxed(),
            ResponseBody::Body(bytes) => stream::iter([Ok(bytes.clone().into())]).boxed(),
            ResponseBody::Empty => stream::empty().boxed(),
        },
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

/// `worker::Error` prints a stack of several lines; the first says what happened.
fn text(error: &Error) -> String {
    let all = error.to_string();
    all.lines().next().unwrap_or_default().to_owned()
}
