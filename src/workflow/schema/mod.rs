//! What a ComfyUI server says about its node classes: `GET /object_info`, read tolerantly.
//!
//! Whatever JSON comes in, a schema comes out; what makes no sense as an input or a class is left
//! out, as an unknown input is not checked and an unknown class refuses its node. A server's whole
//! inventory is about a megabyte, so a caller can load only the classes that a prompt uses.

mod class;

use std::collections::{BTreeSet, HashMap};

pub use class::{Autogrow, Branch, Class, Conversion, Input, Shape, Spec, LEFT_OUT};

use super::python::{Reader, Unreadable, Value};

/// Node classes by name.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    classes: HashMap<String, Class>,
}

impl Schema {
    /// Every class of an `object_info`.
    pub fn read(object_info: &[u8]) -> Result<Self, Unreadable> {
        Self::read_where(object_info, |_| true)
    }

    /// Only the classes named; the others are stepped over unread.
    pub fn read_only(object_info: &[u8], names: &BTreeSet<String>) -> Result<Self, Unreadable> {
        Self::read_where(object_info, |name| names.contains(name))
    }

    /// Puts the classes of another inventory over those of this one.
    pub fn overlay(&mut self, later: Self) {
        self.classes.extend(later.classes);
    }

    /// Adds one class from its entry in an `object_info`; an entry that is no object adds nothing.
    pub fn insert(&mut self, name: &str, entry: &serde_json::Value) -> Result<(), Unreadable> {
        self.insert_value(name, &Value::from_json(entry)?);
        Ok(())
    }

    /// Lets a choice input take more values: files that will be there when the prompt runs.
    pub fn add_choices(&mut self, class: &str, input: &str, choices: &[String]) {
        let inputs = self.classes.get_mut(class).map(|class| &mut class.inputs);
        let found = inputs.and_then(|inputs| inputs.iter_mut().find(|known| known.name == input));
        if let Some(input) = found {
            input.spec.add_choices(choices);
        }
    }

    /// The same for every choice of an input file: of all classes that let the editor upload one.
    pub fn add_uploads(&mut self, names: &[String]) {
        let inputs = self
            .classes
            .values_mut()
            .flat_map(|class| &mut class.inputs);
        for input in inputs.filter(|input| input.spec.is_upload()) {
            input.spec.add_choices(names);
        }
    }

    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.get(name)
    }

    fn read_where(bytes: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Self, Unreadable> {
        let mut schema = Self::default();
        for (name, entry) in Reader::new(bytes)?.members(wanted)? {
            schema.insert_value(&name, &entry);
        }
        Ok(schema)
    }

    fn insert_value(&mut self, name: &str, entry: &Value<'_>) {
        if let Some(entry) = entry.as_dict() {
            self.classes.insert(name.to_owned(), Class::read(entry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"{
        "Loud": {"input": {"required": {"volume": ["INT", {"min": 0, "max": 11}], "to": [["a"]]},
                           "optional": {"volume": ["FLOAT"], "odd": 5, "none": []}},
                 "output": ["AUDIO"], "output_node": true},
        "Quiet": {"api_node": false, "output": "none"},
        "Broken": 3}"#;

    #[test]
    fn a_class_keeps_what_its_entry_says() {
        let schema = Schema::read(INFO.as_bytes()).unwrap();
        let loud = schema.class("Loud").unwrap();
        assert!(loud.output_node && !loud.is_v3);
        let names: Vec<_> = loud
            .inputs
            .iter()
            .map(|i| (i.name.as_str(), i.required))
            .collect();
        assert_eq!(names, [("volume", true), ("to", true)]);
        assert_eq!(loud.inputs[0].spec.max, Some(Value::Int(11)));
        assert_eq!(loud.inputs[1].spec.choices(), Some(&[Value::from("a")][..]));
        assert!(schema.class("Quiet").unwrap().is_v3);
        assert!(schema.class("Broken").is_none());
    }

    #[test]
    fn only_the_named_classes_are_loaded() {
        let names = BTreeSet::from(["Quiet".to_owned(), "Absent".to_owned()]);
        let schema = Schema::read_only(INFO.as_bytes(), &names).unwrap();
        assert!(schema.class("Quiet").is_some() && schema.class("Loud").is_none());
    }

    #[test]
    fn a_later_inventory_covers_an_earlier_one() {
        let mut schema = Schema::read(INFO.as_bytes()).unwrap();
        schema.overlay(Schema::read(br#"{"Loud": {"output": []}}"#).unwrap());
        assert!(schema.class("Loud").unwrap().inputs.is_empty());
        assert!(schema.class("Quiet").is_some());
    }

    #[test]
    fn uploaded_names_join_the_choices() {
        let mut schema = Schema::read(INFO.as_bytes()).unwrap();
        schema.add_choices("Loud", "to", &["b".to_owned()]);
        schema.add_choices("Loud", "volume", &["b".to_owned()]);
        let inputs = &schema.class("Loud").unwrap().inputs;
        assert_eq!(inputs[1].spec.choices().unwrap().len(), 2);
        assert!(inputs[0].spec.choices().is_none());
    }

    #[test]
    fn uploads_join_the_choices_of_inputs_that_take_uploads() {
        let info = br#"{"LoadImage": {"input": {"required": {
            "image": [["a.png"], {"image_upload": true}],
            "colour": [["red"], {"image_upload": false}]}}}}"#;
        let mut schema = Schema::read(info).unwrap();
        schema.add_uploads(&["b.png".to_owned()]);
        let inputs = &schema.class("LoadImage").unwrap().inputs;
        assert_eq!(inputs[0].spec.choices().unwrap().len(), 2);
        assert_eq!(inputs[1].spec.choices().unwrap().len(), 1);
    }

    #[test]
    fn a_list_that_was_left_out_is_no_list_to_choose_from() {
        let info = br#"{"A": {"input": {"required": {
            "file": ["COMBO", {"options": ["first"], "options_left_out": true}]}}}}"#;
        let schema = Schema::read(info).unwrap();
        assert!(schema.class("A").unwrap().inputs[0]
            .spec
            .choices()
            .is_none());
    }

    #[test]
    fn an_inventory_must_be_a_json_object() {
        assert!(Schema::read(b"[]").is_err());
        assert!(Schema::read(b"").is_err());
    }
}
