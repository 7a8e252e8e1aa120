//! The inputs of a contract: names, ranges, choices, defaults.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::super::check::{accepts, rounded, DECIMAL_MAX, SEED_MAX};
use super::super::{Contract, Decimal, File, Input, Kind, Options, Text};
use super::contract::label;
use super::{Report, ITEMS_MAX};

/// Long enough for any word of a form; it is repeated in paths and file names.
const NAME_LENGTH_MAX: usize = 40;

pub fn lint(contract: &Contract, report: &mut Report) {
    let message = format!("more than {ITEMS_MAX} inputs");
    report.expect(
        contract.inputs.len() <= ITEMS_MAX,
        "/inputs",
        "too_many",
        &message,
    );
    let mut seen = BTreeSet::new();
    let mut seeds = 0;
    for (i, input) in contract.inputs.iter().enumerate() {
        let path = format!("/inputs/{i}");
        if !seen.insert(&input.name) {
            report.flaw(
                format!("{path}/name"),
                "duplicate",
                "two inputs of one name",
            );
        }
        seeds += usize::from(matches!(input.kind, Kind::Seed(_)));
        name(&input.name, &format!("{path}/name"), report);
        label(&input.label, &format!("{path}/label"), report);
        if let Some(help) = &input.help {
            label(help, &format!("{path}/help"), report);
        }
        ranges(&input.kind, &path, report);
        defaults(contract, input, &path, report);
    }
    report.expect(
        seeds <= 1,
        "/inputs",
        "duplicate",
        "a job has one seed, so one seed input: give its places to the first",
    );
}

fn name(name: &str, path: &str, report: &mut Report) {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let fits = (1..=NAME_LENGTH_MAX).contains(&name.len())
        && name.bytes().all(plain)
        && name.as_bytes()[0].is_ascii_lowercase();
    let message = format!("a name is 1 to {NAME_LENGTH_MAX} of a-z, 0-9 and _, a letter first");
    report.expect(fits, path, "bad_name", &message);
}

fn ranges(kind: &Kind, path: &str, report: &mut Report) {
    match kind {
        Kind::String(text) => lengths(text, path, report),
        Kind::Integer(whole) => {
            let exact = -(SEED_MAX.cast_signed())..=SEED_MAX.cast_signed();
            let fits = whole.min <= whole.max
                && exact.contains(&whole.min)
                && exact.contains(&whole.max)
                && whole.step.is_none_or(|step| step > 0);
            report.expect(fits, path, "bad_limit", "min, max and step allow no values");
        }
        Kind::Number(decimal) => decimals(decimal, path, report),
        Kind::Choice(options) => choices(options, path, report),
        Kind::Image(file) | Kind::Video(file) | Kind::Audio(file) => {
            files(kind, file, path, report);
        }
        Kind::Boolean(_) | Kind::Seed(_) => {}
    }
}

fn decimals(decimal: &Decimal, path: &str, report: &mut Report) {
    let short = |limit: f64| limit.abs() <= DECIMAL_MAX && same(limit, rounded(limit));
    let step = decimal.step.unwrap_or(1.0);
    let fits = decimal.min <= decimal.max && step > 0.0;
    report.expect(fits, path, "bad_limit", "min, max and step allow no values");
    let exact = short(decimal.min) && short(decimal.max) && short(step);
    let message = "min, max and step have at most six decimal places and nine digits before them";
    report.expect(exact, path, "bad_limit", message);
}

/// Rounding leaves a number with six places as it is, to the bit.
fn same(left: f64, right: f64) -> bool {
    left.to_bits() == right.to_bits()
}

fn lengths(text: &Text, path: &str, report: &mut Report) {
    let fits = text.min_length <= text.max_length && text.max_length > 0;
    report.expect(
        fits,
        path,
        "bad_limit",
        "min_length and max_length allow no text",
    );
}

fn choices(options: &Options, path: &str, report: &mut Report) {
    let count = options.choices.len();
    let message = format!("a choice needs 1 to {ITEMS_MAX} values");
    report.expect((1..=ITEMS_MAX).contains(&count), path, "too_many", &message);
    let mut seen = BTreeSet::new();
    for (k, choice) in options.choices.iter().enumerate() {
        let path = format!("{path}/choices/{k}");
        if !seen.insert(&choice.value) {
            report.flaw(
                format!("{path}/value"),
                "duplicate",
                "two choices of one value",
            );
        }
        label(&choice.label, &format!("{path}/label"), report);
        for (name, value) in &choice.values {
            let plain = !matches!(value, Value::Null | Value::Array(_) | Value::Object(_));
            let message = "a value is a number, a text, true or false";
            report.expect(
                plain,
                &format!("{path}/values/{name}"),
                "bad_value",
                message,
            );
        }
    }
}

fn files(kind: &Kind, file: &File, path: &str, report: &mut Report) {
    report.expect(
        file.size_bytes_max > 0,
        path,
        "bad_limit",
        "size_bytes_max allows no file",
    );
    let message = "without content_types no file can be given; name those that the node reads";
    report.expect(!file.content_types.is_empty(), path, "empty", message);
    let family = kind.file().map_or("", |(kind, _)| kind.as_str());
    for (k, content_type) in file.content_types.iter().enumerate() {
        let fits = content_type.split('/').next() == Some(family);
        let message = format!("{content_type} is not of kind {family}");
        report.expect(
            fits,
            &format!("{path}/content_types/{k}"),
            "bad_value",
            &message,
        );
    }
}

fn defaults(contract: &Contract, input: &Input, path: &str, report: &mut Report) {
    let default = input.kind.default_value();
    let from = input.kind.default_from();
    let has_default = default.is_some() || from.is_some() || matches!(input.kind, Kind::Seed(_));
    let message = "a required input cannot have a default: drop one of the two";
    report.expect(
        !(input.required && has_default),
        path,
        "bad_default",
        message,
    );
    if let Some(Err(message)) = default.map(|value| accepts(&input.kind, &value)) {
        report.flaw(format!("{path}/default"), "bad_default", message);
    }
    if let Kind::Choice(options) = &input.kind {
        let wanted = options
            .choices
            .iter()
            .filter_map(|choice| choice.needs.as_ref());
        for needed in wanted.filter(|needed| contract.input(needed).is_none()) {
            let message = format!("a choice needs {needed}, which is not an input");
            report.flaw(format!("{path}/choices"), "bad_reference", message);
        }
        let default = options
            .default
            .as_ref()
            .and_then(|value| options.get(value));
        let needy = default.is_some_and(|choice| choice.needs.is_some());
        let message = "a default that needs another input makes that one required";
        report.expect(!needy, &format!("{path}/default"), "bad_default", message);
    }
    let Some(from) = from else {
        return;
    };
    let path = format!("{path}/default_from");
    let Some(Kind::Choice(options)) = contract.input(from).map(|from| &from.kind) else {
        report.flaw(
            path,
            "bad_reference",
            format!("{from} is not a choice input"),
        );
        return;
    };
    report.expect(
        options.default.is_some(),
        &path,
        "bad_default",
        "the choice that it follows has no default, so it would have none either",
    );
    for choice in &options.choices {
        match choice
            .values
            .get(&input.name)
            .map(|value| accepts(&input.kind, value))
        {
            Some(Ok(())) => {}
            Some(Err(message)) => report.flaw(&path, "bad_default", message),
            None => {
                let message = format!("the choice {} has no values.{}", choice.value, input.name);
                report.flaw(&path, "bad_default", message);
            }
        }
    }
}
