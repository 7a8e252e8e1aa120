-- What an owner may spend on jobs. What is left is granted less spent less reserved.
CREATE TABLE credits (
  owner      TEXT    NOT NULL PRIMARY KEY,               -- jobs.caller
  opened_at  INTEGER NOT NULL,                           -- from here on its jobs are paid for
  begun_with INTEGER NOT NULL CHECK (begun_with >= 0),   -- part of granted that was there from the beginning
  granted    INTEGER NOT NULL CHECK (granted >= 0),      -- all that it ever got
  spent      INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0), -- on jobs that succeeded
  reserved   INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0), -- held by jobs that have not ended
  charge     TEXT    NOT NULL DEFAULT '',                -- what was reserved last: <job>:<round>; lets that one happen
  CHECK (spent + reserved <= granted)
) STRICT, WITHOUT ROWID;

-- Credits that an owner was given, by the operator or by a purchase.
CREATE TABLE grants (
  owner      TEXT    NOT NULL,                           -- credits.owner
  id         TEXT    NOT NULL,                           -- names the payment: a repeat grants nothing
  credits    INTEGER NOT NULL CHECK (credits > 0),       -- how many
  granted_at INTEGER NOT NULL,                           -- when
  why        TEXT    NOT NULL,                           -- 'purchase', or what the operator noted
  PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;

ALTER TABLE jobs ADD COLUMN credits INTEGER; -- what this round costs its caller: held while it goes on, spent by a success, else given back; null: nothing
