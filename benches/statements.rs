//! Prints the store's statements as one JSON object, by name: the baseline of `make bench` runs the
//! very same ones.

use std::collections::BTreeMap;

use edge_queue::store::{name, STATEMENTS};

fn main() {
    let by_name: BTreeMap<&str, &str> = STATEMENTS.iter().map(|sql| (name(sql), *sql)).collect();
    println!("{}", serde_json::json!(by_name));
}
