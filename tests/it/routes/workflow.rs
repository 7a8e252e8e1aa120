//! `POST /api/queue/create` with a workflow of the caller's, with and without an inventory.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::store::inventories;
use edge_queue::store::name;
use edge_queue::testing::queue::{Answered, TestQueue};
use edge_queue::testing::runpod::Plan;
use edge_queue::workflow::convert::{self, Definitions};
use edge_queue::workflow::graph::Graph;
use serde_json::{json, Value};

/// The inventory of the simulated GPU.
const CORE: &str = include_str!("../../../inventory/core.json");

/// A queue whose endpoint has the node classes of ComfyUI itself.
pub async fn stocked() -> TestQueue {
    let queue = TestQueue::simulated();
    queue.stock().await;
    queue.db.take_batches();
    queue
}

/// Reads a picture and saves it under two names.
pub fn workflow() -> Value {
    json!({
        "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "b"}},
    })
}

pub async fn create(queue: &TestQueue, workflow: &Value) -> Answered {
    let body = json!({ "workflow": workflow });
    queue.post("/api/queue/create", &body).await
}

/// The answer to a workflow that is refused: `path code` of each violation, and the whole of it.
async fn refused(queue: &TestQueue, body: &Value) -> (Vec<String>, Value) {
    let answer = queue.post("/api/queue/create", body).await;
    let shown = answer.json();
    assert_eq!(answer.status, 422, "{shown:#}");
    assert_eq!(shown["error"], "workflow_invalid", "{shown:#}");
    assert_eq!(queue.db.query("SELECT id FROM jobs").unwrap().len(), 0);
    let details = shown["details"].as_array().unwrap().iter();
    let text = |detail: &Value, part: &str| detail[part].as_str().unwrap().to_owned();
    let told = details.map(|d| format!("{} {}", text(d, "path"), text(d, "code")));
    assert!(shown["node_errors"].is_object(), "{shown:#}");
    (told.collect(), shown)
}

fn picture() -> String {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x40\x08\x02\0\0\0".to_vec();
    png.resize(100, 7);
    STANDARD.encode(png)
}

#[tokio::test]
async fn without_an_inventory_the_structure_is_checked_and_the_job_says_so() {
    let queue = TestQueue::simulated();
    let unknown = json!({"1": {"class_type": "NoSuchClass", "inputs": {"n": -5}}});
    let answer = create(&queue, &unknown).await.json();
    assert_eq!(answer["job"]["checked"], "structure", "{answer:#}");
    let template = queue.create(&json!({"prompt": "x"})).await;
    assert_eq!(queue.job(template).await["checked"], "contract");
}

#[tokio::test]
async fn a_sound_workflow_is_checked_against_the_inventory_and_the_job_says_so() {
    let queue = stocked().await;
    let answer = create(&queue, &workflow()).await.json();
    assert_eq!(answer["job"]["checked"], "inventory", "{answer:#}");
    queue.pass(10_000).await;
    let id = answer["job_id"].as_str().unwrap();
    let job = queue.get(&format!("/api/queue/status/{id}")).await.json()["job"].clone();
    assert_eq!(
        (&job["checked"], &job["status"]),
        (&"inventory".into(), &"succeeded".into())
    );
}

#[tokio::test]
async fn checking_costs_one_read_of_the_classes_that_are_used() {
    let queue = stocked().await;
    create(&queue, &workflow()).await;
    let batches = queue.db.take_batches();
    assert_eq!(batches.len(), 2, "{batches:#?}");
    let names: Vec<_> = batches[0].iter().map(|sql| name(sql)).collect();
    assert_eq!(names, ["inventories::load"]);
    let loaded = inventories::load(&*queue.app.db, "simulated", &["SaveImage", "No"]).await;
    let loaded = loaded.unwrap().unwrap();
    let names: Vec<_> = loaded
        .classes
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["SaveImage"]);
}

#[tokio::test]
async fn unknown_classes_are_all_refused_with_the_nearest_that_there_is() {
    let queue = stocked().await;
    let mut workflow = workflow();
    workflow["1"]["class_type"] = "LoadImagee".into();
    workflow["3"]["class_type"] = "NothingLikeIt123".into();
    let (told, shown) = refused(&queue, &json!({ "workflow": workflow })).await;
    assert_eq!(
        told,
        [
            "/workflow/1 missing_node_type",
            "/workflow/3 missing_node_type"
        ]
    );
    let message = shown["details"][0]["message"].as_str().unwrap();
    assert!(
        message.ends_with("no node class LoadImagee; did you mean LoadImage?"),
        "{message}"
    );
    let message = shown["details"][1]["message"].as_str().unwrap();
    assert!(
        message.ends_with("no node class NothingLikeIt123"),
        "{message}"
    );
}

#[tokio::test]
async fn an_unknown_model_is_refused_as_comfyui_would() {
    let queue = stocked().await;
    let mut workflow = workflow();
    workflow["4"] = json!({"class_type": "UNETLoader",
        "inputs": {"unet_name": "no-such-model.safetensors", "weight_dtype": "default"}});
    workflow["5"] = json!({"class_type": "ModelSave",
        "inputs": {"model": ["4", 0], "filename_prefix": "m"}});
    let (told, shown) = refused(&queue, &json!({ "workflow": workflow })).await;
    assert_eq!(told, ["/workflow/4/inputs/unet_name value_not_in_list"]);
    let node = &shown["node_errors"]["4"];
    assert_eq!(node["class_type"], "UNETLoader", "{shown:#}");
    assert_eq!(node["dependent_outputs"], json!(["5"]));
    assert_eq!(node["errors"][0]["type"], "value_not_in_list");
    assert_eq!(node["errors"][0]["extra_info"]["input_name"], "unet_name");
}

#[tokio::test]
async fn an_image_that_comes_along_is_there_and_a_missing_one_is_not() {
    let queue = stocked().await;
    let mut workflow = workflow();
    workflow["1"]["inputs"]["image"] = "mine.png".into();
    let (told, _) = refused(&queue, &json!({ "workflow": workflow })).await;
    assert_eq!(told, ["/workflow/1/inputs/image custom_validation_failed"]);
    let other =
        json!({"workflow": workflow, "images": [{"name": "yours.png", "image": picture()}]});
    refused(&queue, &other).await;
    let own = json!({"workflow": workflow, "images": [{"name": "mine.png", "image": picture()}]});
    queue.create(&own).await;
}

/// ComfyUI runs the sound half, RunPod returns one picture of two, and nobody says why.
#[tokio::test]
async fn a_half_broken_prompt_is_refused_although_comfyui_would_run_half_of_it() {
    let queue = stocked().await;
    let mut workflow = workflow();
    workflow["3"]["inputs"]
        .as_object_mut()
        .unwrap()
        .remove("images");
    let (told, shown) = refused(&queue, &json!({ "workflow": workflow })).await;
    assert_eq!(told, ["/workflow/3/inputs/images required_input_missing"]);
    assert_eq!(shown["node_errors"].as_object().unwrap().len(), 1);
}

fn graph() -> Value {
    json!({
        "last_node_id": 3, "last_link_id": 1, "version": 0.4,
        "nodes": [
            {"id": 1, "type": "LoadImage", "mode": 0, "inputs": [],
             "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]},
                         {"name": "MASK", "type": "MASK"}],
             "widgets_values": ["example.png", "image"]},
            {"id": 2, "type": "Reroute", "mode": 0,
             "inputs": [{"name": "", "type": "*", "link": 1}],
             "outputs": [{"name": "", "type": "IMAGE", "links": [2]}]},
            {"id": 3, "type": "SaveImage", "mode": 0, "outputs": [],
             "inputs": [{"name": "images", "type": "IMAGE", "link": 2}],
             "widgets_values": ["mine"]},
        ],
        "links": [[1, 1, 0, 2, 0, "*"], [2, 2, 0, 3, 0, "IMAGE"]],
    })
}

/// A worker keeps what its jobs made, whoever's they were: `eq0_00001_.png [output]` was the first
/// picture of the job before.
#[tokio::test]
async fn a_workflow_names_no_file_that_another_job_has_made() {
    let queue = TestQueue::simulated();
    let mut workflow = workflow();
    for (name, expected) in [
        ("eq0_00001_.png [output]", 422),
        ("ComfyUI_temp_abcde_00001_.png [temp]", 422),
        ("photo.png [input]", 200),
        ("photo.png", 200),
    ] {
        workflow["1"]["inputs"]["image"] = name.into();
        workflow["1"]["_meta"] = json!({"title": "what came [output]"});
        let answer = create(&queue, &workflow).await;
        assert_eq!(answer.status, expected, "{name}: {:#}", answer.json());
        if expected == 422 {
            let detail = &answer.json()["details"][0];
            let told = (detail["path"].as_str(), detail["code"].as_str());
            assert_eq!(
                told,
                (Some("/workflow/1/inputs/image"), Some("not_allowed"))
            );
        }
    }
}

/// And what it makes is named so that no other job can ask for it.
#[tokio::test]
async fn files_of_two_jobs_of_the_same_work_have_different_names_on_the_worker() {
    let queue = TestQueue::live(Plan::default());
    for _ in 0..2 {
        assert_eq!(create(&queue, &workflow()).await.status, 200);
    }
    queue.pass(60_000).await;
    let jobs = queue.runpod.lock().unwrap().jobs(queue.now());
    assert_ne!(
        jobs[0].input_hash, jobs[1].input_hash,
        "the names are all that differs"
    );
    let rows = queue.db.query("SELECT prompt_hash FROM jobs").unwrap();
    assert_eq!(rows[0], rows[1]);
    let outputs = queue.db.query("SELECT name, node_id FROM outputs").unwrap();
    let names: Vec<_> = outputs
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a_00001_.png", "b_00001_.png"].repeat(2));
}

#[tokio::test]
async fn a_node_that_lives_in_the_browser_is_refused_with_what_to_do() {
    let queue = stocked().await;
    let mut workflow = workflow();
    workflow["1"]["class_type"] = "GetNode".into();
    let (_, shown) = refused(&queue, &json!({ "workflow": workflow })).await;
    let message = shown["details"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("GetNode exists only in the browser")
            && message.contains("Export (API)"),
        "{message}"
    );
}

#[tokio::test]
async fn an_editor_graph_is_converted_as_ops_convert_does() {
    let queue = stocked().await;
    let answer = create(&queue, &graph()).await.json();
    assert_eq!(answer["job"]["checked"], "inventory", "{answer:#}");
    let definitions = Definitions::parse(CORE.as_bytes()).unwrap();
    let text = graph().to_string();
    let graph = Graph::parse(text.as_bytes()).unwrap();
    let prompt = convert::convert(&graph, &definitions, &convert::Options::default()).unwrap();
    let same = TestQueue::simulated();
    let same = create(&same, &prompt.into()).await.json();
    assert_eq!(answer["job"]["prompt_hash"], same["job"]["prompt_hash"]);
}

#[tokio::test]
async fn an_editor_graph_that_cannot_run_says_what_is_wrong_with_it() {
    let queue = TestQueue::simulated();
    let answer = create(&queue, &graph()).await.json();
    assert_eq!(answer["error"], "workflow_format_ui", "{answer:#}");
    let queue = stocked().await;
    let empty = json!({"nodes": [], "links": [], "version": 0.4});
    let answer = create(&queue, &empty).await.json();
    assert_eq!(answer["error"], "workflow_format_ui", "{answer:#}");
    let mut unknown = graph();
    unknown["nodes"][0]["type"] = "LoadImages".into();
    unknown["nodes"][1]["mode"] = 4.into();
    let (told, shown) = refused(&queue, &json!({ "workflow": unknown })).await;
    assert_eq!(told, ["/workflow missing_node_type"]);
    assert!(
        shown["message"]
            .as_str()
            .unwrap()
            .contains("did you mean LoadImage?"),
        "{shown:#}"
    );
    let mut dangling = graph();
    dangling["links"][1][1] = 77.into();
    let (told, _) = refused(&queue, &json!({ "workflow": dangling })).await;
    assert_eq!(told, ["/workflow missing_node"]);
    let mut missing = graph();
    missing["nodes"][0]["widgets_values"][0] = "gone.png".into();
    let (told, _) = refused(&queue, &json!({ "workflow": missing })).await;
    assert_eq!(told, ["/workflow/1/inputs/image custom_validation_failed"]);
}

#[tokio::test]
async fn a_workflow_of_too_many_classes_is_refused_before_it_is_looked_up() {
    let queue = stocked().await;
    let node = |i: usize| {
        (
            i.to_string(),
            json!({"class_type": format!("C{i}"), "inputs": {}}),
        )
    };
    let many: serde_json::Map<_, _> = (0..=1_000).map(node).collect();
    let (told, _) = refused(&queue, &json!({ "workflow": many })).await;
    assert_eq!(told, ["/workflow too_large"]);
    assert!(queue.db.take_batches().is_empty());
}
