"""A slow connection to an address: what passes is delayed, and limited in its rate."""

import asyncio
import threading
import time
from collections import deque

# Parts in which data pass, bytes, and how many of them a connection holds in each direction.
PART = 4096
WINDOW = 24


class Direction:
    """One direction of the link, which all connections share."""

    def __init__(self, mbit_per_s, delay_s):
        self._bytes_per_s = mbit_per_s * 125_000
        self.delay_s = delay_s
        self._free = 0.0
        # When how many bytes had arrived.
        self.arrivals = deque()

    def due(self, size):
        """When so many bytes that leave now arrive, on the clock of the event loop."""
        self._free = max(self._free, time.monotonic()) + size / self._bytes_per_s
        return self._free + self.delay_s


class Link:
    """Listens at `address` on a thread of its own, and passes connections on to `target`. A new connection first takes a
    round trip, as the handshake of TCP does. It has no slow start and loses nothing."""

    def __init__(self, target, down_mbit_per_s, up_mbit_per_s, round_trip_ms):
        self._target = target.rpartition(":")[::2]
        half = round_trip_ms / 2000
        self._down, self._up = Direction(down_mbit_per_s, half), Direction(up_mbit_per_s, half)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._server = self._in_loop(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())

    def _in_loop(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def received(self, until):
        """Bytes that have arrived at the client until a time of the wall clock."""
        return sum(size for arrived, size in self._down.arrivals if arrived <= until)

    def close(self):
        async def end():
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._in_loop(end())
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _serve(self, reader, writer):
        host, port = self._target
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            await asyncio.sleep(2 * self._up.delay_s)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, far_writer, self._up))
                tasks.create_task(self._pass(far_reader, writer, self._down))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _pass(self, reader, writer, direction):
        queue = asyncio.Queue(WINDOW)
        sender = asyncio.create_task(self._send(queue, writer, direction))
        try:
            while part := await reader.read(PART):
                await queue.put((direction.due(len(part)), part))
            await queue.put(None)
            await sender
        finally:
            sender.cancel()

    async def _send(self, queue, writer, direction):
        while entry := await queue.get():
            due, part = entry
            await asyncio.sleep(due - time.monotonic())
            writer.write(part)
            direction.arrivals.append((time.time(), len(part)))
            await writer.drain()
        writer.close()
