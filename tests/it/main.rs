//! One binary for everything that needs no Cloudflare.

mod contract;
mod contract_docs;
mod flows;
mod golden;
mod lint;
mod providers;
