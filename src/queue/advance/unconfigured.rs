//! A step of a job whose provider is not configured any more.

use super::{end, ended_by, Next};
use crate::app::App;
use crate::job::Step;
use crate::log;
use crate::ports::Watch;
use crate::queue::{settle, QueueError};
use crate::store::jobs::{Heard, Record};

/// Until the next try for a job whose provider is not configured: an operator has to act.
const UNCONFIGURED_MS: u64 = 10 * 60_000;

/// Deadlines hold without a provider; everything else waits for the operator.
pub(super) async fn step(
    app: &App,
    watch: &dyn Watch,
    record: &Record,
    step: Step,
) -> Result<Next, QueueError> {
    match step {
        Step::Vanish => return Ok(Next::Forget),
        Step::End(ending) => drop(end(app, record, ending).await?),
        Step::GiveUp(ending) => drop(settle::give_up(app, record, ending).await?),
        Step::Abandon { n } => {
            let attempt = ended_by(n, None, Heard::Deadline);
            settle::close(app, record, attempt).await?;
        }
        Step::Dispatch { .. }
        | Step::Withdraw { .. }
        | Step::Look { .. }
        | Step::Cancel { .. }
        | Step::Sleep { .. } => {
            let name = record.accepted.provider.as_str();
            let report = log::error("provider.unconfigured").job(record.job.id);
            app.log(report.with("provider", name));
        }
    }
    watch.arm(app.now().plus_ms(UNCONFIGURED_MS)).await?;
    Ok(Next::Stay)
}
