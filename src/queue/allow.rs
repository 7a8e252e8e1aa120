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
        // The batch saw what is told here: what else it asks for is the key.
        self.obstacle(app, payer, told).unwrap_or(Denied::Revoked)
    }

    /// Why nothing would be, or `None`.
    pub(super) fn obstacle(&self, app: &App, payer: &Payer<'_>, told: &Told) -> Option<Denied> {
        let (at, standing) = (payer.now, told.standing);
        if standing.is_some_and(|standing| !standing.is_valid) {
            return Some(Denied::Revoked);
        }
        let left = told.balance.map(|balance| balance.left());
        if let (Some(price), Some(left)) = (payer.price, left) {
            if left < u64::from(price) {
                return Some(Denied::Credits { price, left });
            }
        }
        let meter = self.meter(standing, at)?;
        let reached = |limit: Option<u32>, count: u32| limit.is_some_and(|limit| count >= limit);
        let (limits, counted) = (meter.limits, meter.standing);
        let window = if reached(limits.jobs_per_day, counted.day_jobs) {
            Window::Day
        } else if reached(limits.jobs_per_minute, counted.minute_jobs) {
            Window::Minute
        } else {
            return reached(limits.live_jobs, counted.live_jobs).then_some(Denied::Busy(meter));
        };
        if let Some(account) = &self.rights.account {
            app.known_spent
                .keep(&account.name, (window, counted, at), at);
        }
        Some(Denied::Spent(window, meter))
    }
}
