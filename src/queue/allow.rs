//! Whether a caller may, and why not. Nothing here asks anybody: what was counted is passed in, or
//! was remembered.

use thiserror::Error;

use super::create::Work;
use super::Call;
use crate::access::{Credits, Limits, Scope, Window};
use crate::app::App;
use crate::store::credits::Balance;
use crate::store::spending::{Payer, Standing};
use crate::time::UnixMillis;
use crate::workflow::template;

/// What a job costs in credits where its contract names no price, and a caller's own workflow.
const CREDITS_DEFAULT: u32 = 1;

/// What a caller may not do, although another may.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Denied {
    #[error("the key lacks the scope {}", .0.as_str())]
    Scope(Scope),
    #[error("the template is not public")]
    NotPublic,
    #[error("the key has been revoked")]
    Revoked,
    #[error("too many jobs in this window")]
    Spent(Window, Meter),
    #[error("too many jobs that have not ended")]
    Busy(Meter),
    #[error("the queue is full")]
    Full,
    #[error("{left} credits are left, and {price} are asked for")]
    Credits { price: u32, left: u64 },
}

/// How a caller stands, counted exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    pub limits: Limits,
    pub standing: Standing,
    pub at: UnixMillis,
}

impl Call {
    /// Who pays for a job of this template, and how much.
    pub(super) fn payer(&self, now: UnixMillis, template: &str) -> Payer<'_> {
        let price = || {
            let named = template::find(template).and_then(|found| found.contract.limits.credits);
            named.unwrap_or(CREDITS_DEFAULT)
        };
        Payer {
            caller: &self.caller,
            rights: &self.rights,
            now,
            price: (self.rights.credits != Credits::Free).then(price),
        }
    }

    /// Whether work of this kind is for the caller to ask for.
    pub(super) fn may_do(&self, work: &Work) -> Result<(), Denied> {
        match work {
            Work::Raw { .. } if !self.rights.scopes.has(Scope::WorkflowsRaw) => {
                Err(Denied::Scope(Scope::WorkflowsRaw))
            }
            // A template that is not there is for the plan to tell.
            Work::Template { name, .. }
                if self.rights.public_only
                    && template::find(name).is_some_and(|found| !found.contract.public) =>
            {
                Err(Denied::NotPublic)
            }
            Work::Raw { .. } | Work::Template { .. } => Ok(()),
        }
    }

    /// What is counted of the caller, if anything is.
    pub(super) fn meter(&self, standing: Option<Standing>, at: UnixMillis) -> Option<Meter> {
        let limits = self.rights.account.as_ref()?.limits;
        standing.map(|standing| Meter {
            limits,
            standing,
            at,
        })
    }

    /// A window that was used up stays so until it ends.
    pub(super) fn has_left(&self, app: &App) -> Result<(), Denied> {
        let Some(account) = &self.rights.account else {
            return Ok(());
        };
        let now = app.now();
        let spent = app.known_spent.get(&account.name, now);
        match spent.filter(|(window, _, at)| window.number(*at) == window.number(now)) {
            Some((window, standing, _)) => {
                let limits = account.limits;
                let at = now;
                Err(Denied::Spent(
                    window,
                    Meter {
                        limits,
                        standing,
                        at,
                    },
                ))
            }
            None => Ok(()),
        }
    }

    /// Why nothing was recorded, or opened, that `payer` was to pay for.
    pub(super) fn denied(
        &self,
        app: &App,
        payer: &Payer<'_>,
        standing: Option<Standing>,
        balance: Option<Balance>,
    ) -> Denied {
        let at = payer.now;
        let is_valid = standing.is_none_or(|standing| standing.is_valid);
        if let (true, Some(price), Some(balance)) = (is_valid, payer.price, balance) {
            let left = balance.left();
            if left < u64::from(price) {
                return Denied::Credits { price, left };
            }
        }
        let denied = self.reason(standing, at);
        if let (Denied::Spent(window, meter), Some(account)) = (&denied, &self.rights.account) {
            let spent = (*window, meter.standing, at);
            app.known_spent.keep(&account.name, spent, at);
        }
        denied
    }

    fn reason(&self, standing: Option<Standing>, at: UnixMillis) -> Denied {
        let Some(meter) = self.meter(standing, at) else {
            return Denied::Revoked;
        };
        let reached = |limit: Option<u32>, count: u32| limit.is_some_and(|limit| count >= limit);
        let (limits, counted) = (meter.limits, meter.standing);
        if !counted.is_valid {
            Denied::Revoked
        } else if reached(limits.jobs_per_day, counted.day_jobs) {
            Denied::Spent(Window::Day, meter)
        } else if reached(limits.jobs_per_minute, counted.minute_jobs) {
            Denied::Spent(Window::Minute, meter)
        } else {
            Denied::Busy(meter)
        }
    }
}
