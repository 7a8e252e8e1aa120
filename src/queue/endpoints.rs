//! Endpoints: how they stand, whether they are paused, and whether anybody works there.

use super::{gate, QueueError};
use crate::app::App;
use crate::gate::{Ask, Standing};
use crate::log;
use crate::providers::Health;
use crate::store::endpoints::{self, EndpointRow};

/// An endpoint as its operator sees it.
#[derive(Debug)]
pub struct Endpoint {
    pub provider: &'static str,
    pub row: EndpointRow,
    /// `None`: its gate did not answer.
    pub standing: Option<Standing>,
}

/// The endpoint that new jobs go to.
pub async fn current(app: &App) -> Result<Endpoint, QueueError> {
    let provider = &app.providers.current;
    let name = provider.endpoint();
    let found = endpoints::find(&*app.db, name).await?;
    let unknown = EndpointRow {
        endpoint: name.to_owned(),
        ..EndpointRow::default()
    };
    Ok(Endpoint {
        provider: provider.name(),
        row: found.unwrap_or(unknown),
        standing: gate::standing(app, name).await.ok(),
    })
}

/// Whether jobs are submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submission {
    Paused,
    Open,
}

/// Stops or resumes submission to the endpoint of new jobs. Twice is the same as once. What is at
/// the endpoint goes on: a paused endpoint drains.
pub async fn set(app: &App, submission: Submission) -> Result<Endpoint, QueueError> {
    let name = app.providers.current.endpoint();
    let paused_at = (submission == Submission::Paused).then(|| app.now());
    let changed = endpoints::pause(&*app.db, name, paused_at).await?;
    // Also if nothing changed: the last refresh may have been lost.
    app.gate.ask(name, Ask::Refresh).await?;
    if changed {
        let event = match submission {
            Submission::Paused => "endpoint.paused",
            Submission::Open => "endpoint.resumed",
        };
        app.log(log::warn(event).with("endpoint", name));
    }
    current(app).await
}

/// Notes since when the endpoint shows nobody who could work although jobs wait there: `RunPod`
/// parks endpoints that nobody used for seven days, and says nothing. Run by cron.
pub async fn check_workers(app: &App) -> Result<(), QueueError> {
    let provider = &app.providers.current;
    let health = provider.health().await;
    if !health.reachable {
        return Ok(());
    }
    let none_since = is_deserted(&health).then(|| app.now());
    let name = provider.endpoint();
    // Only what deserves a row makes one.
    let is_known = endpoints::find(&*app.db, name).await?.is_some();
    if none_since.is_none() && !is_known {
        return Ok(());
    }
    if endpoints::note_workers(&*app.db, name, none_since).await? {
        let event = if none_since.is_some() {
            "endpoint.deserted"
        } else {
            "endpoint.manned"
        };
        app.log(log::warn(event).with("endpoint", name));
    }
    Ok(())
}

/// Without waiting jobs, no worker is what everybody wants.
fn is_deserted(health: &Health) -> bool {
    let able = health.workers_idle + health.workers_running + health.workers_starting;
    able == 0 && health.jobs_queued > 0
}
