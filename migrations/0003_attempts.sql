-- Automatic attempts by cause, a deadline of the caller's, and which attempts a cancel was for.
ALTER TABLE jobs ADD COLUMN deadline_ms INTEGER CHECK (deadline_ms > 0);
ALTER TABLE jobs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN canceled_through INTEGER NOT NULL DEFAULT 0;
