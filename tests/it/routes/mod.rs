//! Each route by itself: what it takes, what it refuses, and what it costs.

mod admin;
mod cost;
mod create;
mod envelope;
mod events;
mod list;
mod results;
mod uploads;
mod webhooks;
