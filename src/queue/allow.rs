//! Whether a caller may, and why not. Nothing here asks anybody: what was counted is passed in, or
//! was remembered.

use thiserror::Error;

use super::create::RAW;
use super::{session, Call};
use crate::access::{Credits, Limits, Scope, Window};
use crate::app::App;
use crate::store::credits::Told;
use crate::store::spending::{Payer, Standing};
use crate::time::UnixMillis;
use crate::workflow::template::{self, Template};

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
    #[error("half of the queue is the caller's")]
    Crowd,
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
    pub(super) fn payer(&self, app: &App, now: UnixMillis, template: &str) -> Payer<'_> {
        let price = || {
            let named = template::find(template).and_then(|found| found.contract.limits.credits);
            named.unwrap_or(CREDITS_DEFAULT)
        };
        Payer {
            caller: &self.caller,
            rights: &self.rights,
            now,
            price: (self.rights.credits != Credits::Free).then(price),
            backlog_max: match app.known_backlog.get("", now) {
                Some(_) => None,
                None => Some(app.config.access.backlog_max),
            },
        }
    }

    /// What can be told without asking anybody: whether work of this template, or [`RAW`], is for
    /// the caller to ask for, now.
    pub(super) fn may_do(&self, app: &App, template: &str) -> Result<(), Denied> {
        if template == RAW && !self.rights.scopes.has(Scope::WorkflowsRaw) {
            return Err(Denied::Scope(Scope::WorkflowsRaw));
        }
        // A template that is not there is for the plan to tell.
        let is_private = |found: &Template| !found.contract.public;
        if self.rights.public_only && template::find(template).is_some_and(is_private) {
            return Err(Denied::NotPublic);
        }
        self.has_left(app)?;
        self.has_room(app)
    }

    /// Half of the queue is for whoever else comes, however many jobs one caller sends.
    fn has_room(&self, app: &App) -> Result<(), Denied> {
        let most = app.config.access.backlog_max;
        match app.known_backlog.get("", app.now()) {
            Some(backlog) if backlog.jobs >= most => Err(Denied::Full),
            Some(backlog)
                if backlog.crowd_jobs >= most.div_ceil(2)
                    && backlog.crowd == session::neighbour(&self.caller) =>
            {
                Err(Denied::Crowd)
            }
            _ => Ok(()),
        }
    }

    /// Remembers what was counted of all callers.
    pub(super) fn learn(app: &App, told: &Told) {
        if let Some(backlog) = &told.backlog {
            app.known_backlog.keep("", backlog.clone(), app.now());
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
    fn has_left(&self, app: &App) -> Result<(), Denied> {
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
    pub(super) fn denied(&self, app: &App, payer: &Payer<'_>, told: &Told) -> Denied {
        let (at, standing) = (payer.now, told.standing);
        let is_valid = standing.is_none_or(|standing| standing.is_valid);
        if let (true, Some(price), Some(balance)) = (is_valid, payer.price, told.balance) {
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
