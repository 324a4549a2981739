-- Version 1: verdicts and gaps.
--
-- The primary key makes repetitions harmless. box, run_id and sequence identify a verdict; a verdict without a sequence is
-- identified by unjournalled_key, which is empty otherwise. capture_time follows from these. It is in the key because
-- TimescaleDB requires the time of a hypertable in every unique index:
--   SELECT create_hypertable('inspectd_verdicts', by_range('capture_time'), migrate_data => true);
CREATE TABLE inspectd_verdicts (
    box text NOT NULL,
    site text NOT NULL,
    run_id text NOT NULL,
    sequence bigint NOT NULL,
    unjournalled_key text NOT NULL,
    capture_time timestamptz NOT NULL,
    record_time timestamptz,
    id text NOT NULL,
    camera_id text NOT NULL,
    group_id text NOT NULL,
    part_id text NOT NULL,
    trigger_id text NOT NULL,
    decision text NOT NULL,
    score real,
    threshold real,
    review_from real,
    decided_by text,
    fault_reason text,
    fault_message text,
    recipe_id text,
    recipe_version text,
    model_name text,
    model_version text,
    model_sha256 text,
    provider text NOT NULL,
    simulated boolean NOT NULL,
    truth text NOT NULL,
    source_item text NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    inference_ms double precision,
    total_ms double precision,
    evidence_kept boolean NOT NULL,
    unconfirmed boolean NOT NULL,
    -- The defects, the scores of the recipe regions, and the views of a part, as in the JSON form. They are read with their
    -- verdict, and never changed: separate tables would triple the rows and make no query faster.
    regions jsonb NOT NULL,
    region_scores jsonb NOT NULL,
    views jsonb NOT NULL,
    client_data bytea NOT NULL,
    stored_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (box, run_id, sequence, unjournalled_key, capture_time)
);

-- Yield and drift of a period; the pareto of its rejects; a part.
CREATE INDEX inspectd_verdicts_by_time ON inspectd_verdicts (capture_time, box, camera_id);
CREATE INDEX inspectd_verdicts_not_pass ON inspectd_verdicts (capture_time) WHERE decision <> 'pass';
CREATE INDEX inspectd_verdicts_by_part ON inspectd_verdicts (part_id, capture_time) WHERE part_id <> '';

-- Verdicts that are missing, and journals that were replaced.
CREATE TABLE inspectd_gaps (
    id text PRIMARY KEY,
    box text NOT NULL,
    site text NOT NULL,
    reason text NOT NULL,
    first_sequence bigint,
    last_sequence bigint,
    missed bigint NOT NULL,
    epoch bigint NOT NULL,
    previous_epoch bigint,
    time timestamptz NOT NULL
);
