//! What JSON of callers becomes in memory, counted before it is parsed: `{"":0}` has six bytes and
//! becomes a hundred times as much.

use serde_json::{Map, Value};

use super::error::{ApiError, Code};
use super::limits;
use crate::parse;
use crate::room::{Room, Share};

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
