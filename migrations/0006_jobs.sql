-- Jobs of more types than training, which wait by priority, pause, and may leave a result to download.

-- A file that a job made, in parts of about a megabyte. `there`: its job's alone to grow, and to be read when that has
-- succeeded; `deleting`: its parts are being removed a few at a time.
CREATE TABLE result (
	seq INTEGER PRIMARY KEY,
	state TEXT NOT NULL CHECK (state IN ('there', 'deleting')),
	n_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX result_deleting ON result (seq) WHERE state = 'deleting';

CREATE TABLE result_part (
	seq INTEGER PRIMARY KEY,
	result INTEGER NOT NULL REFERENCES result (seq),
	at INTEGER NOT NULL,                -- of its first byte in the whole
	bytes BLOB NOT NULL,
	UNIQUE (result, at)
) STRICT;

-- The queue and its history, made anew for its states. `dataset` and `model` are ids without a foreign key: a job
-- outlives both.
CREATE TABLE job_new (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	state TEXT NOT NULL CHECK (state IN ('queued', 'validating', 'running', 'pausing', 'paused', 'succeeded', 'failed',
		'cancelling', 'cancelled')),
	type TEXT NOT NULL,
	dataset TEXT NOT NULL,
	dataset_version INTEGER NOT NULL,   -- the job sees this one
	params TEXT NOT NULL,               -- JSON object
	priority INTEGER NOT NULL DEFAULT 0,
	max_seconds REAL NOT NULL DEFAULT 0, -- 0: no limit
	created REAL NOT NULL,
	started REAL NOT NULL DEFAULT 0,    -- of the present attempt; 0: not yet
	finished REAL NOT NULL DEFAULT 0,   -- 0: not yet
	worked REAL NOT NULL DEFAULT 0,     -- seconds at work, over all attempts
	attempt INTEGER NOT NULL DEFAULT 1,
	step INTEGER NOT NULL DEFAULT 0,
	steps INTEGER NOT NULL DEFAULT 0,
	phase TEXT NOT NULL DEFAULT '',
	metrics TEXT NOT NULL DEFAULT '{}', -- JSON object
	seconds_left REAL,                  -- by the worker's latest estimate; NULL: not known
	error_code TEXT,
	error_message TEXT,
	model TEXT,                         -- that a train job made; that a job of another type uses
	model_name TEXT,                    -- that the job's model becomes a version of; NULL: of none
	result INTEGER REFERENCES result (seq)
) STRICT;
INSERT INTO job_new (seq, id, state, type, dataset, dataset_version, params, created, started, finished, attempt, step,
	steps, phase, metrics, error_code, error_message, model, model_name)
SELECT seq, id, state, type, dataset, dataset_version, params, created, started, finished, attempt, step, steps, phase,
	metrics, error_code, error_message, model, model_name FROM job;
DROP TABLE job;
ALTER TABLE job_new RENAME TO job;
CREATE INDEX job_newest ON job (created, seq);
CREATE INDEX job_queue ON job (priority DESC, seq) WHERE state = 'queued';
CREATE INDEX job_kind ON job (type, state, created, started, finished);
CREATE INDEX job_result ON job (result) WHERE result IS NOT NULL;
CREATE INDEX job_open ON job (dataset)
	WHERE state IN ('queued', 'validating', 'running', 'pausing', 'paused', 'cancelling');

-- What was answered to a request that came with an Idempotency-Key, so that the same request is not carried out twice.
CREATE TABLE idempotency_key (
	key TEXT PRIMARY KEY,               -- who sent it, a space, and the key
	fingerprint INTEGER NOT NULL,       -- checksum64 of the request, as a signed number
	job TEXT NOT NULL,                  -- id of the job that it made
	answer TEXT,                        -- the body; NULL: the process ended before it was known
	expires REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_key_expires ON idempotency_key (expires);
