//! `/api/admin/inventory`, and creates with a workflow that are checked against one.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use edge_queue::store::inventories;
use edge_queue::store::name;
use edge_queue::testing::queue::{request, Answered, TestQueue, ADMIN_KEY};
use edge_queue::testing::runpod::Plan;
use edge_queue::testing::sqlite::DbFault;
use edge_queue::workflow::convert::{self, Definitions};
use edge_queue::workflow::graph::Graph;
use serde_json::{json, Value};

const PATH: &str = "/api/admin/inventory";

/// The inventory of the simulated GPU.
const CORE: &str = include_str!("../../../inventory/core.json");

async fn operate(queue: &TestQueue, method: &str, path: &str, body: String) -> Answered {
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    queue
        .send(request(method, path, &headers, body.into()))
        .await
}

async fn put(queue: &TestQueue, inventory: impl ToString) -> Answered {
    operate(queue, "PUT", PATH, inventory.to_string()).await
}

async fn shown(queue: &TestQueue) -> Value {
    operate(queue, "GET", PATH, String::new()).await.json()["inventory"].clone()
}

/// A queue whose endpoint has the node classes of ComfyUI itself.
async fn stocked() -> TestQueue {
    let queue = TestQueue::simulated();
    let answer = put(&queue, CORE).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    queue.db.take_batches();
    queue
}

/// Reads a picture and saves it under two names.
fn workflow() -> Value {
    json!({
        "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "b"}},
    })
}

async fn create(queue: &TestQueue, workflow: &Value) -> Answered {
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
    (told.collect(), shown)
}

fn picture() -> String {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x40\x08\x02\0\0\0".to_vec();
    png.resize(100, 7);
    STANDARD.encode(png)
}

#[tokio::test]
async fn an_operator_alone_puts_an_inventory_and_is_told_what_is_known_of_it() {
    let queue = TestQueue::simulated();
    for method in ["GET", "PUT"] {
        let answer = queue.send(request(method, PATH, &[], CORE.into())).await;
        assert_eq!(answer.status, 401, "{method}");
    }
    assert_eq!(
        operate(&queue, "GET", PATH, String::new()).await.status,
        404
    );
    let answer = put(&queue, CORE).await;
    let told = answer.json();
    assert_eq!(told["changed"], true, "{told:#}");
    assert_eq!(told["inventory"]["endpoint"], "simulated");
    assert_eq!(told["inventory"]["classes"], 634);
    assert_eq!(told["inventory"]["hash"].as_str().unwrap().len(), 64);
    assert_eq!(shown(&queue).await, told["inventory"]);
}

#[tokio::test]
async fn the_same_inventory_twice_writes_nothing() {
    let queue = stocked().await;
    queue.db.take_rows_written();
    let again = put(&queue, CORE.replace(":[", ": [")).await;
    assert_eq!(again.json()["changed"], false);
    assert_eq!(queue.db.take_rows_written(), 0);
    let batches = queue.db.take_batches();
    assert_eq!(batches.len(), 1, "one read");
}

#[tokio::test]
async fn each_endpoint_has_its_own_inventory() {
    let queue = stocked().await;
    let path = format!("{PATH}?endpoint=another");
    let small = json!({"A": {"input": {}}}).to_string();
    assert_eq!(operate(&queue, "PUT", &path, small).await.status, 200);
    assert_eq!(shown(&queue).await["classes"], 634);
    let other = operate(&queue, "GET", &path, String::new()).await.json();
    assert_eq!(other["inventory"]["classes"], 1);
    for query in ["endpoint=", "endpoint=a%20b", "endpoints=a"] {
        let path = format!("{PATH}?{query}");
        let answer = operate(&queue, "PUT", &path, CORE.into()).await;
        assert_eq!(answer.status, 400, "{query}");
    }
}

#[tokio::test]
async fn what_is_no_inventory_is_refused_and_the_old_one_stays() {
    let queue = stocked().await;
    let before = shown(&queue).await;
    for (garbage, status, error) in [
        ("<html>", 400, "invalid_json"),
        ("{\"A\": {\"input\": {}}", 400, "invalid_json"),
        ("[1, 2]", 400, "invalid_request"),
        ("{}", 400, "invalid_request"),
        (r#"{"A": {"input": {}}, "B": 5}"#, 400, "invalid_request"),
    ] {
        let answer = put(&queue, garbage).await;
        let told = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &told["error"]),
            (status, &error.into()),
            "{told:#}"
        );
    }
    let told = put(&queue, r#"{"A": {"input": {}}, "B": 5}"#).await.json();
    assert_eq!(told["details"][0]["path"], "/B", "{told:#}");
    let many = vec![b' '; (16 << 20) + 1];
    let many = operate(&queue, "PUT", PATH, String::from_utf8(many).unwrap()).await;
    assert_eq!(many.status, 413);
    assert_eq!(shown(&queue).await, before);
    assert_eq!(create(&queue, &workflow()).await.status, 200);
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
             "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}, {"name": "MASK", "type": "MASK"}],
             "widgets_values": ["example.png", "image"]},
            {"id": 2, "type": "Reroute", "mode": 0, "inputs": [{"name": "", "type": "*", "link": 1}],
             "outputs": [{"name": "", "type": "IMAGE", "links": [2]}]},
            {"id": 3, "type": "SaveImage", "mode": 0, "outputs": [],
             "inputs": [{"name": "images", "type": "IMAGE", "link": 2}],
             "widgets_values": ["mine"]},
        ],
        "links": [[1, 1, 0, 2, 0, "*"], [2, 2, 0, 3, 0, "IMAGE"]],
    })
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

/// Classes of the same names with other choices, so that a mixture of both would show.
fn generation(letter: &str) -> Value {
    let class = |i: usize| {
        let input = json!({"required": {"of": [[letter], {}]}});
        (
            format!("C{i}"),
            json!({"input": input, "output": ["X"], "output_node": true}),
        )
    };
    Value::Object((0..5).map(class).collect())
}

#[tokio::test]
async fn a_reader_sees_the_old_inventory_until_the_new_one_is_whole() {
    let queue = TestQueue::simulated();
    put(&queue, generation("old")).await;
    let node = |of: &str| json!({"1": {"class_type": "C1", "inputs": {"of": of}}});
    // The new one dies after its classes were added, before it counts.
    queue.db.fail_next(DbFault::LostAfter);
    let bearer = format!("Bearer {ADMIN_KEY}");
    let headers = [("authorization", bearer.as_str())];
    let body = generation("new").to_string();
    for polls in 1..12 {
        let request = request("PUT", PATH, &headers, body.clone().into());
        let answered = queue.send_and_die(request, polls);
        let old = create(&queue, &node("old")).await.status == 200;
        let new = create(&queue, &node("new")).await.status == 200;
        assert!(old ^ new, "after {polls} steps");
        if answered {
            assert!(new);
        }
    }
    assert_eq!(put(&queue, generation("new")).await.status, 200);
    assert_eq!(create(&queue, &node("new")).await.status, 200);
    let hashes = queue
        .db
        .query("SELECT DISTINCT hash FROM node_classes")
        .unwrap();
    assert_eq!(hashes.len(), 1, "the old one is gone");
}

#[tokio::test]
async fn of_two_inventories_at_once_one_wins_whole() {
    let queue = TestQueue::simulated();
    let db = &*queue.app.db;
    put(&queue, generation("first")).await;
    // Half of another one is there when a third is adopted, which deletes that half.
    let classes = [("C0", "{}"), ("C1", "{}")];
    inventories::add(db, "simulated", "half", &classes)
        .await
        .unwrap();
    put(&queue, generation("third")).await;
    let rest = [("C2", "{}")];
    inventories::add(db, "simulated", "half", &rest)
        .await
        .unwrap();
    let third = inventories::find(db, "simulated").await.unwrap().unwrap();
    let half = inventories::Stored {
        hash: "half".into(),
        classes: 3,
        ..third.clone()
    };
    assert_eq!(inventories::adopt(db, &half).await.unwrap(), Some(third));
}

#[tokio::test]
async fn a_database_that_is_away_is_told_and_the_put_may_be_repeated() {
    let queue = TestQueue::live(Plan::default());
    for fault in [DbFault::LostBefore, DbFault::Overloaded] {
        (0..3).for_each(|_| queue.db.fail_next(fault));
        let answer = put(&queue, CORE).await;
        assert_eq!(answer.status, 503, "{}", answer.json());
        queue.db.clear_faults();
    }
    let told = put(&queue, CORE).await.json();
    assert_eq!(told["inventory"]["endpoint"], "mock", "{told:#}");
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
