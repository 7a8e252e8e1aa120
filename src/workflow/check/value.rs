//! One value against one input: type, range, length, step, choice.

use serde_json::{Number, Value};

use super::super::contract::{Decimal, Kind, Options, Text, Whole};
use super::super::violation::{nearest, quoted, Violation};
use super::Given;

/// The largest seed: 2^53 - 1. ComfyUI takes 64 bits, but a seed travels as a JSON number, and
/// JavaScript and many JSON readers round larger ones: the job recorded would not be the job run.
pub const SEED_MAX: u64 = (1 << 53) - 1;

/// How far from a step a decimal may be, in steps: decimals such as 0.1 are not exact.
const STEP_TOLERANCE: f64 = 1e-6;

/// Decimals are recorded with at most six places: readers of JSON disagree about the last digit
/// of longer ones, and a job that is repeated must get the same bytes.
const DECIMAL_PLACES: f64 = 1e6;

/// The largest magnitude whose six decimal places a double still tells apart.
pub const DECIMAL_MAX: f64 = 1e9;

/// The value in its recorded form, or what is wrong with it.
pub fn check_value(kind: &Kind, given: &Given) -> Result<Value, Violation> {
    normalise(kind, given.value).map_err(|(code, message)| given.violation(code, &message))
}

/// Whether an input of this kind takes a value; for a contract's own defaults.
pub fn accepts(kind: &Kind, value: &Value) -> Result<(), String> {
    normalise(kind, value)
        .map(drop)
        .map_err(|(_, message)| message)
}

/// A value from the contract itself in its recorded form; `lint` proves that it is acceptable.
pub fn normalised(kind: &Kind, value: &Value) -> Value {
    normalise(kind, value).unwrap_or_else(|_| value.clone())
}

/// A form's text as the value its input wants; unchanged where it is none, so `check` can say why.
pub fn from_text(kind: &Kind, text: &str) -> Value {
    let as_number = || text.trim().parse::<Number>().map(Value::Number).ok();
    let read = match kind {
        Kind::Integer(_) | Kind::Number(_) | Kind::Seed(_) => as_number(),
        Kind::Boolean(_) => text.trim().parse::<bool>().map(Value::Bool).ok(),
        Kind::String(_) | Kind::Choice(_) | Kind::Image(_) | Kind::Video(_) | Kind::Audio(_) => {
            None
        }
    };
    read.unwrap_or_else(|| text.into())
}

type Broken = (&'static str, String);

fn normalise(kind: &Kind, value: &Value) -> Result<Value, Broken> {
    match kind {
        Kind::String(limits) => text(limits, value).map(Value::from),
        Kind::Integer(limits) => integer(limits, value).map(Value::from),
        Kind::Number(limits) => number(limits, value).map(Value::from),
        Kind::Boolean(_) => boolean(value).map(Value::from),
        Kind::Choice(options) => choice(options, value).map(Value::from),
        Kind::Seed(_) => seed(value).map(Value::from),
        // Files are the matter of `file`, which knows the facts about them.
        Kind::Image(_) | Kind::Video(_) | Kind::Audio(_) => Ok(value.clone()),
    }
}

fn text(limits: &Text, value: &Value) -> Result<String, Broken> {
    let text = value.as_str().ok_or_else(|| wrong_type("a text", value))?;
    let text = text.trim().replace("\r\n", "\n");
    let length = text.chars().count();
    if length < limits.min_length as usize {
        let least = limits.min_length;
        return Err((
            "too_short",
            format!("{length} characters, the least is {least}"),
        ));
    }
    if length > limits.max_length as usize {
        let most = limits.max_length;
        return Err((
            "too_long",
            format!("{length} characters, the most is {most}"),
        ));
    }
    match text
        .chars()
        .find(|c| c.is_control() && !"\n\t".contains(*c))
    {
        Some(control) => {
            let code = u32::from(control);
            let message = format!("the text holds the control character U+{code:04X}; remove it");
            Err(("control_character", message))
        }
        None => Ok(text),
    }
}

fn integer(limits: &Whole, value: &Value) -> Result<i64, Broken> {
    let number = whole(value).ok_or_else(|| wrong_type("an integer", value))?;
    in_range(value, number, limits.min, limits.max)?;
    let step = limits.step.unwrap_or(1).max(1);
    if (i128::from(number) - i128::from(limits.min)) % i128::from(step) != 0 {
        return Err(off_step(value, step, limits.min));
    }
    Ok(number)
}

fn number(limits: &Decimal, value: &Value) -> Result<f64, Broken> {
    let number = value.as_f64().filter(|n| n.is_finite());
    let number = number.ok_or_else(|| wrong_type("a number", value))?;
    in_range(value, number, limits.min, limits.max)?;
    if let Some(step) = limits.step.filter(|step| *step > 0.0) {
        let steps = (number - limits.min) / step;
        if (steps - steps.round()).abs() > STEP_TOLERANCE {
            return Err(off_step(value, step, limits.min));
        }
    }
    Ok(rounded(number))
}

/// The nearest decimal with six places.
pub fn rounded(number: f64) -> f64 {
    (number * DECIMAL_PLACES).round() / DECIMAL_PLACES
}

fn boolean(value: &Value) -> Result<bool, Broken> {
    value
        .as_bool()
        .ok_or_else(|| wrong_type("true or false", value))
}

fn choice(options: &Options, value: &Value) -> Result<String, Broken> {
    let text = value.as_str().ok_or_else(|| wrong_type("a text", value))?;
    if options.get(text).is_some() {
        return Ok(text.to_owned());
    }
    let values = || options.choices.iter().map(|choice| choice.value.as_str());
    let known = values().collect::<Vec<_>>().join(", ");
    let asked = quoted(text);
    let message = match nearest(text, values()) {
        Some(near) => format!("{asked} is not a choice; did you mean {near}? There are {known}"),
        None => format!("{asked} is not a choice; there are {known}"),
    };
    Err(("not_a_choice", message))
}

fn seed(value: &Value) -> Result<u64, Broken> {
    let number = whole(value)
        .ok_or_else(|| wrong_type("an integer, or the text random for a random one", value))?;
    let Ok(seed) = u64::try_from(number) else {
        let message = format!("{value} is below 0; leave the seed out for a random one");
        return Err(("below_min", message));
    };
    if seed > SEED_MAX {
        let message = format!("{value} is above {SEED_MAX}, the largest that JSON carries exactly");
        return Err(("above_max", message));
    }
    Ok(seed)
}

/// Integers, also written as 4.0; saturating, so that huge ones are out of range, not mistyped.
fn whole(value: &Value) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let number = value.as_f64()?;
    // Saturation is what is wanted here: every limit is far inside the range of i64.
    #[allow(clippy::cast_possible_truncation)]
    (number.fract() == 0.0).then_some(number as i64)
}

/// A number in its range; told is what the caller wrote, which may be beyond what `number` holds.
fn in_range<T: PartialOrd + Copy + std::fmt::Display>(
    value: &Value,
    number: T,
    min: T,
    max: T,
) -> Result<(), Broken> {
    if number < min {
        return Err(("below_min", format!("{value} is below the least, {min}")));
    }
    if number > max {
        return Err(("above_max", format!("{value} is above the most, {max}")));
    }
    Ok(())
}

fn off_step(value: &Value, step: impl std::fmt::Display, min: impl std::fmt::Display) -> Broken {
    let message = format!("{value} is not on a step: values go from {min} in steps of {step}");
    ("not_a_step", message)
}

fn wrong_type(wanted: &str, value: &Value) -> Broken {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    (
        "wrong_type",
        format!("{wanted} is wanted here, this is {found}"),
    )
}
