// What rows of `/api/admin/metrics` say: sums and percentiles. No document, no network.

const HOUR_MS = 3_600_000;
const ENDED = ["succeeded", "failed", "canceled", "expired"];

/** An answer holds no more rows, and these are the newest. */
const ROWS_MAX = 20_000;

/** Hours on one bar: a day of them above two days. */
const isByDay = (hours) => hours > 48;

/** Everything that the console draws, of the last `hours`. */
export function figures(
  { rows, limits_ms: limits, hour_now: now, gpu_usd_per_second: price },
  hours,
) {
  const all = sums(rows, limits, price);
  return {
    ...all,
    /** What is before this moment did not fit into the answer; null: all did. */
    cutAt: rows.length < ROWS_MAX ? null : rows.at(-1).hour * HOUR_MS,
    slots: slots(rows, limits, price, now, hours),
    templates: templates(rows, limits, price),
  };
}

function slots(rows, limits, price, now, hours) {
  const step = isByDay(hours) ? 24 : 1;
  const slotOf = (hour) => (step === 1 ? hour : Math.floor(hour / 24) * 24);
  const of = Map.groupBy(rows, ({ hour }) => slotOf(hour));
  const first = slotOf(now - hours + 1);
  const count = Math.floor((slotOf(now) - first) / step) + 1;
  return Array.from({ length: count }, (_, i) => {
    const hour = first + i * step;
    return { at: hour * HOUR_MS, isDay: step > 1, ...sums(of.get(hour) ?? [], limits, price) };
  });
}

function templates(rows, limits, price) {
  const of = [...Map.groupBy(rows, ({ template }) => template)];
  const found = of.map(([name, its]) => ({ name, ...sums(its, limits, price) }));
  return found.sort((a, b) => b.jobs - a.jobs);
}

/** Of rows together. Rates, times and costs are null where nothing is known. */
export function sums(rows, limits, price) {
  const count = (status) =>
    add(
      rows.filter((row) => row.status === status),
      "jobs",
    );
  const succeeded = count("succeeded");
  const failed = count("failed") + count("expired");
  const ended = rows.filter(({ status }) => ENDED.includes(status));
  const paid = add(rows, "paid_ms") / 1000;
  const done = ended.filter(({ status }) => status === "succeeded");
  return {
    jobs: add(rows, "jobs"),
    succeeded,
    failed,
    canceled: count("canceled"),
    open: add(rows, "jobs") - add(ended, "jobs"),
    rate: succeeded + failed > 0 ? succeeded / (succeeded + failed) : null,
    queue: percentiles(rows, "queue_bucket", limits),
    execution: percentiles(rows, "execution_bucket", limits),
    average: succeeded > 0 ? (add(done, "queue_ms") + add(done, "execution_ms")) / succeeded : null,
    gpu_s: paid,
    cost: price === null ? null : paid * price,
    costPerJob: price === null || succeeded === 0 ? null : (paid * price) / succeeded,
  };
}

const add = (rows, name) => rows.reduce((sum, row) => sum + row[name], 0);

function percentiles(rows, name, limits) {
  const counts = Array(limits.length + 1).fill(0);
  for (const row of rows) if (row[name] >= 0) counts[row[name]] += row.jobs;
  return { p50: percentile(counts, limits, 0.5), p95: percentile(counts, limits, 0.95) };
}

/** Within its bucket a value is taken to lie evenly. */
export function percentile(counts, limits, share) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = total * share;
  for (const [i, count] of counts.entries()) {
    const from = i === 0 ? 0 : limits[i - 1];
    const to = limits[i] ?? from;
    if (left <= count) return from + (to - from) * (left / count);
    left -= count;
  }
  return limits.at(-1);
}
