//! One binary for everything that needs no Cloudflare.
mod providers;
