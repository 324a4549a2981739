-- Yield by day and box, the newest day first: PASS as a share of PASS, REVIEW and REJECT. FAULTs were not judged.
-- Parts of a group have views, which are not counted again: a view has the group of its part, and a camera.
SELECT
    date_trunc('day', capture_time)::date AS day,
    box,
    count(*) FILTER (WHERE decision <> 'fault') AS inspected,
    count(*) FILTER (WHERE decision = 'reject') AS rejects,
    count(*) FILTER (WHERE decision = 'review') AS reviews,
    count(*) FILTER (WHERE decision = 'fault') AS faults,
    round(100.0 * count(*) FILTER (WHERE decision = 'pass')
        / nullif(count(*) FILTER (WHERE decision <> 'fault'), 0), 2) AS yield_percent
FROM inspectd_verdicts
WHERE group_id = '' OR camera_id = ''
GROUP BY 1, 2
ORDER BY 1 DESC, 2;
