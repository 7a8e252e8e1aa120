"""A stand-in for ComfyUI behind comfy-api-proxy: as quick as the simulated GPU, and as idle.

A prompt ends RUN_S after it was posted, whatever it says. `GET /ended/{id}` tells when, in milliseconds
since 1970, so that a bench can tell how late its client hears of it.
"""

import asyncio
import sys
import time

from aiohttp import WSMsgType, web

# The simulated GPU's: 600 ms in its queue, 1,800 ms of work.
RUN_S = 2.4
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c6360f8cf00000301010018dd8db10000000049454e44ae426082"
)
OUTPUTS = {"9": {"images": [{"filename": "out.png", "subfolder": "", "type": "output"}]}}

# What was asked for, by id: whose client, and when it ends.
prompts = {}


def left_s(prompt_id):
    return prompts[prompt_id]["ends_at"] - time.time()


async def post_prompt(request):
    body = await request.json()
    ends_at = time.time() + RUN_S
    prompts[body["prompt_id"]] = {"client": body.get("client_id"), "ends_at": ends_at}
    answer = {"prompt_id": body["prompt_id"], "number": len(prompts), "node_errors": {}}
    return web.json_response(answer)


async def queue(_request):
    running = [[0, prompt_id] for prompt_id in prompts if left_s(prompt_id) > 0]
    return web.json_response({"queue_running": running, "queue_pending": []})


async def history(request):
    prompt_id = request.match_info["id"]
    if prompt_id not in prompts or left_s(prompt_id) > 0:
        return web.json_response({})
    messages = [["execution_cached", {"nodes": []}]]
    status = {"status_str": "success", "completed": True, "messages": messages}
    return web.json_response({prompt_id: {"outputs": OUTPUTS, "status": status}})


async def view(_request):
    return web.Response(body=PNG, content_type="image/png")


async def ended(request):
    prompt = prompts[request.match_info["id"]]
    return web.json_response({"ended_at_ms": round(prompt["ends_at"] * 1000)})


async def events(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    client = request.query.get("clientId")
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_json({"type": "feature_flags", "data": {}})
            break
    own = [prompt_id for prompt_id, prompt in prompts.items() if prompt["client"] == client]
    for prompt_id in own:
        await asyncio.sleep(max(left_s(prompt_id), 0))
        done = {"node": "9", "output": OUTPUTS["9"], "prompt_id": prompt_id}
        await socket.send_json({"type": "executed", "data": done})
        await socket.send_json({"type": "execution_success", "data": {"prompt_id": prompt_id}})
    await socket.close()
    return socket


app = web.Application()
app.add_routes(
    [
        web.post("/prompt", post_prompt),
        web.get("/queue", queue),
        web.get("/history/{id}", history),
        web.get("/view", view),
        web.get("/ended/{id}", ended),
        web.get("/ws", events),
    ]
)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
