"""Every answer of both surfaces against /openapi.json, and of the Comfy API against its contract too:
status, content type and schema.

Asks the server in COMFY_BASE_URL good and bad things. Prints how many answers were checked.
"""

import json
import os
import re
import sys
import time

import httpx

from surfaces import contract, faults, operation, schema_faults, strict

BASE = os.environ["COMFY_BASE_URL"]
PNG = open(sys.argv[1], "rb").read()
# Until a job of the simulated GPU has ended, in seconds.
ENDS_WITHIN = 60

client = httpx.Client(base_url=BASE, timeout=60)
spec = client.get("/openapi.json").json()
published = strict(contract())
checked = {}


def ask(method, path, expected, **options):
    answer = client.request(method, path, **options)
    name = f"{method} {path}"
    assert answer.status_code == expected, f"{name}: {answer.status_code} {answer.text[:400]}"
    bare = path.split("?")[0]
    shown = operation(spec, method, bare)
    assert shown, f"{name} is not documented"
    for document in (spec, published):
        said = operation(document, method, bare)
        # The contract has no list yet, and no health.
        found = faults(document, said, answer) if said else []
        assert not found, f"{name} {answer.status_code}: {found}\n{answer.text[:2000]}"
    key = (shown["operationId"], answer.status_code)
    checked[key] = checked.get(key, 0) + 1
    return answer


def told(stream):
    """The events of a stream against the contract's catalog."""
    catalog = published["paths"]["/api/v2/jobs/{id}/events"]["get"]["x-sse-events"]
    events = re.findall(r"^id: .+\nevent: (.+)\ndata: (.+)$", stream.text, re.M)
    for event, data in events:
        schema = {"$ref": catalog[event]["schema"]}
        found = schema_faults(published, schema, json.loads(data))
        assert not found, f"event {event}: {found}\n{data}"
    return [event for event, _ in events]


def ended(path, read):
    until = time.monotonic() + ENDS_WITHIN
    while time.monotonic() < until:
        job = read(ask("GET", path, 200).json())
        if job["status"] in ("succeeded", "failed", "canceled", "expired"):
            return job
        time.sleep(0.2)
    raise AssertionError(f"{path} does not end")


def own_surface():
    ask("GET", "/api/health", 200)
    ask("GET", "/api/gpu/health", 200)
    ask("GET", "/api/templates", 200)
    ask("GET", "/api/templates/text-to-image", 200)
    ask("GET", "/api/templates/none", 404)
    ask("GET", "/api/session/challenge", 404)
    ask("POST", "/api/inputs", 200, content=PNG)
    ask("POST", "/api/inputs", 415, content=b"\x00\x01")
    create = "/api/queue/create"
    ask("POST", create, 400, content=b"{", headers={"content-type": "application/json"})
    ask("POST", create, 415, content=b"x")
    ask("POST", create, 422, json={"prompt": "x", "steps": -1})
    key = {"idempotency-key": "conform-own"}
    # Nobody is there: every try is in the log of its job.
    told = {"webhook_url": "http://127.0.0.1:1/", "webhook_events_filter": ["job.queued"]}
    job = ask("POST", create, 200, json={"prompt": "x", **told}, headers=key).json()["job"]
    ask("POST", create, 422, json={"prompt": "y"}, headers=key)
    job = ended(job["urls"]["self"], lambda body: body["job"])
    ask("GET", job["urls"]["events"], 200)
    ask("GET", job["result_url"].split("?")[0], 200)
    ask("GET", job["result_url"], 206, headers={"range": "bytes=0-3"})
    ask("GET", job["result_url"], 416, headers={"range": "bytes=999999999-"})
    ask("POST", job["urls"]["cancel"], 200)
    ask("POST", job["urls"]["retry"], 409)
    ask("GET", "/api/queue/list?limit=1", 200)
    ask("GET", "/api/queue/list?limit=x", 400)
    for path in ("status/x", "events/x"):
        ask("GET", f"/api/queue/{path}", 404)
    for path in ("cancel/x", "retry/x"):
        ask("POST", f"/api/queue/{path}", 404)
    ask("GET", f"/api/queue/deliveries/{job['id']}", 200)
    ask("POST", f"/api/queue/replay/{job['id']}", 200)
    ask("POST", f"/api/queue/replay/{job['id']}", 404, json={"event": "evt_x"})
    ask("GET", "/api/queue/deliveries/x", 404)
    ask("GET", "/api/webhooks/secret", 200)
    ask("POST", "/api/webhooks/secret", 409)
    ask("GET", "/api/admin/deliveries", 401)
    ask("POST", "/api/admin/deliveries/replay", 401)
    ask("POST", create, 422, json={"prompt": "x", "webhook_url": "ftp://example.com"})
    ask("POST", "/api/progress/x", 404, json={})
    ask("POST", "/api/webhooks/runpod/x", 404, json={})
    ask("POST", "/api/admin/sweep", 401)


def comfy_surface():
    assets = "/api/v2/assets"
    data = {"content_type": "image/png", "file_path": "photo.png"}
    file = {"file": ("photo.png", PNG, "image/png")}
    ask("GET", "/api/v2/health", 200)
    asset = ask("POST", assets, 200, data=data, files=file).json()
    fresh = {"file": ("note.txt", b"conformance", "text/plain")}
    note = ask("POST", assets, 201, data=data, files=fresh).json()
    ask("POST", assets, 409, data={**data, "expected_hash": asset["hash"]}, files=fresh)
    ask("POST", assets, 422, data={"content_type": "x"}, files=file)
    ask("POST", assets, 400, content=b"x", headers={"content-type": "multipart/form-data"})
    ask("POST", f"{assets}/from-hash", 200, json={"hash": asset["hash"]})
    ask("POST", f"{assets}/from-hash", 404, json={"hash": "blake3:" + "0" * 64})
    ask("POST", f"{assets}/from-hash", 422, json={"hash": 7})
    ask("HEAD", f"{assets}/by-hash/{asset['hash']}", 200)
    ask("HEAD", f"{assets}/by-hash/none", 404)
    ask("GET", f"{assets}/{asset['id']}", 200)
    link = ask("GET", f"{assets}/{asset['id']}/content", 302).headers["location"]
    ask("GET", link.removeprefix(BASE), 206, headers={"range": "bytes=1-2"})
    ask("GET", f"{assets}/none", 404)
    ask("DELETE", f"{assets}/{note['id']}", 204)
    ask("DELETE", f"{assets}/{note['id']}", 404)

    reference = {"__type": "core/ASSET", "info": {"id": asset["id"]}}
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": reference}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }
    jobs = "/api/v2/jobs"
    for body in ({}, {"workflow": {"9": graph["9"]}}, {"workflow": 7}, {"nothing": 1}):
        ask("POST", jobs, 422, json=body)
    ask("POST", jobs, 400, content=b"[", headers={"content-type": "application/json"})
    job = ask("POST", jobs, 201, json={"workflow": graph, "metadata": {"a": "b"}}).json()
    ask("GET", job["urls"]["workflow"], 200)
    live = told(ask("GET", job["urls"]["events"], 200))
    assert {"status", "progress", "preview", "output"} <= set(live), live
    done = ended(job["urls"]["self"], lambda body: body)
    assert done["status"] == "succeeded", done
    output = done["outputs"][0]
    ask("GET", f"{assets}/{output['id']}", 200)
    ask("DELETE", f"{assets}/{output['id']}", 409)
    assert client.get(output["url"]).status_code == 200
    stream = ask("GET", job["urls"]["events"], 200)
    assert told(stream) == ["output", "status"], stream.text
    last = re.findall(r"^id: (.+)$", stream.text, re.M)[-1]
    ask("GET", job["urls"]["events"], 204, headers={"last-event-id": last})
    ask("POST", job["urls"]["cancel"], 200)
    ask("GET", f"{jobs}?limit=1&metadata[a]=b", 200)
    ask("GET", f"{jobs}?cursor=x", 400)
    for path in ("none", "none/workflow", "none/events"):
        ask("GET", f"{jobs}/{path}", 404)
    ask("POST", f"{jobs}/none/cancel", 404)
    # What nobody documents is still in the envelope.
    assert client.put(jobs).json()["error"]["code"] == "method_not_allowed"


own_surface()
comfy_surface()
print(json.dumps({"answers": sum(checked.values()), "operations": len({op for op, _ in checked})}))
