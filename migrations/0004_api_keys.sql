-- Keys that callers of the API show. Only the hash of a key is here: whoever reads this file can use none of them.
CREATE TABLE api_key (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	scopes INTEGER NOT NULL,            -- bits of enum access_scope
	hash BLOB NOT NULL,                 -- 32 bytes: BLAKE2b of the whole key
	created REAL NOT NULL,
	revoked REAL NOT NULL DEFAULT 0     -- 0: in force
) STRICT;

-- What /metrics counts at every reading, without a look at the jobs themselves.
CREATE INDEX job_kind ON job (type, state, created, started, finished);
