"""Three real browsers, driven over W3C WebDriver: Chromium, Firefox, WebKit.

Needs of Debian's packages chromium and chromium-driver; firefox-esr; or
webkit2gtk-driver and xvfb; and nothing of Python beyond its standard library.
ENGINE is which one it is where nothing else is said; `run --browser` sets it.

To start one takes seconds, so one that is closed after a test that went well is
kept for the next: without its tabs, and with them what was stored for these, and
without cookies. close_idle() ends those.

Nothing here sleeps: Browser.wait_until() asks inside the page until a
condition holds, and says what it was waiting for when it does not.
"""

import atexit
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from marionette import Marionette

WAIT_S = 60                 # picked to be far beyond what anything here takes, however busy the machine
START_S = 60                # a cold start of the browser on a small, busy machine
ANSWER_S = 2 * WAIT_S       # of the driver, while the page waits
DRIVER_STARTS = 5           # picked, not tuned

ENGINE = "chromium"
MINIBROWSER = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser"

# What each needs: a program, and Debian's package of it.
PROGRAMS = {
    "chromium": [("chromium", "chromium"), ("chromedriver", "chromium-driver")],
    "firefox": [("firefox-esr", "firefox-esr")],
    "webkit": [("WebKitWebDriver", "webkit2gtk-driver"), ("Xvfb", "xvfb")],
}

CHROMIUM_FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--force-color-profile=srgb",
]

# No page of Mozilla's, no look for updates, and no telemetry: nothing leaves this machine.
FIREFOX_SETTINGS = {
    "marionette.port": 0, "browser.shell.checkDefaultBrowser": False, "app.update.disabledForTesting": True,
    "browser.startup.homepage_override.mstone": "ignore", "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.server": "", "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "extensions.systemAddon.update.enabled": False,
    "browser.safebrowsing.malware.enabled": False, "browser.safebrowsing.phishing.enabled": False,
    "services.settings.server": "data:,", "security.sandbox.content.level": 0,
}

# Key codes of the WebDriver standard, 17.4.2.
ENTER, TAB, SHIFT, CONTROL, UP, DOWN = "\ue007", "\ue004", "\ue008", "\ue009", "\ue013", "\ue015"

# The name under which WebDriver hands over an element (standard, 12).
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class BrowserError(Exception):
    """The driver or the browser refused a command; `code` is the standard's error code."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message.splitlines()[0] if message else ''}")
        self.code = code


# Those that no test has: Browsers, each with the programs that it has started.
_idle = []
# And all programs that were started: none outlives this one, whoever forgot it.
_programs = []


def _kill(program):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()


@atexit.register
def close_idle():
    while _idle:
        _idle.pop()._end()
    for program in reversed(_programs):
        if program.returncode is None:
            _kill(program)


class Browser:
    """A browser and its driver, as if with a fresh profile. Use it as a context
    manager, or call start() and close(). Firefox has no driver, and speaks for
    itself."""

    def __init__(self, width=1280, height=800, dark=False, scale=1, engine=None):
        self.engine = engine or ENGINE
        self.width, self.height, self.dark, self.scale = width, height, dark, scale
        self.profile = self.base = self.session = self.marionette = None
        self.processes = []
        self._http = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self):
        return self.start()

    def __exit__(self, failure, *_):
        if failure:
            self._end()
        else:
            self.close()

    def _alike(self):
        """What it was started with; Chromium is told its colours any time."""
        return self.engine, self.scale, self.dark and self.engine != "chromium"

    def start(self):
        for idle in _idle:
            if idle._alike() == self._alike():
                _idle.remove(idle)
                for name in ("profile", "base", "session", "marionette", "processes"):
                    setattr(self, name, getattr(idle, name))
                try:
                    self.set_window_size(self.width, self.height)
                    self._prefer("dark" if self.dark else "light")
                    return self
                except (BrowserError, OSError):
                    self._end()  # it has not outlived the last test; another one is started
                    break
        missing = [package for program, package in PROGRAMS[self.engine] if not shutil.which(program)]
        if missing:
            raise BrowserError("not installed", "apt-get install " + " ".join(missing))
        self.profile = tempfile.mkdtemp(prefix="rowcast-browser-")
        try:
            getattr(self, "_start_" + self.engine)()
            self.set_window_size(self.width, self.height)
            self._prefer("dark" if self.dark else "light")
        except BaseException:
            self._end()
            raise
        return self

    def _start_chromium(self):
        self._start_driver(["chromedriver", "--port=0"])
        flags = CHROMIUM_FLAGS + [
            f"--user-data-dir={self.profile}", f"--window-size={self.width},{self.height}",
            f"--force-device-scale-factor={self.scale}"]
        self._new_session({
            "browserName": "chrome", "acceptInsecureCerts": True,
            "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
        })

    def _start_firefox(self):
        settings = {**FIREFOX_SETTINGS, "layout.css.devPixelsPerPx": str(self.scale),
                    "layout.css.prefers-color-scheme.content-override": 0 if self.dark else 1}
        with open(os.path.join(self.profile, "user.js"), "w") as f:
            f.writelines(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in settings.items())
        self._spawn(["firefox-esr", "--headless", "--no-remote", "--marionette", "--profile", self.profile],
                    env={**os.environ, "HOME": self.profile, "MOZ_HEADLESS_WIDTH": "2800", "MOZ_HEADLESS_HEIGHT": "2000"})
        port = self._wait_for_file("MarionetteActivePort")
        self.marionette = Marionette(int(port), ANSWER_S)
        self.session = ""
        self.marionette.new_session({"timeouts": {"script": ANSWER_S * 1000}})

    def _start_webkit(self):
        display = os.path.join(self.profile, "display")
        with open(display, "w") as f:
            self._spawn(["Xvfb", "-displayfd", str(f.fileno()), "-screen", "0", "2800x2000x24", "-nolisten", "tcp"],
                        pass_fds=[f.fileno()])
        number = self._wait_for_file("display")
        # Its port must be said beforehand. One that was free a moment ago is mostly free still.
        for _ in range(DRIVER_STARTS):
            with contextlib.closing(_free_socket()) as s:
                port = s.getsockname()[1]
            driver = self._spawn(["WebKitWebDriver", f"--port={port}"], env={
                **os.environ, "DISPLAY": ":" + number, "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1", "GSETTINGS_BACKEND": "memory",
                "HOME": self.profile, "XDG_RUNTIME_DIR": self.profile, "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
                "GTK_THEME": "Adwaita:dark" if self.dark else "Adwaita", "GDK_SCALE": str(self.scale)})
            self.base = f"http://127.0.0.1:{port}"
            if self._answers(driver):
                break
        else:
            raise BrowserError("not started", "WebKitWebDriver")
        self._new_session({"webkitgtk:browserOptions": {"binary": MINIBROWSER, "args": ["--automation"]}})

    def _new_session(self, capabilities):
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
            **capabilities, "timeouts": {"script": ANSWER_S * 1000}}}})
        self.session = "/session/" + answer["sessionId"]

    def _spawn(self, command, **options):
        # A process group of its own, so that close() finds every process that it has started.
        process = subprocess.Popen(command, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
                                               "stdin": subprocess.DEVNULL, **options}, start_new_session=True)
        self.processes.append(process)
        _programs.append(process)
        return process

    def _wait_for_file(self, name):
        """What stands in a file of the profile, once it is there with its last byte."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            with contextlib.suppress(FileNotFoundError), open(os.path.join(self.profile, name)) as f:
                text = f.read()
                if text.strip() and (name != "display" or text.endswith("\n")):
                    return text.strip()
            if self.processes[-1].poll() is not None:
                break
            time.sleep(0.02)
        raise BrowserError("not started", self.processes[-1].args[0])

    def _answers(self, driver):
        end = time.monotonic() + START_S
        while time.monotonic() < end and driver.poll() is None:
            try:
                self._call("GET", "/status")
                return True
            except OSError:
                time.sleep(0.02)
        return False

    def _start_driver(self, command):
        # Once in some hundred starts on a busy machine the driver ended before
        # it listened. Why is not known; what it said is kept for the next time.
        for _ in range(DRIVER_STARTS):
            driver = self._spawn(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            said = []
            for line in driver.stdout:
                said.append(line.strip())
                if "successfully on port" in line:
                    self.base = "http://127.0.0.1:" + "".join(c for c in line.rsplit("port", 1)[1] if c.isdigit())
                    threading.Thread(target=_drain, args=(driver.stdout,), daemon=True).start()
                    return
            driver.stdout.close()
            driver.wait()
        raise BrowserError("not started", "chromedriver: " + " / ".join(said))

    def close(self):
        """Leaves the browser to the next test, with one empty tab."""
        try:
            tabs = self._do("GET", "/window/handles")
            self.switch_tab(tabs[0])
            empty = self._do("POST", "/window/new", {"type": "tab"})["handle"]
            for tab in tabs:
                self.switch_tab(tab)
                self._do("DELETE", "/cookie")        # of the page that it shows
                self.close_tab()
            self.switch_tab(empty)
            self.console()
        except (BrowserError, OSError):
            self._end()
        else:
            _idle.append(self)

    def _end(self):
        """Ends the browser and removes its profile; harmless when called twice."""
        if self.session:
            with contextlib.suppress(BrowserError, OSError):
                self._call("DELETE", self.session)
        self.session = None
        if self.marionette:
            self.marionette.close()
            self.marionette = None
        for process in reversed(self.processes):
            _kill(process)
        self.processes = []
        if self.profile:
            shutil.rmtree(self.profile, ignore_errors=True)
            self.profile = None

    def _call(self, method, path, body=None):
        data = None if method in ("GET", "DELETE") else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with self._http.open(request, timeout=ANSWER_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            value = json.load(e)["value"]
            raise BrowserError(value["error"], value["message"]) from None

    def _do(self, method, path, body=None):
        if not self.marionette:
            return self._call(method, self.session + path, body)
        try:
            return self.marionette.call(method, path, body)
        except ValueError as e:
            raise BrowserError(*e.args) from None

    def _prefer(self, scheme):
        # Chromium's own command; the standard has none for this. The others were started so.
        if self.engine == "chromium":
            self._do("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
                "features": [{"name": "prefers-color-scheme", "value": scheme}]}})

    # ---- pages and tabs ----

    def open(self, url):
        """Loads url, and returns when the page and its scripts have run."""
        self._do("POST", "/url", {"url": url})

    def reload(self):
        self._do("POST", "/refresh")

    def back(self):
        self._do("POST", "/back")

    def forget(self):
        """Lets go of the cookies of the page, and of what the browser has complained about."""
        self._do("DELETE", "/cookie")
        self.console()

    def address(self):
        return self._do("GET", "/url")

    def tab(self):
        """The current tab, to come back to with switch_tab()."""
        return self._do("GET", "/window")

    def new_tab(self):
        """Opens a tab beside the current one, goes there and returns it."""
        handle = self._do("POST", "/window/new", {"type": "tab"})["handle"]
        self.switch_tab(handle)
        self._prefer("dark" if self.dark else "light")
        return handle

    def switch_tab(self, handle):
        self._do("POST", "/window", {"handle": handle})

    def close_tab(self):
        """Closes the current tab; switch_tab() has to follow."""
        self._do("DELETE", "/window")

    def set_window_size(self, width, height):
        """Makes the page, not the window around it, this large."""
        if self.engine == "chromium":
            self._do("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
                "width": width, "height": height, "deviceScaleFactor": self.scale, "mobile": False}})
            return
        # What is around the page is known when it has been given some size.
        self._do("POST", "/window/rect", {"width": width, "height": height})
        around = self.eval("return [outerWidth - innerWidth, outerHeight - innerHeight]")
        self._do("POST", "/window/rect", {"width": width + around[0], "height": height + around[1]})

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self._do("GET", "/screenshot")))

    def console(self):
        """What the browser has complained about since the last call: refused requests, scripts, policies."""
        if self.engine != "chromium":
            return []                    # not in the standard
        return [entry["message"] for entry in self._do("POST", "/se/log", {"type": "browser"})
                if entry["level"] == "SEVERE"]

    # ---- elements ----

    def find(self, css):
        return self._do("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def text(self, css):
        return self._do("GET", f"/element/{self.find(css)}/text")

    def texts(self, css):
        return self.eval("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", css)

    def click(self, css):
        self._do("POST", f"/element/{self.find(css)}/click")

    def type(self, css, text):
        """Types into the field css names, after what it holds."""
        self._do("POST", f"/element/{self.find(css)}/value", {"text": text})

    def clear(self, css):
        self._do("POST", f"/element/{self.find(css)}/clear")

    def choose(self, css, value):
        self.click(f'{css} option[value="{value}"]')

    def keys(self, *keys, hold=""):
        """Presses keys one after the other wherever the focus is, with those of hold held down."""
        actions = [{"type": "keyDown", "value": k} for k in hold]
        for k in itertools.chain.from_iterable(keys):
            actions += [{"type": "keyDown", "value": k}, {"type": "keyUp", "value": k}]
        actions += [{"type": "keyUp", "value": k} for k in hold]
        self._do("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def focused(self):
        """The id of the element that has the focus, or '' where it has none."""
        return self.eval("return document.activeElement ? document.activeElement.id : ''")

    # ---- scripts ----

    def eval(self, script, *args):
        """Runs script as the body of a function in the page and returns what it returns."""
        return self._do("POST", "/execute/sync", {"script": script, "args": list(args)})

    def wait_until(self, condition, *args, within=WAIT_S):
        """Asks in the page, again and again, until the JavaScript expression
        condition (args are its arguments[...]) is true; returns its value."""
        end = time.monotonic() + within
        script = """
            const args = [...arguments], done = args.pop(), ms = args.pop(), start = Date.now();
            const holds = function () { return (%s); };
            (function ask() {
                const value = holds.apply(null, args);
                if (value) done(value);
                else if (Date.now() - start > ms) done(null);
                else setTimeout(ask, 5);
            })();""" % condition
        while True:
            left_ms = (end - time.monotonic()) * 1000
            try:
                value = self._do("POST", "/execute/async", {"script": script, "args": [*args, max(0, left_ms)]})
            except BrowserError as e:
                # The page was replaced by another while being asked: ask the other.
                if e.code not in ("javascript error", "no such window", "no such frame", "unknown error") or left_ms <= 0:
                    raise
                continue
            if value:
                return value
            # A page that goes may answer with nothing, too.
            if time.monotonic() < end:
                continue
            raise AssertionError(f"not within {within} s: {condition} {list(args) or ''}")


def _free_socket():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s


def _drain(pipe):
    """Reads on what nobody needs, or the pipe fills and its writer stops."""
    with pipe:
        for _ in pipe:
            pass
