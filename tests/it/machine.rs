//! The whole state machine as a table: every status with every form of its attempt, against every
//! piece of news. What is written here is what `job::judge` and `job::next_step` say.

use edge_queue::backoff::Jitter;
use edge_queue::id::{JobId, ProviderId};
use edge_queue::job::{
    judge, next_step, Attempt, Cause, Ending, Failure, Job, JobStatus, Moment, Output, OutputData,
    Phase, Purpose, Report, Step, Times, Verdict,
};
use edge_queue::time::UnixMillis;

const MINUTE_MS: i64 = 60_000;

/// How the newest of two attempts stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Newest {
    /// It ended: the job waits for the next, or has ended.
    Ended,
    /// Begun, and provably not sent.
    Unsent,
    /// Sent, and the answer was lost.
    Unknown,
    Known,
}

const FORMS: [Newest; 4] = [
    Newest::Ended,
    Newest::Unsent,
    Newest::Unknown,
    Newest::Known,
];

fn at(ms: i64) -> UnixMillis {
    UnixMillis::new(ms)
}

/// A job of an hour to start, ten minutes to run and ninety in all, with two attempts begun.
fn job(status: JobStatus, newest: Newest) -> Job {
    let provider_id = (newest == Newest::Known).then(|| ProviderId::parse("x").unwrap());
    Job {
        id: JobId::from_bytes([1; 16]),
        status,
        phase: Phase::Accepted,
        version: 1,
        round: 1,
        opened_at: at(0),
        start_by_at: at(60 * MINUTE_MS),
        deadline_at: Some(at(90 * MINUTE_MS)),
        execution_limit_ms: 600_000,
        attempts_begun: 2,
        failures: 0,
        canceled_through: 0,
        live: (newest != Newest::Ended).then(|| Attempt {
            n: 2,
            begun_at: at(MINUTE_MS),
            provider_id,
        }),
        retry_at: None,
        refusals: 0,
        started_at: (status == JobStatus::Running).then(|| at(2 * MINUTE_MS)),
        outputs_expected: 1,
    }
}

fn sending(newest: Newest) -> Option<u32> {
    match newest {
        Newest::Ended | Newest::Unsent => None,
        Newest::Unknown | Newest::Known => Some(2),
    }
}

/// Each with the letter that stands over its column.
fn news() -> [(&'static str, Report); 7] {
    let times = Times::default();
    let output = Output {
        name: None,
        data: OutputData::Url("https://example.com/a.png".into()),
    };
    let failed = |cause| Report::Failed {
        failure: Failure::of(cause, "boom"),
        times,
    };
    let done = |outputs| Report::Done { outputs, times };
    [
        ("queued", Report::Queued),
        (
            "running",
            Report::Running {
                progress_permille: None,
            },
        ),
        ("done", done(vec![output])),
        ("empty", done(Vec::new())),
        ("worker_lost", failed(Cause::WorkerLost)),
        ("node_failed", failed(Cause::NodeFailed)),
        ("canceled", Report::Canceled { times }),
    ]
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ignore(_) => "-",
        Verdict::Started => "started",
        Verdict::Store => "store",
        Verdict::Again { .. } => "again",
        Verdict::End(Ending::Failed(_)) => "failed",
        Verdict::End(Ending::Canceled) => "canceled",
        Verdict::End(Ending::Expired) => "expired",
        Verdict::Close => "close",
    }
}

/// The head, and a line for every status with every form of its newest attempt.
fn table(width: usize, head: Vec<String>, cells: impl Fn(&Job, Newest) -> Vec<String>) -> String {
    let line = |name: &str, cells: Vec<String>| {
        let line = cells.iter().fold(format!("{name:<17}"), |line, cell| {
            format!("{line} {cell:<width$}")
        });
        format!("{}\n", line.trim_end())
    };
    let mut table = format!("\n{}", line("", head));
    for status in JobStatus::ALL {
        for newest in FORMS {
            let name = format!("{} {newest:?}", status.as_str()).to_lowercase();
            table.push_str(&line(&name, cells(&job(status, newest), newest)));
        }
    }
    table
}

/// The table of what news of attempt `n` does.
fn judged(n: u32) -> String {
    let moment = Moment {
        now: at(5 * MINUTE_MS),
        jitter: Jitter(127),
    };
    let head = news().map(|(name, _)| name.to_owned());
    table(11, head.into(), |job, _| {
        let judged = news().map(|(_, report)| word(&judge(job, n, &report, moment)).to_owned());
        judged.into()
    })
}

fn step(job: &Job, newest: Newest, now: UnixMillis) -> String {
    let end = |ending: &Ending| ending.status().as_str();
    match next_step(job, sending(newest), now) {
        Step::Dispatch { n } => format!("dispatch{n}"),
        Step::Withdraw { n } => format!("withdraw{n}"),
        Step::Look { overdue: None, .. } => "look".into(),
        Step::Look {
            overdue: Some(ending),
            ..
        } => format!("look/{}", end(&ending)),
        Step::Cancel {
            purpose: Purpose::Close,
            ..
        } => "close".into(),
        Step::Cancel {
            purpose: Purpose::End(ending),
            ..
        } => format!("cancel/{}", end(&ending)),
        Step::End(ending) => format!("end/{}", end(&ending)),
        Step::GiveUp(ending) => format!("give up/{}", end(&ending)),
        Step::Abandon { .. } => "abandon".into(),
        Step::Sleep { .. } => "sleep".into(),
        Step::Vanish => "vanish".into(),
    }
}

/// The table of what the watcher does at each moment, in minutes: in time, past the start, past the
/// deadline, past its patience, and when the provider has forgotten all.
fn stepped() -> String {
    let moments = [5, 61, 90, 91, 200];
    let head = moments.map(|minutes| minutes.to_string());
    table(15, head.into(), |job, newest| {
        let steps = moments.map(|minutes| step(job, newest, at(minutes * MINUTE_MS)));
        steps.into()
    })
}

fn check(found: &str, expected: &str) {
    assert!(found == expected, "found:\n{found}\nexpected:\n{expected}");
}

#[test]
fn news_of_the_newest_attempt_does_what_this_table_says() {
    check(&judged(2), NEWEST);
}

#[test]
fn news_of_an_earlier_attempt_does_nothing_but_deliver_a_success() {
    check(&judged(1), EARLIER);
}

#[test]
fn the_watcher_does_what_this_table_says() {
    check(&stepped(), STEPS);
}

/// However the tables are changed: a job that has ended stays ended.
#[test]
fn no_news_and_no_moment_changes_a_job_that_has_ended() {
    for table in [NEWEST, EARLIER, STEPS] {
        let ended = |line: &&str| {
            let status = line.split(' ').next().and_then(JobStatus::parse);
            status.is_some_and(JobStatus::is_terminal)
        };
        for line in table.lines().filter(ended) {
            let cells = line.split_whitespace().skip(2);
            for cell in cells {
                let harmless = ["-", "close", "abandon", "sleep", "vanish"].contains(&cell);
                assert!(harmless, "{line}");
            }
        }
    }
}

const NEWEST: &str = "
                  queued      running     done        empty       worker_lost node_failed canceled
queued ended      -           -           store       -           -           -           -
queued unsent     -           started     store       again       again       failed      failed
queued unknown    -           started     store       again       again       failed      failed
queued known      -           started     store       again       again       failed      failed
running ended     -           -           store       -           -           -           -
running unsent    -           -           store       again       again       failed      failed
running unknown   -           -           store       again       again       failed      failed
running known     -           -           store       again       again       failed      failed
canceling ended   -           -           store       -           -           -           -
canceling unsent  -           -           store       canceled    canceled    canceled    canceled
canceling unknown -           -           store       canceled    canceled    canceled    canceled
canceling known   -           -           store       canceled    canceled    canceled    canceled
succeeded ended   -           -           -           -           -           -           -
succeeded unsent  -           -           close       close       close       close       close
succeeded unknown -           -           close       close       close       close       close
succeeded known   -           -           close       close       close       close       close
failed ended      -           -           -           -           -           -           -
failed unsent     -           -           close       close       close       close       close
failed unknown    -           -           close       close       close       close       close
failed known      -           -           close       close       close       close       close
canceled ended    -           -           -           -           -           -           -
canceled unsent   -           -           close       close       close       close       close
canceled unknown  -           -           close       close       close       close       close
canceled known    -           -           close       close       close       close       close
expired ended     -           -           -           -           -           -           -
expired unsent    -           -           close       close       close       close       close
expired unknown   -           -           close       close       close       close       close
expired known     -           -           close       close       close       close       close
";
const EARLIER: &str = "
                  queued      running     done        empty       worker_lost node_failed canceled
queued ended      -           -           store       -           -           -           -
queued unsent     -           -           store       -           -           -           -
queued unknown    -           -           store       -           -           -           -
queued known      -           -           store       -           -           -           -
running ended     -           -           store       -           -           -           -
running unsent    -           -           store       -           -           -           -
running unknown   -           -           store       -           -           -           -
running known     -           -           store       -           -           -           -
canceling ended   -           -           store       -           -           -           -
canceling unsent  -           -           store       -           -           -           -
canceling unknown -           -           store       -           -           -           -
canceling known   -           -           store       -           -           -           -
succeeded ended   -           -           -           -           -           -           -
succeeded unsent  -           -           -           -           -           -           -
succeeded unknown -           -           -           -           -           -           -
succeeded known   -           -           -           -           -           -           -
failed ended      -           -           -           -           -           -           -
failed unsent     -           -           -           -           -           -           -
failed unknown    -           -           -           -           -           -           -
failed known      -           -           -           -           -           -           -
canceled ended    -           -           -           -           -           -           -
canceled unsent   -           -           -           -           -           -           -
canceled unknown  -           -           -           -           -           -           -
canceled known    -           -           -           -           -           -           -
expired ended     -           -           -           -           -           -           -
expired unsent    -           -           -           -           -           -           -
expired unknown   -           -           -           -           -           -           -
expired known     -           -           -           -           -           -           -
";
const STEPS: &str = "
                  5               61              90              91              200
queued ended      dispatch3       end/expired     end/expired     end/expired     end/expired
queued unsent     withdraw2       end/expired     end/expired     end/expired     end/expired
queued unknown    sleep           sleep           give up/failed  give up/failed  end/failed
queued known      look            look/expired    look/expired    give up/failed  end/failed
running ended     dispatch3       end/expired     end/expired     end/expired     end/expired
running unsent    withdraw2       end/expired     end/expired     end/expired     end/expired
running unknown   sleep           sleep           give up/failed  give up/failed  end/failed
running known     look            look/failed     look/failed     give up/failed  end/failed
canceling ended   end/canceled    end/canceled    end/canceled    end/canceled    end/canceled
canceling unsent  end/canceled    end/canceled    end/canceled    end/canceled    end/canceled
canceling unknown sleep           sleep           sleep           sleep           end/canceled
canceling known   cancel/canceled cancel/canceled cancel/canceled cancel/canceled end/canceled
succeeded ended   vanish          vanish          vanish          vanish          vanish
succeeded unsent  abandon         abandon         abandon         abandon         abandon
succeeded unknown sleep           sleep           sleep           sleep           abandon
succeeded known   close           close           close           close           abandon
failed ended      vanish          vanish          vanish          vanish          vanish
failed unsent     abandon         abandon         abandon         abandon         abandon
failed unknown    sleep           sleep           sleep           sleep           abandon
failed known      close           close           close           close           abandon
canceled ended    vanish          vanish          vanish          vanish          vanish
canceled unsent   abandon         abandon         abandon         abandon         abandon
canceled unknown  sleep           sleep           sleep           sleep           abandon
canceled known    close           close           close           close           abandon
expired ended     vanish          vanish          vanish          vanish          vanish
expired unsent    abandon         abandon         abandon         abandon         abandon
expired unknown   sleep           sleep           sleep           sleep           abandon
expired known     close           close           close           close           abandon
";
