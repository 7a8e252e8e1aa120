//! `GET /api/v2/jobs`: not in the contract yet; as the official clients ask for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::answer;
use crate::app::App;
use crate::http::auth::Caller;
use crate::http::create_body::label_key_fits;
use crate::http::error::{ApiError, Code};
use crate::id::JobId;
use crate::queue::read;
use crate::store::jobs::{Filter, Record};

/// As the self-hosted proxy of the contract answers.
const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 100;

#[derive(Serialize)]
struct Page<'a> {
    jobs: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: JobId,
    status: &'static str,
    create_time: String,
    update_time: String,
    metadata: &'a BTreeMap<String, String>,
}

/// `GET /api/v2/jobs`: the caller's jobs, newest first, by labels where asked.
pub async fn list(
    State(app): State<Arc<App>>,
    Caller(call): Caller,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let (filter, limit) = filter(&query)?;
    let page = read::list(&app, &call, &filter, limit).await?;
    let shown = Page {
        jobs: page.jobs.iter().map(item).collect(),
        next_cursor: page.next,
    };
    answer(StatusCode::OK, &shown)
}

fn item(record: &Record) -> Item<'_> {
    let (job, created_at) = (&record.job, record.accepted.created_at);
    let changed_at = record.completed_at.or(job.started_at).unwrap_or(created_at);
    Item {
        id: job.id,
        status: job.status.as_str(),
        create_time: created_at.iso8601(),
        update_time: changed_at.iso8601(),
        metadata: &record.accepted.labels,
    }
}

fn filter(query: &[(String, String)]) -> Result<(Filter, u32), ApiError> {
    let mut filter = Filter::default();
    let mut limit = PAGE_DEFAULT;
    for (name, value) in query {
        let label = name
            .strip_prefix("metadata[")
            .and_then(|rest| rest.strip_suffix(']'));
        match (name.as_str(), label) {
            ("limit", _) => {
                let asked = value.parse::<u32>();
                let asked = asked.map_err(|_| wrong("/limit", "bad_limit", "a whole number"))?;
                limit = asked.clamp(1, PAGE_MAX);
            }
            ("cursor", _) => {
                let id = JobId::parse(value);
                let id =
                    id.ok_or_else(|| wrong("/cursor", "bad_cursor", "a next_cursor of ours"))?;
                filter.before = Some(id);
            }
            (_, Some(key)) if label_key_fits(key) => {
                filter.labels.insert(key.to_owned(), value.clone());
            }
            (_, Some(_)) => {
                let message = "a label's name is 1 to 40 of A-Z, a-z, 0-9, _, . and -";
                return Err(wrong("/metadata", "bad_label", message));
            }
            (other, None) => {
                let path = format!("/{other}");
                return Err(wrong(
                    &path,
                    "unknown_parameter",
                    "there is no such parameter",
                ));
            }
        }
    }
    Ok((filter, limit))
}

fn wrong(path: &str, kind: &'static str, message: &str) -> ApiError {
    ApiError::at(Code::InvalidRequest, path, kind, message)
}
