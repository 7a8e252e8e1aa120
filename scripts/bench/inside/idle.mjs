// Runs inside workerd: the built Worker with watchers that are woken and then do nothing. A create is
// measured with its wake and without the job's own work, on both sides.

import Worker, { EndpointGate, Watcher as Ours } from "./index.js";

export default Worker;
export { EndpointGate };

export class Watcher {
  constructor(state, env) {
    this.ours = new Ours(state, env);
  }

  fetch(request) {
    return this.ours.fetch(request);
  }

  alarm() {}
}
