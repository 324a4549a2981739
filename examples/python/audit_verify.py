"""Verifies an inspectd audit log independently of inspectd (format: docs/audit.md): audit_verify.py FILE."""
import hashlib, sqlite3, sys

log = sqlite3.connect(sys.argv[1])
log.execute("PRAGMA query_only = ON")
count, head = 0, bytes(32)
for number, time, *texts, previous, stored in log.execute("SELECT * FROM entries ORDER BY number"):
    data = b"inspectd audit 1" + number.to_bytes(8, "big", signed=True) + time.to_bytes(8, "big", signed=True)
    for text in texts:
        data += len(text.encode()).to_bytes(8, "big") + text.encode()
    if number != count + 1 or previous != head or stored != hashlib.sha256(data + previous).digest():
        sys.exit(f"entry {count + 1} is broken")
    count, head = number, stored
print(f"{count} entries, head {head.hex()}")
