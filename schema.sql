-- The schema today. A test proves that it equals what migrations/ make; change it there first.
--
-- Rows written are nearly the whole bill, and every index entry is one: tables are WITHOUT ROWID,
-- indexes are partial, and the live attempt of a job lives in the job's own row.
-- Moments (`*_at`) are milliseconds since 1970 UTC. `*_json` columns hold JSON text.

-- One job that a caller was told "accepted".
CREATE TABLE jobs (
  id                 TEXT    NOT NULL PRIMARY KEY,       -- UUID v7: sorts by age
  caller             TEXT    NOT NULL,                   -- who owns it: an API key's owner, or 'anonymous'
  request_key        TEXT,                               -- the caller's name for the create; unique per caller
  fingerprint        TEXT    NOT NULL,                   -- blake3 of the canonical request: tells a repeat from a misuse of the key

  -- What was accepted. Never changes.
  template           TEXT    NOT NULL,                   -- template name, or 'raw' for a caller's own workflow
  template_version   TEXT    NOT NULL,                   -- as the contract named itself
  template_hash      TEXT    NOT NULL,                   -- blake3 of template and contract: with inputs and seed it repeats the prompt
  protocol           TEXT    NOT NULL CHECK (protocol IN ('comfyui', 'task')), -- what the worker takes
  inputs_json        TEXT    NOT NULL,                   -- checked inputs, defaults filled in, seed resolved
  files_json         TEXT    NOT NULL,                   -- input files: [{input, name, key, content_type, size_bytes, hash}]
  outputs_json       TEXT    NOT NULL,                   -- files a success must have: [{node_id, kind, label, prefix}]
  labels_json        TEXT    NOT NULL,                   -- the caller's labels
  prompt_hash        TEXT    NOT NULL,                   -- blake3 of the stored prompt
  prompt_in_blob     INTEGER NOT NULL CHECK (prompt_in_blob IN (0, 1)), -- 1: too large for the table prompts, stored as an object
  priority           INTEGER NOT NULL,                   -- higher goes first; 0 is normal
  webhook_url        TEXT,                               -- where the caller wants to be told
  webhook_events     TEXT,                               -- comma-separated event types; null: all
  provider           TEXT    NOT NULL,                   -- 'runpod' or 'simulated': who runs it
  endpoint           TEXT    NOT NULL,                   -- the provider's endpoint, kept although settings may change
  created_at         INTEGER NOT NULL,                   -- the moment in its id, too
  execution_limit_ms INTEGER NOT NULL CHECK (execution_limit_ms > 0), -- how long a worker may work on it
  start_by_ms        INTEGER NOT NULL CHECK (start_by_ms > 0), -- a round not started this long after it was asked for expires
  usual_ms           INTEGER NOT NULL,                   -- how long such a job usually takes: when to look first

  -- The round: 1, and one more for every retry by the caller.
  round              INTEGER NOT NULL DEFAULT 1 CHECK (round >= 1), -- never restarts
  opened_at          INTEGER NOT NULL,                   -- when this round was asked for

  -- Where it stands.
  status             TEXT    NOT NULL DEFAULT 'queued'   -- as callers see it; see src/job/mod.rs
    CHECK (status IN ('queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired')),
  phase              TEXT    NOT NULL DEFAULT 'accepted' -- what an unfinished job is doing
    CHECK (phase IN ('accepted', 'submitting', 'provider_queued', 'executing')),
  version            INTEGER NOT NULL DEFAULT 1,         -- one more with every change; never restarts
  started_at         INTEGER,                            -- a worker was first seen working on it, this round
  completed_at       INTEGER,                            -- the end of this round
  error_json         TEXT,                               -- why it failed: {code, message, node_id?, class_type?}
  settle_nonce       TEXT,                               -- names the settle that won; part of its outputs' keys
  delay_ms           INTEGER,                            -- waiting at the provider, as it measured
  execution_ms       INTEGER,                            -- working, as the provider measured
  due_at             INTEGER,                            -- the sweep wakes the job after this; null when nothing is left to do

  -- The newest attempt. Its row in attempts is written when it ends.
  attempt            INTEGER NOT NULL DEFAULT 0,         -- attempts begun; never restarts
  attempt_nonce      TEXT,                               -- tells the one that began it that it won
  attempt_begun_at   INTEGER,                            -- its time to live counts from here
  attempt_ended_at   INTEGER,                            -- null while it is live
  provider_id        TEXT,                               -- the provider's name for it; null: not known
  retry_at           INTEGER,                            -- no dispatch before then
  refusals           INTEGER NOT NULL DEFAULT 0,         -- submits in a row that the provider put off
  wait_reason        TEXT,                               -- why a queued job is not dispatched yet

  -- For people who query the table by hand. Computed when read: they cost no row.
  prompt             TEXT    GENERATED ALWAYS AS (inputs_json ->> '$.prompt') VIRTUAL, -- the input prompt
  model              TEXT    GENERATED ALWAYS AS (inputs_json ->> '$.model') VIRTUAL, -- the input model
  ratio              TEXT    GENERATED ALWAYS AS (inputs_json ->> '$.ratio') VIRTUAL, -- the input ratio
  seed               INTEGER GENERATED ALWAYS AS (inputs_json ->> '$.seed') VIRTUAL, -- the input seed
  steps              INTEGER GENERATED ALWAYS AS (inputs_json ->> '$.steps') VIRTUAL, -- the input steps
  cfg                REAL    GENERATED ALWAYS AS (inputs_json ->> '$.cfg') VIRTUAL, -- the input cfg
  input_key          TEXT    GENERATED ALWAYS AS (files_json ->> '$[0].key') VIRTUAL, -- its first input file

  CHECK ((status IN ('succeeded', 'failed', 'canceled', 'expired')) = (completed_at IS NOT NULL)),
  CHECK ((status = 'failed') = (error_json IS NOT NULL)),
  CHECK (status <> 'succeeded' OR settle_nonce IS NOT NULL),
  CHECK ((attempt = 0) = (attempt_nonce IS NULL))
) STRICT, WITHOUT ROWID;

-- A caller's list of its jobs, newest first.
CREATE INDEX jobs_by_caller ON jobs (caller, id);
-- A repeated create finds its job.
CREATE UNIQUE INDEX jobs_by_request_key ON jobs (caller, request_key) WHERE request_key IS NOT NULL;
-- The sweep finds what was forgotten.
CREATE INDEX jobs_due ON jobs (due_at) WHERE due_at IS NOT NULL;

-- The compiled prompt, written once at create and sent as it is by every attempt.
CREATE TABLE prompts (
  job_id TEXT NOT NULL PRIMARY KEY,                      -- jobs.id
  body   TEXT NOT NULL                                   -- at most 256 KiB; larger ones are objects
) STRICT, WITHOUT ROWID;

-- One submission that has ended. Also the receipt of the news that ended it.
CREATE TABLE attempts (
  job_id       TEXT    NOT NULL,                         -- jobs.id
  n            INTEGER NOT NULL CHECK (n >= 1),          -- counts from 1 within the job
  provider     TEXT    NOT NULL,                         -- who ran it
  provider_id  TEXT,                                     -- null: the provider never confirmed it
  begun_at     INTEGER NOT NULL,                         -- before the submit left
  ended_at     INTEGER NOT NULL,                         -- when we heard of the end
  outcome      TEXT    NOT NULL CHECK (outcome IN ('succeeded', 'failed', 'canceled', 'expired', 'lost')), -- how it ended
  heard_by     TEXT    NOT NULL CHECK (heard_by IN ('webhook', 'look', 'submit', 'cancel', 'deadline')), -- how we know
  error_json   TEXT,                                     -- why it failed
  delay_ms     INTEGER,                                  -- waiting, as the provider measured
  execution_ms INTEGER,                                  -- working, as the provider measured
  PRIMARY KEY (job_id, n)
) STRICT, WITHOUT ROWID;

-- One file of a succeeded job. It is in the object store before this row exists.
CREATE TABLE outputs (
  job_id       TEXT    NOT NULL,                         -- jobs.id
  i            INTEGER NOT NULL,                         -- order of delivery, from 0
  key          TEXT    NOT NULL,                         -- <job>/<attempt>/<settle nonce>/<i>.<ext>
  kind         TEXT    NOT NULL CHECK (kind IN ('image', 'video', 'audio', 'text', 'file', 'latent')), -- told by its magic bytes
  content_type TEXT    NOT NULL,                         -- told by its magic bytes
  size_bytes   INTEGER NOT NULL CHECK (size_bytes > 0),  -- stored and checked
  hash         TEXT    NOT NULL,                         -- blake3 of the bytes
  name         TEXT    NOT NULL,                         -- the file name the caller sees
  node_id      TEXT,                                     -- the node that made it, where it can be told
  label        TEXT,                                     -- the contract's name for it
  width        INTEGER,                                  -- pixels, for images
  height       INTEGER,                                  -- pixels, for images
  PRIMARY KEY (job_id, i)
) STRICT, WITHOUT ROWID;

-- A file that a caller uploaded. Content-addressed within the caller.
CREATE TABLE assets (
  caller       TEXT    NOT NULL,                         -- who uploaded it
  hash         TEXT    NOT NULL,                         -- blake3 of the bytes; the caller's input_key
  key          TEXT    NOT NULL,                         -- where the bytes are
  content_type TEXT    NOT NULL,                         -- told by its magic bytes
  kind         TEXT    NOT NULL CHECK (kind IN ('image', 'video', 'audio', 'text', 'file', 'latent')), -- told by its magic bytes
  size_bytes   INTEGER NOT NULL CHECK (size_bytes > 0),  -- stored and checked
  width        INTEGER,                                  -- pixels, for images
  height       INTEGER,                                  -- pixels, for images
  created_at   INTEGER NOT NULL,                         -- the first upload
  name         TEXT,                                     -- what its uploader called it last
  PRIMARY KEY (caller, hash)
) STRICT, WITHOUT ROWID;
