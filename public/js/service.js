// A page that makes something: a form from a contract, the job that is made of it, and those before.
// Which templates, its `<main data-templates>` says.

import { ApiError, call, open, post, upload } from "./api.js";
import { Purse } from "./credits.js";
import { drawForm } from "./form.js";
import { fill, h } from "./dom.js";
import { errorBox } from "./error.js";
import { ENDED, follow } from "./follow.js";
import { Gallery } from "./gallery.js";
import { keep, keepPicture, kept, pictureNamed } from "./keep.js";
import { page } from "./page.js";
import { Stage } from "./stage.js";
import { number, said, t } from "./text.js";
import { marked } from "./watermark.js";

const main = document.querySelector("main");
const names = main.dataset.templates.split(" ");
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
const following = new Map();
/** What is seen of the job on the stage beside its row: previews, its original, an error. */
let beside = {};
let chosen = null;
let current = names.find((name) => name === kept("template")) ?? names[0];
let form = null;
let stage = null;
let gallery = null;
const purse = new Purse({ templates, onMore: () => form.relent() });

page(draw);
begin();

async function begin() {
  try {
    await Promise.all(names.map(load));
  } catch (error) {
    fill(
      place.form,
      errorBox(
        error,
        h("button", { type: "button", onclick: () => location.reload() }, t("retry")),
      ),
    );
    return;
  }
  stage = new Stage(place.stage, {
    cancel: (id) => act(id, "cancel"),
    retry: (id) => act(id, "retry"),
  });
  gallery = new Gallery(place.gallery, {
    templates: names,
    onChoose: choose,
    title: isVideo ? "gallery_videos" : "gallery",
  });
  draw();
  purse.load();
  try {
    await resume();
    const jobs = await gallery.load();
    const live = jobs.filter((job) => !ENDED.includes(job.status));
    live.forEach((job) => watch(job.id));
    if (!chosen && live.length > 0) choose(live[0].id);
  } catch (error) {
    // Without a session nothing can be made: that is said before anything is filled in.
    fill(place.notice, errorBox(error));
  }
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
  if (main.dataset.pictures) await Promise.all(files.map((input) => bring(name, input)));
}

/** The picture that was chosen before a reload. */
async function restore(name, input) {
  const facts = kept(`draft.${name}.${input}`);
  const blob = facts && (await pictureNamed(`draft/${name}/${input}`));
  if (blob) states[name].files[input] = { ...facts, blob, url: URL.createObjectURL(blob) };
}

/** A picture that the page brings along for an input of its name, until another is chosen. */
async function bring(name, input) {
  const { files } = states[name];
  if (input.required || files[input.name]) return;
  const answer = await fetch(`${main.dataset.pictures}/${input.name}.png`);
  if (!answer.ok) return;
  const blob = await answer.blob();
  const { type, size } = blob;
  const url = URL.createObjectURL(blob);
  files[input.name] = { blob, type, size, url };
}

function draw() {
  if (!stage) return;
  const template = templates[current];
  document.title = `${said(template.title)} · edge-queue`;
  fill(
    place.intro,
    h("h1", {}, said(templates[names[0]].title)),
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
  gallery.draw();
  show();
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
    gallery.update(job);
    watch(job.id);
    await choose(job.id);
    // On a telephone the stage stands below the form.
    const block = innerWidth < 960 ? "start" : "nearest";
    place.stage.scrollIntoView({ block, behavior: "smooth" });
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
  const chosenFiles = Object.entries(states[template].files);
  const total = chosenFiles.reduce((sum, [, file]) => sum + file.size, 0);
  const keys = {};
  let before = 0;
  for (const [name, file] of chosenFiles) {
    file.key ??= (
      await upload(file.blob, (share) => onShare((before + share * file.size) / total))
    ).input_key;
    await keepPicture(file.key, file.blob);
    keys[name] = file.key;
    before += file.size;
  }
  return keys;
}

function watch(id) {
  if (following.has(id)) return;
  const seen = (change) => {
    if (id === chosen) Object.assign(beside, change);
    if (id === chosen) show();
  };
  const stop = follow(id, {
    job(job) {
      gallery.update(job);
      if (ENDED.includes(job.status)) {
        following.delete(id);
        purse.load();
      }
      seen({});
    },
    progress: (progress) => seen({ progress }),
    preview: async (blob) => {
      const preview = id === chosen && (await marked(blob, t("preview")));
      if (preview) seen({ preview });
    },
    offline: (isOffline) => seen({ isOffline }),
    lost: (error) => {
      following.delete(id);
      seen({ error: errorBox(error) });
    },
  });
  following.set(id, stop);
}

async function choose(id) {
  chosen = id;
  beside = {};
  gallery.choose(id);
  const known = gallery.jobs.get(id);
  if (ENDED.includes(known.status) && known.outputs.length === 0) {
    try {
      gallery.update((await call(`/api/queue/status/${id}`)).job);
    } catch (error) {
      beside.error = errorBox(error);
    }
  }
  const blob = await originalOf(gallery.jobs.get(id));
  if (chosen !== id) return;
  if (blob) beside.original = URL.createObjectURL(blob);
  show();
}

/** What the job was made of, if this browser still has it. */
async function originalOf({ inputs, template }) {
  const input = templates[template].inputs.find(
    ({ type, required }) => type === "image" && required,
  );
  const value = input && inputs?.[input.name];
  return value ? pictureNamed(value) : null;
}

function show() {
  const job = chosen && gallery.jobs.get(chosen);
  if (!job) {
    const template = templates[current];
    stage.empty(
      submitText(),
      template.inputs.some(({ type, required }) => type === "image" && required),
    );
    return;
  }
  if (job.status === "succeeded" && job.outputs.length === 0) return;
  const template = templates[job.template];
  stage.show({ job, template, ...beside });
  const share = beside.progress?.value;
  const state = ENDED.includes(job.status)
    ? t(job.status)
    : share
      ? `${Math.round(share * 100)} %`
      : t(job.status);
  document.title = `${state} · ${said(template.title)}`;
}

async function act(id, verb) {
  try {
    const { job } = await post(`/api/queue/${verb}/${id}`);
    delete beside.error;
    purse.load();
    gallery.update(job);
    if (!ENDED.includes(job.status)) watch(id);
  } catch (error) {
    beside.error = errorBox(error, ...help(error));
  }
  show();
}
