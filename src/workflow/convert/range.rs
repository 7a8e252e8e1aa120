//! What a number passes on its way from a primitive into a widget, as JavaScript calculates it.
//!
//! Two passes: the primitive's own widget clamps and rounds by what all its targets have in common,
//! then the widget that it is written to rounds by its own definition.

use std::sync::Arc;

use crate::workflow::json::{number_of_text, Json};

/// What a fraction without limits of its own is kept between, by its own widget.
const FRACTION_MIN: f64 = 0.0;
const FRACTION_MAX: f64 = 2048.0;

/// The step of a fraction that has none.
const FRACTION_STEP: f64 = 0.5;

/// `toFixed` of JavaScript writes no more.
const PLACES_MAX: f64 = 100.0;

/// Turns of Euclid's algorithm: whole numbers need fewer than 80, fractions end as they underflow.
const EUCLID_TURNS_MAX: usize = 10_000;

/// The options of a numeric input that decide what becomes of a primitive's number.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    is_whole: bool,
    min: Option<f64>,
    max: Option<f64>,
    step: Option<f64>,
    round: Option<f64>,
    /// The other options that must be the same for two inputs to have a range in common.
    others: Arc<[(String, Json)]>,
}

impl Range {
    pub fn read(options: &Json, is_whole: bool) -> Self {
        /// Inputs may differ in these and still share a primitive's range.
        const FREE: [&str; 10] = [
            "min",
            "max",
            "step",
            "default",
            "forceInput",
            "defaultInput",
            "control_after_generate",
            "multiline",
            "tooltip",
            "dynamicPrompts",
        ];
        let number = |key: &str| options.get(key).and_then(Json::as_number);
        let others = options.entries().iter();
        let others =
            others.filter(|(key, value)| !FREE.contains(&key.as_str()) && !value.is_null());
        let mut others: Vec<_> = others.cloned().collect();
        others.sort_by(|a, b| a.0.cmp(&b.0));
        Self {
            is_whole,
            min: number("min"),
            max: number("max"),
            step: number("step"),
            round: number("round").filter(|round| *round != 0.0),
            others: others.into(),
        }
    }

    /// What two inputs of one type have in common; nothing when their ranges do not meet or another
    /// option differs.
    pub fn common(&self, other: &Self) -> Option<Self> {
        let (low, high) = (self.low().max(other.low()), self.high().min(other.high()));
        if self.is_whole != other.is_whole || low > high || !self.others_agree(other) {
            return None;
        }
        let step = |range: &Self| range.step.unwrap_or(1.0);
        Some(Self {
            min: Some(low),
            max: Some(high),
            step: Some(least_common_multiple(step(self), step(other))),
            ..self.clone()
        })
    }

    fn low(&self) -> f64 {
        self.min.unwrap_or(f64::NEG_INFINITY)
    }

    fn high(&self) -> f64 {
        self.max.unwrap_or(f64::INFINITY)
    }

    /// Lists and objects of two inputs are never the same to JavaScript.
    fn others_agree(&self, other: &Self) -> bool {
        let plain = |(_, value): &(String, Json)| !matches!(value, Json::List(_) | Json::Object(_));
        Arc::ptr_eq(&self.others, &other.others)
            || (self.others == other.others && self.others.iter().all(plain))
    }

    /// The primitive's own widget: first into the range, then onto a step.
    pub fn clamp(&self, value: Json) -> Json {
        let n = number_of(&value);
        let n = if n < self.low() { self.low() } else { n };
        if n > self.high() {
            Json::Number(self.high())
        } else if n > number_of(&value) {
            Json::Number(n)
        } else {
            value
        }
    }

    /// What a widget makes of a value that is written to it.
    pub fn pass(&self, value: Json) -> Json {
        if self.is_whole {
            self.whole(&value)
        } else {
            self.fraction(value)
        }
    }

    /// A whole number falls on a step, counted from the minimum; that may lead beyond the maximum.
    fn whole(&self, value: &Json) -> Json {
        let step = self.step.filter(|step| *step != 0.0 && !step.is_nan());
        let step = step.unwrap_or(1.0);
        let remainder = self.min.unwrap_or(0.0) % step;
        let offset = if remainder.is_nan() { 0.0 } else { remainder };
        Json::Number(round_up_halves((number_of(value) - offset) / step) * step + offset)
    }

    /// A fraction is rounded by `round`, or else to the decimals of its step, and then kept in its
    /// range. With a step of 1 or more and no `round` it stays as it is.
    fn fraction(&self, value: Json) -> Json {
        let places = decimals(self.step.unwrap_or(FRACTION_STEP));
        // At most a hundred, as `decimals` makes sure.
        #[allow(clippy::cast_possible_truncation)]
        let by_step = (places > 0.0).then(|| 10_f64.powi(-(places as i32)));
        let Some(unit) = self.round.or(by_step) else {
            return value;
        };
        let raw = round_up_halves(number_of(&value) / unit) * unit;
        let fixed = to_fixed(raw, places);
        let (low, high) = (
            self.min.unwrap_or(FRACTION_MIN),
            self.max.unwrap_or(FRACTION_MAX),
        );
        Json::Number(match fixed {
            n if n > high => high,
            n if n < low => low,
            n => n,
        })
    }
}

/// The number that JavaScript makes of a value in a calculation.
fn number_of(value: &Json) -> f64 {
    match value {
        Json::Null => 0.0,
        Json::Bool(b) => f64::from(u8::from(*b)),
        Json::Number(n) => *n,
        Json::Text(text) => number_of_text(text),
        Json::List(_) | Json::Object(_) => number_of_text(&value.plain_text()),
    }
}

/// How many decimals a step has: two for 0.01.
fn decimals(step: f64) -> f64 {
    (-step.log10().floor()).clamp(0.0, PLACES_MAX)
}

/// The number written with so many decimals and read again, exact halves away from zero.
fn to_fixed(n: f64, places: f64) -> f64 {
    // Between 0 and 100.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let places = places as usize;
    if !n.is_finite() {
        return n;
    }
    // What has a half at the next decimal has no more binary digits than that, and so shows it.
    let halves = n * 2_f64.powi(i32::try_from(places).unwrap_or(0) + 1);
    let next = places + 1;
    let is_half = halves.fract() == 0.0 && format!("{n:.next$}").ends_with('5');
    let n = if is_half {
        f64::from_bits(n.to_bits() + 1)
    } else {
        n
    };
    format!("{n:.places$}").parse().unwrap_or(n)
}

/// JavaScript rounds halves towards infinity.
fn round_up_halves(n: f64) -> f64 {
    let down = n.floor();
    if n - down >= 0.5 {
        down + 1.0
    } else {
        down
    }
}

fn least_common_multiple(a: f64, b: f64) -> f64 {
    let (mut divisor, mut rest) = (a, b);
    for _ in 0..EUCLID_TURNS_MAX {
        if rest == 0.0 || rest.is_nan() {
            break;
        }
        (divisor, rest) = (rest, divisor % rest);
    }
    (a * b).abs() / divisor
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(options: &str) -> Range {
        Range::read(&serde_json::from_str(options).unwrap(), true)
    }

    fn fraction(options: &str) -> Range {
        Range::read(&serde_json::from_str(options).unwrap(), false)
    }

    #[track_caller]
    fn check_fraction(options: &str, cases: &[(f64, f64)]) {
        for &(given, taken) in cases {
            let told = fraction(options).pass(Json::Number(given));
            assert_eq!(told, Json::Number(taken), "{given}");
        }
    }

    #[test]
    fn whole_numbers_fall_on_the_steps_from_the_minimum_even_beyond_the_maximum() {
        let length = whole(r#"{"min": 1, "max": 16384, "step": 8}"#);
        for (given, taken) in [(77.6, 81.0), (76.0, 73.0), (16_384.0, 16_385.0)] {
            let told = length.pass(Json::Number(given));
            assert_eq!(told, Json::Number(taken), "{given}");
        }
    }

    #[test]
    fn a_fraction_has_the_decimals_of_its_step_whatever_it_is_rounded_to() {
        // cfg of KSampler, as a running editor was seen to take it.
        check_fraction(
            r#"{"min": 0, "max": 100, "step": 0.1, "round": 0.01}"#,
            &[
                (7.25, 7.3),
                (7.123, 7.1),
                (7.777, 7.8),
                (8.06, 8.1),
                (0.145, 0.1),
                (1e9, 100.0),
            ],
        );
        check_fraction(r#"{"min": 0, "max": 100, "step": 0.1}"#, &[(0.34, 0.3)]);
    }

    #[test]
    fn a_step_of_one_or_more_rounds_no_fraction() {
        check_fraction(
            r#"{"min": 1, "max": 120, "step": 1}"#,
            &[(23.976, 23.976), (500.0, 500.0)],
        );
        let fps = fraction(r#"{"min": 1, "max": 120, "step": 1}"#);
        let text = Json::Text("abc".into());
        assert_eq!(fps.pass(text.clone()), text);
    }

    #[test]
    fn a_fraction_without_a_range_is_kept_between_0_and_2048() {
        check_fraction(r#"{"step": 0.01}"#, &[(5000.0, 2048.0), (-5.0, 0.0)]);
    }

    #[test]
    fn inputs_share_the_narrower_range_and_the_common_step() {
        let width = whole(r#"{"default": 512, "min": 16, "max": 16384, "step": 8}"#);
        let steps = whole(r#"{"default": 20, "min": 1, "max": 10000}"#);
        let common = width.common(&steps).unwrap();
        assert_eq!(
            (common.min, common.max, common.step),
            (Some(16.0), Some(10_000.0), Some(8.0))
        );
        assert_eq!(width.common(&whole(r#"{"max": 3}"#)), None);
        assert_eq!(width.common(&whole(r#"{"display": "slider"}"#)), None);
    }

    #[test]
    fn halves_are_rounded_away_from_zero_and_only_exact_ones() {
        for (n, places, fixed) in [
            (7.25, 1.0, 7.3),
            (-7.25, 1.0, -7.3),
            (1.005, 2.0, 1.0),
            (2.5, 0.0, 3.0),
            (0.5, 0.0, 1.0),
            (8.0, 0.0, 8.0),
        ] {
            assert_eq!(to_fixed(n, places).to_string(), fixed.to_string(), "{n}");
        }
    }
}
