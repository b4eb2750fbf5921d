-- How a data set was read: what its owner said of the columns, and the rows that were left out.
ALTER TABLE dataset ADD COLUMN options TEXT NOT NULL DEFAULT '{}';   -- JSON object, as schema/ingest_options writes it
ALTER TABLE dataset ADD COLUMN n_bad_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dataset ADD COLUMN bad_rows TEXT NOT NULL DEFAULT '[]';  -- JSON array of the first of them
ALTER TABLE dataset_column ADD COLUMN role TEXT NOT NULL DEFAULT 'feature';
ALTER TABLE dataset_column ADD COLUMN n_na INTEGER NOT NULL DEFAULT 0; -- cells taken as missing by their usual spelling
UPDATE dataset_column SET role = 'label'
WHERE idx = (SELECT label_index FROM dataset WHERE seq = dataset_column.dataset);
