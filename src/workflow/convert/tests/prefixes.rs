//! Names in `filename_prefix`.

use super::*;

#[track_caller]
fn check_prefix(prefix: &Value, expected: &Value) {
    let named = with(picture(1), "title", "My Picture");
    let nodes = [named, node(2, "SaveImage", &json!([]), &json!([prefix]))];
    let told = prompt_of(&graph(&nodes, &[])).map_or_else(
        |error| Value::from(error.code()),
        |prompt| prompt["2"]["inputs"]["filename_prefix"].clone(),
    );
    assert_eq!(told, *expected);
}

#[test]
fn a_node_is_found_by_class_then_by_title() {
    check_prefix(
        &json!("a/%Picture.width%_%My Picture.tiled%"),
        &json!("a/16_true"),
    );
}

#[test]
fn what_is_unknown_stays() {
    for text in [
        "%Nope.width%",
        "%Picture.nope%",
        "%width%",
        "100%",
        "%a.b.c%",
        "%%",
        "%date:yyyy%",
    ] {
        check_prefix(&json!(text), &json!(text));
    }
    check_prefix(&json!("%%Picture.width%"), &json!("%16"));
}

#[test]
fn a_date_is_written_when_the_moment_is_given() {
    let text = graph(
        &[node(
            1,
            "SaveImage",
            &json!([]),
            &json!(["%date:yyyy-MM-dd%"]),
        )],
        &[],
    );
    let graph = Graph::parse(text.to_string().as_bytes()).unwrap();
    let options = Options {
        now: Some(crate::time::UnixMillis::new(0)),
        ..Options::default()
    };
    let prompt = convert(&graph, &definitions(), &options).unwrap();
    assert_eq!(prompt["1"]["inputs"]["filename_prefix"], "1970-01-01");
}

#[test]
fn values_lose_what_no_file_name_may_have() {
    let text = node(1, "Prompt", &json!([]), &json!(["", "a/b:c*d"]));
    let save = node(2, "SaveImage", &json!([]), &json!(["x/%Prompt.line%"]));
    let sent = json!({"1": {"text": "", "line": "a/b:c*d"}, "2": {"filename_prefix": "x/a_b_c_d"}});
    check(&graph(&[text, save], &[]), &sent);
}

/// Notes were thought to hold nothing, and the name stayed in the prefix.
#[test]
fn a_note_is_found_by_its_title() {
    let note = node(1, "Note", &json!([]), &json!(["hi"]));
    let save = node(2, "SaveImage", &json!([]), &json!(["%N.text%"]));
    let sent = json!({"2": {"filename_prefix": "hi"}});
    check(&graph(&[with(note, "title", "N"), save], &[]), &sent);
}

#[test]
fn a_prefix_that_is_no_text_is_an_error() {
    for prefix in [json!(null), json!(5), json!(["a"])] {
        check_prefix(&prefix, &json!("prefix_not_text"));
    }
}

#[test]
fn a_prefix_that_names_itself_into_the_millions_is_refused() {
    let long = node(1, "Prompt", &json!([]), &json!(["", "x".repeat(10_000)]));
    let save = node(
        2,
        "SaveImage",
        &json!([]),
        &json!(["%Prompt.line%".repeat(10_000)]),
    );
    check(&graph(&[long, save], &[]), &json!("graph_too_large"));
}
