//! Settings of how long things are kept.

use super::Reader;
use crate::time::DAY_MS;

/// As callers were promised from the beginning.
const JOB_DAYS_DEFAULT: u32 = 30;
/// Longer than a job, so that one may be tried again with its upload as long as it is kept.
const UPLOAD_DAYS_DEFAULT: u32 = 60;
/// A year: the database has room for so many rows (Cloudflare, D1, Limits: 10 GB), and who keeps
/// pictures for longer keeps an archive.
const DAYS_MOST: u32 = 365;

#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// A job that has ended, from its creation: its row, prompt, attempts, files and evidence.
    pub job_ms: u64,
    /// An upload, from the last time that its bytes came, or would have.
    pub upload_ms: u64,
}

impl Reader<'_> {
    pub(super) fn retention(&mut self) -> Retention {
        let job_days = self.days("JOB_DAYS", JOB_DAYS_DEFAULT);
        let upload_days = self.days("UPLOAD_DAYS", UPLOAD_DAYS_DEFAULT);
        Retention {
            job_ms: u64::from(job_days) * DAY_MS,
            upload_ms: u64::from(upload_days) * DAY_MS,
        }
    }

    fn days(&mut self, setting: &'static str, default: u32) -> u32 {
        let Some(text) = self.get(setting) else {
            return default;
        };
        let days = text.trim().parse().ok();
        let days = days.filter(|days| (1..=DAYS_MOST).contains(days));
        if days.is_none() {
            let problem = format!("must be a whole number of days from 1 to {DAYS_MOST}");
            self.problem(setting, problem);
        }
        days.unwrap_or(default)
    }
}
