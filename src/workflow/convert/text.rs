//! Dynamic prompts: comments go, and of `{a|b}` one alternative stays.

use super::budget::Budget;
use super::error::ConvertError;
use super::Options;

/// Choices inside choices. Every level reads its text again, so depth costs time.
const DEPTH_MAX: usize = 100;

/// The text as it is sent. `choose` picks among the alternatives, here and in those chosen.
pub fn process(text: &str, options: &Options, budget: &mut Budget) -> Result<String, ConvertError> {
    process_within(text, options, budget, DEPTH_MAX)
}

fn process_within(
    text: &str,
    options: &Options,
    budget: &mut Budget,
    depth_left: usize,
) -> Result<String, ConvertError> {
    budget.search(text.len())?;
    if !text.contains(['/', '{', '\\']) {
        return Ok(text.to_owned());
    }
    let text = without_comments(text);
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => push_escaped(&mut out, letters.next()),
            '{' => {
                let depth_left = depth_left.checked_sub(1).ok_or(ConvertError::TooLarge {
                    what: "levels of choices in a text",
                    limit: DEPTH_MAX,
                })?;
                let alternatives = read_alternatives(&mut letters);
                let place = (options.choose)(alternatives.len());
                let chosen = alternatives.get(place).map_or("", String::as_str);
                out.push_str(&process_within(chosen, options, budget, depth_left)?);
            }
            _ => out.push(letter),
        }
    }
    Ok(unescaped(&out))
}

/// A backslash and what it protects; at the very end JavaScript has `undefined` there.
fn push_escaped(out: &mut String, next: Option<char>) {
    out.push('\\');
    match next {
        Some(letter) => out.push(letter),
        None => out.push_str("undefined"),
    }
}

/// Reads up to the brace that closes the choice, or to the end.
fn read_alternatives(letters: &mut std::str::Chars) -> Vec<String> {
    let mut alternatives = vec![];
    let mut current = String::new();
    let mut depth = 0_usize;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => push_escaped(&mut current, letters.next()),
            '}' if depth == 0 => break,
            '|' if depth == 0 => alternatives.push(std::mem::take(&mut current)),
            _ => {
                match letter {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                current.push(letter);
            }
        }
    }
    alternatives.push(current);
    alternatives
}

/// Removes `/* … */`, and `//` up to the end of its line.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Searched once: where no comment ends, none is searched for again.
    let mut may_end = true;
    while let Some(at) = rest.find('/') {
        out.push_str(&rest[..at]);
        let comment = &rest[at..];
        let block = if may_end {
            comment.strip_prefix("/*")
        } else {
            None
        };
        if let Some(inside) = block {
            if let Some(end) = inside.find("*/") {
                rest = &inside[end + 2..];
                continue;
            }
            may_end = false;
        }
        if comment.starts_with("//") {
            let line_end = comment.find(['\n', '\r', '\u{2028}', '\u{2029}']);
            rest = &comment[line_end.unwrap_or(comment.len())..];
        } else {
            out.push('/');
            rest = &comment[1..];
        }
    }
    out.push_str(rest);
    out
}

/// Braces and bars lose the backslash that protected them.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let protects = letter == '\\' && matches!(letters.peek(), Some('{' | '}' | '|'));
        if !protects {
            out.push(letter);
        } else if let Some(protected) = letters.next() {
            out.push(protected);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process_freely(text: &str, options: &Options) -> Result<String, ConvertError> {
        process(
            text,
            options,
            &mut Budget::part(std::num::NonZeroUsize::MIN),
        )
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(process_freely(text, &Options::default()).unwrap(), expected);
    }

    #[test]
    fn comments_go_even_inside_addresses() {
        check("keep // drop\nnext", "keep \nnext");
        check("a /* b\nc */ d", "a  d");
        check("see http://example.com/x y", "see http:");
        check("/* open // and drop\nlast", "/* open \nlast");
    }

    #[test]
    fn the_first_alternative_stays_at_every_depth() {
        check("a {red|green} cat", "a red cat");
        check("{a {b|c}|d} {x} {} {|y}", "a b x  ");
        check("open {a|b", "open a");
        check("lone } stays", "lone } stays");
        check(r#"{"a": 1, "b": {"c": 2}}"#, r#""a": 1, "b": "c": 2"#);
    }

    #[test]
    fn a_backslash_protects_the_next_letter() {
        check(r"\{not\} a \| choice \n", r"{not} a | choice \n");
        check(r"tail\", r"tail\undefined");
        check(r"{a\|b|c}", "a|b");
        check(r"{a\", r"a\undefined");
    }

    #[test]
    fn the_choice_is_the_callers() {
        let last = |count: usize| count - 1;
        let options = Options {
            choose: &last,
            ..Options::default()
        };
        assert_eq!(process_freely("{a|b|{c|d}}", &options).unwrap(), "d");
    }

    #[test]
    fn choices_nested_without_end_are_refused() {
        let text = "{".repeat(100_000);
        assert_eq!(
            process_freely(&text, &Options::default())
                .unwrap_err()
                .code(),
            "graph_too_large"
        );
    }
}
