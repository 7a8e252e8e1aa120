//! A GPU that is not there, behind the same trait as a real one.
//!
//! Everything about a simulated job is a pure function of its provider id and the moment: the id
//! holds when it was submitted, how it behaves and what it paints. So there is nothing to store,
//! and nothing is lost when the process is killed. Refused in production.

mod paint;
mod progress;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;

use super::{
    Callback, CancelAnswer, Evidence, Health, Looked, Order, Output, OutputData, Provider, Report,
    Submitted, Times,
};
use crate::id::ProviderId;
use crate::job::{Cause, Failure};
use crate::media;
use crate::outgoing::Outgoing;
use crate::parse;
use crate::ports::{Clock, HttpRequest, Method, Tasks};
use crate::time::UnixMillis;
use crate::workflow;

/// In the queue of a GPU that is always warm.
const QUEUE_MS: u64 = 600;
/// A plain job ends well within five seconds.
const RUN_MS: u64 = 1_800;
/// Long enough to be canceled, watched and waited for.
const RUN_SLOW_MS: u64 = 60_000;
/// Room for the self-callback to arrive before the first look.
const FIRST_LOOK_MS: u64 = 5_000;
/// As large as the largest order that RunPod takes, so that a laptop refuses what it would refuse.
const ORDER_BYTES_MAX: usize = super::runpod::ORDER_BYTES_MAX;

/// What the queue says to a callback.
const ANSWER_BYTES_MAX: usize = 64 << 10;

pub struct Simulated {
    pub clock: Arc<dyn Clock>,
    pub outgoing: Outgoing,
    pub tasks: Arc<dyn Tasks>,
}

/// How a job was told to behave, by its label `simulate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Plain,
    Slow,
    Fail,
    LostCallback,
    NoOutput,
    Twice,
}

impl Behaviour {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Plain, "plain"),
        (Self::Slow, "slow"),
        (Self::Fail, "fail"),
        (Self::LostCallback, "lost_callback"),
        (Self::NoOutput, "no_output"),
        (Self::Twice, "twice"),
    ];

    fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, name)| *name == text)
            .map(|(behaviour, _)| behaviour)
    }

    fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(behaviour, _)| *behaviour == self)
            .map_or("plain", |(_, name)| name)
    }

    const fn run_ms(self) -> u64 {
        match self {
            Self::Slow => RUN_SLOW_MS,
            Self::Plain | Self::Fail | Self::LostCallback | Self::NoOutput | Self::Twice => RUN_MS,
        }
    }

    const fn callbacks(self) -> u32 {
        match self {
            Self::LostCallback => 0,
            Self::Twice => 2,
            Self::Plain | Self::Slow | Self::Fail | Self::NoOutput => 1,
        }
    }
}

/// What a provider id says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    submitted_at: UnixMillis,
    behaviour: Behaviour,
    /// Sixteen hexadecimal characters of the prompt's hash: the pattern of the picture.
    pattern: String,
    width: u32,
    height: u32,
    /// File name prefixes of the outputs.
    prefixes: Vec<String>,
}

impl Plan {
    fn new(order: &Order, now: UnixMillis) -> Self {
        let prompt = order.prompt.get();
        let picture = order
            .files
            .first()
            .and_then(|file| media::sniff(&file.bytes));
        let given = picture.and_then(|media| media.width.zip(media.height));
        let asked = parse::json(prompt)
            .ok()
            .and_then(|prompt| workflow::canvas::size(&prompt));
        let (width, height) = asked.or(given).unwrap_or((1024, 1024));
        let behaviour = order.simulate.as_deref().and_then(Behaviour::parse);
        Self {
            submitted_at: now,
            behaviour: behaviour.unwrap_or(Behaviour::Plain),
            pattern: order.prompt_hash.chars().take(16).collect(),
            width: width.clamp(16, paint::SIDE_MAX),
            height: height.clamp(16, paint::SIDE_MAX),
            prefixes: order.outputs.iter().map(|o| o.prefix.clone()).collect(),
        }
    }

    /// `sim~<submitted_at>~<behaviour>~<pattern>~<width>~<height>~<prefix>.<prefix>…`
    fn id(&self) -> Option<ProviderId> {
        ProviderId::parse(&format!(
            "sim~{}~{}~{}~{}~{}~{}",
            self.submitted_at.get(),
            self.behaviour.name(),
            self.pattern,
            self.width,
            self.height,
            self.prefixes.join("."),
        ))
    }

    fn read(id: &ProviderId) -> Option<Self> {
        let mut parts = id.as_str().strip_prefix("sim~")?.split('~');
        let mut next = || parts.next();
        Some(Self {
            submitted_at: UnixMillis::new(next()?.parse().ok()?),
            behaviour: Behaviour::parse(next()?)?,
            pattern: next()?.to_owned(),
            width: next()?
                .parse()
                .ok()
                .filter(|side| *side <= paint::SIDE_MAX)?,
            height: next()?
                .parse()
                .ok()
                .filter(|side| *side <= paint::SIDE_MAX)?,
            prefixes: next()?.split('.').map(str::to_owned).collect(),
        })
    }

    fn ends_after_ms(&self) -> u64 {
        QUEUE_MS + self.behaviour.run_ms()
    }

    fn has_ended(&self, now: UnixMillis) -> bool {
        now.since_ms(self.submitted_at) >= self.ends_after_ms()
    }

    fn report(&self, now: UnixMillis) -> Report {
        let elapsed = now.since_ms(self.submitted_at);
        let run_ms = self.behaviour.run_ms();
        if elapsed < QUEUE_MS {
            return Report::Queued;
        }
        if elapsed < self.ends_after_ms() {
            let permille = (elapsed - QUEUE_MS) * 1000 / run_ms;
            return Report::Running {
                progress_permille: u16::try_from(permille).ok(),
            };
        }
        let times = Times {
            delay_ms: Some(QUEUE_MS),
            execution_ms: Some(run_ms),
        };
        match self.behaviour {
            Behaviour::Fail => Report::Failed {
                failure: Failure {
                    node_id: Some("3".into()),
                    class_type: Some("KSampler".into()),
                    ..Failure::of(Cause::NodeFailed, "the simulated GPU was told to fail")
                },
                times,
            },
            Behaviour::NoOutput => Report::Done {
                outputs: Vec::new(),
                times,
            },
            Behaviour::Plain | Behaviour::Slow | Behaviour::LostCallback | Behaviour::Twice => {
                let outputs = self.outputs();
                Report::Done { outputs, times }
            }
        }
    }

    /// For one that is stopped before its end.
    fn times_until(&self, now: UnixMillis) -> Times {
        let elapsed_ms = now.since_ms(self.submitted_at);
        Times {
            delay_ms: Some(elapsed_ms.min(QUEUE_MS)),
            execution_ms: Some(elapsed_ms.saturating_sub(QUEUE_MS)),
        }
    }

    fn outputs(&self) -> Vec<Output> {
        let paint = |(i, prefix): (usize, &String)| Output {
            name: Some(format!("{prefix}_00001_.png")),
            data: OutputData::Inline(paint::png(&self.pattern, i, self.width, self.height)),
        };
        self.prefixes.iter().enumerate().map(paint).collect()
    }
}

impl Simulated {
    /// Calls back as a real provider would, over HTTP, when the job has ended.
    fn schedule_callbacks(&self, order: &Order, plan: &Plan, id: &ProviderId) {
        let body = serde_json::json!({ "id": id.as_str() }).to_string();
        for time in 0..plan.behaviour.callbacks() {
            let delay_ms = plan.ends_after_ms() + 20 + u64::from(time) * 200;
            // A callback that does not arrive is what the look is for.
            self.post_later(delay_ms, &order.callback_url, body.clone());
        }
    }

    /// Tells how far it is as a worker of ours would: its nodes one after the other, and a picture.
    fn schedule_progress(&self, order: &Order, plan: &Plan) {
        let run_ms = plan.behaviour.run_ms();
        for told in progress::told(plan, order.prompt.get()) {
            let delay_ms = QUEUE_MS + run_ms * told.permille / 1000;
            self.post_later(delay_ms, &order.progress_url, told.body);
        }
    }

    fn post_later(&self, delay_ms: u64, url: &str, body: String) {
        let request = HttpRequest {
            method: Method::Post,
            url: url.to_owned(),
            headers: vec![("content-type".into(), "application/json".into())],
            body: Bytes::from(body),
            timeout_ms: 10_000,
        };
        let outgoing = self.outgoing.clone();
        let task = async move { drop(outgoing.send(request, ANSWER_BYTES_MAX).await) };
        self.tasks.after(delay_ms, Box::pin(task));
    }
}

#[async_trait]
impl Provider for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn endpoint(&self) -> &'static str {
        "simulated"
    }

    fn order_bytes_max(&self) -> usize {
        ORDER_BYTES_MAX
    }

    fn first_look_ms(&self, _usual_ms: u64) -> u64 {
        FIRST_LOOK_MS
    }

    async fn submit(&self, order: &Order) -> Submitted {
        let plan = Plan::new(order, self.clock.now());
        let Some(id) = plan.id() else {
            let failure = Failure::of(
                Cause::Refused,
                "the simulated GPU takes no more outputs than fit in its job's name",
            );
            let evidence = Evidence::default();
            return Submitted::Refused { failure, evidence };
        };
        self.schedule_callbacks(order, &plan, &id);
        self.schedule_progress(order, &plan);
        Submitted::Accepted(id)
    }

    async fn look(&self, _endpoint: &str, id: &ProviderId) -> Looked {
        match Plan::read(id) {
            Some(plan) => Looked::Report(plan.report(self.clock.now())),
            None => Looked::NotFound,
        }
    }

    async fn cancel(&self, _endpoint: &str, id: &ProviderId) -> CancelAnswer {
        match Plan::read(id) {
            Some(plan) if plan.has_ended(self.clock.now()) => CancelAnswer::EndedBefore,
            Some(plan) => CancelAnswer::Confirmed(plan.times_until(self.clock.now())),
            None => CancelAnswer::NotFound,
        }
    }

    async fn health(&self) -> Health {
        Health {
            reachable: true,
            workers_idle: 1,
            ..Health::default()
        }
    }

    fn read_callback_id(&self, beginning: &[u8]) -> Option<ProviderId> {
        #[derive(Deserialize)]
        struct Body {
            id: String,
        }
        let body: Body = parse::json_bytes(beginning).ok()?;
        ProviderId::parse(&body.id)
    }

    fn read_callback(&self, body: &Bytes) -> Option<Callback> {
        let provider_id = self.read_callback_id(body)?;
        let report = Plan::read(&provider_id)?.report(self.clock.now());
        Some(Callback {
            provider_id,
            report,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(behaviour: Behaviour) -> Plan {
        Plan {
            submitted_at: UnixMillis::new(1_000),
            behaviour,
            pattern: "0123456789abcdef".into(),
            width: 320,
            height: 180,
            prefixes: vec!["eq0".into(), "eq1".into()],
        }
    }

    #[test]
    fn a_provider_id_says_everything_about_its_job() {
        for (behaviour, _) in Behaviour::ALL {
            let plan = plan(behaviour);
            assert_eq!(Plan::read(&plan.id().unwrap()), Some(plan));
        }
        for garbage in [
            "x",
            "sim~",
            "sim~1~plain~0~99999999~1~a",
            "sim~1~rude~0~1~1~a",
        ] {
            assert_eq!(
                Plan::read(&ProviderId::parse(garbage).unwrap()),
                None,
                "{garbage}"
            );
        }
    }

    #[test]
    fn a_simulated_job_waits_runs_and_ends_within_five_seconds() {
        let report = |ms| plan(Behaviour::Plain).report(UnixMillis::new(1_000_i64 + ms));
        assert_eq!(report(0), Report::Queued);
        assert!(matches!(
            report(1_500),
            Report::Running {
                progress_permille: Some(500)
            }
        ));
        let Report::Done { outputs, .. } = report(4_999) else {
            panic!("not done");
        };
        let names: Vec<_> = outputs.iter().filter_map(|o| o.name.as_deref()).collect();
        assert_eq!(names, ["eq0_00001_.png", "eq1_00001_.png"]);
        assert_ne!(outputs[0].data, outputs[1].data);
    }

    #[test]
    fn a_job_misbehaves_as_it_was_told() {
        let end = |behaviour| plan(behaviour).report(UnixMillis::new(5_000));
        assert!(matches!(end(Behaviour::Slow), Report::Running { .. }));
        assert!(matches!(end(Behaviour::Fail), Report::Failed { .. }));
        assert!(
            matches!(end(Behaviour::NoOutput), Report::Done { outputs, .. } if outputs.is_empty())
        );
    }
}
