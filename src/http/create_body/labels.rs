//! A job's labels.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Reader;
use crate::workflow::violation::pointer_step;

/// As in the field's own conventions: enough to find a job by, too little to store data in.
const LABELS_MAX: usize = 16;
const LABEL_KEY_LENGTH_MAX: usize = 40;
const LABEL_VALUE_BYTES_MAX: usize = 256;
impl Reader {
    pub(super) fn labels(&mut self, value: Option<Value>) -> BTreeMap<String, String> {
        let given = match value {
            None | Some(Value::Null) => return BTreeMap::new(),
            Some(Value::Object(given)) => given,
            Some(_) => {
                self.wrong("/labels", "wrong_type", "an object whose values are texts");
                return BTreeMap::new();
            }
        };
        if given.len() > LABELS_MAX {
            let message = format!("at most {LABELS_MAX} labels");
            self.wrong("/labels", "too_long", &message);
        }
        let mut labels = BTreeMap::new();
        for (key, value) in given.into_iter().take(LABELS_MAX) {
            let path = format!("/labels/{}", pointer_step(&key));
            if !label_key_fits(&key) {
                let message = format!(
                    "a label's name is 1 to {LABEL_KEY_LENGTH_MAX} of A-Z, a-z, 0-9, _, . and -"
                );
                self.wrong(path, "bad_label", &message);
                continue;
            }
            match value {
                Value::String(text) if label_value_fits(&text) => {
                    labels.insert(key, text);
                }
                Value::String(_) => {
                    let message = format!(
                        "a label's value is at most {LABEL_VALUE_BYTES_MAX} bytes without control \
                         characters"
                    );
                    self.wrong(path, "bad_label", &message);
                }
                _ => self.wrong(path, "wrong_type", "a label's value is a text"),
            }
        }
        labels
    }
}

pub fn label_key_fits(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    (1..=LABEL_KEY_LENGTH_MAX).contains(&key.len()) && key.bytes().all(plain)
}

/// Control and direction-changing characters would let a label lie on an operator's screen, and
/// those that nobody sees would let two labels look alike. Joiners and the space without width
/// stay: Thai and emoji need them.
fn label_value_fits(text: &str) -> bool {
    let turns = |c: char| {
        let marks = ['\u{061c}', '\u{200e}', '\u{200f}'];
        marks.contains(&c) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let hides = |c: char| {
        let unseen = ['\u{00ad}', '\u{2028}', '\u{2029}', '\u{2060}', '\u{feff}'];
        unseen.contains(&c) || matches!(c, '\u{e0000}'..='\u{e007f}')
    };
    let lies = |c: char| c.is_control() || turns(c) || hides(c);
    text.len() <= LABEL_VALUE_BYTES_MAX && !text.chars().any(lies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_lie_on_a_screen_and_may_be_in_any_script() {
        for fits in [
            "",
            "order 17",
            "ภาพ\u{200b}ถ่าย",
            "👩\u{200d}🎨",
            "עברית",
            "العربية",
            "a\u{301}",
        ] {
            assert!(label_value_fits(fits), "{fits}");
        }
        for lies in [
            "a\nb",
            "a\u{0}b",
            "a\u{1b}[2Jb",
            "a\u{85}b",
            "gnp\u{202e}exe",
            "a\u{2066}b",
            "a\u{200f}b",
            "a\u{61c}b",
            "a\u{2028}b",
            "a\u{feff}b",
            "a\u{ad}b",
            "a\u{e0041}b",
        ] {
            assert!(!label_value_fits(lies), "{lies:?}");
        }
        assert!(!label_value_fits(&"ก".repeat(86)), "bytes are counted");
    }
}
