//! Admission to one endpoint: which job may be handed over now. Pure; time is passed in.
//!
//! What always holds: no more than `jobs_max` jobs are at the endpoint, no more than `submits_max`
//! are handed over in [`WINDOW_MS`], and while the endpoint refuses, one job at a time tries it.
//! Slots go by priority, and among equals to the caller who holds the fewest: a thousand jobs of
//! one caller stand behind the first job of another.
//!
//! Everything here can be lost: jobs at the endpoint are read back from the database, and those
//! that wait ask again.

mod ask;
mod breaker;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

pub use self::ask::{Admission, Answer, Ask, Fate, Reason, Standing, Ticket};
use self::breaker::Breaker;
use crate::id::{CallerId, JobId};
use crate::time::UnixMillis;

/// A job that is not woken when a slot is free asks again by itself: a lost wake costs as much.
pub const ASK_AGAIN_MS: u64 = 60_000;
/// Who has not asked for so long is not waiting any more: canceled, or expired.
const GONE_MS: u64 = 3 * ASK_AGAIN_MS;
/// Limits of RunPod's operations count in windows of ten seconds (docs.runpod.io, Serverless, Send
/// requests).
pub const WINDOW_MS: u64 = 10_000;
/// Begun attempts are in the database after so long, or never.
const WRITTEN_MS: u64 = 60_000;

/// What an endpoint may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Jobs that are queued or run there at once.
    pub jobs_max: usize,
    /// Submits in [`WINDOW_MS`].
    pub submits_max: usize,
}

struct Waiting {
    ticket: Ticket,
    asked_at: UnixMillis,
}

struct Inside {
    caller: CallerId,
    gone_at: UnixMillis,
    /// When it was let through; `None`: the database had it.
    entered_at: Option<UnixMillis>,
}

/// One endpoint's gate.
pub struct Gatekeeper {
    limits: Limits,
    is_paused: bool,
    inside: HashMap<JobId, Inside>,
    waiting: BTreeMap<JobId, Waiting>,
    submits: VecDeque<UnixMillis>,
    breaker: Breaker,
}

impl Gatekeeper {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            is_paused: false,
            inside: HashMap::new(),
            waiting: BTreeMap::new(),
            submits: VecDeque::new(),
            breaker: Breaker::default(),
        }
    }

    /// Takes what the database knows: the jobs that are at the endpoint, and whether it is paused.
    /// Whoever was let through just now may not have written it down yet, and stays.
    pub fn refresh(&mut self, inside: Vec<Ticket>, is_paused: bool, now: UnixMillis) {
        self.is_paused = is_paused;
        let is_new = |at: UnixMillis| now.since_ms(at) < WRITTEN_MS;
        self.inside
            .retain(|_, inside| inside.entered_at.is_some_and(is_new));
        for ticket in inside {
            let Ticket {
                caller, gone_at, ..
            } = ticket;
            let entry = self.inside.entry(ticket.job);
            entry.or_insert(Inside {
                caller,
                gone_at,
                entered_at: None,
            });
        }
    }

    /// Answers, and names the jobs that should ask now.
    pub fn answer(&mut self, ask: Ask, now: UnixMillis) -> (Answer, Vec<JobId>) {
        match ask {
            Ask::Admit(ticket) => (Answer::Admission(self.admit(&ticket, now)), Vec::new()),
            Ask::Tell { job, fate } => (Answer::Done, self.tell(job, fate, now)),
            Ask::Position(job) => (Answer::Position(self.position(job)), Vec::new()),
            Ask::Standing => (Answer::Standing(self.standing(now)), Vec::new()),
            Ask::Refresh => (Answer::Done, self.may_ask(now)),
        }
    }

    /// A job asks. Asking twice is the same as once: one that was let through is let through again.
    pub fn admit(&mut self, ticket: &Ticket, now: UnixMillis) -> Admission {
        self.forget(now);
        if self.inside.contains_key(&ticket.job) {
            let tries = self.breaker.trying == Some(ticket.job);
            return Admission::Granted { tries };
        }
        let asked_at = now;
        let asked = Waiting {
            ticket: ticket.clone(),
            asked_at,
        };
        self.waiting.insert(ticket.job, asked);
        if let Some((until, reason)) = self.obstacle(ticket.job, now) {
            return Admission::Wait { until, reason };
        }
        self.enter(ticket, now)
    }

    fn enter(&mut self, ticket: &Ticket, now: UnixMillis) -> Admission {
        self.waiting.remove(&ticket.job);
        self.submits.push_back(now);
        let (caller, gone_at) = (ticket.caller.clone(), ticket.gone_at);
        let entered_at = Some(now);
        self.inside.insert(
            ticket.job,
            Inside {
                caller,
                gone_at,
                entered_at,
            },
        );
        let tries = self.breaker.closed_until.is_some();
        if tries {
            self.breaker.trying = Some(ticket.job);
        }
        Admission::Granted { tries }
    }

    fn obstacle(&self, job: JobId, now: UnixMillis) -> Option<(UnixMillis, Reason)> {
        let later = now.plus_ms(ASK_AGAIN_MS);
        if self.is_paused {
            return Some((later, Reason::Paused));
        }
        if let Some(until) = self.breaker.closed_until {
            let is_first = self.line().first() == Some(&job);
            match self.breaker.trying {
                None if now >= until && is_first => {}
                None if is_first => return Some((until, Reason::Refusing)),
                _ => return Some((later, Reason::Refusing)),
            }
        }
        let free = self.free();
        let is_in_line = free > 0
            && (self.waiting.len() <= free
                || self.line().iter().take(free).any(|in_line| *in_line == job));
        if !is_in_line {
            return Some((later, Reason::Full));
        }
        if self.submits.len() >= self.limits.submits_max {
            let oldest = self.submits.front().copied().unwrap_or(now);
            return Some((oldest.plus_ms(WINDOW_MS), Reason::TooFast));
        }
        None
    }

    /// Takes what became of a job, and answers the jobs that should ask now.
    pub fn tell(&mut self, job: JobId, fate: Fate, now: UnixMillis) -> Vec<JobId> {
        if self.breaker.trying == Some(job) {
            self.breaker.trying = None;
        }
        match fate {
            Fate::Taken => self.breaker = Breaker::default(),
            Fate::PutOff(until) => {
                self.inside.remove(&job);
                self.breaker.trouble(until, now);
            }
            Fate::Unknown => self.breaker.trouble(None, now),
            Fate::Left => {
                self.inside.remove(&job);
                self.waiting.remove(&job);
            }
        }
        self.may_ask(now)
    }

    /// Those first in line, as many as there are slots.
    pub fn may_ask(&mut self, now: UnixMillis) -> Vec<JobId> {
        self.forget(now);
        let is_closed = self.breaker.closed_until.is_some_and(|until| now < until);
        if self.is_paused || is_closed {
            return Vec::new();
        }
        let mut line = self.line();
        line.truncate(self.free());
        line
    }

    /// How many wait before this job; `None`: it does not wait here.
    pub fn position(&self, job: JobId) -> Option<usize> {
        self.line().iter().position(|waiting| *waiting == job)
    }

    pub fn standing(&mut self, now: UnixMillis) -> Standing {
        self.forget(now);
        Standing {
            at_endpoint: self.inside.len(),
            waiting: self.waiting.len(),
            closed_until: self.breaker.closed_until.filter(|until| now < *until),
        }
    }

    /// Everybody who waits, in the order in which they go in.
    fn line(&self) -> Vec<JobId> {
        let mut held: HashMap<&CallerId, usize> = HashMap::new();
        for inside in self.inside.values() {
            *held.entry(&inside.caller).or_default() += 1;
        }
        let mut line: Vec<&Ticket> = self
            .waiting
            .values()
            .map(|waiting| &waiting.ticket)
            .collect();
        line.sort_by_key(|ticket| (Reverse(ticket.priority), ticket.since, ticket.job));
        let mut turns: Vec<_> = line
            .into_iter()
            .map(|ticket| {
                let turn = held.entry(&ticket.caller).or_default();
                *turn += 1;
                (Reverse(ticket.priority), *turn, ticket.since, ticket.job)
            })
            .collect();
        turns.sort_unstable();
        turns.into_iter().map(|(.., job)| job).collect()
    }

    fn free(&self) -> usize {
        self.limits.jobs_max.saturating_sub(self.inside.len())
    }

    fn forget(&mut self, now: UnixMillis) {
        self.inside.retain(|_, inside| now < inside.gone_at);
        self.waiting
            .retain(|_, waiting| now.since_ms(waiting.asked_at) < GONE_MS);
        while self
            .submits
            .front()
            .is_some_and(|at| now.since_ms(*at) >= WINDOW_MS)
        {
            self.submits.pop_front();
        }
        let tries = self.breaker.trying;
        if tries.is_some_and(|job| !self.inside.contains_key(&job)) {
            self.breaker.trying = None;
        }
    }
}

#[cfg(test)]
mod tests;
