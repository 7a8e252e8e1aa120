// Signed links, byte for byte as ours: HMAC-SHA256 of purpose, expiry and key, cut to 16 bytes.

const PURPOSE = new TextEncoder().encode("link\0");
const MAC_BYTES = 16;

let imported;

async function mac(env, key, seconds) {
  imported ??= crypto.subtle.importKey("raw", new TextEncoder().encode(env.TOKEN_SECRETS), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const path = new TextEncoder().encode(key);
  const body = new Uint8Array(PURPOSE.length + 8 + path.length);
  body.set(PURPOSE);
  new DataView(body.buffer).setBigInt64(PURPOSE.length, BigInt(seconds));
  body.set(path, PURPOSE.length + 8);
  return new Uint8Array(await crypto.subtle.sign("HMAC", await imported, body)).subarray(0, MAC_BYTES);
}

export async function linkQuery(env, key, expiresAt) {
  const seconds = Math.floor(expiresAt / 1000);
  const signature = (await mac(env, key, seconds)).toBase64({ alphabet: "base64url", omitPadding: true });
  return `exp=${seconds}&kid=${env.KID}&sig=${signature}`;
}

export async function opens(env, key, query) {
  const seconds = Number(query.get("exp"));
  if (!(Date.now() / 1000 < seconds) || query.get("kid") !== env.KID) return false;
  const given = Uint8Array.fromBase64(query.get("sig") ?? "", { alphabet: "base64url" });
  const expected = await mac(env, key, seconds);
  return given.length === MAC_BYTES && crypto.subtle.timingSafeEqual(expected, given);
}
