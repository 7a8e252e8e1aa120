//! Mail: tell the operator by e-mail how jobs end, where that is wanted. Best effort, and at most
//! one a minute from an isolate: what must not be lost is a webhook's to tell.

use std::sync::Arc;

use crate::app::App;
use crate::job::{Failure, JobStatus};
use crate::log;
use crate::notify;
use crate::ports::Mail;
use crate::store::jobs::Record;

/// Tells of the end of a job, if such ends are to be told. Whoever ended the job calls this once.
pub fn tell(app: &App, record: &Record, status: JobStatus, error: Option<&Failure>) {
    let (Some(settings), Some(mailer)) = (&app.config.mail, &app.mailer) else {
        return;
    };
    let now = app.now();
    if !settings.statuses.contains(&status) || app.known_mailed.get("", now).is_some() {
        return;
    }
    app.known_mailed.keep("", (), now);
    let id = record.job.id;
    let accepted = &record.accepted;
    // The cause is one of ours. What the worker said may hold what the caller wrote.
    let why = error.map_or_else(String::new, |error| {
        let (code, cause) = (error.code.as_str(), error.cause.as_str());
        format!("why: {code} ({cause})\n")
    });
    let origin = &app.config.public_url;
    let mail = Mail {
        from: settings.from.clone(),
        to: settings.to.clone(),
        subject: format!("{}: {}", notify::event_type(status), accepted.template),
        text: format!(
            "job: {id}\ntemplate: {}\ncaller: {}\n{why}\n{origin}/api/queue/status/{id}\n\n\
             Others may have ended like this within the same minute: they are in the log.\n",
            accepted.template,
            accepted.caller.as_str(),
        ),
    };
    let (mailer, log, clock) = (
        Arc::clone(mailer),
        Arc::clone(&app.log),
        Arc::clone(&app.clock),
    );
    let task = async move {
        if let Err(error) = mailer.send(mail).await {
            let line = log::warn("mail.failed").job(id);
            line.with("error", error.to_string()).write(&*log, &*clock);
        }
    };
    app.tasks.after(0, Box::pin(task));
}
