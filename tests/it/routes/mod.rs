//! Each route by itself: what it takes, what it refuses, and what it costs.

mod admin;
mod bodies;
mod cancel;
mod comfy;
mod console;
mod cost;
mod create;
mod deliveries;
mod envelope;
mod events;
mod hostile;
mod inventory;
mod list;
mod live;
mod metrics;
mod results;
mod retry;
mod templates;
mod uploads;
mod webhooks;
mod workflow;
