-- Whether the scores of passed frames change: their median by day, and the change from the day before. Scores are comparable
-- only within one model and recipe.
WITH days AS (
    SELECT
        date_trunc('day', capture_time)::date AS day,
        box,
        camera_id,
        recipe_id,
        model_name,
        model_version,
        count(*) AS passed,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY score) AS median,
        percentile_cont(0.99) WITHIN GROUP (ORDER BY score) AS p99
    FROM inspectd_verdicts
    WHERE decision = 'pass' AND score IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT
    day,
    box,
    camera_id,
    recipe_id,
    model_version,
    passed,
    round(median::numeric, 3) AS median_score,
    round(p99::numeric, 3) AS p99_score,
    round((median - lag(median) OVER model)::numeric, 3) AS change
FROM days
WINDOW model AS (PARTITION BY box, camera_id, recipe_id, model_name, model_version ORDER BY day)
ORDER BY box, camera_id, recipe_id, model_name, model_version, day;
