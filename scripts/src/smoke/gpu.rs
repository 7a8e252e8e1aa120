//! Whose fault it is that a job has not ended: RunPod's, or the deployment's, which cannot hear,
//! read or keep what RunPod has long made. A deployment alone cannot tell the two apart.

use std::time::Duration;

use edge_queue::gate::Reason;
use serde_json::Value;

use super::checks::Run;
use super::Outcome::{self, Failed, Late};
use crate::runpod::endpoint::Endpoint;
use crate::runpod::submit::ENDED;

/// RunPod's callbacks come within half a minute, and the deployment looks every minute by itself.
pub const NEWS_TIME_MAX: Duration = Duration::from_secs(75);

/// Where a job is, with what is to be said of it.
pub enum Place {
    /// It has ended, or the deployment has not brought it to the GPU.
    Deployment,
    /// At the GPU, or there is no room for it.
    Gpu(String),
    /// It has ended at the GPU, and here it has not.
    Between(String),
}

impl Place {
    pub fn fault(self) -> (Outcome, String) {
        match self {
            Self::Deployment => (Failed, String::new()),
            Self::Gpu(says) => (Late, says),
            Self::Between(says) => (Failed, says),
        }
    }
}

impl Run {
    pub fn place(&self, job: &Value) -> Place {
        if !job["completed_at"].is_null() {
            return Place::Deployment;
        }
        let waits = job["wait_reason"].as_str();
        let is_full = [Reason::Full, Reason::TooFast].map(Reason::text);
        if waits == Some(Reason::Paused.text())
            || self.is_live && waits.is_some_and(|why| is_full.contains(&why))
        {
            return Place::Gpu(String::new());
        }
        let attempts = job["attempts"].as_array();
        let last = attempts.and_then(|attempts| attempts.last());
        match last.map(|last| (last["provider_id"].as_str(), &last["ended_at"])) {
            Some((Some(id), Value::Null)) if self.is_live => asked(self.runpod.as_ref(), id),
            // It failed there, and another attempt follows.
            Some((Some(_), _)) if self.is_live => Place::Gpu(String::new()),
            _ => Place::Deployment,
        }
    }
}

fn asked(runpod: Option<&Endpoint>, id: &str) -> Place {
    let Some(runpod) = runpod else {
        let missing = "RUNPOD_API_KEY or the endpoint's id is not here";
        return Place::Gpu(format!("; RunPod itself was not asked: {missing}"));
    };
    let answer = runpod.get(&format!("status/{id}"));
    match (answer.complaint(), answer.json["status"].as_str()) {
        (None, Some(status)) if ENDED.contains(&status) => Place::Between(format!(
            "; at RunPod {id} is {status}, and the deployment does not know"
        )),
        (None, Some(status)) => Place::Gpu(format!("; at RunPod {id} is {status}")),
        (why, _) => {
            let why = why.unwrap_or_else(|| "it names no status".to_owned());
            Place::Gpu(format!("; RunPod did not say how {id} is: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::checks;
    use super::super::wire::Wire;
    use super::*;
    use crate::fake;

    fn run(base_url: &str) -> Run {
        let wire = Wire::new(base_url, Duration::from_secs(55));
        let mut run = Run::new(wire, json!({ "prompt": "x" }), None);
        run.is_live = true;
        run
    }

    fn is_at_gpu(run: &Run, job: &Value) -> bool {
        matches!(run.place(job), Place::Gpu(_))
    }

    #[test]
    fn only_what_runpod_has_or_has_no_place_for_is_the_gpus() {
        let check = |is_live: bool, waits: Value, attempts: &Value, expected: bool| {
            let job = json!({
                "completed_at": null, "wait_reason": waits, "attempts": attempts,
            });
            let mut run = run("http://127.0.0.1:9");
            run.is_live = is_live;
            assert_eq!(is_at_gpu(&run, &job), expected, "{job}");
        };
        let (none, there) = (json!([]), json!([{ "provider_id": "abc-u1" }]));
        check(true, Value::Null, &there, true);
        check(false, Value::Null, &there, false);
        check(true, Reason::Full.text().into(), &none, true);
        check(true, Reason::Paused.text().into(), &none, true);
        check(false, Reason::Paused.text().into(), &none, true);
        // The order never left, or was not taken: a wrong key, a wrong endpoint.
        check(true, Value::Null, &none, false);
        check(true, Value::Null, &json!([{ "provider_id": null }]), false);
        check(true, Reason::Refusing.text().into(), &none, false);
        check(true, "RunPod refused the API key".into(), &none, false);
        let job = json!({"completed_at": "now", "status": "failed", "attempts": there});
        let run = run("http://127.0.0.1:9");
        assert!(!is_at_gpu(&run, &job), "it has ended, and failed");
    }

    /// A Worker that could not hear callbacks, read a look or store a result looked exactly like a
    /// GPU that is late, and stayed.
    #[test]
    fn a_job_that_has_ended_at_runpod_and_not_here_is_the_deployments_fault() {
        for (status, outcome) in [
            ("COMPLETED", Failed),
            ("FAILED", Failed),
            ("IN_QUEUE", Late),
        ] {
            let origin = fake::serve(move |head, _| {
                let answer = if head.starts_with("GET /v2/mock/status/abc-u1 ") {
                    json!({ "id": "abc-u1", "status": status })
                } else {
                    json!({ "job": { "id": "1", "status": "queued", "completed_at": null,
                        "attempts": [{ "provider_id": "abc-u1", "ended_at": null }] } })
                };
                (200, answer.to_string().into_bytes())
            });
            let mut run = run(&origin);
            let mock = format!("{origin}/v2");
            run.runpod = Some(Endpoint::at(&mock, "mock".to_owned(), "key".to_owned()));
            // Both are over at once.
            (run.ids, run.status_time, run.news_time) =
                (vec!["1".to_owned()], Duration::ZERO, Duration::ZERO);
            let said = checks::status(&mut run).unwrap();
            assert_eq!(said.0, outcome, "{}", said.1);
            let seen = format!("at RunPod abc-u1 is {status}");
            assert!(said.1.contains(&seen), "{}", said.1);
        }
    }

    #[test]
    fn a_gpu_that_was_not_asked_is_told_as_such() {
        let job = json!({ "completed_at": null, "attempts": [{ "provider_id": "abc-u1" }] });
        let (outcome, says) = run("http://127.0.0.1:9").place(&job).fault();
        assert_eq!(outcome, Late);
        assert!(says.contains("RunPod itself was not asked"), "{says}");
    }
}
