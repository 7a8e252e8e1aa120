//! `ops recover`: jobs that should have ended, and a hand for them.

use std::process::ExitCode;

use serde_json::{json, Value};

use crate::admin::{pages, progress, Admin};
use crate::deployment::Deployment;
use crate::exit;
use crate::told;

/// Show jobs that should have ended, and with --apply make their watchers take them up
#[derive(clap::Args)]
#[command(after_help = "\
Without --apply nothing is changed: each job is shown with what is seen of it and what would be
done. With --apply each is looked at once more and its watcher is woken, which then does what its
alarm would have done: it is safe twice, and while traffic flows. A submit whose answer was lost is
not sent again.
Exit status: 0 when nothing is left to be done, 1 when something is (and --apply was not given),
2 when the deployment could not be asked.

Example:
  export ADMIN_KEY=...
  ops recover --url https://queue.example.com
  ops recover --url https://queue.example.com --apply")]
pub struct Arguments {
    #[command(flatten)]
    deployment: Deployment,

    /// Wake what is found
    #[arg(long)]
    apply: bool,

    /// As JSON: {jobs: [{id, status, because, would, done, ...}]}
    #[arg(long)]
    json: bool,

    /// These jobs, overdue or not; without any, all that are overdue
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let admin = Admin(&arguments.deployment);
    let mut jobs = if arguments.jobs.is_empty() {
        overdue(&admin)?
    } else {
        let path = |id: &String| format!("/api/admin/jobs/{id}/recover");
        let seen = arguments.jobs.iter().map(|id| admin.get(&path(id)));
        let seen = seen.map(|answer| answer.map(|mut answer| answer["job"].take()));
        seen.collect::<anyhow::Result<_>>()?
    };
    if arguments.apply {
        wake(&admin, &mut jobs)?;
    }
    if arguments.json {
        told::json(&json!({ "jobs": jobs }))?;
    } else {
        jobs.iter().for_each(show);
        println!("{}", summary(&jobs));
    }
    Ok(if left(&jobs) > 0 {
        exit::FOUND
    } else {
        ExitCode::SUCCESS
    })
}

/// Jobs that nobody has given a hand; one that ended meanwhile needs none.
fn left(jobs: &[Value]) -> usize {
    let left = jobs
        .iter()
        .filter(|job| job["would"] != "nothing" && job["done"].is_null());
    left.count()
}

fn overdue(admin: &Admin<'_>) -> anyhow::Result<Vec<Value>> {
    let bar = progress("overdue jobs");
    let jobs = pages(
        |path| admin.get(path),
        "/api/admin/overdue",
        "jobs",
        |jobs| {
            bar.set_position(jobs.len() as u64);
            bar.set_message(format!("{} found", jobs.len()));
        },
    )?;
    bar.finish_and_clear();
    Ok(jobs)
}

fn wake(admin: &Admin<'_>, jobs: &mut [Value]) -> anyhow::Result<()> {
    let bar = progress("woken");
    for job in jobs.iter_mut().filter(|job| job["would"] != "nothing") {
        let id = job["id"].as_str().unwrap_or_default();
        let answer = admin.post(&format!("/api/admin/jobs/{id}/recover"), &Value::Null)?;
        job["done"] = answer["woken"].clone();
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn show(job: &Value) {
    let text = |name: &str| job[name].as_str().unwrap_or_default();
    let deed = match (text("would"), &job["done"]) {
        ("nothing", _) => "nothing to do",
        (_, Value::Bool(true)) => "woken",
        (_, Value::Bool(false)) => "ended meanwhile",
        _ => "would be woken",
    };
    println!("{}  {deed}: {}", text("id"), text("because"));
}

fn summary(jobs: &[Value]) -> String {
    let woken = jobs.iter().filter(|job| job["done"] == true).count();
    match (jobs.len(), woken, left(jobs)) {
        (0, _, _) => "no job is overdue".to_owned(),
        (seen, woken, 0) => format!("{seen} jobs seen, {woken} woken"),
        (seen, _, left) => format!("{seen} jobs seen, {left} would be woken: add --apply"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It counted as left, and ended a pipeline in which all was well.
    #[test]
    fn a_job_that_ended_meanwhile_is_not_left() {
        let job = |done: Value| json!({ "would": "wake", "done": done });
        let jobs = [
            job(true.into()),
            job(false.into()),
            json!({ "would": "nothing" }),
        ];
        assert_eq!(left(&jobs), 0);
        assert_eq!(left(&[job(Value::Null)]), 1);
    }
}
