//! What is wrong with the inputs of a job: where, which rule, and a sentence for the reader.
//!
//! Always all of them at once. Deliberately absent: HTTP statuses, which `http` alone knows.

use serde::Serialize;

/// The most violations one answer carries: more would help nobody and could be made to cost us.
pub const VIOLATIONS_MAX: usize = 100;

/// The longest piece of the caller's own text that a path or a message repeats, in characters.
pub const QUOTED_LENGTH_MAX: usize = 64;

/// One rule broken at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// A JSON Pointer into the request body, such as `/inputs/steps`, or `/steps` for a shorthand.
    pub path: String,
    /// Stable, for programs. One of [`CODES`] from `check`, an error type of ComfyUI's from
    /// `validate`, or one of the request's own; `docs/API.md` lists the last two.
    pub code: &'static str,
    /// One sentence that says what to do, for people.
    pub message: String,
}

impl Violation {
    pub fn new(path: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            code,
            message: message.into(),
        }
    }
}

/// Every code that `check` can give; `docs/CONTRACT.md` explains each, a golden case shows each.
pub const CODES: [&str; 22] = [
    "above_max",
    "bad_url",
    "below_min",
    "control_character",
    "given_twice",
    "missing_any_of",
    "missing_required",
    "not_a_choice",
    "not_a_step",
    "too_large",
    "too_long",
    "too_many_inputs",
    "too_many_pixels",
    "too_short",
    "too_small",
    "unknown_file",
    "unknown_input",
    "url_not_accepted",
    "wrong_content_type",
    "wrong_kind",
    "wrong_ratio",
    "wrong_type",
];

/// A name as one step of a JSON Pointer (RFC 6901), cut to a length that is safe to repeat.
pub fn pointer_step(name: &str) -> String {
    quoted(name).replace('~', "~0").replace('/', "~1")
}

/// The caller's text, short enough to repeat in an answer.
pub fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_LENGTH_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The candidate a caller most likely meant, if one is near enough to be worth naming.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.chars().count() > QUOTED_LENGTH_MAX {
        return None;
    }
    let name = name.to_lowercase();
    candidates
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out or replaced to make one text the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let names = ["prompt", "steps", "seed"];
        assert_eq!(nearest("promt", names.into_iter()), Some("prompt"));
        assert_eq!(nearest("Steps", names.into_iter()), Some("steps"));
        assert_eq!(nearest("colour", names.into_iter()), None);
        assert_eq!(nearest(&"x".repeat(10_000), names.into_iter()), None);
    }

    #[test]
    fn a_pointer_step_is_escaped_and_cut() {
        assert_eq!(pointer_step("a/b~c"), "a~1b~0c");
        assert!(pointer_step(&"x".repeat(1_000)).chars().count() <= QUOTED_LENGTH_MAX + 1);
    }

    #[test]
    fn the_codes_of_check_are_sorted_and_each_is_there_once() {
        assert!(CODES.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
