//! A contract in itself: names, references between its parts, limits.

use std::collections::BTreeSet;

use super::super::super::check::accepts;
use super::super::{Condition, Contract, Kind, Label, Part, Protocol};
use super::{Report, ITEMS_MAX};

/// A day: RunPod deletes a job that lives longer by default.
const DURATION_MS_MAX: u64 = 86_400_000;

/// RunPod refuses an execution limit below five seconds.
const EXECUTION_LIMIT_MS_MIN: u64 = 5_000;

pub fn lint(contract: &Contract, report: &mut Report) {
    let version: Vec<_> = contract.version.split('.').collect();
    let numbers = version.iter().all(|part| part.parse::<u32>().is_ok());
    let message = "a version is three numbers, major.minor.patch, such as 1.0.0";
    report.expect(
        version.len() == 3 && numbers,
        "/version",
        "bad_value",
        message,
    );
    label(&contract.title, "/title", report);
    label(&contract.description, "/description", report);
    references(contract, report);
    derived(contract, report);
    compositions(contract, report);
    outputs(contract, report);
    limits(contract, report);
}

pub fn label(label: &Label, path: &str, report: &mut Report) {
    for (language, text) in [("en", &label.en), ("th", &label.th)] {
        let path = format!("{path}/{language}");
        report.expect(
            !text.trim().is_empty(),
            &path,
            "empty",
            "a text for people is empty; both languages are needed",
        );
    }
}

/// Names of inputs, wherever they are used.
fn references(contract: &Contract, report: &mut Report) {
    let mut known = |name: &str, path: String| {
        if contract.input(name).is_none() {
            report.flaw(path, "bad_reference", format!("there is no input {name}"));
        }
    };
    for (alias, name) in &contract.aliases {
        known(name, format!("/aliases/{alias}"));
    }
    for (i, group) in contract.require_any.iter().enumerate() {
        for (k, name) in group.iter().enumerate() {
            known(name, format!("/require_any/{i}/{k}"));
        }
    }
    for (i, rule) in contract.rules.iter().enumerate() {
        known(rule.when.input(), format!("/rules/{i}/when/input"));
    }
    for (i, name) in contract.echo.iter().enumerate() {
        known(name, format!("/echo/{i}"));
    }
    conditions(contract, report);
    for (i, group) in contract.require_any.iter().enumerate() {
        let message = "a group needs at least one input";
        report.expect(
            !group.is_empty(),
            &format!("/require_any/{i}"),
            "empty",
            message,
        );
    }
    for alias in contract.aliases.keys() {
        if contract.input(alias).is_some() {
            let message = format!("{alias} is an input, so it cannot stand for another");
            report.flaw(format!("/aliases/{alias}"), "duplicate", message);
        }
    }
    let message = format!("more than {ITEMS_MAX} rules");
    report.expect(
        contract.rules.len() <= ITEMS_MAX,
        "/rules",
        "too_many",
        &message,
    );
}

/// A rule that waits for a value which its input never has.
fn conditions(contract: &Contract, report: &mut Report) {
    for (i, rule) in contract.rules.iter().enumerate() {
        let (word, value) = match &rule.when {
            Condition::Given(_) => continue,
            Condition::Equals(equals) => ("equals", &equals.equals),
            Condition::Not(not) => ("not", &not.not),
        };
        let input = contract.input(rule.when.input());
        if let Some(Err(message)) = input.map(|input| accepts(&input.kind, value)) {
            let path = format!("/rules/{i}/when/{word}");
            report.flaw(path, "bad_reference", format!("never so: {message}"));
        }
    }
}

fn derived(contract: &Contract, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (i, derived) in contract.derived.iter().enumerate() {
        let path = format!("/derived/{i}");
        if !seen.insert(&derived.name) {
            report.flaw(
                format!("{path}/name"),
                "duplicate",
                "two values of one name",
            );
        }
        let from = contract.input(&derived.from).map(|input| &input.kind);
        let (fits, message) = match (from, derived.linear) {
            (Some(Kind::Choice(options)), None) => (
                options
                    .choices
                    .iter()
                    .any(|c| c.values.contains_key(&derived.name)),
                format!("no choice of {} has values.{}", derived.from, derived.name),
            ),
            (Some(Kind::Integer(_)), Some(_)) => (true, String::new()),
            _ => (
                false,
                format!(
                    "{} must be a choice input, or with linear an integer input",
                    derived.from
                ),
            ),
        };
        report.expect(fits, &format!("{path}/from"), "bad_reference", &message);
    }
}

fn compositions(contract: &Contract, report: &mut Report) {
    for (i, composition) in contract.compose.iter().enumerate() {
        for (k, part) in composition.parts.iter().enumerate() {
            let Part::Input(from) = part else {
                continue;
            };
            let kind = contract.input(&from.input).map(|input| &input.kind);
            let fits = matches!(kind, Some(Kind::String(_) | Kind::Choice(_)));
            let message = "a text is composed of string and choice inputs";
            let path = format!("/compose/{i}/parts/{k}/input");
            report.expect(fits, &path, "bad_reference", message);
        }
        let empty = composition.parts.is_empty() && composition.baseline.is_empty();
        report.expect(
            !empty,
            &format!("/compose/{i}"),
            "empty",
            "nothing is composed: give it parts or a baseline",
        );
    }
}

fn outputs(contract: &Contract, report: &mut Report) {
    let message = "nothing would come back: list the nodes that save something";
    report.expect(!contract.outputs.is_empty(), "/outputs", "empty", message);
    let mut seen = BTreeSet::new();
    for (i, output) in contract.outputs.iter().enumerate() {
        let path = format!("/outputs/{i}/node");
        label(&output.label, &format!("/outputs/{i}/label"), report);
        let named = output.node.is_some() == (contract.protocol == Protocol::Comfyui);
        let message = "an output names its node under the protocol comfyui, and only there";
        report.expect(named, &path, "mismatch", message);
        if output.node.is_some() && !seen.insert(&output.node) {
            report.flaw(path, "duplicate", "two outputs of one node");
        }
    }
}

fn limits(contract: &Contract, report: &mut Report) {
    let limits = &contract.limits;
    let range = EXECUTION_LIMIT_MS_MIN..=DURATION_MS_MAX;
    let message = format!("it must be {EXECUTION_LIMIT_MS_MIN} to {DURATION_MS_MAX}");
    let path = "/limits/execution_limit_ms";
    report.expect(
        range.contains(&limits.execution_limit_ms),
        path,
        "bad_limit",
        &message,
    );
    let usual = (1..=limits.execution_limit_ms).contains(&limits.usual_duration_ms);
    let message = "it must be above 0 and at most execution_limit_ms";
    report.expect(usual, "/limits/usual_duration_ms", "bad_limit", message);
}
