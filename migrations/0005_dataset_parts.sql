-- Data sets grow. Each upload is a part, whose rows never change; a data set is its parts 1, 2, … one behind the other,
-- and the number of its last part is its version. A job sees the version that it was queued with.

-- What was `dataset` becomes the parts; everything that refers to its rows follows the rename.
DROP INDEX dataset_newest;
DROP INDEX dataset_deleting;
ALTER TABLE dataset RENAME TO dataset_part;
ALTER TABLE dataset_column RENAME COLUMN dataset TO part;
ALTER TABLE dataset_class RENAME COLUMN dataset TO part;
ALTER TABLE dataset_chunk RENAME COLUMN dataset TO part;
ALTER TABLE dataset_segment RENAME COLUMN dataset TO part;

-- `deleting`: gone for every reader; the row goes when its parts have.
CREATE TABLE dataset (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	state TEXT NOT NULL CHECK (state IN ('ready', 'deleting')),
	name TEXT NOT NULL,
	label_column TEXT,                  -- NULL: none was named
	label_index INTEGER,                -- its place among the columns
	created REAL NOT NULL,              -- when it became visible
	version INTEGER NOT NULL,           -- of the last part
	options TEXT NOT NULL               -- how it was read: JSON object, as schema/ingest_options writes it
) STRICT;
INSERT INTO dataset
	SELECT seq, id, state, name, label_column, label_index, created, 1, options FROM dataset_part
	WHERE state = 'ready';
CREATE INDEX dataset_newest ON dataset (created, seq) WHERE state = 'ready';
CREATE INDEX dataset_deleting ON dataset (seq) WHERE state = 'deleting';

-- `uploading`: its chunks are still coming, and it is nobody's part; `deleting`: its chunks are being removed a few at a
-- time so that the writer is never held for long. Columns (dataset_column) and classes are those of the data set up to
-- and with this part, and kept only for the versions that somebody may still want: the last, and those of open jobs.
CREATE TABLE dataset_part_new (
	seq INTEGER PRIMARY KEY,
	state TEXT NOT NULL CHECK (state IN ('uploading', 'ready', 'deleting')),
	dataset INTEGER REFERENCES dataset (seq),
	version INTEGER,
	created REAL NOT NULL,              -- when it became visible
	first_chunk INTEGER,                -- the data set's number of its chunk 0
	n_chunks INTEGER NOT NULL DEFAULT 0,
	part_rows INTEGER NOT NULL DEFAULT 0, -- of this part alone
	part_bytes INTEGER NOT NULL DEFAULT 0,
	n_rows INTEGER NOT NULL DEFAULT 0,  -- of the data set up to and with this part
	n_labelled INTEGER NOT NULL DEFAULT 0,
	n_unlabelled INTEGER NOT NULL DEFAULT 0,
	n_bytes INTEGER NOT NULL DEFAULT 0,
	n_columns INTEGER NOT NULL DEFAULT 0,
	n_classes INTEGER NOT NULL DEFAULT 0,
	n_bad_rows INTEGER NOT NULL DEFAULT 0,
	bad_rows TEXT NOT NULL DEFAULT '[]', -- of this part alone: JSON array of the first of them
	UNIQUE (dataset, version),
	UNIQUE (dataset, first_chunk)
) STRICT;
INSERT INTO dataset_part_new
	SELECT seq, state, iif(state = 'ready', seq, NULL), iif(state = 'ready', 1, NULL), created, 0,
		(SELECT count(*) FROM dataset_chunk WHERE part = dataset_part.seq),
		n_rows, n_bytes, n_rows, n_labelled, n_unlabelled, n_bytes, n_columns, n_classes, n_bad_rows,
		bad_rows
	FROM dataset_part;
DROP TABLE dataset_part;
ALTER TABLE dataset_part_new RENAME TO dataset_part;
CREATE INDEX dataset_part_deleting ON dataset_part (seq) WHERE state = 'deleting';

ALTER TABLE job ADD COLUMN dataset_version INTEGER NOT NULL DEFAULT 1;
