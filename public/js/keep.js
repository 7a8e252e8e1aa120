// What this browser keeps: small things in local storage, pictures in IndexedDB. A browser that keeps
// nothing (a private window, a full disk) is served all the same.

export function kept(name) {
  try {
    return JSON.parse(localStorage.getItem(`eq.${name}`));
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(`eq.${name}`);
    else localStorage.setItem(`eq.${name}`, JSON.stringify(value));
  } catch {
    // Nothing is lost but convenience.
  }
}

/** Pictures beyond these are forgotten, the oldest first: some 200 MB at the very most. */
const PICTURES_MAX = 120;
const STORE = "pictures";

let opened;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("edge-queue", 1);
    request.onupgradeneeded = () => {
      const store = request.result.createObjectStore(STORE, { keyPath: "name" });
      store.createIndex("kept_at", "kept_at");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function within(mode, work) {
  try {
    const store = (await database()).transaction(STORE, mode).objectStore(STORE);
    const request = work(store);
    return await new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  } catch {
    return undefined;
  }
}

/** Keeps a picture under a name: of an upload its key, of a job `<id>/thumb`. */
export async function keepPicture(name, blob) {
  await within("readwrite", (store) => store.put({ name, blob, kept_at: Date.now() }));
  const count = (await within("readonly", (store) => store.count())) ?? 0;
  if (count > PICTURES_MAX) await forgetOldest(count - PICTURES_MAX);
}

export async function pictureNamed(name) {
  return (await within("readonly", (store) => store.get(name)))?.blob;
}

async function forgetOldest(count) {
  const names = await within("readonly", (store) => store.index("kept_at").getAllKeys(null, count));
  for (const name of names ?? []) await within("readwrite", (store) => store.delete(name));
}
