//! `/api/metrics` and its summary: what happened, for Prometheus and for charts.

use std::collections::BTreeMap;

use litemap::LiteMap;
use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::answer::Answer;
use super::auth::Operator;
use super::cost;
use super::error::{ApiError, Code};
use crate::app::App;
use crate::job::JobStatus;
use crate::queue::metrics as verb;
use crate::store::hours::{HourRow, LIMITS_MS};

const HOURS_DEFAULT: i64 = 24;

/// `GET /api/metrics`: counters since the first job, as Prometheus reads them.
pub async fn prometheus(State(app): State<Arc<App>>, _: Operator) -> Result<Response, ApiError> {
    let rows = verb::totals(&app).await?;
    let text = exposition(&rows, app.config.gpu_usd_per_second);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// `GET /api/admin/metrics`: the last hours, jobs that are alike as one row.
pub async fn summary(
    State(app): State<Arc<App>>,
    _: Operator,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Answer, ApiError> {
    let hours = match query.get("hours").map(|text| text.parse::<i64>()) {
        None => HOURS_DEFAULT,
        Some(Ok(hours)) if (1..=verb::KEPT_HOURS).contains(&hours) => hours,
        Some(_) => {
            let message = format!("a whole number of hours, 1 to {}", verb::KEPT_HOURS);
            return Err(ApiError::at(
                Code::InvalidRequest,
                "/hours",
                "wrong_type",
                &message,
            ));
        }
    };
    Answer::ok(&json!({
        "hour_now": app.now().get() / verb::HOUR_MS,
        "limits_ms": LIMITS_MS,
        "gpu_usd_per_second": app.config.gpu_usd_per_second,
        "rows": verb::last(&app, hours).await?,
    }))
}

/// One histogram, of one template.
#[derive(Default)]
struct Histogram {
    counts: [u64; LIMITS_MS.len() + 1],
    sum_ms: u64,
}

impl Histogram {
    fn add(&mut self, bucket: i8, jobs: u64, sum_ms: u64) {
        if let Some(count) = usize::try_from(bucket)
            .ok()
            .and_then(|at| self.counts.get_mut(at))
        {
            *count += jobs;
            self.sum_ms += sum_ms;
        }
    }

    fn write(&self, text: &mut String, name: &str, template: &str) {
        let mut sum = 0;
        for (count, limit_ms) in self.counts.iter().zip(LIMITS_MS) {
            sum += count;
            line(
                text,
                &format!(
                    "{name}_bucket{{template=\"{template}\",le=\"{}\"}} {sum}",
                    seconds(limit_ms)
                ),
            );
        }
        sum += self.counts[LIMITS_MS.len()];
        line(
            text,
            &format!("{name}_bucket{{template=\"{template}\",le=\"+Inf\"}} {sum}"),
        );
        line(
            text,
            &format!(
                "{name}_sum{{template=\"{template}\"}} {}",
                seconds(self.sum_ms)
            ),
        );
        line(
            text,
            &format!("{name}_count{{template=\"{template}\"}} {sum}"),
        );
    }
}

#[derive(Default)]
struct OfTemplate {
    queue: Histogram,
    execution: Histogram,
    paid_ms: u64,
}

/// Names end in their unit, counters in `_total` (Prometheus, Metric and label naming).
fn exposition(rows: &[HourRow], usd_per_second: Option<f64>) -> String {
    let mut ended: LiteMap<(&str, &str), u64> = LiteMap::new();
    let mut templates: LiteMap<&str, OfTemplate> = LiteMap::new();
    for row in rows {
        let of = templates.entry(&row.template).or_default();
        of.paid_ms += row.paid_ms;
        if !JobStatus::parse(&row.status).is_some_and(JobStatus::is_terminal) {
            continue;
        }
        *ended.entry((&row.template, &row.status)).or_default() += row.jobs;
        of.queue.add(row.queue_bucket, row.jobs, row.queue_ms);
        of.execution
            .add(row.execution_bucket, row.jobs, row.execution_ms);
    }
    let mut text = String::new();
    head(
        &mut text,
        "edge_queue_jobs_ended_total",
        "counter",
        "Jobs that have ended.",
    );
    for ((template, status), jobs) in &ended {
        let labels = format!("template=\"{template}\",status=\"{status}\"");
        line(
            &mut text,
            &format!("edge_queue_jobs_ended_total{{{labels}}} {jobs}"),
        );
    }
    let name = "edge_queue_job_queue_seconds";
    head(
        &mut text,
        name,
        "histogram",
        "From the opening of a round to its start.",
    );
    for (template, of) in &templates {
        of.queue.write(&mut text, name, template);
    }
    let name = "edge_queue_job_execution_seconds";
    head(
        &mut text,
        name,
        "histogram",
        "Execution, as the provider measured.",
    );
    for (template, of) in &templates {
        of.execution.write(&mut text, name, template);
    }
    let name = "edge_queue_gpu_seconds_total";
    head(&mut text, name, "counter", "Execution of all attempts.");
    for (template, of) in &templates {
        let seconds = seconds(of.paid_ms);
        line(
            &mut text,
            &format!("{name}{{template=\"{template}\"}} {seconds}"),
        );
    }
    if let Some(price) = usd_per_second {
        let name = "edge_queue_cost_usd_total";
        head(&mut text, name, "counter", "What that cost.");
        for (template, of) in &templates {
            let usd = cost::usd(of.paid_ms, price);
            line(
                &mut text,
                &format!("{name}{{template=\"{template}\"}} {usd}"),
            );
        }
    }
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    line(text, &format!("# HELP {name} {help}"));
    line(text, &format!("# TYPE {name} {kind}"));
}

fn line(text: &mut String, line: &str) {
    // Writing to memory does not fail.
    let _ = writeln!(text, "{line}");
}

#[allow(clippy::cast_precision_loss)] // Milliseconds of centuries stay below 2^53.
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
