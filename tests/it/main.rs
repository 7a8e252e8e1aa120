//! One binary for everything that needs no Cloudflare.

mod contract;
mod golden;
mod lint;
