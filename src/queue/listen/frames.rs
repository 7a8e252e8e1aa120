//! The events of a stream: what each is called, and which of them a listener has not seen.

use std::fmt::Write;

use crate::app::App;
use crate::job::JobStatus;
use crate::ports::Surface;
use crate::store::jobs::Full;

/// A job as it is told to those who listen.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    pub full: &'a Full,
    /// How many wait before it at its gate, where it waits.
    pub position: Option<usize>,
}

/// How an API shows what happened, as the data of events. Callers' shapes are no business of the
/// queue.
#[derive(Clone, Copy)]
pub struct Render {
    pub status: fn(&App, Standing<'_>, Surface) -> String,
    /// One output of a succeeded job.
    pub output: fn(&App, &Full, usize, Surface) -> String,
}

/// The id of an event, and by it what a listener has seen: the row's version, a count within it,
/// and the moment of the snapshot that was shown last.
///
/// A status is `<version>.0`. The outputs of a success come before its status and after every
/// earlier one: `<version - 1>.1`, `.2`, … A snapshot has the id of what was told before it, and
/// its own moment: `<version>.<count>.<moment>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub version: u64,
    pub count: u64,
    pub moment: u64,
}

impl Seen {
    /// `None`: no id of ours.
    pub fn parse(id: &str) -> Option<Self> {
        let mut parts = id.split('.').map(str::parse::<u64>);
        let mut next = |missing| parts.next().map_or(Some(missing), Result::ok);
        let seen = Self {
            version: next(0)?,
            count: next(0)?,
            moment: next(0)?,
        };
        parts.next().is_none().then_some(seen)
    }

    pub fn id(self) -> String {
        match self {
            Self {
                version,
                count,
                moment: 0,
            } => format!("{version}.{count}"),
            Self {
                version,
                count,
                moment,
            } => format!("{version}.{count}.{moment}"),
        }
    }

    fn is_before(self, version: u64, count: u64) -> bool {
        (self.version, self.count) < (version, count)
    }
}

/// One event as it goes over the wire.
pub fn frame(id: Seen, event: &str, data: &str) -> String {
    format!("id: {}\nevent: {event}\ndata: {data}\n\n", id.id())
}

/// Everything in the row that comes after `seen`, in order, and what is seen then.
pub fn story(
    render: &Render,
    app: &App,
    standing: Standing<'_>,
    surface: Surface,
    seen: Seen,
) -> (String, Seen) {
    let full = standing.full;
    let job = &full.record.job;
    let mut told = String::new();
    if !seen.is_before(job.version, 0) {
        return (told, seen);
    }
    let row = |version, count| Seen {
        version,
        count,
        moment: 0,
    };
    if job.status == JobStatus::Succeeded {
        for i in 0..full.outputs.len() {
            let (version, count) = (job.version - 1, i as u64 + 1);
            if seen.is_before(version, count) {
                let data = (render.output)(app, full, i, surface);
                told.push_str(&frame(row(version, count), "output", &data));
            }
        }
    }
    let data = (render.status)(app, standing, surface);
    // Writing to a text cannot fail.
    let _ = write!(told, "{}", frame(row(job.version, 0), "status", &data));
    let moment = seen.moment;
    let seen = Seen {
        moment,
        ..row(job.version, 0)
    };
    (told, seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_was_seen() {
        let seen = |version, count, moment| Seen {
            version,
            count,
            moment,
        };
        for (id, expected) in [
            ("7.0", Some(seen(7, 0, 0))),
            ("7", Some(seen(7, 0, 0))),
            ("7.2.1700000000000", Some(seen(7, 2, 1_700_000_000_000))),
            ("7.0.0.0", None),
            ("x", None),
            ("7.x", None),
            ("", None),
        ] {
            assert_eq!(Seen::parse(id), expected, "{id}");
        }
        assert_eq!(seen(7, 0, 0).id(), "7.0");
        assert_eq!(seen(7, 0, 5).id(), "7.0.5");
    }
}
