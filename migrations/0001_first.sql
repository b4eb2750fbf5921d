-- The first shape of the store. Times are seconds since the epoch; the ids are what the API shows, the integer `seq` is
-- what tables refer to each other by and the order in which rows were made. Everything is STRICT: a value of the wrong
-- type is refused, not stored.

-- One uploaded table. `uploading`: its chunks are still coming; `ready`: visible; `deleting`: gone for every reader, its
-- chunks are being removed a few at a time so that the writer is never held for long.
CREATE TABLE dataset (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	state TEXT NOT NULL CHECK (state IN ('uploading', 'ready', 'deleting')),
	name TEXT NOT NULL,
	label_column TEXT,                  -- NULL: none was named
	label_index INTEGER,                -- its place among the columns
	created REAL NOT NULL,              -- when it became visible
	n_rows INTEGER NOT NULL DEFAULT 0,
	n_labelled INTEGER NOT NULL DEFAULT 0,
	n_unlabelled INTEGER NOT NULL DEFAULT 0,
	n_bytes INTEGER NOT NULL DEFAULT 0, -- of the upload
	n_columns INTEGER NOT NULL DEFAULT 0,
	n_classes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX dataset_newest ON dataset (created, seq) WHERE state = 'ready';
CREATE INDEX dataset_deleting ON dataset (seq) WHERE state = 'deleting';

-- What is known of each column of a data set, in file order.
CREATE TABLE dataset_column (
	dataset INTEGER NOT NULL REFERENCES dataset (seq),
	idx INTEGER NOT NULL,
	name TEXT NOT NULL,
	type TEXT NOT NULL CHECK (type IN ('number', 'text')),
	n_missing INTEGER NOT NULL,
	min REAL,                           -- NULL: not a number column, or no values
	max REAL,
	n_distinct INTEGER NOT NULL,
	n_numbers INTEGER NOT NULL,         -- of a text column: cells that are numbers all the same
	text_line INTEGER NOT NULL,         -- and where the first that is none is; 0: nowhere
	text_cell TEXT NOT NULL,
	PRIMARY KEY (dataset, idx)
) STRICT, WITHOUT ROWID;

-- The labels of a data set and how many rows have each, in byte order of the labels.
CREATE TABLE dataset_class (
	dataset INTEGER NOT NULL REFERENCES dataset (seq),
	idx INTEGER NOT NULL,
	label TEXT NOT NULL,
	count INTEGER NOT NULL,
	PRIMARY KEY (dataset, idx)
) STRICT, WITHOUT ROWID;

-- A run of consecutive rows of a data set, committed as a whole.
CREATE TABLE dataset_chunk (
	dataset INTEGER NOT NULL REFERENCES dataset (seq),
	chunk INTEGER NOT NULL,             -- 0, 1, …
	n_rows INTEGER NOT NULL,
	PRIMARY KEY (dataset, chunk)
) STRICT, WITHOUT ROWID;

-- The cells of some neighbouring columns of a chunk: for each column the length of its bytes (4, little-endian) and the
-- bytes as schema/table writes them. Narrow columns share a segment so that a row here is a megabyte or more where the
-- chunk has as much. `bytes` comes last: reading the other columns then never walks the blob's pages.
CREATE TABLE dataset_segment (
	seq INTEGER PRIMARY KEY,
	dataset INTEGER NOT NULL,
	chunk INTEGER NOT NULL,
	first_column INTEGER NOT NULL,
	n_columns INTEGER NOT NULL,
	checksum INTEGER NOT NULL,          -- checksum64 of bytes, as a signed number
	bytes BLOB NOT NULL,
	UNIQUE (dataset, chunk, first_column),
	FOREIGN KEY (dataset, chunk) REFERENCES dataset_chunk (dataset, chunk)
) STRICT;

-- The queue and its history. `dataset` and `model` are ids without a foreign key: a job outlives both.
CREATE TABLE job (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelling', 'cancelled')),
	type TEXT NOT NULL,
	dataset TEXT NOT NULL,
	params TEXT NOT NULL,               -- JSON object
	created REAL NOT NULL,
	started REAL NOT NULL DEFAULT 0,    -- of the present attempt; 0: not yet
	finished REAL NOT NULL DEFAULT 0,   -- 0: not yet
	attempt INTEGER NOT NULL DEFAULT 1,
	step INTEGER NOT NULL DEFAULT 0,
	steps INTEGER NOT NULL DEFAULT 0,
	phase TEXT NOT NULL DEFAULT '',
	metrics TEXT NOT NULL DEFAULT '{}', -- JSON object
	error_code TEXT,
	error_message TEXT,
	model TEXT
) STRICT;
CREATE INDEX job_newest ON job (created, seq);
CREATE INDEX job_queue ON job (seq) WHERE state = 'queued';
CREATE INDEX job_open ON job (dataset) WHERE state IN ('queued', 'running', 'cancelling');

-- The last saved trainer state of a job that has not ended.
CREATE TABLE checkpoint (
	job INTEGER PRIMARY KEY REFERENCES job (seq),
	saved REAL NOT NULL,
	bytes BLOB NOT NULL
) STRICT;

-- What happened to a job, for people and programs; numbered from 1 within the job.
CREATE TABLE job_event (
	job INTEGER NOT NULL REFERENCES job (seq),
	seq INTEGER NOT NULL,
	time REAL NOT NULL,
	level TEXT NOT NULL CHECK (level IN ('info', 'warning', 'error')),
	code TEXT NOT NULL,
	message TEXT NOT NULL,
	data TEXT NOT NULL,                 -- JSON object
	PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;

-- Time series of a run: loss terms and the like. A step that is run again after a restart replaces its values.
CREATE TABLE job_metric (
	job INTEGER NOT NULL REFERENCES job (seq),
	step INTEGER NOT NULL,
	name TEXT NOT NULL,
	value REAL NOT NULL,
	PRIMARY KEY (job, step, name)
) STRICT, WITHOUT ROWID;

-- A trained model. `job` and `dataset` are ids without a foreign key: the data set may be gone.
CREATE TABLE model (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	job TEXT NOT NULL,
	dataset TEXT NOT NULL,
	created REAL NOT NULL,
	n_bytes INTEGER NOT NULL,           -- of its bundle
	summary TEXT NOT NULL               -- JSON object
) STRICT;
CREATE INDEX model_newest ON model (created, seq);

-- A model's artefact, apart from its record so that lists never come near it.
CREATE TABLE model_bundle (
	model INTEGER PRIMARY KEY REFERENCES model (seq),
	bytes BLOB NOT NULL
) STRICT;
