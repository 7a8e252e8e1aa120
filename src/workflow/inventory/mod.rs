//! What one ComfyUI server has: its `object_info`, class by class, cut to what `validate` and
//! `convert` read.
//!
//! Whoever stores an inventory and whoever sends one read it through here, so that both see the
//! same classes, the same hash and the same faults. Reading what was cut already changes nothing.
//! Deliberately absent: a judgement about a class. What `/object_info` says is so.

mod cut;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::convert::Definitions;
use super::schema::Schema;
use super::violation::{pointer_step, quoted, Violation, VIOLATIONS_MAX};
use crate::parse;
use cut::Cut;

/// The largest `object_info` that is read. A server with hundreds of custom nodes answers with some
/// 20 MB, half of it tooltips; `ops inventory pull` leaves those out before it sends.
pub const INVENTORY_BYTES_MAX: usize = 16 << 20;

/// The most that is kept of it, and the most that a create could be made to load.
pub const KEPT_BYTES_MAX: usize = 8 << 20;

/// ComfyUI has 900 classes; servers with everything installed are known to have some 6,000.
pub const CLASSES_MAX: usize = 10_000;

/// The longest known name of a class has 60 bytes.
pub const CLASS_NAME_BYTES_MAX: usize = 128;

/// One class as it is kept: a row, which may double when its quotes are escaped on the way and must
/// stay below D1's 2 MB.
pub const CLASS_BYTES_MAX: usize = 512 << 10;

/// A longer list of choices, some 3,000 file names, is left out, and its values are not checked:
/// every class that loads a file repeats it.
pub const LIST_BYTES_MAX: usize = 128 << 10;

/// The same in a class that is too large with its longer lists: nodes with fifty lists of the same
/// files exist.
const LIST_BYTES_MAX_TIGHT: usize = 4 << 10;

/// How many of the largest classes an error names.
const LARGEST_NAMED: usize = 3;

/// The classes of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// blake3 of the classes, in lower-case hex: the same for what means the same.
    pub hash: String,
    /// The text of each class's entry, by name.
    pub classes: BTreeMap<String, String>,
    /// Lists of choices that are kept, the lists of model files among them.
    pub lists: usize,
    /// `<class>.<input>` of the lists that are too long to be kept.
    pub lists_left_out: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    #[error("the inventory has {0} bytes; at most {INVENTORY_BYTES_MAX} are read")]
    TooLarge(usize),
    #[error("the inventory is not JSON: it goes wrong at line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error(
        "an inventory is an object with a member for every node class, as GET /object_info answers"
    )]
    NotClasses,
    #[error("the inventory has {0} node classes; at most {CLASSES_MAX} are kept")]
    TooMany(usize),
    #[error(
        "the classes take {size_bytes} bytes and at most {KEPT_BYTES_MAX} are kept; \
         the largest are {largest}"
    )]
    TooMuch { size_bytes: usize, largest: String },
    #[error("{} classes cannot be read", .0.len())]
    Classes(Vec<Violation>),
}

/// Reads an `object_info`, whole or cut; everything that is wrong with its classes at once.
pub fn read(object_info: &[u8]) -> Result<Inventory, InventoryError> {
    if object_info.len() > INVENTORY_BYTES_MAX {
        return Err(InventoryError::TooLarge(object_info.len()));
    }
    read_any_size(object_info)
}

/// The same where memory is plenty: on the operator's machine, which sends what is kept.
pub fn read_any_size(object_info: &[u8]) -> Result<Inventory, InventoryError> {
    let entries = members(object_info)?;
    if entries.len() > CLASSES_MAX {
        return Err(InventoryError::TooMany(entries.len()));
    }
    let mut inventory = Inventory {
        hash: String::new(),
        classes: BTreeMap::new(),
        lists: 0,
        lists_left_out: Vec::new(),
    };
    let mut faults = Vec::new();
    for (name, entry) in &entries {
        match read_class(name, entry) {
            Ok(cut) => inventory.take(name, cut),
            Err(message) => {
                let path = format!("/{}", pointer_step(name));
                faults.push(Violation::new(path, "bad_class", message));
            }
        }
    }
    faults.truncate(VIOLATIONS_MAX);
    if !faults.is_empty() {
        return Err(InventoryError::Classes(faults));
    }
    inventory.finish()
}

/// A repeated name keeps its last entry, as in Python.
fn members(object_info: &[u8]) -> Result<BTreeMap<String, &RawValue>, InventoryError> {
    let entries: BTreeMap<String, &RawValue> =
        parse::json_bytes(object_info).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => InventoryError::NotClasses,
            _ => InventoryError::NotJson {
                line: error.line(),
                column: error.column(),
            },
        })?;
    if entries.is_empty() {
        return Err(InventoryError::NotClasses);
    }
    Ok(entries)
}

fn read_class(name: &str, entry: &RawValue) -> Result<Cut, String> {
    if name.is_empty() || name.len() > CLASS_NAME_BYTES_MAX || name.contains(char::is_control) {
        let most = CLASS_NAME_BYTES_MAX;
        return Err(format!(
            "a class's name is 1 to {most} bytes without control characters"
        ));
    }
    let shape = || {
        format!(
            "{} is no node class: it is not an object with an object `input`",
            quoted(name)
        )
    };
    let mut cut = cut::class(entry, LIST_BYTES_MAX).ok_or_else(shape)?;
    if cut.text.len() > CLASS_BYTES_MAX {
        cut = cut::class(entry, LIST_BYTES_MAX_TIGHT).ok_or_else(shape)?;
    }
    if cut.text.len() > CLASS_BYTES_MAX {
        return Err(format!(
            "{} takes {} bytes; at most {CLASS_BYTES_MAX} are kept of a class",
            quoted(name),
            cut.text.len()
        ));
    }
    // What is kept must be readable when a job needs it.
    let document = document([(name, cut.text.as_str())].into_iter());
    let schema = Schema::read(document.as_bytes()).map_err(|error| error.to_string());
    let definitions = Definitions::parse(document.as_bytes()).map_err(|error| error.to_string());
    schema.and(definitions.map(drop)).map(|()| cut)
}

impl Inventory {
    fn take(&mut self, name: &str, cut: Cut) {
        self.lists += cut.lists;
        let left_out = cut.left_out.iter();
        self.lists_left_out
            .extend(left_out.map(|input| format!("{name}.{}", quoted(input))));
        self.classes.insert(name.to_owned(), cut.text);
    }

    fn finish(mut self) -> Result<Self, InventoryError> {
        let size_bytes = self.size_bytes();
        if size_bytes > KEPT_BYTES_MAX {
            let mut largest: Vec<_> = self.classes.iter().collect();
            largest.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
            let named = largest.iter().take(LARGEST_NAMED);
            let named: Vec<_> = named
                .map(|(name, text)| format!("{} ({})", quoted(name), text.len()))
                .collect();
            return Err(InventoryError::TooMuch {
                size_bytes,
                largest: named.join(", "),
            });
        }
        let mut hasher = blake3::Hasher::new();
        for (name, text) in &self.classes {
            // The lengths go first, so that no two inventories run into the same bytes.
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.update(text.as_bytes());
        }
        self.hash = hasher.finalize().to_hex().to_string();
        Ok(self)
    }

    pub fn size_bytes(&self) -> usize {
        let sizes = self
            .classes
            .iter()
            .map(|(name, text)| name.len() + text.len());
        sizes.sum()
    }

    /// An `object_info` of these classes, one a line.
    pub fn document(&self) -> String {
        document(
            self.classes
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
        )
    }
}

/// An `object_info` of classes whose entries are JSON already, one a line.
pub fn document<'c>(classes: impl Iterator<Item = (&'c str, &'c str)>) -> String {
    let mut text = String::from("{");
    for (i, (name, entry)) in classes.enumerate() {
        text.push_str(if i == 0 { "\n" } else { ",\n" });
        text.push_str(&serde_json::Value::from(name).to_string());
        text.push(':');
        text.push_str(entry);
    }
    text.push_str("\n}\n");
    text
}
