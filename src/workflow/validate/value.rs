//! A value that is no link: converted, then compared with range and choices.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::problem::{At, Problem};
use crate::workflow::python::{order, text, to_float, to_int, Raised, Value};
use crate::workflow::schema::{Conversion, Spec};

/// One error at most. `is_self_checked` leaves range and choices to the class.
pub(super) fn check(
    at: At<'_>,
    given: &Value<'_>,
    is_self_checked: bool,
) -> Result<Option<Problem>, Raised> {
    let Some(spec) = at.spec else {
        return Ok(None);
    };
    let given = unwrap(given);
    let value = match spec.conversion.map(|to| (to, convert(given, to))) {
        None => Cow::Borrowed(given),
        Some((_, Ok(value))) => value,
        Some((to, Err(why))) => return Ok(Some(Problem::not_convertible(at, given, to, why))),
    };
    if is_self_checked {
        return Ok(None);
    }
    if let Some(problem) = check_range(at, spec, &value)? {
        return Ok(Some(problem));
    }
    Ok(check_choice(at, spec, &value))
}

/// A list that is no link travels as `{"__value__": [...]}`.
pub(super) fn unwrap<'v, 'a>(given: &'v Value<'a>) -> &'v Value<'a> {
    let wrapped = given.as_dict().and_then(|dict| dict.get("__value__"));
    wrapped.unwrap_or(given)
}

fn convert<'v>(value: &'v Value<'v>, to: Conversion) -> Result<Cow<'v, Value<'v>>, Raised> {
    let converted = match (to, value) {
        (Conversion::Int, Value::Int(_))
        | (Conversion::Float, Value::Float(_))
        | (Conversion::Text, Value::Text(_))
        | (Conversion::Bool, Value::Bool(_)) => return Ok(Cow::Borrowed(value)),
        (Conversion::Int, _) => to_int(value)?,
        (Conversion::Float, _) => Value::Float(to_float(value)?),
        (Conversion::Text, _) => Value::Text(Cow::Owned(text(value))),
        (Conversion::Bool, _) => Value::Bool(value.is_truthy()),
    };
    Ok(Cow::Owned(converted))
}

fn check_range(at: At<'_>, spec: &Spec, value: &Value<'_>) -> Result<Option<Problem>, Raised> {
    if let Some(min) = &spec.min {
        if compare(value, "<", min)? == Some(Ordering::Less) {
            return Ok(Some(Problem::too_small(at, value, min)));
        }
    }
    if let Some(max) = &spec.max {
        if compare(value, ">", max)? == Some(Ordering::Greater) {
            return Ok(Some(Problem::too_big(at, value, max)));
        }
    }
    Ok(None)
}

fn compare(a: &Value<'_>, sign: &str, b: &Value<'_>) -> Result<Option<Ordering>, Raised> {
    order(a, b).map_err(|_| {
        let (a, b) = (a.type_name(), b.type_name());
        let sentence = format!("'{sign}' not supported between instances of '{a}' and '{b}'");
        Raised::new("TypeError", sentence)
    })
}

fn check_choice(at: At<'_>, spec: &Spec, value: &Value<'_>) -> Option<Problem> {
    let choices = spec.choices()?;
    let parts = match value {
        Value::List(parts) if spec.is_multiselect() => parts.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let wrong: Vec<_> = parts
        .iter()
        .filter(|part| !choices.contains(part))
        .collect();
    (!wrong.is_empty()).then(|| Problem::not_a_choice(at, value, &wrong))
}
