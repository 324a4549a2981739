-- Where the defects of rejected frames are: rejected frames by recipe region and branch, the most frequent first. A frame with
-- several defects in a region counts once there.
WITH causes AS (
    SELECT
        coalesce(nullif(defect ->> 'region', ''), '(rest of the frame)') AS region,
        defect ->> 'kind' AS kind,
        count(DISTINCT (box, run_id, sequence, unjournalled_key, capture_time)) AS parts,
        max((defect ->> 'peak')::real) AS highest_peak
    FROM inspectd_verdicts, jsonb_array_elements(regions) AS defect
    WHERE decision = 'reject'
    GROUP BY 1, 2
)
SELECT
    region,
    kind,
    parts,
    highest_peak,
    round(100.0 * sum(parts) OVER (ORDER BY parts DESC, region, kind) / sum(parts) OVER (), 1) AS cumulative_percent
FROM causes
ORDER BY parts DESC, region, kind;
