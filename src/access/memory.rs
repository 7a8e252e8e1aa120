//! What an isolate remembers for a short time, so that it need not ask the database again.

use std::any::Any;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::time::UnixMillis;

/// Values by name, each for `keep_ms` at most.
pub struct Memory<T> {
    kept: Kept,
    of: PhantomData<fn() -> T>,
}

/// One map for values of every kind: a map for each is code that is uploaded for each.
struct Kept {
    keep_ms: u64,
    entries_max: usize,
    by_name: Mutex<HashMap<String, (Value, UnixMillis)>>,
}

type Value = Arc<dyn Any + Send + Sync>;

impl<T: Clone + Send + Sync + 'static> Memory<T> {
    pub fn new(keep_ms: u64, entries_max: usize) -> Self {
        let kept = Kept {
            keep_ms,
            entries_max,
            by_name: Mutex::default(),
        };
        let of = PhantomData;
        Self { kept, of }
    }

    pub fn get(&self, name: &str, now: UnixMillis) -> Option<T> {
        self.kept.get(name, now)?.downcast_ref().cloned()
    }

    pub fn keep(&self, name: &str, value: T, now: UnixMillis) {
        self.kept.keep(name, Arc::new(value), now);
    }

    pub fn forget(&self, name: &str) {
        self.kept.lock().remove(name);
    }
}

impl Kept {
    fn get(&self, name: &str, now: UnixMillis) -> Option<Value> {
        let entries = self.lock();
        let (value, at) = entries.get(name)?;
        // A clock that went backwards must not make anything last longer.
        let is_fresh = *at <= now && now.since_ms(*at) < self.keep_ms;
        is_fresh.then(|| Arc::clone(value))
    }

    fn keep(&self, name: &str, value: Value, now: UnixMillis) {
        let mut entries = self.lock();
        if entries.len() >= self.entries_max {
            entries.clear();
        }
        entries.insert(name.to_owned(), (value, now));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Value, UnixMillis)>> {
        // No step under this lock leaves an entry in parts.
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_forgotten_in_time_and_does_not_pile_up() {
        let memory = Memory::new(30_000, 2);
        let at = UnixMillis::new;
        memory.keep("a", 1, at(1_000));
        assert_eq!(memory.get("a", at(30_999)), Some(1));
        assert_eq!(memory.get("a", at(31_000)), None);
        assert_eq!(memory.get("a", at(999)), None, "not before it was learnt");
        memory.keep("b", 2, at(1_000));
        memory.keep("c", 3, at(1_000));
        assert_eq!(memory.get("b", at(1_000)), None);
        assert_eq!(memory.get("c", at(1_000)), Some(3));
    }
}
