//! One binary for everything that needs no Cloudflare.

// Helpers of tests may unwrap, as the tests themselves may.
#![cfg(test)]

mod access;
mod contract;
mod contract_docs;
mod core_inventory;
mod docs;
mod fairness;
mod flows;
mod golden;
mod lint;
mod log_docs;
mod machine;
mod promises;
mod providers;
mod reconcile;
mod routes;
mod schema;
mod simulation;
mod templates;
mod tidy;
