//! Reconcile: what does not fit together between D1, R2, the watchers and the provider.
//!
//! In pages, each bounded, over one part of the world at a time. Looking changes nothing. With
//! `apply` whatever can be mended is looked at once more first and then mended: the change is safe
//! twice, and while jobs come and go. What is young is left alone, because it may be half way in.
//! Deliberately absent: uploads without a row (an index that every upload paid for would find
//! them), and what a provider does not tell.

mod files;
mod ledgers;
mod rows;

use serde::{Deserialize, Serialize};

use super::QueueError;
use crate::app::App;
use crate::store::jobs;

/// Which part of the world a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Rows of jobs: their watchers, due times and files.
    Jobs,
    /// Objects in R2: whether a row points to them.
    Objects,
    /// Rows of uploads: their files.
    Uploads,
    /// Ledgers of credits: what they hold.
    Credits,
    /// What the provider counts.
    Provider,
}

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: Code,
    /// The job's id, the object's key, the ledger's owner, or the endpoint.
    pub subject: String,
    /// What is seen, in a sentence.
    pub says: String,
    /// What would mend it; `None`: nothing can.
    pub would: Option<&'static str>,
    /// Whether it was mended by this call.
    pub mended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A job with work left that nobody will come back for by itself.
    JobWithoutWatcher,
    /// A job that has ended, whose attempt may still run, and nobody will cancel it.
    LiveAttempt,
    /// A job with work left that the sweep would not find.
    NeverDue,
    /// A job without work left that the sweep finds again and again.
    DueForNothing,
    /// A job past its time.
    Overdue,
    /// A result that its row promises and nobody can download.
    OutputMissing,
    /// An input file or prompt of a job that has not ended.
    InputMissing,
    /// An upload that its row promises.
    UploadMissing,
    /// An object that no row points to.
    OrphanObject,
    /// A ledger that holds more or less than its jobs under way do.
    CreditsDiffer,
    /// More jobs at the provider than attempts of ours.
    UnknownToUs,
}

/// What one page found.
#[derive(Debug)]
pub struct Page {
    pub examined: usize,
    pub findings: Vec<Finding>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<String>,
}

/// Looks at one page of one part.
pub async fn reconcile(
    app: &App,
    part: Part,
    cursor: Option<&str>,
    apply: bool,
) -> Result<Page, QueueError> {
    match part {
        Part::Jobs => rows::jobs(app, cursor, apply).await,
        Part::Uploads => files::uploads(app, cursor, apply).await,
        Part::Objects => files::objects(app, cursor, apply).await,
        Part::Credits => ledgers::credits(app, cursor, apply).await,
        Part::Provider => provider(app).await,
    }
}

/// Attempts counted at the most.
const LIVE_MAX: u32 = 10_000;

/// RunPod lists no jobs, it only counts them. Another user of the endpoint counts as unknown, too.
async fn provider(app: &App) -> Result<Page, QueueError> {
    let provider = &app.providers.current;
    let health = provider.health().await;
    let theirs = health.jobs_queued + health.jobs_running;
    let ours = jobs::count_live(&*app.db, provider.name(), provider.endpoint(), LIVE_MAX).await?;
    let mut findings = Vec::new();
    if health.reachable && theirs > ours && ours < u64::from(LIVE_MAX) {
        findings.push(Finding {
            code: Code::UnknownToUs,
            subject: format!("{}/{}", provider.name(), provider.endpoint()),
            says: format!(
                "the provider has {theirs} jobs queued or running, and {ours} attempts of ours \
                 are live"
            ),
            would: None,
            mended: false,
        });
    }
    Ok(Page {
        examined: 1,
        findings,
        next: None,
    })
}
