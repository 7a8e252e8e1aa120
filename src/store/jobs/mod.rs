//! The table `jobs`, with what belongs to one job alone: its prompt, attempts and outputs.
//!
//! A change of state is a compare-and-set with the expectation in `WHERE`. Statements that must
//! know whether they won read back a nonce of their own, so that a batch may run twice.

mod attempt;
mod audit;
mod create;
mod finish;
mod list;
mod read;
mod record;
mod turn;

pub use attempt::{
    begin_attempt, hold, look_later, note_provider_id, note_started, put_off, Begun, BEGIN_ATTEMPT,
    HOLD, LOOK_LATER, NOTE_PROVIDER_ID, NOTE_STARTED, PROMPT, PUT_OFF,
};
pub use audit::{
    audit, audit_these, count_live, mend_due, overdue, Audited, DueAfter, StoredFile, AUDIT,
    AUDIT_THESE, COUNT_LIVE, MEND_DUE, OVERDUE,
};
pub(in crate::store) use create::json;
pub use create::{
    create, find_by_key, Recorded, Recording, CREATE, CREATE_PROMPT, FIND_BY_KEY, FIND_CREATED,
};
pub use finish::{
    close_attempt, fail_attempt, finish, Again, AttemptEnd, AttemptOutcome, Closing, Finish,
    Finished, Heard, CLOSE_ATTEMPT, FAIL_ATTEMPT, FINISH, FINISH_ATTEMPT, FINISH_LATE,
    FINISH_OUTPUTS, WINNER,
};
pub use list::{list, list_all, Filter, Page, LIST, LIST_ALL, LIST_ALL_EXAMINED, LIST_EXAMINED};
pub use read::{
    at_endpoint, beginning, find, full, prompt, AT_ENDPOINT, BEGINNING, FIND, FULL, PROMPT_OF,
};
pub use record::{Accepted, AttemptRow, Full, InputFile, OutputRow, Record};
pub use turn::{cancel, retry, sweep, Round, CANCEL, RETRY, SWEEP};
