//! Names of templates on a command line.

use anyhow::bail;
use edge_queue::workflow::template;

/// A name that is misspelt would select nothing, and nothing is always as it should be.
pub fn expect_known(names: &[String]) -> anyhow::Result<()> {
    let unknown = names.iter().find(|name| template::find(name).is_none());
    let Some(unknown) = unknown else {
        return Ok(());
    };
    let known: Vec<_> = template::names().collect();
    bail!(
        "there is no template {unknown}: there are {}",
        known.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_template_has_is_refused_with_those_that_there_are() {
        let names = ["text-to-image", "misspelt"].map(str::to_owned);
        assert!(expect_known(&names[..1]).is_ok());
        let why = expect_known(&names).unwrap_err().to_string();
        let begin = "there is no template misspelt: there are ";
        assert!(
            why.starts_with(begin) && why.contains("text-to-image"),
            "{why}"
        );
    }
}
