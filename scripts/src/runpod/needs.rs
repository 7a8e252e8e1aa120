//! What our templates need of an endpoint, and what of it an `object_info` lacks.

use std::collections::BTreeSet;

use edge_queue::workflow::contract::Model;
use edge_queue::workflow::python;
use edge_queue::workflow::schema::Schema;
use edge_queue::workflow::template::{self, Template};

/// Every node class and model file that a template needs and the endpoint does not have; those of
/// `only` alone, if templates are named.
pub fn missing(schema: &Schema, only: &[String]) -> Vec<String> {
    wanted(only)
        .flat_map(|template| of(schema, template))
        .collect()
}

/// All templates, or those that are named.
pub fn wanted(only: &[String]) -> impl Iterator<Item = &'static Template> + '_ {
    let is_named = |template: &&Template| only.iter().any(|name| name == template.name());
    template::all().filter(move |template| only.is_empty() || is_named(template))
}

fn of(schema: &Schema, template: &Template) -> Vec<String> {
    let (name, requires) = (template.name(), &template.contract.requires);
    let classes = requires.node_classes.iter();
    let classes = classes
        .filter(|class| schema.class(class).is_none())
        .map(|class| no_class(name, class));
    let choosable = choosable(schema, &requires.node_classes);
    let models = requires.models.iter();
    let models = models
        .filter(|model| !choosable.contains(model.file.as_str()))
        .map(|model| no_model(name, model));
    classes.chain(models).collect()
}

pub fn no_class(template: &str, class: &str) -> String {
    format!("{template}: the node class {class} is missing")
}

pub fn no_model(template: &str, model: &Model) -> String {
    let (folder, file) = (&model.folder, &model.file);
    format!("{template}: the file models/{folder}/{file} is missing")
}

/// Every file that the template's own classes can load.
fn choosable<'s>(schema: &'s Schema, classes: &[String]) -> BTreeSet<&'s str> {
    let classes = classes.iter().filter_map(|class| schema.class(class));
    let inputs = classes.flat_map(|class| &class.inputs);
    let choices = inputs.flat_map(|input| input.spec.choices().unwrap_or_default());
    choices.filter_map(python::Value::as_text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../inventory/core.json");

    #[test]
    fn the_simulated_gpu_lacks_nothing() {
        let schema = Schema::read(&std::fs::read(CORE).unwrap()).unwrap();
        assert_eq!(missing(&schema, &[]), [""; 0]);
    }

    #[test]
    fn a_class_and_a_file_that_are_gone_are_named_with_who_needs_them() {
        let core = String::from_utf8(std::fs::read(CORE).unwrap()).unwrap();
        let core = core
            .replace("\"UNETLoader\":", "\"Other\":")
            .replace("qwen_image_vae.safetensors", "other.safetensors");
        let schema = Schema::read(core.as_bytes()).unwrap();
        let found = missing(&schema, &["qwen-image-edit".to_owned()]);
        let file = "qwen_image_edit_2509_fp8_e4m3fn.safetensors";
        let expected = [
            "qwen-image-edit: the node class UNETLoader is missing".to_owned(),
            format!("qwen-image-edit: the file models/diffusion_models/{file} is missing"),
            "qwen-image-edit: the file models/vae/qwen_image_vae.safetensors is missing".to_owned(),
        ];
        assert_eq!(found, expected);
    }
}
