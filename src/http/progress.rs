//! `/api/progress/*`: what a GPU's worker tells while it works.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::error::{ApiError, Code};
use super::limits::Bodies;
use super::path::Path;
use super::view;
use crate::app::App;
use crate::job::{Preview, Progress};
use crate::media;
use crate::parse;
use crate::queue::tell::{self, News};

/// A preview is a small picture: ComfyUI's own are at most 512 pixels wide.
const PREVIEW_LENGTH_MAX: usize = 512 << 10;
/// With room for a finished file of seven megabytes in base64. Larger ones come with the result.
const BODY_BYTES_MAX: usize = 10 << 20;
/// Longer than any of ComfyUI's ids, classes and messages.
const TEXT_LENGTH_MAX: usize = 256;

#[derive(Deserialize)]
struct Told {
    value: Option<f64>,
    #[serde(default)]
    nodes_done: u32,
    #[serde(default)]
    nodes_total: u32,
    current_node: Option<String>,
    current_node_class: Option<String>,
    step: Option<u32>,
    steps: Option<u32>,
    message: Option<String>,
    preview: Option<Preview>,
    output: Option<File>,
}

/// A file that is done.
#[derive(Deserialize)]
struct File {
    name: Option<String>,
    data_base64: String,
}

#[derive(Serialize)]
struct Taken {
    /// Whether anybody still waits for the result.
    go_on: bool,
}

/// `POST /api/progress/{token}`: nodes, steps, a preview and finished files of one attempt.
pub async fn tell(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, ApiError> {
    let claim = tell::claim(&app, &token).ok_or_else(nobody)?;
    let bytes = Bodies::of_worker(&app)
        .read(&headers, body, BODY_BYTES_MAX)
        .await?;
    let mut told: Told = parse::json_bytes(&bytes).map_err(|error| {
        let message = format!("no progress can be read from the body: {error}");
        ApiError::new(Code::InvalidRequest, message)
    })?;
    let news = News {
        preview: told.preview.take().map(picture).transpose()?,
        file: told.output.take().map(file).transpose()?,
        progress: told.progress()?,
    };
    match tell::tell(&app, claim, news, view::early).await? {
        tell::Answer::Unknown => Err(nobody()),
        tell::Answer::GoOn => Answer::ok(&Taken { go_on: true }),
        tell::Answer::Stop => Answer::ok(&Taken { go_on: false }),
        tell::Answer::Unfit(why) => Err(wrong("/output/data_base64", &why)),
    }
}

impl Told {
    /// Without a share, the one that nodes and steps make; `None`: nothing was told of either.
    fn progress(self) -> Result<Option<Progress>, ApiError> {
        let value = match self.value {
            Some(value) if (0.0..=1.0).contains(&value) => value,
            Some(_) => return Err(wrong("/value", "a number from 0 to 1")),
            None if self.nodes_total > 0 => self.share(),
            None => return Ok(None),
        };
        let texts = [&self.current_node, &self.current_node_class, &self.message];
        let fits = |text: &&Option<String>| {
            text.as_ref()
                .is_none_or(|text| text.len() <= TEXT_LENGTH_MAX)
        };
        if !texts.iter().all(fits) {
            return Err(wrong("", "its texts are at most 256 bytes long"));
        }
        Ok(Some(Progress {
            value,
            nodes_done: self.nodes_done.min(self.nodes_total),
            nodes_total: self.nodes_total,
            current_node: self.current_node,
            current_node_class: self.current_node_class,
            step: self.step,
            steps: self.steps,
            message: self.message,
        }))
    }

    fn share(&self) -> f64 {
        let steps = self.steps.filter(|steps| *steps > 0);
        let part = self.step.zip(steps).map_or(0.0, |(step, steps)| {
            (f64::from(step) / f64::from(steps)).min(1.0)
        });
        ((f64::from(self.nodes_done) + part) / f64::from(self.nodes_total)).min(1.0)
    }
}

/// Only pictures reach pages, whatever the worker says they are.
fn picture(preview: Preview) -> Result<Preview, ApiError> {
    let bytes = STANDARD.decode(&preview.data_base64).unwrap_or_default();
    let media = media::sniff(&bytes)
        .filter(|media| ["image/jpeg", "image/png", "image/webp"].contains(&media.content_type));
    let media = media.ok_or_else(|| {
        wrong(
            "/preview/data_base64",
            "a JPEG, PNG or WebP picture in base64",
        )
    })?;
    if preview.data_base64.len() > PREVIEW_LENGTH_MAX {
        return Err(wrong("/preview/data_base64", "at most 512 KiB"));
    }
    if preview.node_id.len() > TEXT_LENGTH_MAX {
        return Err(wrong("/preview/node_id", "at most 256 bytes"));
    }
    Ok(Preview {
        content_type: media.content_type.to_owned(),
        ..preview
    })
}

fn file(file: File) -> Result<(Option<String>, Bytes), ApiError> {
    let bytes = STANDARD.decode(&file.data_base64);
    let bytes = bytes.map_err(|_| wrong("/output/data_base64", "a file in base64"))?;
    if file
        .name
        .as_ref()
        .is_some_and(|name| name.len() > TEXT_LENGTH_MAX)
    {
        return Err(wrong("/output/name", "at most 256 bytes"));
    }
    Ok((file.name, bytes.into()))
}

fn wrong(path: &str, message: &str) -> ApiError {
    ApiError::at(Code::InvalidRequest, path, "wrong_type", message)
}

fn nobody() -> ApiError {
    ApiError::new(Code::NotFound, "there is no such attempt")
}
