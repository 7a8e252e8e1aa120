// `make chaos`: the long form, with a table of figures. JOBS, KILLS, OUTAGE_S and SEED change it; with
// DOOR=0 callbacks meet nobody while the Worker is down.

import { MUST_BE_ZERO, chaos } from "./chaos.mjs";

const number = (name, otherwise) => Number(process.env[name] ?? otherwise);

const figures = await chaos({
  jobs: number("JOBS", 300),
  kills: number("KILLS", 12),
  outageMs: number("OUTAGE_S", 20) * 1000,
  settleMs: 180_000,
  door: number("DOOR", 1) === 1,
  seed: number("SEED", 20_261_121),
  say: (line) => console.error(`   ${line}`),
});
for (const [name, value] of Object.entries(figures)) {
  const verdict = MUST_BE_ZERO.includes(name) ? (value === 0 ? "  as promised" : "  BROKEN") : "";
  console.log(`${name.padEnd(24)}${String(value).padStart(12)}${verdict}`);
}
process.exitCode = MUST_BE_ZERO.some((name) => figures[name] !== 0) ? 1 : 0;
