"""Writes a journal of any length: rows that a daemon wrote, repeated."""

import re
import sqlite3

from .programs import Failed

CAMERAS = ("a", "b", "c", "d")
# One in this many verdicts is a REJECT.
REJECT_EVERY = 99
# Distance of two verdicts: 20 per second, as in `inspectd bench-journal`.
STEP_NS = 50_000_000
CHUNK = 100_000
PASS, REJECT = 1, 2
# Sequences that are reserved at a time (`src/journal/mark.rs`).
BLOCK = 1000

# What differs from the repeated row, by column. `n.i` is the sequence.
CHANGED = {
    "sequence": "n.i",
    "recorded": ":start + n.i * :step",
    "captured": ":start + n.i * :step - 1000000",
    "since_start": "n.i * :step",
    "frame_id": f"n.i / {len(CAMERAS)}",
    "part_id": "CAST(n.i AS TEXT)",
    "evidence": "0",
}


def fill(folder, count, newest_ns):
    """Replaces the verdicts of the journal in `folder` by `count` ones, the last of which was recorded at `newest_ns`."""
    connection = sqlite3.connect(folder / "journal.sqlite", isolation_level=None)
    try:
        # The file is not measured while it is written.
        connection.execute("PRAGMA synchronous = OFF")
        columns = [row[1] for row in connection.execute("PRAGMA table_info(verdicts)")]
        write_pattern(connection, columns)
        connection.execute("DELETE FROM verdicts")
        values = ", ".join(CHANGED.get(column, f"pattern.{column}") for column in columns)
        insert = (
            f"WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last) "
            f"INSERT INTO verdicts ({', '.join(columns)}) SELECT {values} FROM n "
            f"JOIN pattern ON pattern.key = n.i % {len(CAMERAS) * REJECT_EVERY}"
        )
        for first in range(1, count + 1, CHUNK):
            last = min(count, first + CHUNK - 1)
            times = {"start": newest_ns - count * STEP_NS, "step": STEP_NS}
            connection.execute(insert, {"first": first, "last": last} | times)
        # Verdicts beyond it would be marked as not confirmed by the next opening.
        connection.execute("UPDATE counters SET value = ? WHERE name = 'journal/confirmed'", [count])
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()
    mark = folder / "sequences.toml"
    mark.write_text(re.sub(r"(?m)^reserved = \d+$", f"reserved = {count + BLOCK}", mark.read_text()))


def write_pattern(connection, columns):
    """The rows that are repeated: all cameras in turns, and one REJECT in `REJECT_EVERY`."""
    select = f"SELECT {', '.join(columns)} FROM verdicts WHERE decision = ? ORDER BY sequence"
    rows = {decision: connection.execute(select, [decision]).fetchall() for decision in (PASS, REJECT)}
    if not all(rows.values()):
        raise Failed("the journal to be repeated has no PASS or no REJECT")
    connection.execute(f"CREATE TEMP TABLE pattern (key INTEGER PRIMARY KEY, {', '.join(columns)})")
    marks = ", ".join("?" * (1 + len(columns)))
    camera = columns.index("camera")
    for key in range(len(CAMERAS) * REJECT_EVERY):
        own = rows[PASS if key % REJECT_EVERY else REJECT]
        row = list(own[key % len(own)])
        row[camera] = CAMERAS[key % len(CAMERAS)]
        connection.execute(f"INSERT INTO pattern VALUES ({marks})", [key, *row])
