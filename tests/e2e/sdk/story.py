"""The official Python client against the server in COMFY_BASE_URL: what its README shows, in order.

Nothing of the client is changed or configured: only COMFY_BASE_URL, and COMFY_API_KEY where the
server asks for one. Prints one line per chapter; any surprise is an exception.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import comfy_sdk
import httpx
from comfy_sdk import AsyncComfy, Comfy
from comfy_sdk.events import OutputReady, Preview, Progress, StatusChange
from comfy_sdk.exceptions import (
    IdempotencyKeyReuse,
    InvalidWorkflow,
    JobFailed,
    MissingAsset,
    NotFound,
    WorkflowFormatUi,
)

PHOTO = Path(sys.argv[1])
FOLDER = Path(tempfile.mkdtemp(prefix="edge-queue-sdk-"))
# A mock of RunPod tells nothing while it works.
TELLS = sys.argv[2] == "simulated"


def graph(image="nothing.png"):
    return {
        "10": {"class_type": "LoadImage", "inputs": {"image": image}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["10", 0], "filename_prefix": "fox"}},
    }


def raises(kind, work):
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def same(what, found, expected):
    assert found == expected, f"{what}: {found!r} is not {expected!r}"


def told(events):
    """The kinds of events in order, each once where it repeats."""
    kinds = [type(event) for event in events]
    assert isinstance(events[-1], StatusChange) and events[-1].status == "succeeded", events
    same("outputs told", kinds.count(OutputReady), 1)
    shares = [event.value for event in events if isinstance(event, Progress)]
    same("progress only grows", shares, sorted(shares))
    if TELLS:
        assert shares, "no progress"
        previews = [event for event in events if isinstance(event, Preview)]
        assert previews and previews[0].data[:4] == b"\x89PNG", "no preview"


def sync_story():
    client = Comfy()
    # Getting started.
    wf = client.workflows.from_json(graph())
    asset = client.assets.from_file(PHOTO)
    wf.set_input("10", "image", asset)
    job = client.run(wf)
    same("created_new", asset.created_new, True)
    outputs = job.get_outputs("9")
    same("outputs", [(o.name, o.type) for o in outputs], [("fox_00001_.png", "image")])
    path = outputs[0].to_file(FOLDER / outputs[0].name)
    data = path.read_bytes()
    same("size", len(data), outputs[0].size_bytes)
    same("range", outputs[0].to_bytes(range=(0, 3)), data[:4])
    same("job_id", outputs[0].job_id, job.id)
    link = outputs[0].get_download_url().url
    same("a link for somebody without a key", httpx.get(link).content, data)
    print("run, outputs, range")

    # The same bytes are not sent again, and a job's output is the next one's input.
    again = client.assets.from_bytes(PHOTO.read_bytes(), filename="again.png")
    again.commit()
    same("deduplicated", (again.created_new, again.id), (False, asset.id))
    onward = client.workflows.from_json(graph())
    onward.set_input("10", "image", client.assets.get(outputs[0].id))
    sent = client.submit(onward).get_workflow()
    same("a workflow sent again", client.submit(client.workflows.from_json(sent.graph)).status, "queued")
    large = client.assets.from_bytes(bytes(range(256)) * 80_000, filename="large.bin")
    large.commit()
    same("twenty megabytes", large.created_new, True)
    large.delete()
    print("assets by content")

    # Submit, stream, list.
    job = client.submit(wf, metadata={"story": "sync"})
    same("metadata", job.metadata, {"story": "sync"})
    told(list(job.events()))
    same("reloaded", client.jobs.get(job.id).refresh().status, "succeeded")
    listed = [summary.id for summary in client.list_jobs(metadata={"story": "sync"}, limit=1)]
    same("listed", listed, [job.id])
    same("workflow", job.get_workflow().graph["9"]["inputs"]["filename_prefix"], "fox")
    print("submit, events, list, workflow")

    # A key for partner nodes goes along.
    same("with a key", client.run(wf, api_key="comfyui-a-key").status, "succeeded")

    # One key, one job.
    key = comfy_sdk.__name__ + "-key-1"
    first = client.submit(wf, idempotency_key=key)
    same("replayed", client.submit(wf, idempotency_key=key).id, first.id)
    wf_other = client.workflows.from_json({k: v for k, v in wf.json.items()})
    wf_other.json["9"] = {**wf.json["9"], "inputs": {"images": ["10", 0], "filename_prefix": "y"}}
    raises(IdempotencyKeyReuse, lambda: client.submit(wf_other, idempotency_key=key))
    print("idempotency")

    # Errors.
    ui = client.workflows.from_json({"nodes": [], "links": [], "last_node_id": 0})
    raises(WorkflowFormatUi, lambda: client.submit(ui))
    broken = client.workflows.from_json(graph())
    broken.json["9"]["inputs"]["images"] = ["4", 0]
    error = raises(InvalidWorkflow, lambda: client.submit(broken))
    assert error.request_id and "node_errors" in (error.details or {}), error
    stranger = {"__type": "core/ASSET", "info": {"id": "9f8a1c0d-2b3e-4f56-8a7b-1c2d3e4f5a6b"}}
    raises(MissingAsset, lambda: client.submit(client.workflows.from_json(graph(stranger))))
    raises(NotFound, lambda: client.jobs.get("7f3d2c1b-9a8e-4d6f-b012-3c4d5e6f7a8b").refresh())
    print("errors")

    # Cancel, fail.
    slow = client.submit(wf, metadata={"simulate": "slow"})
    slow.cancel()
    same("canceled", slow.wait(timeout=60).status, "canceled")
    if TELLS:
        failed = client.submit(wf, metadata={"simulate": "fail"})
        error = raises(JobFailed, failed.result)
        same("node", error.error.node_id, "3")
    fresh = client.assets.from_bytes(b"a text of its own", filename="note.txt")
    fresh.commit()
    fresh.delete()
    print("cancel, failure, delete")
    client.close()


async def async_story():
    async with AsyncComfy() as client:
        wf = client.workflows.from_json(graph())
        wf.set_input("10", "image", client.assets.from_file(PHOTO))
        job = await client.submit(wf, metadata={"story": "async"})
        told([event async for event in job.events()])
        await job.result()
        output = job.get_outputs("9")[0]
        same("size", len(await output.to_bytes()), output.size_bytes)
        same("run", (await client.run(wf)).status, "succeeded")
        listed = [summary.id async for summary in client.list_jobs(metadata={"story": "async"})]
        same("listed", listed, [job.id])
        slow = await client.submit(wf, metadata={"simulate": "slow"})
        await slow.cancel()
        same("canceled", (await slow.wait(timeout=60)).status, "canceled")
    print("the same, asynchronously")


sync_story()
asyncio.run(async_story())
