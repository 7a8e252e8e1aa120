//! Objects against the rows that should point to them, and uploads against their objects.

use super::{Code, Finding, Page};
use crate::app::App;
use crate::id::JobId;
use crate::ports::Listed;
use crate::queue::create::prompt_key;
use crate::queue::QueueError;
use crate::store::assets;
use crate::store::jobs::{self, Audited};

/// Objects of one page; their jobs are found in one read.
const OBJECTS_MAX: u32 = 200;

/// Uploads of one page, each looked for once.
const UPLOADS_MAX: u32 = 200;

/// An object this young may be on its way into a row: creating, uploading and settling take
/// minutes at the most.
const YOUNG_MS: u64 = 60 * 60_000;

pub async fn objects(app: &App, cursor: Option<&str>, apply: bool) -> Result<Page, QueueError> {
    let page = app.blobs.page(cursor, OBJECTS_MAX).await?;
    let mut findings = Vec::new();
    for key in orphans(app, &page.objects).await? {
        let mut finding = orphan(&key);
        if apply && is_still_orphan(app, &page.objects, &key).await? {
            app.blobs.delete(std::slice::from_ref(&key)).await?;
            finding.mended = true;
        }
        findings.push(finding);
    }
    Ok(Page {
        examined: page.objects.len(),
        findings,
        next: page.next,
    })
}

fn orphan(key: &str) -> Finding {
    Finding {
        code: Code::OrphanObject,
        subject: key.to_owned(),
        says: "no row points to it".to_owned(),
        would: Some("delete it"),
        mended: false,
    }
}

async fn is_still_orphan(app: &App, all: &[Listed], key: &str) -> Result<bool, QueueError> {
    let listed = all.iter().filter(|listed| listed.key == key);
    let listed: Vec<Listed> = listed.cloned().collect();
    Ok(!orphans(app, &listed).await?.is_empty())
}

/// The old objects among these that no row points to.
async fn orphans(app: &App, all: &[Listed]) -> Result<Vec<String>, QueueError> {
    let now = app.now();
    let old = all
        .iter()
        .filter(|listed| now.since_ms(listed.uploaded_at) >= YOUNG_MS);
    let of_jobs: Vec<(&str, JobId)> = old
        .filter_map(|listed| Some((listed.key.as_str(), job_of(&listed.key)?)))
        .collect();
    // The files of one job lie side by side.
    let mut ids: Vec<JobId> = of_jobs.iter().map(|(_, id)| *id).collect();
    ids.dedup();
    let known = jobs::audit_these(&*app.db, &ids).await?;
    let orphans = of_jobs.into_iter().filter(|(key, id)| {
        let job = known.iter().find(|job| job.id == *id);
        job.is_none_or(|job| !points_to(job, key))
    });
    Ok(orphans.map(|(key, _)| key.to_owned()).collect())
}

/// The job whose row should point to an object; `None`: an upload, or nothing that we name so.
fn job_of(key: &str) -> Option<JobId> {
    let mut parts = key.split('/');
    match parts.next()? {
        "inputs" | "evidence" => JobId::parse(parts.next()?),
        "prompts" => JobId::parse(parts.next()?.strip_suffix(".json")?),
        "assets" => None,
        id => JobId::parse(id),
    }
}

fn points_to(job: &Audited, key: &str) -> bool {
    // A job that has not ended may be storing its result now, however old the first file is.
    let is_own = key.starts_with(&format!("{}/", job.id));
    (is_own && job.has_work_left())
        || key.starts_with("evidence/")
        || job.outputs().iter().any(|output| output.key == key)
        || job.inputs().iter().any(|input| input.key == key)
        || (job.prompt_in_blob && key == prompt_key(job.id))
}

pub async fn uploads(app: &App, cursor: Option<&str>, apply: bool) -> Result<Page, QueueError> {
    // A hash has no blank, a caller's name may.
    let after = cursor.and_then(|cursor| cursor.rsplit_once(' '));
    let page = assets::page(&*app.db, after.unwrap_or_default(), UPLOADS_MAX).await?;
    let mut findings = Vec::new();
    for asset in &page {
        let is_young = app.now().since_ms(asset.created_at) < YOUNG_MS;
        if is_young || app.blobs.head(&asset.key).await?.is_some() {
            continue;
        }
        let gone = apply
            && app.blobs.head(&asset.key).await?.is_none()
            && assets::forget(&*app.db, asset).await?;
        findings.push(Finding {
            code: Code::UploadMissing,
            subject: asset.key.clone(),
            says: format!(
                "the upload {} of {} has no object",
                asset.hash, asset.caller
            ),
            would: Some("forget the upload, so that it can be made again"),
            mended: gone,
        });
    }
    let is_full = u32::try_from(page.len()).is_ok_and(|count| count >= UPLOADS_MAX);
    let last = page.last().filter(|_| is_full);
    Ok(Page {
        examined: page.len(),
        findings,
        next: last.map(|asset| format!("{} {}", asset.caller, asset.hash)),
    })
}
