//! `ops stats`: whether the promised figures hold, over the hours that the metrics keep.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{json, Value};

use crate::admin::Asked;
use crate::exit;

/// Of the jobs that ended and were not canceled, as many succeed.
const SUCCESS_RATE_MIN: f64 = 0.95;
/// From the opening of a round to the end of its execution.
const AVERAGE_MS_MAX: f64 = 300_000.0;
/// Of one job that succeeded, the attempts that failed included.
const JOB_USD_MAX: f64 = 2.0;

/// Show success rate, average time and cost per job, each beside its target
#[derive(clap::Args)]
#[command(after_help = "\
Of the jobs that were created in the last hours, as cron counted them within the last five minutes.
success rate: succeeded of all that ended, canceled ones aside. average time: waiting and execution
of those that succeeded. cost per job: everything that ran at GPU_USD_PER_SECOND, by those that
succeeded. A figure of which nothing is known yet is a dash and misses nothing.
Exit status: 0 when no target is missed, 1 when one is or the question was refused, 2 when nobody
answered.

Example:
  export ADMIN_KEY=... EDGE_QUEUE_URL=https://queue.example.com
  ops stats
  ops stats --hours 168 --json")]
pub struct Arguments {
    #[command(flatten)]
    asked: Asked,

    /// How far back, at most 35 days
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=840))]
    hours: u32,
}

/// Jobs that are alike, as `/api/admin/metrics` shows them.
#[derive(Deserialize)]
struct Row {
    template: String,
    status: String,
    jobs: u64,
    queue_ms: u64,
    execution_ms: u64,
    paid_ms: u64,
}

#[derive(Default)]
struct Sums {
    succeeded: u64,
    failed: u64,
    canceled: u64,
    open: u64,
    /// Of those that succeeded.
    time_ms: u64,
    paid_ms: u64,
}

/// A figure with what it must be; `value` is none while nothing is known.
struct Figure {
    name: &'static str,
    unit: &'static str,
    value: Option<f64>,
    target: f64,
    is_met: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let path = format!("/api/admin/metrics?hours={}", arguments.hours);
    let answer = arguments.asked.deployment.get(&path)?;
    let rows = Vec::<Row>::deserialize(&answer["rows"]).context("the deployment told no rows")?;
    let price = answer["gpu_usd_per_second"].as_f64();
    let (mut all, mut templates) = (Sums::default(), BTreeMap::<&str, Sums>::new());
    for row in &rows {
        all.add(row);
        templates.entry(&row.template).or_default().add(row);
    }
    let told = told(arguments.hours, &all, &templates, price);
    arguments
        .asked
        .tell(&told, |told| shown(told, price.is_some()))?;
    let is_met = all.figures(price).iter().all(|figure| figure.is_met);
    Ok(if is_met {
        ExitCode::SUCCESS
    } else {
        exit::FOUND
    })
}

impl Sums {
    fn add(&mut self, row: &Row) {
        self.paid_ms += row.paid_ms;
        match row.status.as_str() {
            "succeeded" => {
                self.succeeded += row.jobs;
                self.time_ms += row.queue_ms + row.execution_ms;
            }
            "failed" | "expired" => self.failed += row.jobs,
            "canceled" => self.canceled += row.jobs,
            _ => self.open += row.jobs,
        }
    }

    #[allow(clippy::cast_precision_loss)] // Counts and milliseconds stay below 2^53.
    fn figures(&self, usd_per_second: Option<f64>) -> [Figure; 3] {
        let by = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
        let rate = by(self.succeeded as f64, self.succeeded + self.failed);
        let average = by(self.time_ms as f64, self.succeeded);
        let paid = usd_per_second.map(|usd| usd * self.paid_ms as f64 / 1000.0);
        let cost = paid.and_then(|paid| by(paid, self.succeeded));
        let figure =
            |name, unit, value: Option<f64>, target, misses: fn(f64, f64) -> bool| Figure {
                name,
                unit,
                value,
                target,
                is_met: value.is_none_or(|value| !misses(value, target)),
            };
        let below = |value: f64, target: f64| value <= target;
        let above = |value: f64, target: f64| value >= target;
        [
            figure("success_rate", "of 1", rate, SUCCESS_RATE_MIN, below),
            figure("average_time", "ms", average, AVERAGE_MS_MAX, above),
            figure("cost_per_job", "USD", cost, JOB_USD_MAX, above),
        ]
    }

    fn json(&self, price: Option<f64>) -> Value {
        let figures = self.figures(price).map(|figure| {
            json!({
                "name": figure.name,
                "value": figure.value,
                "unit": figure.unit,
                "target": figure.target,
                "met": figure.is_met,
            })
        });
        let jobs = self.succeeded + self.failed + self.canceled + self.open;
        json!({
            "jobs": jobs,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "canceled": self.canceled,
            "open": self.open,
            "gpu_s": self.paid_ms / 1000,
            "figures": figures,
        })
    }
}

fn told(hours: u32, all: &Sums, templates: &BTreeMap<&str, Sums>, price: Option<f64>) -> Value {
    let each = templates.iter().map(|(name, sums)| {
        let mut told = sums.json(price);
        told["template"] = (*name).into();
        told
    });
    let each: Vec<Value> = each.collect();
    let mut told = all.json(price);
    told["hours"] = hours.into();
    told["templates"] = each.into();
    told
}

fn shown(told: &Value, has_price: bool) -> String {
    let mut text = format!("the last {} h, {} jobs\n\n", told["hours"], told["jobs"]);
    let head = format!("{:14} {:>12} {:>14}\n", "figure", "is", "target");
    text.push_str(&head);
    for figure in told["figures"].as_array().into_iter().flatten() {
        let name = figure["name"].as_str().unwrap_or_default();
        let (side, mark) = match (name, figure["value"].is_null(), figure["met"] == true) {
            (_, true, _) if name == "cost_per_job" && !has_price => {
                ("below", "GPU_USD_PER_SECOND is not set")
            }
            (_, true, _) => (side(name), "nothing is known yet"),
            (_, false, true) => (side(name), "ok"),
            (_, false, false) => (side(name), "MISSED"),
        };
        let (is, target) = (
            value(name, &figure["value"]),
            value(name, &figure["target"]),
        );
        let target = format!("{side} {target}");
        let name = name.replace('_', " ");
        // A text takes whatever is written to it.
        let _ = writeln!(text, "{name:14} {is:>12} {target:>14}  {mark}");
    }
    let _ = writeln!(
        text,
        "\n{:20} {:>9} {:>9} {:>7} {:>8} {:>5} {:>9} {:>9} {:>11}",
        "template", "jobs", "succeeded", "failed", "canceled", "open", "success", "average", "cost"
    );
    for one in told["templates"].as_array().into_iter().flatten() {
        let cell = |at: usize| {
            let figure = &one["figures"][at];
            value(
                figure["name"].as_str().unwrap_or_default(),
                &figure["value"],
            )
        };
        let _ = writeln!(
            text,
            "{:20} {:>9} {:>9} {:>7} {:>8} {:>5} {:>9} {:>9} {:>11}",
            one["template"].as_str().unwrap_or_default(),
            one["jobs"].to_string(),
            one["succeeded"].to_string(),
            one["failed"].to_string(),
            one["canceled"].to_string(),
            one["open"].to_string(),
            cell(0),
            cell(1),
            cell(2)
        );
    }
    text
}

fn side(name: &str) -> &'static str {
    if name == "success_rate" {
        "above"
    } else {
        "below"
    }
}

/// As people write it.
fn value(name: &str, value: &Value) -> String {
    match (name, value.as_f64()) {
        (_, None) => "-".to_owned(),
        ("success_rate", Some(rate)) => format!("{:.1} %", rate * 100.0),
        ("average_time", Some(ms)) => format!("{:.1} s", ms / 1000.0),
        (_, Some(usd)) => format!("{usd:.4} USD"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: &str, jobs: u64, time_ms: u64, paid_ms: u64) -> Row {
        Row {
            template: "text-to-image".to_owned(),
            status: status.to_owned(),
            jobs,
            queue_ms: time_ms / 2,
            execution_ms: time_ms / 2,
            paid_ms,
        }
    }

    fn of(rows: &[Row]) -> Sums {
        let mut sums = Sums::default();
        for row in rows {
            sums.add(row);
        }
        sums
    }

    #[test]
    fn canceled_jobs_are_no_failures_and_failed_attempts_cost() {
        let rows = [
            row("succeeded", 19, 19_000, 37_000),
            row("failed", 1, 900_000, 1_000),
            row("canceled", 5, 0, 0),
            row("running", 2, 0, 0),
        ];
        let [rate, average, cost] = of(&rows).figures(Some(0.25)).map(|figure| figure.value);
        assert_eq!(
            (rate, average, cost),
            (Some(0.95), Some(1_000.0), Some(0.5))
        );
    }

    #[test]
    fn a_target_is_missed_when_it_is_only_reached() {
        let met = |rows: &[Row]| of(rows).figures(Some(1.0)).map(|figure| figure.is_met);
        let nineteen = [row("succeeded", 19, 0, 0), row("expired", 1, 0, 0)];
        assert_eq!(met(&nineteen), [false, true, true]);
        assert_eq!(met(&[row("succeeded", 1, 300_000, 0)]), [true, false, true]);
        assert_eq!(met(&[row("succeeded", 1, 0, 2_000)]), [true, true, false]);
        assert_eq!(met(&[row("succeeded", 2, 10, 3_000)]), [true; 3]);
    }

    #[test]
    fn what_is_not_known_is_a_dash_and_misses_nothing() {
        let sums = of(&[row("queued", 3, 0, 0)]);
        assert!(sums.figures(None).iter().all(|figure| figure.is_met));
        let templates = BTreeMap::from([("text-to-image", of(&[row("queued", 3, 0, 0)]))]);
        let text = shown(&told(24, &sums, &templates, None), false);
        assert!(text.starts_with("the last 24 h, 3 jobs\n"), "{text}");
        assert!(text.contains("success rate              -"), "{text}");
        assert!(text.contains("GPU_USD_PER_SECOND is not set"), "{text}");
    }
}
