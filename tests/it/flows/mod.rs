//! Stories: a job from its creation to its end, through the real router.

mod at_the_gate;
mod attempts;
mod bytes;
mod deadlines;
mod doubt;
mod forgotten;
mod hushed;
mod keeping;
mod looking;
mod mailed;
mod runbooks;
mod second_thoughts;
mod signed;
mod the_main_job;
mod told;
