//! One binary for everything that needs no Cloudflare.

mod contract;
mod contract_docs;
mod golden;
mod lint;
