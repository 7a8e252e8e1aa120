//! Waiting, after an upload, for the version that is meant: for some seconds it may be the one
//! before that answers, and a check of that one says nothing.

use std::time::Duration;

use super::wire::Wire;
use crate::clock;

/// Between two questions.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What answers at an origin.
#[derive(Debug, PartialEq, Eq)]
pub enum Served {
    /// The version that is meant, and it is well.
    Meant,
    /// Another one, which is well.
    Other(String),
    /// Nobody who is well: what is wrong is told by the checks.
    Unwell,
}

/// What answers once the version that is meant does, or `time` is over.
pub fn settled(base_url: &str, version: &str, time: Duration) -> Served {
    let wire = Wire::new(base_url, time);
    until_meant(&wire, version, || clock::wait(ASK_AGAIN))
}

fn until_meant(wire: &Wire, version: &str, wait: impl Fn()) -> Served {
    loop {
        let served = served(wire, version);
        if served == Served::Meant || wire.left() <= ASK_AGAIN {
            return served;
        }
        wait();
    }
}

fn served(wire: &Wire, version: &str) -> Served {
    let Ok(answer) = wire.get_with("/api/health", &[], None) else {
        return Served::Unwell;
    };
    let body = answer.json();
    if answer.status != 200 || body["ok"] != true {
        return Served::Unwell;
    }
    match body["version_id"].as_str() {
        Some(found) if found == version => Served::Meant,
        Some(found) => Served::Other(format!("the version {found}")),
        None => Served::Other("a version that does not say which it is".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::fake;

    /// Answers one after the other, the last one for good.
    fn origin(answers: Vec<(u16, serde_json::Value)>) -> String {
        let asked = Arc::new(AtomicUsize::new(0));
        fake::serve(move |_, _| {
            let i = asked.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            (answers[i].0, answers[i].1.to_string().into_bytes())
        })
    }

    fn well(version: &str) -> (u16, serde_json::Value) {
        (200, json!({ "ok": true, "version_id": version }))
    }

    /// The smoke run judged whatever was well first: the version before, when the upload was slow.
    #[test]
    fn the_version_before_is_not_taken_for_the_one_that_was_uploaded() {
        let broken = (503, json!({ "ok": false }));
        let origin = origin(vec![well("old"), broken, well("old"), well("new")]);
        let wire = Wire::new(&origin, Duration::from_mins(1));
        let waited = AtomicUsize::new(0);
        let wait = || {
            waited.fetch_add(1, Ordering::Relaxed);
        };
        assert_eq!(until_meant(&wire, "new", wait), Served::Meant);
        assert_eq!(waited.into_inner(), 3);
    }

    #[test]
    fn when_time_is_over_what_answers_is_told() {
        let check = |answer, expected| {
            let wire = Wire::new(&origin(vec![answer]), ASK_AGAIN);
            let never = || panic!("no time is left");
            assert_eq!(until_meant(&wire, "new", never), expected);
        };
        check(well("new"), Served::Meant);
        check(well("old"), Served::Other("the version old".to_owned()));
        let nameless = "a version that does not say which it is".to_owned();
        check((200, json!({ "ok": true })), Served::Other(nameless));
        check(
            (503, json!({ "ok": true, "version_id": "new" })),
            Served::Unwell,
        );
        assert_eq!(
            settled("http://127.0.0.1:9", "new", Duration::ZERO),
            Served::Unwell
        );
    }
}
