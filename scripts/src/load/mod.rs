//! `ops load`: as many jobs as asked, so many at a time, and how long each kind of call took.

mod drive;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;

use crate::deployment::Origin;
use crate::exit;
use crate::smoke::read_body;
use crate::told;

/// More would measure this machine, which makes a connection for each.
const CONCURRENCY_MAX: i64 = 64;
/// Some minutes of a local server; more is a benchmark, which `make bench` is for.
const JOBS_MAX: i64 = 10_000;
const HERE: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Create jobs, follow each to its result, and show how long the calls took
#[derive(clap::Args)]
#[command(after_help = "\
Each job is one create, held statuses until it has ended, one status and one result. A job that is
turned away (429, 503) is tried again when the deployment says so, and counted. The time of a job is
from its create to its end; held statuses are in no other figure. A job that cannot be followed to
its end, or not in time, is canceled.
Only a deployment on this machine is loaded, unless --anywhere is given: on a live endpoint every
job is paid for. With ADMIN_KEY set the jobs are the operator's.
Exit status: 0 when every job succeeded, 1 when one did not, 2 when the command line is wrong.

Example:
  ops load --url http://127.0.0.1:8787 --jobs 200 --concurrency 16
  ops load --url http://127.0.0.1:8787 --dry-run")]
pub struct Arguments {
    #[command(flatten)]
    origin: Origin,

    /// How many jobs
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=JOBS_MAX))]
    jobs: i64,

    /// How many at a time
    #[arg(
        long,
        default_value_t = 8,
        value_parser = clap::value_parser!(i64).range(1..=CONCURRENCY_MAX)
    )]
    concurrency: i64,

    /// The time for everything
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    within: u64,

    /// What to create, as in the body of a create
    #[arg(long, value_name = "JSON", default_value_t = crate::smoke::body().to_string())]
    body: String,

    /// Also a deployment that is not on this machine
    #[arg(long)]
    anywhere: bool,

    /// Say what would be asked, and ask nothing
    #[arg(long)]
    dry_run: bool,

    /// As JSON: {ok, jobs, succeeded, failed, `turned_away`, `took_ms`, requests,
    /// `requests_per_second`, latencies: {create, status, result, job}}
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let base_url = arguments.origin.get()?;
    if !arguments.anywhere && !is_here(&base_url) {
        bail!("{base_url} is not on this machine: add --anywhere, if its jobs may be paid for");
    }
    let body = read_body(&arguments.body)?;
    // The ranges above are below what fits.
    let size = |number: i64| usize::try_from(number).unwrap_or(1);
    let plan = drive::Plan {
        base_url,
        jobs: size(arguments.jobs),
        concurrency: size(arguments.concurrency.min(arguments.jobs)),
        within: Duration::from_secs(arguments.within),
        body,
    };
    if arguments.dry_run {
        report::rehearsed(&plan, arguments.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let measured = drive::drive(&plan)?;
    if arguments.json {
        told::json(&report::json(&measured))?;
    } else {
        print!("{}", report::text(&measured));
    }
    Ok(if measured.succeeded == measured.jobs {
        ExitCode::SUCCESS
    } else {
        exit::FOUND
    })
}

/// By the whole name: `localhost.example.com` is somewhere else.
fn is_here(base_url: &str) -> bool {
    let Ok(url) = base_url.parse::<ureq::http::Uri>() else {
        return false;
    };
    url.scheme().is_some() && url.host().is_some_and(|host| HERE.contains(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_here() {
        for (url, expected) in [
            ("http://127.0.0.1:8787", true),
            ("http://localhost", true),
            ("http://[::1]:1", true),
            ("http://127.0.0.1.example.com", false),
            ("http://localhost.example.com", false),
            ("https://127.0.0.1@example.com", false),
            ("https://queue.example.com", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(is_here(url), expected, "{url}");
        }
    }
}
