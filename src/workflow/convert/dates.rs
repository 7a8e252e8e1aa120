//! `%date:FORMAT%`: the moment of the conversion, in UTC.

use chrono::{DateTime, Datelike, Timelike, Utc};

use crate::time::UnixMillis;

/// Replaces d, M, y, h, m and s, one or two at a time (two to four for the year); the rest stays.
pub fn format(format: &str, now: UnixMillis) -> String {
    let now = DateTime::<Utc>::from_timestamp_millis(now.get()).unwrap_or_default();
    let letters: Vec<char> = format.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        let most = if letter == 'y' { 4 } else { 2 };
        let run = letters[at..]
            .iter()
            .take(most)
            .take_while(|c| **c == letter)
            .count();
        let number = match letter {
            'd' => Some(now.day()),
            'M' => Some(now.month()),
            'h' => Some(now.hour()),
            'm' => Some(now.minute()),
            's' => Some(now.second()),
            _ => None,
        };
        let text = match (number, letter, run) {
            (Some(number), ..) => format!("{number:0run$}"),
            (None, 'y', 2) => format!("{:02}", now.year().rem_euclid(100)),
            (None, 'y', 4) => now.year().to_string(),
            _ => letters[at..at + run].iter().collect(),
        };
        out.push_str(&text);
        at += run;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_its_format_says() {
        let now = UnixMillis::new(1_763_668_952_123);
        for (pattern, text) in [
            ("yyyy-MM-dd", "2025-11-20"),
            ("yy/M/d hh:mm:ss", "25/11/20 20:02:32"),
            ("yyy y x", "yyy y x"),
        ] {
            assert_eq!(format(pattern, now), text);
        }
    }
}
