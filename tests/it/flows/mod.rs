//! Stories: a job from its creation to its end, through the real router.

mod bytes;
mod second_thoughts;
mod the_main_job;
