//! edge-queue: a job queue at the edge for serverless GPUs.
//!
//! The row is the truth, the watcher is the will, the webhook is only news.
//! Read the modules in this order: each uses only those in the blocks above it. `tests/it/tidy.rs`
//! reads the order here and enforces it; docs/ARCHITECTURE.md shows it again.

// Values and decisions. No I/O, no async, no clock.
pub mod parse;
pub mod time;

pub mod backoff;
pub mod id;
pub mod room;

pub mod address;
pub mod media;

pub mod access;
pub mod token;

pub mod gate;

pub mod job;

pub mod notify;

pub mod workflow;

// The edge of the world: traits, then settings and what is told of events.
pub mod ports;

pub mod config;
pub mod log;

// Speaking to neighbours, and being spoken to.
pub mod outgoing;
pub mod patience;

pub mod providers;

pub mod store;

// What the queue does, one verb per file.
pub mod app;

pub mod queue;

// What callers see.
pub mod http;

// Two ways to plug it in.
#[cfg(feature = "cloudflare")]
mod cloudflare;
#[cfg(feature = "testing")]
pub mod testing;
