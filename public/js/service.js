// A page that makes something: a form from a contract, the job that is made of it, and those before.
// Which templates, its `<main data-templates>` says.

import { ApiError, open, post, upload } from "./api.js";
import { Purse } from "./credits.js";
import { drawForm } from "./form.js";
import { fill, h } from "./dom.js";
import { errorBox } from "./error.js";
import { keep, keepPicture, kept, pictureNamed } from "./keep.js";
import { page } from "./page.js";
import { number, said, t } from "./text.js";

const main = document.querySelector("main");
const names = main.dataset.templates.split(" ");
const pictures = main.dataset.pictures?.split(" ") ?? [];
const place = {
  intro: document.querySelector("#intro"),
  notice: document.querySelector("#notice"),
  form: document.querySelector("#form"),
  stage: document.querySelector("#stage"),
  gallery: document.querySelector("#gallery"),
};
const isVideo = names[0].includes("video");
const PENDING = `pending.${names[0]}`;
const submitText = () => t(isVideo ? "submit_video" : "submit");

/** Of each template what the person has filled in; kept over a reload and a change of language. */
const states = {};
const templates = {};
let current = names.find((name) => name === kept("template")) ?? names[0];
let form = null;
/** Stage and gallery: they come when the form is there, which waits for nothing that it does not need. */
let results = null;
const purse = new Purse({ templates, onMore: () => form.relent() });

page(draw);
begin();

async function begin() {
  try {
    await Promise.all(names.map(load));
  } catch (error) {
    const again = () => location.reload();
    fill(place.form, errorBox(error, h("button", { type: "button", onclick: again }, t("retry"))));
    return;
  }
  draw();
  results = loadResults();
  try {
    const shown = await results;
    purse.load();
    await resume();
    await shown.begin();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // Without a session nothing can be made: that is said before anything is filled in.
    fill(place.notice, errorBox(error));
  }
}

async function loadResults() {
  const { Results } = await import("./results.js").catch(() => {
    throw new ApiError({ error: "offline", retryable: true });
  });
  const shown = new Results(place, {
    templates,
    names,
    submitText,
    title: isVideo ? "gallery_videos" : "gallery",
    onPaid: () => purse.load(),
    help,
  });
  shown.draw(current);
  return shown;
}

function refuse(error) {
  form.refuse(error, ...help(error));
}

/** What helps against an error, if a button does. */
function help(error) {
  return error.code === "insufficient_credits" ? [purse.button()] : [];
}

async function load(name) {
  const { template } = await open(`/api/templates/${name}`);
  templates[name] = template;
  states[name] = { values: kept(`draft.${name}`) ?? {}, files: {} };
  const files = template.inputs.filter(({ type }) => type === "image");
  await Promise.all(files.map((input) => restore(name, input.name)));
  files.forEach((input) => bring(name, input));
}

/** The picture that was chosen before a reload. */
async function restore(name, input) {
  const facts = kept(`draft.${name}.${input}`);
  const blob = facts && (await pictureNamed(`draft/${name}/${input}`));
  if (blob) states[name].files[input] = { ...facts, blob, url: URL.createObjectURL(blob) };
}

/**
 * A picture that the page brings along for an input of its name, until another is chosen. Its bytes are
 * fetched when they are sent: the form does not wait for them.
 */
function bring(name, input) {
  const { files } = states[name];
  const url = pictures.find((path) => path.endsWith(`/${input.name}.png`));
  if (!url || input.required || files[input.name]) return;
  files[input.name] = { url, type: "image/png" };
}

async function fetched(url) {
  const answer = await fetch(url).catch(() => null);
  if (!answer?.ok) throw new ApiError({ error: "offline", retryable: true });
  return answer.blob();
}

function draw() {
  if (!names.every((name) => templates[name])) return;
  const template = templates[current];
  document.title = `${said(template.title)} · edge-queue`;
  fill(
    place.intro,
    h("h1", {}, said(template.title)),
    h("p", { class: "quiet" }, said(template.description)),
    names.length > 1 && chooser(),
  );
  form = drawForm(template, {
    state: states[current],
    onChange: remember,
    onSubmit: submit,
    submit: submitText(),
    beside: purse.line(template),
  });
  fill(place.form, form.element);
  results?.then((shown) => shown.draw(current));
}

/** Which of the page's templates. */
function chooser() {
  const one = (name) => {
    const pick = () => {
      current = name;
      keep("template", name);
      draw();
      place.intro.querySelector("input:checked").focus();
    };
    const radio = h("input", {
      type: "radio",
      name: "template",
      value: name,
      checked: name === current,
      onchange: pick,
    });
    return h("label", { class: "chip" }, radio, h("span", {}, t(name)));
  };
  return h(
    "fieldset",
    { class: "field" },
    h("legend", {}, t("from")),
    h("div", { class: "chips" }, names.map(one)),
  );
}

function remember() {
  const { values, files } = states[current];
  keep(`draft.${current}`, values);
  for (const { name } of templates[current].inputs.filter(({ type }) => type === "image")) {
    const { blob, url, ...facts } = files[name] ?? {};
    const known = kept(`draft.${current}.${name}`);
    if (known?.url_was === url) continue;
    keep(`draft.${current}.${name}`, blob ? { ...facts, url_was: url } : null);
    if (blob) keepPicture(`draft/${current}/${name}`, blob);
  }
}

/** One press, one job: what is about to be sent is noted with its key, and sent again by that key alone. */
async function submit() {
  if (kept(PENDING)) return;
  if (!purse.covers(templates[current])) {
    refuse(new ApiError({ error: "insufficient_credits" }, 402));
    return;
  }
  const template = current;
  const values = form.values();
  const busy = form;
  busy.busy(t("sending"));
  try {
    const files = await uploads(template, (share) => {
      busy.busy(t("uploading", { share: number(share, { style: "percent" }) }));
    });
    busy.busy(t("sending"));
    keep(PENDING, {
      key: crypto.randomUUID(),
      body: { template, inputs: { ...values, ...files } },
    });
    await resume();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    refuse(error);
  } finally {
    busy.busy(null);
  }
}

/** Sends what was noted, if anything was; it stays noted until the server has answered. */
async function resume() {
  const pending = kept(PENDING);
  if (!pending || !names.includes(pending.body.template)) return;
  try {
    const { job } = await post("/api/queue/create", pending.body, {
      "idempotency-key": pending.key,
    });
    keep(PENDING, null);
    purse.load();
    await (await results).made(job);
  } catch (error) {
    // Without an answer, or with a "not now", it may have been accepted: the key finds it again.
    if (error.code !== "offline" && error.status !== 503) keep(PENDING, null);
    else whenBack();
    throw error;
  }
}

function whenBack() {
  const again = () => {
    form.busy(t("sending"));
    resume()
      .catch(refuse)
      .finally(() => form.busy(null));
  };
  if (navigator.onLine) setTimeout(again, 3_000);
  else addEventListener("online", again, { once: true });
}

async function uploads(template, onShare) {
  const files = await Promise.all(
    Object.entries(states[template].files).map(async ([name, file]) => {
      return { name, file, blob: file.blob ?? (await fetched(file.url)) };
    }),
  );
  const total = files.reduce((sum, { blob }) => sum + blob.size, 0);
  const keys = {};
  let before = 0;
  for (const { name, file, blob } of files) {
    file.key ??= (
      await upload(blob, (share) => onShare((before + share * blob.size) / total))
    ).input_key;
    await keepPicture(file.key, blob);
    keys[name] = file.key;
    before += blob.size;
  }
  return keys;
}
