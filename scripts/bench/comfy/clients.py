"""The official Python client against the server in COMFY_BASE_URL: the same script for every server.

Prints as JSON how many submits and status polls a second it makes, and how long after the GPU's end its
`wait` and its event stream tell of it, in milliseconds.
"""

import asyncio
import json
import os
import sys
import time

import httpx
from comfy_sdk import AsyncComfy

# Where the GPU's end is told: ours in the id of the simulated attempt, else by the stand-in itself.
GPU = sys.argv[1]
AT_ONCE = 8
SUBMITS = 100
POLLS = 1_000
ENDS = 12
# As the simulated GPU runs: its id says when it was submitted.
RUN_MS = 2_400

GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "bench"}},
}


async def rate(count, work):
    """How often a second `work` is done, AT_ONCE at a time."""
    left = iter(range(count))

    async def worker():
        for _ in left:
            await work()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return count / (time.perf_counter() - began)


async def ended_at_ms(http, job_id):
    if GPU != "ours":
        return (await http.get(f"{GPU}/ended/{job_id}")).json()["ended_at_ms"]
    key = {"authorization": f"Bearer {os.environ['COMFY_API_KEY']}"}
    url = f"{os.environ['COMFY_BASE_URL']}/api/queue/status/{job_id}"
    attempt = (await http.get(url, headers=key)).json()["job"]["attempts"][0]
    return int(attempt["provider_id"].split("~")[1]) + RUN_MS


async def waits(job):
    await job.wait()


async def listens(job):
    async for _ in job.events():
        pass


async def lags(client, http, workflow, until_end):
    found = []
    for _ in range(ENDS):
        job = await client.submit(workflow)
        await until_end(job)
        heard_at_ms = time.time() * 1000
        found.append(heard_at_ms - await ended_at_ms(http, job.id))
    return sorted(found)


async def main():
    async with AsyncComfy() as client, httpx.AsyncClient() as http:
        workflow = client.workflows.from_json(GRAPH)
        jobs = []

        async def submit():
            jobs.append(await client.submit(workflow))

        await client.run(workflow)
        submits = await rate(SUBMITS, submit)
        await asyncio.gather(*(job.wait() for job in jobs))
        polls = await rate(POLLS, jobs[0].refresh)
        found = {
            "submits_per_s": submits,
            "polls_per_s": polls,
            "wait_ms": await lags(client, http, workflow, waits),
            "stream_ms": await lags(client, http, workflow, listens),
        }
        print(json.dumps(found))


asyncio.run(main())
