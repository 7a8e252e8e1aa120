import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";

import { freePort, isFree } from "../../scripts/lib/process.mjs";
import { ROOT, build } from "../../scripts/lib/server.mjs";
import { eventually } from "./harness.mjs";

/** `make dev` on a port of its own, with what it printed on each stream. */
async function makeDev(t) {
  await build();
  const port = await freePort();
  const env = { ...process.env, PORT: String(port), EDGE_QUEUE_BUILT: "1", CI: "1" };
  const child = spawn("make", ["dev"], { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
  const dev = { port, pid: child.pid, exit: once(child, "exit"), out: [], log: [] };
  createInterface({ input: child.stdout }).on("line", (line) => dev.out.push(line));
  createInterface({ input: child.stderr }).on("line", (line) => dev.log.push(line));
  t.after(async () => {
    if (t.passed === false) console.error([...dev.out, ...dev.log].join("\n"));
    for (const pid of descendants(dev.pid)) process.kill(pid, "SIGKILL");
    await rm(join(ROOT, `.run/state-${port}`), { recursive: true, force: true });
    await rm(join(ROOT, `.run/dev-${port}.log`), { force: true });
  });
  return dev;
}

/** `pid` and everything below it, as far as it is alive. */
function descendants(pid) {
  const table = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" });
  const rows = table.trim().split("\n").map((row) => row.trim().split(/\s+/).map(Number));
  const children = (parent) => rows.filter((row) => row[1] === parent).map((row) => row[0]);
  const tree = (top) => [top, ...children(top).flatMap(tree)];
  return rows.some((row) => row[0] === pid) ? tree(pid) : [];
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("make_dev_serves_the_port_it_was_given_and_leaves_nothing_behind", async (t) => {
  const dev = await makeDev(t);
  const url = `http://127.0.0.1:${dev.port}`;
  const ready = () => dev.out.includes(`ready ${url}`);
  await eventually("make dev is ready", ready, 120_000);

  const told = () => dev.out.find((line) => line.startsWith("curl "));
  const curl = await eventually("a curl line", told);
  const answer = JSON.parse(execFileSync("sh", ["-c", curl], { encoding: "utf8" }));
  assert.equal(answer.ok, true, JSON.stringify(answer));
  await eventually("the job it created succeeds", async () => {
    const response = await fetch(`${url}/api/queue/status/${answer.job_id}`);
    return (await response.json()).job.status === "succeeded";
  });

  // On a laptop, too, a workflow is checked against what the endpoint has.
  const raw = await fetch(`${url}/api/queue/create`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ workflow: { 1: { class_type: "SaveImages", inputs: {} } } }),
  });
  assert.match((await raw.json()).message, /did you mean SaveImage\?/);

  const processes = descendants(dev.pid);
  assert.ok(processes.length > 3, `make, node, wrangler and workerd, not ${processes}`);
  process.kill(dev.pid, "SIGTERM");
  await dev.exit;
  const alive = () => processes.filter(isAlive);
  await eventually("every process has ended", () => alive().length === 0, 10_000).catch((error) => {
    throw new Error(`${error.message}: ${alive()}`);
  });
  assert.equal(await isFree(dev.port), true);
});
