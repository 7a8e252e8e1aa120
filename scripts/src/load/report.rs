//! What was measured, as a table with a histogram below it, and as JSON.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde_json::{json, Map, Value};

use super::drive::{Measured, Plan, KINDS};

use crate::told;

/// The longest bar of a histogram.
const BAR_CHARS: u64 = 40;
/// The first bar ends here, each of the others at twice the one before.
const FIRST_US: u64 = 1_000;

pub fn rehearsed(plan: &Plan, as_json: bool) -> anyhow::Result<()> {
    let Plan {
        base_url,
        jobs,
        concurrency,
        body,
        ..
    } = plan;
    if as_json {
        let would = json!({
            "dry_run": true,
            "base_url": base_url,
            "jobs": jobs,
            "concurrency": concurrency,
            "body": body,
        });
        return told::json(&would);
    }
    println!("would create {jobs} jobs at {base_url}, {concurrency} at a time, each of {body}");
    Ok(())
}

pub fn json(measured: &Measured) -> Value {
    let latencies = KINDS.iter().zip(&measured.latencies).map(|(kind, times)| {
        let bars = bars(times).into_iter();
        let bars = bars.map(|(up_to_us, count)| json!({"up_to_ms": ms(up_to_us), "jobs": count}));
        let times = json!({
            "count": times.len(),
            "p50_ms": ms(times.value_at_quantile(0.5)),
            "p95_ms": ms(times.value_at_quantile(0.95)),
            "p99_ms": ms(times.value_at_quantile(0.99)),
            "max_ms": ms(times.max()),
            "histogram": bars.collect::<Value>(),
        });
        ((*kind).to_owned(), times)
    });
    json!({
        "ok": measured.succeeded == measured.jobs,
        "jobs": measured.jobs,
        "succeeded": measured.succeeded,
        "failed": measured.jobs - measured.succeeded,
        "turned_away": measured.turned_away,
        "took_ms": u64::try_from(measured.took.as_millis()).unwrap_or(u64::MAX),
        "requests": measured.requests,
        "requests_per_second": per_second(measured.requests, measured),
        "failures": measured.failures,
        "latencies": latencies.collect::<Map<_, _>>(),
    })
}

pub fn text(measured: &Measured) -> String {
    let mut text = format!(
        "{} of {} jobs succeeded in {:.1} s; {} calls, {:.1} a second; \
         {} turned away for a moment\n\n",
        measured.succeeded,
        measured.jobs,
        measured.took.as_secs_f64(),
        measured.requests,
        per_second(measured.requests, measured),
        measured.turned_away,
    );
    let head = ["count", "p50", "p95", "p99", "max"];
    row(&mut text, "ms", &head.map(str::to_owned));
    for (kind, times) in KINDS.iter().zip(&measured.latencies) {
        let at = |quantile| format!("{:.1}", ms(times.value_at_quantile(quantile)));
        let cells = [
            times.len().to_string(),
            at(0.5),
            at(0.95),
            at(0.99),
            format!("{:.1}", ms(times.max())),
        ];
        row(&mut text, kind, &cells);
    }
    let seen = KINDS.iter().zip(&measured.latencies);
    for (kind, times) in seen.filter(|(_, times)| !times.is_empty()) {
        // A text takes whatever is written to it.
        let _ = writeln!(text, "\n{kind}");
        text.push_str(&drawn(times));
    }
    for failure in &measured.failures {
        let _ = writeln!(text, "\nfailed: {failure}");
    }
    text
}

fn row(text: &mut String, name: &str, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>9}")).collect();
    let _ = writeln!(text, "{name:8}{}", cells.concat());
}

/// Counts of times up to each bound, which doubles; what is empty at both ends is left out.
fn bars(times: &Histogram<u64>) -> Vec<(u64, u64)> {
    let steps = times.iter_log(FIRST_US, 2.0);
    let bars: Vec<(u64, u64)> = steps
        .map(|step| {
            (
                step.value_iterated_to() + 1,
                step.count_since_last_iteration(),
            )
        })
        .collect();
    let first = bars.iter().position(|(_, count)| *count > 0);
    bars[first.unwrap_or(bars.len())..].to_vec()
}

fn drawn(times: &Histogram<u64>) -> String {
    let mut text = String::new();
    let bars = bars(times);
    let most = bars
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or(1)
        .max(1);
    for (up_to_us, count) in bars {
        // A single one is seen, too.
        let length = (count * BAR_CHARS).div_ceil(most);
        let bar = "#".repeat(usize::try_from(length).unwrap_or(0));
        let _ = writeln!(text, "  to {:>8.0} ms {count:>6} {bar}", ms(up_to_us));
    }
    text
}

#[allow(clippy::cast_precision_loss)] // Microseconds of hours stay below 2^53.
fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[allow(clippy::cast_precision_loss)] // Likewise.
fn per_second(count: u64, measured: &Measured) -> f64 {
    count as f64 / measured.took.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_for_each_doubling_and_none_before_the_first() {
        let mut times = Histogram::<u64>::new(3).unwrap();
        for us in [3_000, 3_100, 3_200, 3_300, 9_000] {
            times.record(us).unwrap();
        }
        assert_eq!(bars(&times), [(4_000, 4), (8_000, 0), (16_000, 1)]);
        let expected = format!(
            "  to        4 ms      4 {}\n  to        8 ms      0 \n  to       16 ms      1 {}\n",
            "#".repeat(40),
            "#".repeat(10)
        );
        assert_eq!(drawn(&times), expected);
        assert_eq!(bars(&Histogram::<u64>::new(3).unwrap()), []);
    }
}
