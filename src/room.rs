//! Room: how many bytes of bodies this isolate holds at once, counted.
//!
//! An isolate has 128 MB for everything. Whoever takes in more than a small body asks for room
//! first and gives it back by dropping it; who gets none comes back later. Nobody waits for room:
//! on Workers a request that waits for another request hangs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use bytes::Bytes;

/// Of the isolate's 128 MB the rest is for the program and for the parsed, decoded and encoded
/// forms of what is counted here.
pub const ROOM_BYTES: usize = 48 << 20;

/// The room of one isolate. Clones share it.
#[derive(Clone)]
pub struct Room {
    taken_bytes: Arc<AtomicUsize>,
    /// Up to where this clone takes from it.
    most_bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            taken_bytes: Arc::default(),
            most_bytes: ROOM_BYTES,
        }
    }
}

/// A part of the room, given back when dropped.
pub struct Share {
    room: Room,
    bytes: usize,
}

impl Room {
    /// The same room for whoever may be anybody: the other half is never theirs.
    #[must_use]
    pub fn for_strangers(&self) -> Self {
        Self {
            most_bytes: ROOM_BYTES / 2,
            ..self.clone()
        }
    }

    pub fn taken_bytes(&self) -> usize {
        self.taken_bytes.load(Ordering::Relaxed)
    }

    /// `None`: too much is held already.
    pub fn take(&self, bytes: usize) -> Option<Share> {
        let mut share = Share {
            room: self.clone(),
            bytes: 0,
        };
        share.grow(bytes).then_some(share)
    }
}

impl Share {
    /// Takes `bytes` more, or nothing.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let (taken, most) = (&self.room.taken_bytes, self.room.most_bytes);
        let fits = |before: usize| before.checked_add(bytes).filter(|sum| *sum <= most);
        let grown = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        if grown.is_ok() {
            self.bytes += bytes;
        }
        grown.is_ok()
    }

    /// The bytes that this share is for: it is given back with the last slice of them.
    pub fn of(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held {
            bytes,
            _share: self,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let taken = &self.room.taken_bytes;
        taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct Held {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back_with_the_last_slice() {
        let room = Room::default();
        let bytes = room.take(100).unwrap().of(vec![7; 100]);
        let slice = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(room.taken_bytes(), 100);
        drop(slice);
        assert_eq!(room.taken_bytes(), 0);
    }

    #[test]
    fn strangers_leave_half_of_it_to_the_others() {
        let room = Room::default();
        let strangers = room.for_strangers();
        let most = strangers.take(ROOM_BYTES / 2).unwrap();
        assert!(strangers.take(1).is_none());
        assert!(room.take(ROOM_BYTES / 2).is_some());
        drop(most);
        let others = room.take(ROOM_BYTES / 2).unwrap();
        assert!(
            strangers.take(1).is_none(),
            "one room, however it is asked for"
        );
        drop(others);
        assert_eq!(strangers.taken_bytes(), 0);
    }

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let room = Room::default();
        let mut most = room.take(ROOM_BYTES - 1).unwrap();
        assert!(room.take(2).is_none());
        assert!(!most.grow(2));
        assert!(most.grow(1));
        assert_eq!(room.taken_bytes(), ROOM_BYTES);
        drop(most);
        assert_eq!(room.taken_bytes(), 0);
    }
}
