-- Names for models: versions of a name are numbered in the order in which they were made, aliases point to one of them.

-- A name stays when its last version is deleted, so that a version number never comes to mean another model.
CREATE TABLE model_name (
	seq INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	last_version INTEGER NOT NULL       -- the highest number given so far; 0: none
) STRICT;

-- `job` and `dataset` are empty for a model that was imported.
ALTER TABLE model RENAME COLUMN name TO dataset_name;
ALTER TABLE model ADD COLUMN name INTEGER REFERENCES model_name (seq); -- NULL: known by its id alone
ALTER TABLE model ADD COLUMN version INTEGER;                          -- 1, 2, … within the name
ALTER TABLE model ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;      -- of its bundle: grows with each change
CREATE UNIQUE INDEX model_version ON model (name, version) WHERE name IS NOT NULL;

CREATE TABLE model_alias (
	name INTEGER NOT NULL REFERENCES model_name (seq),
	alias TEXT NOT NULL,
	model INTEGER NOT NULL REFERENCES model (seq),
	PRIMARY KEY (name, alias)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_alias_model ON model_alias (model);

-- The name that the job's model becomes a version of; NULL: of none.
ALTER TABLE job ADD COLUMN model_name TEXT;
