//! The socket: requests in, the fake's answers out, and the controls under `/_mock/`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, Context};
use bytes::Bytes;
use edge_queue::testing::runpod::{FakeRequest, FakeResponse, Fate, PlanChange, FILES_PATH};
use futures::stream::{self, Stream, StreamExt};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpListener;

use super::Mock;

/// Above the ten mebibytes that the fake refuses itself, so that it can say so.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Where the controls are; the links of `s3_url` results are below it too.
const CONTROL_PATH: &str = "/_mock/";

type Answer = Response<BoxBody<Bytes, Infallible>>;

pub(super) async fn forever(mock: &Arc<Mock>, listener: &TcpListener) {
    loop {
        // A connection that broke before it was accepted concerns nobody.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let mock = Arc::clone(mock);
        let service = service_fn(move |request| {
            let mock = Arc::clone(&mock);
            async move { answer(&mock, request).await }
        });
        // An error closes the connection: a client that left, or an answer that had to get lost.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(mock: &Mock, request: Request<Incoming>) -> anyhow::Result<Answer> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow!(error))?.to_bytes();
    let path = head.uri.path();
    if path.starts_with(CONTROL_PATH) && !path.starts_with(FILES_PATH) {
        return control(mock, &head.method, path, &body);
    }
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into(),
            )
        })
        .collect();
    let request = FakeRequest {
        method: head.method.as_str(),
        path: head.uri.path_and_query().map_or("/", |path| path.as_str()),
        headers: &headers,
        body: &body,
    };
    let response = mock.runpod().handle(mock.now(), &request);
    tokio::time::sleep(Duration::from_millis(response.delay_ms)).await;
    written(response)
}

/// The answer as far as its fate lets it come; an error closes the connection without a byte.
fn written(response: FakeResponse) -> anyhow::Result<Answer> {
    let mut builder = Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(name, value);
    }
    match response.fate {
        Fate::Lost | Fate::NotSent => Err(anyhow!("planned: no answer")),
        Fate::Whole => Ok(builder.body(Full::new(response.body).boxed())?),
        Fate::Cut => {
            // More is announced than comes, so that the reader sees the end as a break.
            let announced = response.body.len() + 1;
            let frames = stream::iter([Ok(Frame::data(response.body))]).chain(end_after_a_pause());
            let builder = builder.header("content-length", announced);
            Ok(builder.body(BodyExt::boxed(StreamBody::new(frames)))?)
        }
    }
}

/// Lets the server write what it has before it learns that there is no more.
fn end_after_a_pause() -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    stream::once(async {
        tokio::task::yield_now().await;
        Ok(Frame::data(Bytes::new()))
    })
}

/// `GET jobs`, `GET counters`, `POST plan`.
fn control(mock: &Mock, method: &Method, path: &str, body: &[u8]) -> anyhow::Result<Answer> {
    let name = path.strip_prefix(CONTROL_PATH).unwrap_or_default();
    match (method, name) {
        (&Method::GET, "jobs") => json(200, &mock.runpod().jobs(mock.now())),
        (&Method::GET, "counters") => json(200, &mock.runpod().counters()),
        (&Method::POST, "plan") => match serde_json::from_slice::<PlanChange>(body) {
            Ok(change) => {
                mock.runpod().plan_mut().change(change);
                json(200, &serde_json::json!({"ok": true}))
            }
            Err(error) => json(400, &serde_json::json!({"error": error.to_string()})),
        },
        _ => json(404, &serde_json::json!({"error": "no such control"})),
    }
}

fn json<T: Serialize>(status: u16, value: &T) -> anyhow::Result<Answer> {
    let body = serde_json::to_vec(value).context("cannot write the answer")?;
    Ok(Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)).boxed())?)
}
