//! Settings of the operator's e-mail.

use super::Reader;
use crate::job::JobStatus;
use crate::notify::status_of;

#[derive(Clone)]
pub struct MailSettings {
    pub from: String,
    pub to: String,
    /// How a job ends that is told.
    pub statuses: Vec<JobStatus>,
}

/// RFC 5321: a path of 256 characters, its brackets among them.
const ADDRESS_LENGTH_MAX: usize = 254;

impl Reader<'_> {
    pub(super) fn mail(&mut self) -> Option<MailSettings> {
        let from = self.address("MAIL_FROM");
        let to = self.address("MAIL_TO");
        let statuses = self.mailed_statuses();
        match (from, to) {
            (None, None) => None,
            (Some(from), Some(to)) => Some(MailSettings { from, to, statuses }),
            (None, Some(_)) => {
                self.problem("MAIL_FROM", "is not set, and MAIL_TO is");
                None
            }
            (Some(_), None) => {
                self.problem("MAIL_TO", "is not set, and MAIL_FROM is");
                None
            }
        }
    }

    fn address(&mut self, setting: &'static str) -> Option<String> {
        let address = self.get(setting)?.trim().to_owned();
        let plain = |c: char| c.is_ascii_graphic() && !"<>,;\"\\()".contains(c);
        let parts = address.rsplit_once('@');
        let is_whole = parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        if !is_whole || address.len() > ADDRESS_LENGTH_MAX || !address.chars().all(plain) {
            self.problem(setting, "must be one e-mail address: name@example.com");
        }
        Some(address)
    }

    fn mailed_statuses(&mut self) -> Vec<JobStatus> {
        let list = self.get("MAIL_EVENTS");
        let names = list.as_deref().unwrap_or("job.failed").split(',');
        let read = |name: &str| status_of(name.trim()).filter(|status| status.is_terminal());
        let statuses: Vec<Option<JobStatus>> = names.map(read).collect();
        if statuses.contains(&None) {
            let problem = "must be ends of jobs, separated by commas: job.succeeded, job.failed, \
                 job.canceled, job.expired";
            self.problem("MAIL_EVENTS", problem);
        }
        statuses.into_iter().flatten().collect()
    }
}
