// What is cheaper to say in JavaScript: each of these does with one call across the border of Wasm
// what would take dozens. Lists travel as JSON text. Nothing is decided here.

/** `[method, url, [[name, value], ...]]` of a request. */
export function described(request) {
  return JSON.stringify([request.method, request.url, [...request.headers]]);
}

/** `body` is a stream, nothing, or bytes that lie in Wasm's memory and are copied at once. */
export function response(status, headers, body) {
  const own = body instanceof Uint8Array ? body.slice() : body;
  return new Response(own, { status, headers: JSON.parse(headers) });
}

/** Calls the object of this name, by POST where there is a body. */
export function call(namespace, name, path, headers, body) {
  const method = body === undefined ? "GET" : "POST";
  // The host is not looked up: the stub decides who answers.
  return namespace.getByName(name).fetch(`https://object${path}`, { method, headers: JSON.parse(headers), body });
}

/** A D1 database that remembers its statements. */
export class Database {
  constructor(binding) {
    this.binding = binding;
    this.prepared = new Map();
  }

  prepare(number, sql) {
    this.prepared.set(number, this.binding.prepare(sql));
  }

  /** Takes `[[number, values], ...]`, gives `[[rows, changes, rows written], ...]`. */
  async batch(text) {
    const bound = JSON.parse(text).map(([number, values]) => this.prepared.get(number).bind(...values));
    const results = await this.binding.batch(bound);
    return JSON.stringify(results.map(({ results, meta }) => [results ?? [], meta.changes ?? 0, meta.rows_written ?? 0]));
  }
}
