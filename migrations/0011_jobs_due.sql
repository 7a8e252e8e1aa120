-- All that has not ended, and nothing else: the sweep finds what was forgotten, and the live jobs of a caller are
-- counted without a look at the rows, or at others'. Sorted by time it made every counted create read all of it.
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (caller, due_at) WHERE due_at IS NOT NULL;
