"""Who publishes over HTTP and with the sqlite3 shell, and who reads, while a machine is
worked on: each knows what was acknowledged, and what came."""

import http.client
import subprocess
import threading

import stream


class Publisher(threading.Thread):
    """Posts messages one after the other. A refusal is kept in `refused`: its text, and
    then the same message again, as an application would."""

    def __init__(self, name, path, token):
        super().__init__(daemon=True)
        self.name, self.path, self.token = name, path, token
        self.acknowledged, self.refused = [], []
        self.ended = threading.Event()

    def run(self):
        n = 0
        while not self.ended.is_set():
            data = f'{self.name}-{n}'
            try:
                connection = http.client.HTTPConnection('127.0.0.1', 80, timeout=30)
                connection.request('POST', self.path, f'msg={data}&key={data}', {
                    'Authorization': 'Bearer ' + self.token, 'Content-Type': 'application/x-www-form-urlencoded'})
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
            except (OSError, http.client.HTTPException) as e:
                self.refused.append(repr(e))
                continue
            if answer.status in (200, 201, 202):
                self.acknowledged.append(data)
                n += 1
            else:
                self.refused.append(f'{answer.status} {body[:100]!r}')

    def stop(self):
        self.ended.set()
        self.join(40)


class Shell(Publisher):
    """The same by rows; `insert` runs SQL in the machine and fails where that does."""

    def __init__(self, name, insert):
        super().__init__(name, None, None)
        self.insert = insert

    def run(self):
        n = 0
        while not self.ended.is_set():
            data = f'{self.name}-{n}'
            try:
                self.insert(f"INSERT INTO message(user,data) VALUES('demo','{data}')")
            except (AssertionError, subprocess.SubprocessError) as e:
                self.refused.append(str(e))
                continue
            self.acknowledged.append(data)
            n += 1


class Reader(threading.Thread):
    """Follows the stream as a browser does: comes back with the last id that it saw."""

    def __init__(self, path, token):
        super().__init__(daemon=True)
        self.path, self.token = path, token
        self.came, self.gaps, self.refused = [], [], []
        self.connections = 0
        self.last_id = None
        self.ended = threading.Event()
        self.connected = threading.Event()

    def run(self):
        while not self.ended.is_set():
            headers = {'Authorization': 'Bearer ' + self.token, 'Accept': 'text/event-stream'}
            if self.last_id:
                headers['Last-Event-ID'] = self.last_id
            try:
                with stream.Stream(('127.0.0.1', 80), self.path, headers, 30) as s:
                    if s.wait_status() != 200:
                        # An EventSource would be gone for good.
                        self.refused.append(s.status)
                        return
                    self.connections += 1
                    self._read(s)
            except (OSError, stream.Closed):
                pass

    def _read(self, s):
        while not self.ended.is_set():
            s.pump(0.2)
            for block in s.blocks:
                if block.event and block.event.type == 'rowcast.gap':
                    self.gaps.append(block.event.data)
                elif block.event:
                    self.came.append(block.event.data)
            s.blocks.clear()
            if s.parser.last_event_id:
                self.last_id = s.parser.last_event_id
                self.connected.set()
            if s.closed:
                return

    def stop(self):
        self.ended.set()
        self.join(40)
