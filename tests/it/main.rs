//! One binary for everything that needs no Cloudflare.

mod flows;
mod golden;
mod providers;
