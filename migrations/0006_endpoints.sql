-- What is known of the providers' endpoints beside their jobs.
CREATE TABLE endpoints (
  endpoint        TEXT NOT NULL PRIMARY KEY,             -- the provider's name for it
  paused_at       INTEGER,                               -- the operator stopped submission; null: it goes on
  no_worker_since INTEGER                                -- it shows no worker although jobs wait; null: it has some
) STRICT, WITHOUT ROWID;
