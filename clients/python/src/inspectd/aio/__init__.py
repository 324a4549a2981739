"""The client for asyncio: `inspectd.aio.Client` has the methods of `inspectd.Client`.

The other names (`Verdict`, `Gap`, errors, ...) are those of `inspectd`.
"""

from ._client import Client
from ._stream import VerdictStream

__all__ = ["Client", "VerdictStream"]
