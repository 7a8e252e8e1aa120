//! What JSON of callers becomes in memory, counted before it is parsed: `{"":0}` has six bytes and
//! becomes a hundred times as much.

use serde_json::{Map, Value};

use super::error::{ApiError, Code};
use super::limits;
use crate::parse;
use crate::room::{Room, Share};

// What the reader makes of the densest texts was measured with a counting allocator on a 64-bit
// machine, where pointers are twice as long as here: 0.5 to 1.03 of what these say.

/// Of one body. The largest official workflows, of ten thousand values, take a quarter of it.
const PARSED_BYTES_MAX: usize = 16 << 20;
/// An object's first node has places for eleven members, however few there are.
const OBJECT_BYTES: usize = 640;
/// A list begins with places for four values.
const LIST_BYTES: usize = 64;
/// A member's name, and the half of its place that stays empty in a large object.
const MEMBER_BYTES: usize = 96;
/// A value's place, and the texts' own.
const VALUE_BYTES: usize = 96;

/// What the text becomes beside its own characters. Every object, member and value comes with one
/// of these; texts that hold them only make this stricter.
pub fn weight(json: &[u8]) -> usize {
    let of = |byte: &u8| match byte {
        b'{' => OBJECT_BYTES + VALUE_BYTES,
        b'[' => LIST_BYTES + VALUE_BYTES,
        b':' => MEMBER_BYTES,
        b',' => VALUE_BYTES,
        _ => 0,
    };
    json.iter().map(of).sum()
}

/// What every small create takes is not counted: ten thousand of them at once must find room.
const SMALL_BYTES: usize = 64 << 10;

/// Takes the room for it.
pub fn make_room(room: &Room, weight: usize) -> Result<Share, ApiError> {
    if weight > PARSED_BYTES_MAX {
        let message = "the body holds too many objects and values: they need more than 16 MiB";
        return Err(ApiError::new(Code::PayloadTooLarge, message));
    }
    let counted = if weight > SMALL_BYTES { weight } else { 0 };
    room.take(counted).ok_or_else(limits::no_room)
}

/// The body as an object, and the room that it takes for as long as it is there.
pub fn object(room: &Room, bytes: &[u8]) -> Result<(Map<String, Value>, Share), ApiError> {
    let share = make_room(room, weight(bytes))?;
    match parse::json_bytes(bytes) {
        Ok(Value::Object(fields)) => Ok((fields, share)),
        Ok(_) => {
            let message = "the body must be a JSON object";
            Err(ApiError::at(
                Code::InvalidRequest,
                "",
                "wrong_type",
                message,
            ))
        }
        Err(error) => {
            let message = format!("line {}, column {}", error.line(), error.column());
            let message = format!("the body is not JSON: it breaks off or goes wrong at {message}");
            Err(ApiError::new(Code::InvalidJson, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes in places of values, names and texts. A node of a map has eleven places, of which an
    /// ascending order fills six.
    fn places(value: &Value) -> usize {
        let place = size_of::<Value>();
        match value {
            Value::String(text) => text.capacity(),
            Value::Array(items) => {
                items.capacity() * place + items.iter().map(places).sum::<usize>()
            }
            Value::Object(members) => {
                let node = 11 * (place + size_of::<String>());
                let of = |(name, value): (&String, &Value)| name.capacity() + places(value);
                members.len().div_ceil(6) * node + members.iter().map(of).sum::<usize>()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }

    #[test]
    fn the_densest_texts_become_no_more_than_is_counted_for_them() {
        let deep = format!("{}0{}", r#"{"":"#.repeat(100), "}".repeat(100));
        let wide = (0..5_000).fold(String::new(), |all, n| format!(r#"{all}"{n:05}":"b","#));
        for text in [
            format!("[{}0]", r#"{"":0},"#.repeat(5_000)),
            format!("[{}0]", "[0],".repeat(5_000)),
            format!("[{}0]", r#""a","#.repeat(5_000)),
            format!("[{}0]", format!("{deep},").repeat(100)),
            format!(r#"{{{wide}"z":0}}"#),
        ] {
            let value: Value = serde_json::from_str(&text).unwrap();
            let (held, counted) = (places(&value), weight(text.as_bytes()));
            assert!(held < counted, "{held} of {counted}: {}", &text[..20]);
        }
    }
}
