"""Chromium over WebDriver, with the protocol of its developer tools."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from .process import tree

TIMEOUT_S = 120


class Browser:
    """Chromium without a screen, with a new profile in `profile`. It runs until `stop`."""

    def __init__(self, profile):
        shutil.rmtree(profile, ignore_errors=True)
        command = ["chromedriver", "--port=0"]
        # As root, Chromium would raise the priority of its threads above that of the daemon, and undo `lower`.
        if os.geteuid() == 0:
            command = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice", *command]
        try:
            self._driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        except FileNotFoundError:
            sys.exit("chromedriver is not installed: scripts/setup.sh browser installs it")
        self.pid = self._driver.pid
        ports = (re.search(r"started successfully on port (\d+)", line) for line in self._driver.stdout)
        self._port = next((int(port[1]) for port in ports if port), None)
        if self._port is None:
            sys.exit("chromedriver did not start")
        arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1280,960",
            # Each address is a site with a process and connections of its own, as the browser of another person.
            "--host-resolver-rules=MAP 127.0.0.* 127.0.0.1",
            f"--user-data-dir={profile}",
        ]
        capabilities = {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}
        self._session = "/session"
        self._session = f"/session/{self.command('POST', '', capabilities=capabilities)['sessionId']}"
        self.first_window = self.command("GET", "/window")

    def command(self, method, path, **parameters):
        """A command of WebDriver. Returns its value."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        body = json.dumps(parameters) if method == "POST" else None
        connection.request(method, self._session + path, body, {"content-type": "application/json"})
        value = json.loads(connection.getresponse().read())["value"]
        connection.close()
        if isinstance(value, dict) and "error" in value and "message" in value:
            raise RuntimeError(f"{path}: {value['error']}: {value['message']}")
        return value

    def devtools(self, name, **parameters):
        """A command of the developer tools, for the present window."""
        return self.command("POST", "/goog/cdp/execute", cmd=name, params=parameters)

    def run(self, script):
        """The value that a script returns."""
        return self.command("POST", "/execute/sync", script=script, args=[])

    def open(self, url):
        self.command("POST", "/url", url=url)

    def open_window(self, url):
        """Opens a page in a visible window of its own, which becomes the present one. Returns the window."""
        window = self.command("POST", "/window/new", type="window")["handle"]
        self.switch_to(window)
        self.command("POST", "/window/rect", width=1280, height=960)
        self.open(url)
        return window

    def switch_to(self, window):
        self.command("POST", "/window", handle=window)

    def wait(self, what, script):
        """Waits until a script returns a true value, and returns it."""
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            if value := self.run(script):
                return value
            time.sleep(0.1)
        raise RuntimeError(f"timed out waiting for {what}")

    def lower(self, niceness):
        """Lowers the priority of all threads; new ones inherit it."""
        for process in tree(self.pid):
            with contextlib.suppress(OSError):  # It has ended.
                for thread in os.listdir(f"/proc/{process}/task"):
                    os.setpriority(os.PRIO_PROCESS, int(thread), niceness)

    def stop(self):
        processes = tree(self.pid)
        try:
            self.command("DELETE", "")
        except (OSError, ValueError, http.client.HTTPException) as error:
            print(f"Chromium did not close: {error}", file=sys.stderr)
        finally:
            # The driver does not end a browser that does not close.
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._driver.wait()
            self._driver.stdout.close()
