//! What a job may cost, and what it did.

use serde::Serialize;

use crate::app::App;
use crate::store::jobs::Full;
use crate::workflow::template;

#[derive(Serialize)]
pub struct Cost {
    estimate_usd: Option<f64>,
    actual_usd: Option<f64>,
}

/// By the endpoint's price: beforehand of the usual time, afterwards of what every attempt took.
/// What a contract says of its cost comes before the former.
pub fn of(app: &App, full: &Full) -> Cost {
    let record = &full.record;
    let of = |ms: u64| Some(usd(ms, app.config.gpu_usd_per_second?));
    let template = template::find(&record.accepted.template);
    let named = template.and_then(|t| t.contract.limits.usual_cost_microusd);
    let attempts = full.attempts.iter().filter_map(|row| row.execution_ms);
    let paid_ms = attempts.reduce(|sum, ms| sum + ms).or(record.execution_ms);
    Cost {
        estimate_usd: named.map(millions).or_else(|| of(record.accepted.usual_ms)),
        actual_usd: paid_ms.and_then(of),
    }
}

/// What so many milliseconds of the GPU cost.
#[allow(clippy::cast_precision_loss)] // Times stay far below 2^53.
pub fn usd(ms: u64, usd_per_second: f64) -> f64 {
    ms as f64 * usd_per_second / 1000.0
}

#[allow(clippy::cast_precision_loss)] // Prices stay far below 2^53.
fn millions(count: u64) -> f64 {
    count as f64 / 1e6
}
