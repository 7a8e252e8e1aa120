-- What the uploader called a file: the Comfy API shows it as `file_path`. Older rows have none.
ALTER TABLE assets ADD COLUMN name TEXT;                 -- what its uploader called it last
