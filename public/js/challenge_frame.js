// Beside Turnstile's widget, in a frame of its own: tells the page around it what came of it.

const tell = (turnstile) => parent.postMessage({ turnstile }, location.origin);

globalThis.passed = (token) => tell(token);
globalThis.failed = () => tell(null);
