// Where the deployment asks for one: Cloudflare's challenge, in a frame until it is passed.

const PATH = "/api/session/challenge";
/** Whoever has to click may take a while. */
const TIMEOUT_MS = 120_000;

/** What the widget gave, or null. */
export async function challenge() {
  const frame = document.createElement("iframe");
  frame.className = "challenge";
  frame.title = "Cloudflare Turnstile";
  frame.src = PATH;
  const answer = new Promise((resolve) => {
    const heard = ({ source, origin, data }) => {
      if (source !== frame.contentWindow || origin !== location.origin) return;
      removeEventListener("message", heard);
      resolve(data.turnstile);
    };
    addEventListener("message", heard);
    setTimeout(resolve, TIMEOUT_MS, null);
  });
  document.body.append(frame);
  try {
    return await answer;
  } finally {
    frame.remove();
  }
}
