//! The last step of a deploy: the version that was uploaded is seen to hold, or taken back.

use anyhow::Context;
use serde::Serialize;

use super::pipeline::Pipeline;
use super::way_back::WayBack;
use super::Stopped;
use crate::runpod::endpoint::Endpoint;
use crate::smoke::settled::{settled, Served};
use crate::smoke::{self, Asking, Verdict};

/// What is known of a Worker that is deployed and stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    Complete,
    /// All but the GPU's part, which did not come back in time.
    WithoutGpu,
}

const NOT_BACK: &str = "and it could not go back: the version that failed is LIVE. \
     docs/OPERATIONS.md, A bad deploy, says what to do";

impl Pipeline<'_> {
    /// `uploaded` is the version that must answer.
    pub fn prove(&self, uploaded: &str, way_back: &WayBack) -> anyhow::Result<Proof> {
        let url = self.origin()?;
        let settle_s = self.settle.as_secs();
        self.steps.line(&format!(
            "{}ops smoke --url {url}, once the version {uploaded} answers there, for which it \
             has {settle_s} s",
            self.would_run()
        ));
        if self.dry_run {
            let back = format!("wrangler rollback <what runs now> --env {}", self.name());
            self.steps
                .line(&format!("if it fails: {back}, where there is a way back"));
            self.steps
                .line("if the GPU alone is late: nothing goes back, and it is told");
            return Ok(Proof::Complete);
        }
        if let Served::Other(other) = settled(url, uploaded, self.settle) {
            let why = format!(
                "{url} is answered by {other}, {settle_s} s after {uploaded} was uploaded: another \
                 Worker's origin, or it takes longer, for which there is --settle"
            );
            self.steps.line(&why);
            return Err(self.go_back(&why, url, way_back)?.into());
        }
        let endpoint = self.project.endpoint(self.target.environment());
        let runpod = endpoint.zip(self.runpod_key.clone());
        let asking = Asking {
            admin_key: self.admin_key.clone(),
            runpod: runpod.map(|(id, key)| Endpoint::new(id.to_owned(), key)),
            within: self.within,
        };
        let tell = |check: &smoke::Check| self.steps.line(&check.line());
        match smoke::verdict(url, asking, tell) {
            Verdict::Sound => {
                self.steps.line("deployed");
                Ok(Proof::Complete)
            }
            Verdict::Late => {
                let advice = "ops runpod check says what is wrong with the endpoint";
                self.steps.line(&format!(
                    "deployed, and it stays: the GPU alone did not come back; {advice}"
                ));
                Ok(Proof::WithoutGpu)
            }
            Verdict::Broken => {
                let why = "the smoke run after the deploy failed";
                Err(self.go_back(why, url, way_back)?.into())
            }
        }
    }

    /// In the rehearsal of a setup nobody has given it yet.
    fn origin(&self) -> anyhow::Result<&str> {
        if self.dry_run && !self.number.is_empty() {
            return Ok("<the origin>");
        }
        let section = self.project.section(self.target.environment());
        let url = section.and_then(|it| it.get("vars")?.get("PUBLIC_URL")?.as_str());
        url.context("wrangler.toml has no PUBLIC_URL")
    }

    fn go_back(&self, why: &str, url: &str, way_back: &WayBack) -> anyhow::Result<Stopped> {
        let before = match way_back {
            WayBack::To(before) => before,
            WayBack::Nowhere {
                why: no_way,
                instead,
            } => {
                return Ok(Stopped(format!(
                    "{why}, and there is no way back: {no_way}. The version that failed is LIVE: \
                     {instead}"
                )));
            }
        };
        let rollback = format!("rollback {before} --yes");
        let mut rollback = self.words(&rollback);
        rollback.extend(["--message", "the smoke run after the deploy failed"]);
        let back = self.change(&rollback);
        back.with_context(|| format!("{why}, {NOT_BACK}"))?;
        let settle_s = self.settle.as_secs();
        self.steps.line(&format!(
            "until {before} answers again, for which it has {settle_s} s"
        ));
        let seen = match settled(url, before, self.settle) {
            Served::Meant => "it answers".to_owned(),
            Served::Other(other) => format!("{other} answers so far: look again with ops smoke"),
            Served::Unwell => "nothing there says that it is well: ops smoke says why".to_owned(),
        };
        Ok(Stopped(format!(
            "{why}; it is back at {before}, and {seen}"
        )))
    }
}
