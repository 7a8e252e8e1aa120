//! The envelope: every answer of the API gets its request id, its log line and its outer object
//! here.

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{header, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Serialize;

use super::cors::Cors;
use super::error::{ApiError, Code};
use super::request_id::RequestId;
use crate::app::App;
use crate::log;
use crate::ports::{BlobBody, Level};

/// A body that only the platform can open; `cloudflare/` takes it out of the response again.
#[derive(Clone)]
pub struct PlatformBody(pub Arc<dyn Any + Send + Sync>);

/// A success: a JSON object that the envelope completes with `ok` and `request_id`.
#[derive(Clone)]
pub struct Answer {
    status: StatusCode,
    /// A serialized object without the envelope's own members.
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Left in the response by a handler, rendered by [`envelope`].
#[derive(Clone)]
enum Unrendered {
    Answer(Answer),
    Error(ApiError),
}

impl Answer {
    pub fn ok<T: Serialize>(body: &T) -> Result<Self, ApiError> {
        Self::with_status(StatusCode::OK, body)
    }

    pub fn with_status<T: Serialize>(status: StatusCode, body: &T) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(body).map_err(|error| ApiError::internal(&error))?;
        Ok(Self {
            status,
            body: body.into(),
            headers: Vec::new(),
        })
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers
            .extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    #[must_use]
    pub fn headers(mut self, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// A strong tag of the body as it is before the request id joins it.
    pub fn etag(&self) -> String {
        format!("\"{}\"", &blake3::hash(&self.body).to_hex()[..32])
    }

    fn render(self, request_id: &str) -> Response {
        let ok = self.status.is_success();
        let request_id = json_text(request_id);
        let envelope = format!("{{\"ok\":{ok},\"request_id\":{request_id}");
        let mut body = Vec::with_capacity(envelope.len() + self.body.len() + 1);
        body.extend_from_slice(envelope.as_bytes());
        if self.body.len() > 2 {
            body.push(b',');
        }
        body.extend_from_slice(self.body.get(1..).unwrap_or(b"}"));
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Unrendered::Answer(self));
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Unrendered::Error(self));
        response
    }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Bytes or a platform's stream as the body of a response.
pub fn blob_response(body: BlobBody) -> Response {
    match body {
        BlobBody::Bytes(bytes) => Body::from(bytes).into_response(),
        BlobBody::Stream(stream) => {
            Body::from_stream(stream.map(Ok::<_, Infallible>)).into_response()
        }
        BlobBody::Platform(handle) => {
            let mut response = Body::empty().into_response();
            response.extensions_mut().insert(PlatformBody(handle));
            response
        }
    }
}

/// Names the request, runs it, and renders and logs what came of it.
pub async fn envelope(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let request_id = RequestId::of(&app, request.headers());
    let wants_problem = accepts_problem(&request);
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().to_string();
    request.extensions_mut().insert(request_id.clone());
    let began_at = app.now();
    let cors = Cors::of(&app, &request);
    let response = if cors.is_answered() {
        Cors::preflight()
    } else {
        next.run(request).await
    };
    let cause = match response.extensions().get::<Unrendered>() {
        Some(Unrendered::Error(error)) => error.cause().map(str::to_owned),
        Some(Unrendered::Answer(_)) | None => None,
    };
    let mut response = rendered(response, &request_id.0, &route, wants_problem);
    let status = response.status().as_u16();
    let level = match status {
        // Asked to come back later, on purpose.
        503 => Level::Warn,
        500.. => Level::Error,
        _ => Level::Info,
    };
    app.log(
        log::event(level, "request.answered")
            .with("request_id", request_id.0.as_str())
            .with("method", method)
            .with("path", route)
            .with("status", status)
            .with("duration_ms", app.now().since_ms(began_at))
            .maybe("cause", cause),
    );
    request_id.mark(response.headers_mut());
    cors.tell(response.headers_mut());
    response
}

fn rendered(
    mut response: Response,
    request_id: &str,
    route: &str,
    wants_problem: bool,
) -> Response {
    let unrendered = response.extensions_mut().remove::<Unrendered>();
    // What the router refuses by itself, as a query that is none, is an error like any other.
    let of_router = response.status().is_client_error().then(|| {
        Unrendered::Error(ApiError::new(
            Code::InvalidRequest,
            "the query cannot be read",
        ))
    });
    let Some(unrendered) = unrendered.or(of_router) else {
        return response;
    };
    let allow = response.headers_mut().remove(header::ALLOW);
    let mut response = match unrendered {
        Unrendered::Answer(answer) => answer.render(request_id),
        Unrendered::Error(error) => error.render(request_id, route, wants_problem),
    };
    response
        .headers_mut()
        .extend(allow.map(|allow| (header::ALLOW, allow)));
    response
}

fn accepts_problem(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT);
    accept
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("application/problem+json"))
}
