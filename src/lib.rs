//! edge-queue: a job queue at the edge for serverless GPUs.
//!
//! The row is the truth, the watcher is the will, the webhook is only news.
//! Read the modules in this order; each uses only those above it (`tests/it/tidy.rs` enforces it).

// Layer 0: values. No I/O, no async, no clock.
pub mod id;
pub mod job;
pub mod time;
pub mod workflow;

// Layer 1: the edge of the world, as traits and settings.
pub mod ports;

// Layer 2: speaking to neighbours.
pub mod providers;

// Layer 5: ways to plug it in.
#[cfg(feature = "cloudflare")]
mod cloudflare;
