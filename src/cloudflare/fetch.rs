//! The runtime's `fetch` behind the port [`Http`].

use async_trait::async_trait;
use futures::{stream, StreamExt};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Promise, Uint8Array};
use worker::send::SendFuture;
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{Request, Response};

use super::pieces::{self, said};
use crate::parse;
use crate::ports::{Http, HttpAnswer, HttpError, HttpRequest, Method};

#[wasm_bindgen(module = "/src/cloudflare/border.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn outgoing(method: &str, url: &str, headers: &str, body: &JsValue)
        -> Result<Request, JsValue>;
    #[wasm_bindgen(catch)]
    fn send(request: &Request, timeout_ms: u32) -> Result<Promise, JsValue>;
    fn heads(response: &Response) -> String;
}

pub struct RuntimeFetch;

#[async_trait]
impl Http for RuntimeFetch {
    async fn open(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        SendFuture::new(open(request)).await
    }
}

async fn open(asked: HttpRequest) -> Result<HttpAnswer, HttpError> {
    // Nothing has left while the request is being made.
    let request = request(&asked).map_err(HttpError::NotSent)?;
    let answer = sent(&request, asked.timeout_ms).await;
    let answer = answer.map_err(|error| HttpError::Unknown(said(&error)))?;
    Ok(HttpAnswer {
        status: answer.status(),
        headers: parse::json(&heads(&answer))
            .map_err(|error| HttpError::Unknown(error.to_string()))?,
        body: match answer.body() {
            Some(body) => pieces::of_answer(&body).boxed(),
            None => stream::empty().boxed(),
        },
    })
}

fn request(asked: &HttpRequest) -> Result<Request, String> {
    let headers = serde_json::to_string(&asked.headers).map_err(|error| error.to_string())?;
    let (method, body) = match asked.method {
        Method::Get => ("GET", JsValue::UNDEFINED),
        Method::Post => ("POST", Uint8Array::from(asked.body.as_ref()).into()),
    };
    outgoing(method, &asked.url, &headers, &body).map_err(|error| said(&error))
}

async fn sent(request: &Request, timeout_ms: u32) -> Result<Response, JsValue> {
    let answer = JsFuture::from(send(request, timeout_ms)?).await?;
    Ok(answer.unchecked_into())
}
