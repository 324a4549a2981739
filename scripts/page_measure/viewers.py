#!/usr/bin/env python3
"""Clients that read what open pages read, without a browser: the page with its files once, then the live data, and
pictures and calls at the intervals of the page's scripts (`src/http/page/assets`).

    scripts/page_measure/viewers.py HOST:PORT [--pages 20]

Prints `open` when all pages have received the state of the line. Ends at the end of its input, and prints a JSON
object: how many events, pictures, views, calls and bytes were received, and the errors.
"""

import argparse
import asyncio
import collections
import json
import re
import sys
import threading
import time

# The pages of the measurement: eight overviews, four walls, three tables, two camera views, and three that load once.
PAGES = (
    "/",
    "/wall?heat=0.5",
    "/verdicts",
    "/",
    "/cameras?camera=left",
    "/",
    "/wall",
    "/",
    "/tuning?camera=left",
    "/verdicts",
    "/",
    "/wall?heat=0.5",
    "/",
    "/cameras?camera=right",
    "/verdicts/5",
    "/",
    "/wall",
    "/verdicts",
    "/report",
    "/",
)

# picture.js, verdicts.js, camera-view-source.js, seconds
PICTURE_INTERVAL_S = 0.5
FOLLOW_INTERVAL_S = 1.0
VIEW_INTERVAL_S = 0.2
# recent-strip.js
STRIP = 12
# image-loader.js
AT_ONCE = 3
TIMEOUT_S = 15


def pages(count):
    """The paths of so many pages."""
    return [PAGES[index % len(PAGES)] for index in range(count)]


class Connection:
    """An HTTP/1.1 connection, for one request at a time."""

    def __init__(self, address, source, counts):
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._source = source
        self._counts = counts
        self._reader = self._writer = None

    async def send(self, method, path, body=None):
        """Sends a request. Returns the status and the headers of the answer."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                self._host, self._port, local_addr=(self._source, 0)
            )
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}:{self._port}"]
        if body is not None:
            lines += ["content-type: application/json", f"content-length: {len(data)}"]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        head = await self._reader.readuntil(b"\r\n\r\n")
        self._counts["bytes"] += len(head)
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in rest if ": " in line)
        return int(first.split(" ")[1]), headers

    async def chunks(self, headers):
        """The parts of the body of the answer."""
        if headers.get("transfer-encoding") != "chunked":
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
            self._counts["bytes"] += len(body)
            yield body
            return
        while True:
            size = int(await self._reader.readline(), 16)
            chunk = (await self._reader.readexactly(size + 2))[:-2]
            self._counts["bytes"] += size
            if not size:
                return
            yield chunk

    async def get(self, kind, method, path, body=None):
        """The body of an answer, which is counted as `kind`; None if it is not a success."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, headers = await self.send(method, path, body)
                content = b"".join([chunk async for chunk in self.chunks(headers)])
        except (OSError, EOFError, TimeoutError):
            self.close()
            self._counts["errors"] += 1
            await asyncio.sleep(1)
            return None
        # A removed picture, or a camera between two frames, does not count as an error of the page.
        self._counts[kind if status == 200 else f"status {status}"] += 1
        return content if status == 200 else None

    def close(self):
        if self._writer:
            self._writer.close()
        self._writer = None


class Viewer:
    """One page, of a machine of its own: `source` is its address, because the daemon limits connections by address."""

    def __init__(self, address, source, path, counts):
        self._path, self._counts = path, counts
        self._stream = Connection(address, source, counts)
        # The one that was used last is used first.
        self._connections = asyncio.LifoQueue()
        for _ in range(AT_ONCE):
            self._connections.put_nowait(Connection(address, source, counts))
        self._events = asyncio.Condition()
        self._newest = {}
        self._notable = collections.deque(maxlen=STRIP)
        self.is_open = asyncio.Event()

    async def _get(self, kind, path, body=None):
        """The body of an answer; None if it is not a success. `body` is that of a call."""
        connection = await self._connections.get()
        try:
            return await connection.get(kind, "GET" if body is None else "POST", path, body)
        finally:
            self._connections.put_nowait(connection)

    async def run(self):
        page = await self._get("files", self._path)
        for asset in re.findall(r'(?:href|src)="(/assets/[^"]+)"', (page or b"").decode()):
            await self._get("files", asset)
        await self._get("calls", "/api/session")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._live())
            for work in self._work():
                tasks.create_task(work)

    def _work(self):
        """What this page does besides the live data."""
        path, _, query = self._path.partition("?")
        if path in ("/", "/wall"):
            side = 640 if path == "/" else 1280
            yield self._tiles(side, ["frame", "heatmap"] if "heat=" in query else ["frame"])
            yield self._strip()
        elif path == "/verdicts":
            yield self._follow()
        elif path == "/cameras":
            yield self._view(query.partition("=")[2])
        else:
            yield self._once(path)

    async def _live(self):
        while True:
            try:
                status, headers = await self._stream.send("GET", "/live")
                if status == 200:
                    await self._receive(self._stream.chunks(headers))
            except (OSError, EOFError, ValueError):
                pass
            self._counts["errors"] += 1
            self._stream.close()
            await asyncio.sleep(0.5)

    async def _receive(self, chunks):
        text = ""
        async for chunk in chunks:
            text += chunk.decode()
            *events, text = text.split("\n\n")
            for event in events:
                fields = dict(line.partition(": ")[::2] for line in event.split("\n"))
                if "event" in fields:
                    self._counts["events"] += 1
                    await self._handle(fields["event"], json.loads(fields["data"]))

    async def _handle(self, kind, data):
        if kind == "status":
            self.is_open.set()
        if kind != "verdicts":
            return
        for verdict in data["verdicts"]:
            self._newest[verdict["camera_id"]] = verdict["sequence"]
            if verdict["decision"] in ("DECISION_REJECT", "DECISION_FAULT"):
                self._notable.append(verdict["sequence"])
        async with self._events:
            self._events.notify_all()

    async def _wait(self):
        async with self._events:
            await self._events.wait()

    async def _tiles(self, side, kinds):
        """The pictures of the tile of each camera, at most twice a second."""
        tiles = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wait()
                for camera in self._newest.keys() - tiles.keys():
                    tiles[camera] = tasks.create_task(self._tile(camera, side, kinds))

    async def _tile(self, camera, side, kinds):
        shown = None
        while True:
            started = time.monotonic()
            if (sequence := self._newest[camera]) != shown:
                for kind in kinds:
                    await self._get("pictures", f"/pictures/{sequence}/{kind}?side={side}")
                shown = sequence
            await asyncio.sleep(max(0.05, started + PICTURE_INTERVAL_S - time.monotonic()))

    async def _strip(self):
        while True:
            await self._wait()
            while self._notable:
                sequence = self._notable.popleft()
                await self._get("pictures", f"/pictures/{sequence}/frame?side=160")

    async def _follow(self):
        while True:
            await self._wait()
            request = {"page_size": 50, "page_token": ""}
            listed = await self._get("calls", "/api/InspectionService/ListVerdicts", request)
            sequences = [verdict["sequence"] for verdict in json.loads(listed or b'{"verdicts": []}')["verdicts"]]
            await self._get("calls", "/api/InspectionService/ListLabels", {"sequences": sequences})
            await asyncio.sleep(FOLLOW_INTERVAL_S)

    async def _view(self, camera):
        while True:
            started = time.monotonic()
            view = await self._get("views", f"/cameras/{camera}/view?side=1280")
            pause = VIEW_INTERVAL_S if view else 1.0
            await asyncio.sleep(max(0, started + pause - time.monotonic()))

    async def _once(self, path):
        if path == "/tuning":
            request = {"camera_id": "left", "region": "", "recipe_id": "", "limit": 2000, "thresholds": []}
            await self._get("calls", "/api/TuningService/EvaluateThresholds", request)
        elif path == "/report":
            await self._get("calls", "/api/ReportService/GetReport", {"ids": []})
        else:
            sequence = path.rpartition("/")[2]
            for kind in ("frame", "heatmap"):
                await self._get("pictures", f"/pictures/{sequence}/{kind}?side=1600")


def end_of_input():
    """An event that is set at the end of the input."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def read():
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, daemon=True).start()
    return ended


async def first_of(waits, running):
    """Waits until one of `waits` has ended. A page that ends before is an error."""
    waits = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait([*waits, *running], return_when=asyncio.FIRST_COMPLETED)
    for page in running:
        if page.done():
            raise page.exception() or RuntimeError("a page has ended")


async def view(address, count):
    counts = collections.Counter()
    viewers = [Viewer(address, f"127.0.0.{2 + index}", path, counts) for index, path in enumerate(pages(count))]
    ended = end_of_input()
    running = [asyncio.create_task(viewer.run()) for viewer in viewers]
    await first_of([asyncio.gather(*(viewer.is_open.wait() for viewer in viewers)), ended.wait()], running)
    # Opening is not counted.
    counts.clear()
    started = time.monotonic()
    print("open", flush=True)
    await first_of([ended.wait()], running)
    seconds = time.monotonic() - started
    print(json.dumps({"seconds": seconds, "pages": count, "counts": dict(counts)}), flush=True)


def main():
    parser = argparse.ArgumentParser(description="Reads what open pages read, without a browser.")
    parser.add_argument("address", help="where the page is served, such as 127.0.0.1:8080")
    parser.add_argument("--pages", type=int, default=20)
    arguments = parser.parse_args()
    asyncio.run(view(arguments.address, arguments.pages))


if __name__ == "__main__":
    main()
