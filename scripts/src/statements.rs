//! `ops statements`: every SQL statement of the product, for the test that shows them to a real D1.

use std::io::Write;

use edge_queue::store::{name, STATEMENTS};
use serde_json::{json, Value};

use crate::told;

/// Print every SQL statement of the product
#[derive(clap::Args)]
pub struct Arguments {
    /// As a JSON list of {name, sql}
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.json {
        let one = |sql: &&'static str| json!({ "name": name(sql), "sql": sql });
        told::json(&STATEMENTS.iter().map(one).collect::<Value>())?;
    } else {
        let mut out = std::io::stdout().lock();
        for sql in STATEMENTS {
            writeln!(out, "{sql};\n")?;
        }
    }
    Ok(())
}
