//! What a caller may do: scopes, limits, and the text of an API key. No I/O.

mod key;
mod memory;

pub use key::{KeyText, Presented, ID_LENGTH};
pub use memory::Memory;

use crate::room::Room;
use crate::time::UnixMillis;

/// One thing that a key may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Upload, create, cancel and retry.
    JobsWrite,
    /// See jobs and fetch results.
    JobsRead,
    /// Send a workflow of one's own instead of naming a template.
    WorkflowsRaw,
    /// Everything below `/api/admin/`, making keys included.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 4] = [
        Self::JobsWrite,
        Self::JobsRead,
        Self::WorkflowsRaw,
        Self::Admin,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JobsWrite => "jobs:write",
            Self::JobsRead => "jobs:read",
            Self::WorkflowsRaw => "workflows:raw",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }

    /// As a row holds them. A scope that this code does not know allows nothing.
    pub fn read(text: &str) -> Self {
        text.split(',').filter_map(Scope::parse).collect()
    }

    pub fn text(self) -> String {
        let names: Vec<&str> = self.iter().map(Scope::as_str).collect();
        names.join(",")
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        let all = scopes.into_iter().map(Scope::bit);
        Self(all.fold(0, |bits, bit| bits | bit))
    }
}

/// What is counted exactly, in the batch that records the job. `None`: not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Jobs and retries a minute of the clock.
    pub jobs_per_minute: Option<u32>,
    /// Jobs and retries a day, UTC.
    pub jobs_per_day: Option<u32>,
    /// Jobs of the caller that have not ended.
    pub live_jobs: Option<u32>,
}

impl Limits {
    pub const fn any(&self) -> bool {
        self.jobs_per_minute.is_some() || self.jobs_per_day.is_some() || self.live_jobs.is_some()
    }
}

/// What limits count in: minutes and days of the clock, UTC. Two full windows may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    Minute,
    Day,
}

impl Window {
    pub const fn length_ms(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Day => 24 * 60 * 60_000,
        }
    }

    /// The window in which `now` lies, counted from 1970.
    pub const fn number(self, now: UnixMillis) -> i64 {
        now.get().div_euclid(self.length_ms())
    }

    /// Seconds until the window ends, 1 at least.
    pub const fn ends_in_s(self, now: UnixMillis) -> u32 {
        let left_ms = self.length_ms() - now.get().rem_euclid(self.length_ms());
        // At most a day.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let seconds = (left_ms + 999) as u32 / 1000;
        seconds
    }
}

/// Whether a caller pays for its jobs with credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credits {
    /// It does not.
    #[default]
    Free,
    /// Once its owner has been granted some.
    IfGranted,
    /// Always; it begins with so many.
    Begins(u32),
}

/// What a call may do, and what it is charged to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    pub scopes: Scopes,
    /// Templates marked public, and no others.
    pub public_only: bool,
    /// The API key of the call: nothing is recorded for one that was revoked meanwhile.
    pub key: Option<String>,
    /// Where its jobs are counted, if they are.
    pub account: Option<Account>,
    pub credits: Credits,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub limits: Limits,
}

impl Rights {
    /// The operator, who is limited by nothing.
    pub fn operator() -> Self {
        Self {
            scopes: Scope::ALL.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Whether this may be anybody, and many at once: whoever shows no key, where that is counted.
    pub const fn is_stranger(&self) -> bool {
        self.key.is_none() && self.account.is_some()
    }

    /// Of the memory for bodies: who shows no key may be anybody, and many at once.
    pub fn room(&self, all: &Room) -> Room {
        if self.key.is_some() || self.scopes.has(Scope::Admin) {
            all.clone()
        } else {
            all.for_strangers()
        }
    }

    /// A caller without a key, where none is asked for.
    pub fn open() -> Self {
        let all = Scope::ALL.into_iter();
        Self {
            scopes: all.filter(|scope| *scope != Scope::Admin).collect(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_survive_being_written_and_unknown_ones_allow_nothing() {
        for scope in Scope::ALL {
            let alone: Scopes = [scope].into_iter().collect();
            assert_eq!(Scopes::read(&alone.text()), alone);
            assert_eq!(alone.iter().collect::<Vec<_>>(), [scope]);
        }
        assert_eq!(Scopes::read("jobs:everything,"), Scopes::default());
        assert_eq!(Scopes::read("admin,jobs:read").text(), "jobs:read,admin");
    }

    #[test]
    fn a_window_ends_a_second_before_it_is_over_at_the_latest() {
        let at = |ms| Window::Minute.ends_in_s(UnixMillis::new(ms));
        assert_eq!([at(0), at(1), at(59_001), at(59_999)], [60, 60, 1, 1]);
        assert_eq!(Window::Day.number(UnixMillis::new(86_400_000)), 1);
        assert_eq!(Window::Day.number(UnixMillis::new(-1)), -1);
    }

    #[test]
    fn a_caller_without_a_key_is_no_operator() {
        assert!(!Rights::open().scopes.has(Scope::Admin));
        assert!(Rights::open().scopes.has(Scope::WorkflowsRaw));
        assert!(Rights::operator().scopes.has(Scope::Admin));
    }
}
