"""A Prometheus under test: the real server, with the sample configuration out of
conf/grafana, in a folder of its own."""

import http.client
import json
import os
import shutil
import subprocess
import urllib.parse

from front import free_port, which
from waiting import wait_until

PROGRAMS = [('prometheus', 'prometheus'), ('promtool', 'prometheus')]  # (program, Debian package)
SCRAPE_S = 0.25


class Prometheus:
    """It scrapes these addresses; its rules are those of conf/grafana."""

    def __init__(self, folder, source, targets):
        self.folder = folder
        self.port = free_port()
        self.process = None
        os.makedirs(folder, exist_ok=True)
        shutil.copy(os.path.join(source, 'conf', 'grafana', 'rules.yml'), folder)
        with open(os.path.join(source, 'conf', 'grafana', 'prometheus.yml')) as f:
            text = f.read()
        for old, new in (('scrape_interval: 15s', f'scrape_interval: {SCRAPE_S * 1000:.0f}ms\n    scrape_timeout: {SCRAPE_S * 1000:.0f}ms'),
                         ("['127.0.0.1:80']", json.dumps(list(targets)))):
            if old not in text:
                raise AssertionError(f'conf/grafana/prometheus.yml has no {old!r} to replace')
            text = text.replace(old, new)
        self.conf = os.path.join(folder, 'prometheus.yml')
        with open(self.conf, 'w') as f:
            f.write('global:\n  evaluation_interval: 1s\n' + text)

    def start(self):
        log = open(os.path.join(self.folder, 'log'), 'wb')
        self.process = subprocess.Popen(
            [which('prometheus'), '--config.file=' + self.conf, '--storage.tsdb.path=' + os.path.join(self.folder, 'data'),
             f'--web.listen-address=127.0.0.1:{self.port}', '--log.level=warn', '--query.lookback-delta=30s'],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        wait_until(self._ready, 'Prometheus is ready', 60)

    def _ready(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.folder, 'log')) as f:
                raise AssertionError('prometheus ended at its start:\n' + f.read()[-2000:])
        try:
            return self._get('/-/ready')[0] == 200
        except OSError:
            return False

    def kill(self):
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def _get(self, path):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
        try:
            connection.request('GET', path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ask(self, path, **parameters):
        """The data of an answer of its API."""
        status, body = self._get('/api/v1/' + path + '?' + urllib.parse.urlencode(parameters))
        answer = json.loads(body)
        if status != 200 or answer['status'] != 'success':
            raise AssertionError(f'Prometheus: {path} {parameters}: {status} {answer.get("error")}')
        return answer['data']

    def query(self, expression):
        """[(labels, number)] as of now."""
        return [(each['metric'], float(each['value'][1])) for each in self.ask('query', query=expression)['result']]
