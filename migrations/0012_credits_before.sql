ALTER TABLE jobs ADD COLUMN credits_before INTEGER NOT NULL DEFAULT 0; -- what its earlier rounds cost its caller: those that were canceled when work had begun
