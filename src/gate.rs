//! Admission to one endpoint: which job may be handed over now. Pure; time is passed in.
//!
//! What always holds: no more than `jobs_max` jobs are at the endpoint, no more than `submits_max`
//! are handed over in [`WINDOW_MS`], and while the endpoint refuses, one job at a time tries it.
//! Slots go to the caller who holds the fewest: a thousand jobs of one caller stand behind the
//! first job of another. Priority orders a caller's own jobs, and below 0 it lets everybody else's
//! go first; before others' nobody goes by saying so. Who wants more than the whole endpoint is a
//! flood: it comes after everybody else, whatever its priority, and if there is anybody else it
//! takes no more than half of the slots, so that one is free when somebody else comes.
//!
//! Everything here can be lost: jobs at the endpoint are read back from the database, and those
//! that wait ask again.

mod ask;
mod breaker;

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

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
/// One slot in so many is kept free of floods while there are other callers: two or three slots for
/// each worker are enough for it to keep all workers busy, and for the others to find one free.
const KEPT_SHARE: usize = 2;
/// Whoever has not asked for so long is no caller any more. And a flood none of whose jobs went in
/// for so long goes before everybody, once: everybody goes on.
const LATELY_MS: u64 = 10 * 60_000;
/// Begun attempts are in the database after so long, or never.
const WRITTEN_MS: u64 = 60_000;
/// In a line as long as this a place is told as it was up to [`TOLD_MS`] ago: to put ten thousand
/// in order takes milliseconds, and whoever waits may ask as often as it likes.
const LONG_LINE: usize = 500;
const TOLD_MS: u64 = 1_000;

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

/// Somebody who has asked lately.
struct Caller {
    asked_at: UnixMillis,
    /// When a job of theirs went in, or they first asked.
    entered_at: UnixMillis,
}

/// Where a job stands in line: the order of the fields is the order of the line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// A flood's first job, after too long without any.
    is_starving: Reverse<bool>,
    /// Its caller wants more than the whole endpoint.
    is_last: bool,
    /// Whether it lets others go first, and how far: never above 0.
    priority: Reverse<i32>,
    /// How many slots its caller holds when its turn comes, with its own.
    turn: usize,
    since: UnixMillis,
    job: JobId,
}

/// One endpoint's gate.
pub struct Gatekeeper {
    limits: Limits,
    is_paused: bool,
    inside: HashMap<JobId, Inside>,
    waiting: HashMap<JobId, Waiting>,
    callers: HashMap<CallerId, Caller>,
    submits: VecDeque<UnixMillis>,
    breaker: Breaker,
    /// A long line, and when it was that.
    told: (UnixMillis, Vec<JobId>),
}

impl Gatekeeper {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            is_paused: false,
            inside: HashMap::new(),
            waiting: HashMap::new(),
            callers: HashMap::new(),
            submits: VecDeque::new(),
            breaker: Breaker::default(),
            told: (UnixMillis::default(), Vec::new()),
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
            Ask::Position(job) => (Answer::Position(self.position(job, now)), Vec::new()),
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
        self.expect(ticket.clone(), now);
        if let Some((until, reason)) = self.obstacle(ticket.job, now) {
            return Admission::Wait { until, reason };
        }
        self.enter(ticket, now)
    }

    /// Somebody waits, and will ask again by itself.
    pub fn expect(&mut self, ticket: Ticket, now: UnixMillis) {
        let (asked_at, entered_at) = (now, now);
        let caller = self.callers.entry(ticket.caller.clone());
        let new = Caller {
            asked_at,
            entered_at,
        };
        caller.or_insert(new).asked_at = now;
        self.waiting
            .insert(ticket.job, Waiting { ticket, asked_at });
    }

    fn enter(&mut self, ticket: &Ticket, now: UnixMillis) -> Admission {
        self.waiting.remove(&ticket.job);
        self.submits.push_back(now);
        let (caller, gone_at) = (ticket.caller.clone(), ticket.gone_at);
        let entered_at = Some(now);
        if let Some(caller) = self.callers.get_mut(&caller) {
            caller.entered_at = now;
        }
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
            let is_first = self.line(now).first().is_some_and(|first| first.job == job);
            match self.breaker.trying {
                None if now >= until && is_first => {}
                None if is_first => return Some((until, Reason::Refusing)),
                _ => return Some((later, Reason::Refusing)),
            }
        }
        if !self.next(now).contains(&job) {
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
            Fate::Unknown(gone_at) => {
                if let Some(inside) = self.inside.get_mut(&job) {
                    inside.gone_at = gone_at;
                }
                self.breaker.trouble(None, now);
            }
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
        self.next(now)
    }

    /// Those who may go in now, in their order.
    fn next(&self, now: UnixMillis) -> Vec<JobId> {
        let mut free = self.free();
        let mut next = Vec::new();
        if free == 0 {
            return next;
        }
        let is_alone = self.callers.len() <= 1;
        let kept = if is_alone {
            0
        } else {
            self.limits.jobs_max / KEPT_SHARE
        };
        for place in self.line(now) {
            if free == 0 || (place.is_last && free <= kept) {
                break;
            }
            next.push(place.job);
            free -= 1;
        }
        next
    }

    /// How many wait before this job; `None`: it does not wait here.
    pub fn position(&mut self, job: JobId, now: UnixMillis) -> Option<usize> {
        if self.waiting.len() < LONG_LINE {
            return self.line(now).iter().position(|place| place.job == job);
        }
        if now.since_ms(self.told.0) >= TOLD_MS {
            let line = self.line(now);
            self.told = (now, line.iter().map(|place| place.job).collect());
        }
        self.told.1.iter().position(|told| *told == job)
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
    fn line(&self, now: UnixMillis) -> Vec<Place> {
        let mut held: HashMap<&CallerId, usize> = HashMap::new();
        for inside in self.inside.values() {
            *held.entry(&inside.caller).or_default() += 1;
        }
        let mut wanted = held.clone();
        for waiting in self.waiting.values() {
            *wanted.entry(&waiting.ticket.caller).or_default() += 1;
        }
        let waiting = self.waiting.values();
        let mut line: Vec<&Ticket> = waiting.map(|waiting| &waiting.ticket).collect();
        line.sort_by_key(|ticket| (Reverse(ticket.priority), ticket.since, ticket.job));
        let places = line.into_iter().map(|ticket| {
            let turn = held.entry(&ticket.caller).or_default();
            *turn += 1;
            let is_flood = wanted.get(&ticket.caller) > Some(&self.limits.jobs_max);
            let known = self.callers.get(&ticket.caller);
            let is_starving =
                known.is_some_and(|known| now.since_ms(known.entered_at) >= LATELY_MS);
            let is_starving = is_flood && is_starving && *turn == 1;
            Place {
                is_starving: Reverse(is_starving),
                is_last: is_flood && !is_starving,
                priority: Reverse(ticket.priority.min(0)),
                turn: *turn,
                since: ticket.since,
                job: ticket.job,
            }
        });
        let mut places: Vec<Place> = places.collect();
        places.sort_unstable();
        places
    }

    fn free(&self) -> usize {
        self.limits.jobs_max.saturating_sub(self.inside.len())
    }

    fn forget(&mut self, now: UnixMillis) {
        self.inside.retain(|_, inside| now < inside.gone_at);
        // A try of which nothing was heard for so long is followed by another: whoever made it
        // died, or its word was lost.
        let is_tried = |job: &JobId| {
            let entered_at = self.inside.get(job).and_then(|inside| inside.entered_at);
            entered_at.is_some_and(|at| now.since_ms(at) < WRITTEN_MS)
        };
        self.breaker.trying = self.breaker.trying.filter(is_tried);
        self.waiting
            .retain(|_, waiting| now.since_ms(waiting.asked_at) < GONE_MS);
        let is_late = |caller: &Caller| now.since_ms(caller.asked_at) >= LATELY_MS;
        self.callers.retain(|_, caller| !is_late(caller));
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
