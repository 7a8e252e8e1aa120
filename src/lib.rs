//! edge-queue: a job queue at the edge for serverless GPUs.
//!
//! The row is the truth, the watcher is the will, the webhook is only news.
//! Read the modules in this order; each uses only those above it (`tests/it/tidy.rs` enforces it).

// Layer 0: values. No I/O, no async, no clock.
pub mod backoff;
pub mod id;
pub mod job;
pub mod media;
pub mod time;
pub mod token;
pub mod workflow;

// Layer 1: the edge of the world, as traits and settings.
pub mod config;
pub mod log;
pub mod ports;

// Layer 2: speaking to neighbours.
pub mod providers;
pub mod store;

// Layer 3: what the queue does, one verb per file.
pub mod app;
pub mod queue;

// Layer 4: what callers see.
pub mod http;

// Layer 5: two ways to plug it in.
#[cfg(feature = "cloudflare")]
mod cloudflare;
#[cfg(feature = "testing")]
pub mod testing;
