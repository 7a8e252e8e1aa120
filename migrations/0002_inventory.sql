-- What the ComfyUI behind each endpoint has: its node classes, their inputs, and the files to choose
-- from. Safe under the old code: it reads neither table and never names the column.

-- Which inventory of an endpoint counts.
CREATE TABLE inventories (
  endpoint            TEXT    NOT NULL PRIMARY KEY,      -- as in jobs.endpoint
  hash                TEXT    NOT NULL,                  -- blake3 of its classes; the rows of node_classes with it count
  classes             INTEGER NOT NULL CHECK (classes > 0), -- how many
  lists               INTEGER NOT NULL,                  -- lists of choices that are kept
  lists_left_out_json TEXT    NOT NULL,                  -- ["<class>.<input>"]: lists too long to keep, whose values are not checked
  size_bytes          INTEGER NOT NULL,                  -- of all entries
  put_at              INTEGER NOT NULL                   -- when it was adopted
) STRICT, WITHOUT ROWID;

-- One node class of an inventory, so that a create reads only those it uses.
CREATE TABLE node_classes (
  endpoint TEXT NOT NULL,                                -- inventories.endpoint
  hash     TEXT NOT NULL,                                -- of the whole inventory
  class    TEXT NOT NULL,                                -- the name that a prompt uses
  entry    TEXT NOT NULL,                                -- its entry in object_info, cut to what is judged; at most 512 KiB
  PRIMARY KEY (endpoint, hash, class)
) STRICT, WITHOUT ROWID;

-- In schema.sql it stands behind the other columns.
ALTER TABLE jobs ADD COLUMN inventory_hash TEXT;
