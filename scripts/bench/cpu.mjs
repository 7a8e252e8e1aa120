// Processor time of a process, from Linux's own accounting in nanoseconds. Elsewhere nothing is known.

import { readFileSync, readdirSync } from "node:fs";

import { until } from "../lib/process.mjs";

const NS_PER_MS = 1e6;
/** A server that used less than this in one look has nothing left to do. */
const IDLE_MS = 1.5;
const LOOK_MS = 40;
const IDLE_LIMIT_MS = 10_000;

/** User and system time of all threads, in milliseconds. Threads of workerd live as long as it does. */
export function cpuMs(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const spent = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]));
  return spent.reduce((sum, ns) => sum + ns, 0) / NS_PER_MS;
}

/** Returns when the process rests: what a request left behind it (an alarm, say) is done. */
export async function rested(pid) {
  let last = -Infinity;
  await until(
    () => {
      const now = cpuMs(pid);
      const idle = now - last < IDLE_MS;
      last = now;
      return idle;
    },
    IDLE_LIMIT_MS,
    LOOK_MS,
  );
}

/** Children of this process by the name of their program. */
export function childrenNamed(name) {
  const threads = readdirSync("/proc/self/task");
  const children = threads.flatMap((thread) => readFileSync(`/proc/self/task/${thread}/children`, "utf8").trim().split(" "));
  return children.filter(Boolean).filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === name);
}
