-- The labelled data set that a train job's model is measured on, at the version that it was queued with; NULL: none.
ALTER TABLE job ADD COLUMN test_dataset TEXT;
ALTER TABLE job ADD COLUMN test_version INTEGER;
CREATE INDEX job_test_open ON job (test_dataset)
	WHERE test_dataset IS NOT NULL
	AND state IN ('queued', 'validating', 'running', 'pausing', 'paused', 'cancelling');
