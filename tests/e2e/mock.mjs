// What `ops mock-runpod` saw, and how to tell it what to do next.

import assert from "node:assert/strict";

import { eventually } from "./harness.mjs";

/** Controls of the mock that belongs to `product`, which may not have started yet. */
export class MockControls {
  #turn = Promise.resolve();

  constructor(product) {
    this.product = product;
  }

  async #control(path, options) {
    const response = await fetch(`${this.product.mock.url}/_mock/${path}`, options);
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    return body;
  }

  /** Changes what comes next: see `PlanChange` in src/testing/runpod/plan.rs. */
  plan(change) {
    return this.#control("plan", { method: "POST", body: JSON.stringify(change) });
  }

  counters() {
    return this.#control("counters");
  }

  /** Everything that was ever ordered, by our job: its id is inside the callback's token. */
  async allOrders() {
    const byJob = new Map();
    for (const order of await this.#control("jobs")) {
      const hex = Buffer.from(order.webhook.split("/").pop(), "base64url").toString("hex", 1, 17);
      const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
      byJob.set(id, [...(byJob.get(id) ?? []), order]);
    }
    return byJob;
  }

  /** What was ever ordered for one of our jobs. */
  async orders(id) {
    return (await this.allOrders()).get(id) ?? [];
  }

  /** The only order of a job, as soon as it was taken. */
  async order(id) {
    await eventually(`the mock has an order of ${id}`, async () => (await this.orders(id)).length);
    const orders = await this.orders(id);
    assert.equal(orders.length, 1, JSON.stringify(orders));
    return orders[0];
  }

  /** Creates a job that behaves at the mock as `plan` says. Answers its id and its order. */
  submit(plan, body) {
    const submitted = this.#turn.then(async () => {
      await this.plan({ next: [plan] });
      const id = await this.product.create(body);
      return { id, order: await this.order(id) };
    });
    // The next plan belongs to the next order, so one order is made at a time.
    this.#turn = submitted.catch(() => {});
    return submitted;
  }

  /** Creates a job whose first order meets `fault`, which takes nothing. Answers the job's id. */
  refuse(fault, body) {
    const created = this.#turn.then(async () => {
      const before = await this.counters();
      await this.plan({ faults: [{ on: "run", fault }] });
      const id = await this.product.create(body);
      const met = async () => (await this.counters()).requests > before.requests;
      await eventually("the order was refused", met);
      return id;
    });
    this.#turn = created.catch(() => {});
    return created;
  }

  /** The job ran, and was paid for, once. */
  async assertRanOnce(id) {
    const order = await this.order(id);
    assert.equal(order.runs.length, 1, JSON.stringify(order));
  }
}
