-- What was once worked out about the rows of a data set and never changes: how long a chunk is as CSV (0: not known yet),
-- and the profile of a version, kept with the part that made it.
ALTER TABLE dataset_chunk ADD COLUMN csv_bytes INTEGER NOT NULL DEFAULT 0;

CREATE TABLE dataset_profile (
	part INTEGER PRIMARY KEY REFERENCES dataset_part (seq),
	profile TEXT NOT NULL               -- JSON object
) STRICT;
