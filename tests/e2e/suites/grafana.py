"""The dashboard and the alert rules of conf/grafana: each of their queries asked of a real
Prometheus, which scrapes rowcasts under load through their web server. Behind one only."""

import contextlib
import json
import math
import os
import re
import tempfile
import threading

import expect
import nodes
import redis
from front import which
from prometheus import Prometheus
from redis import Redis
from waiting import wait_until

# What Grafana puts into a query by itself.
WINDOW = '5s'
VARIABLES = {'$instance': '.+', '$job': 'rowcast', '$__rate_interval': WINDOW}


def _dashboard(site):
    with open(os.path.join(site.source, 'conf', 'grafana', 'rowcast.json')) as f:
        return json.load(f)


def _panels(dashboard):
    return [panel for panel in dashboard['panels'] if panel['type'] != 'row']


def _queries(dashboard):
    """[(panel, query)] as Grafana would ask them."""
    found = [(panel['title'], target['expr']) for panel in _panels(dashboard) for target in panel['targets']]
    found += [(each['name'], each['expr']) for each in dashboard['annotations']['list']]
    for i, (title, query) in enumerate(found):
        for name, value in VARIABLES.items():
            query = query.replace(name, value)
        expect.true('$' not in query, f'{title}: a variable that the dashboard does not have: {query}')
        found[i] = (title, query)
    return found


@contextlib.contextmanager
def _load(site, *others):
    """Streams, messages by each way, replays, gaps, refusals and denials, for the length of
    a with block."""
    user, stop, problems = site.user(), threading.Event(), []

    def work(node):
        token, n = site.token(user), 0
        live = [node.subscribe(user, deadline_s=60 * site.slow) for _ in range(3)]
        while not stop.is_set():
            n += 1
            node.publish(token, msg='by http')
            node.sql(f"INSERT INTO message(user, data) VALUES('{user}', 'by the table')")
            with node.stream(user, last_event_id=node.metric('newest_id') - 3) as late:
                late.wait_block()
            with node.stream(user, last_event_id='nonsense') as lost:
                lost.wait_event(type='rowcast.gap')
            node.request('GET', '/events')
            for stream in live:
                stream.pump()

    def run(node):
        try:
            work(node)
        except Exception as e:  # told by the test's own thread
            if not stop.is_set():
                problems.append(e)
    threads = [threading.Thread(target=run, args=(node,)) for node in (site, *others)]
    for thread in threads:
        thread.start()
    try:
        yield problems
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if problems:
        raise problems[0]


def _address(node):
    return f'127.0.0.1:{node.front.port}'


@contextlib.contextmanager
def _scraped(site, *others):
    """A Prometheus that scrapes the others, or the site itself, for the length of a with
    block."""
    prometheus = Prometheus(tempfile.mkdtemp(prefix='prometheus-', dir=site.folder), site.source,
                            [_address(node) for node in others or (site,)])
    site.closed_with_it.append(prometheus)
    try:
        prometheus.start()
        yield prometheus
    finally:
        prometheus.kill()
        site.closed_with_it.remove(prometheus)


def _none_is_empty(prometheus, queries, problems, patience_s):
    """Each query has an answer, and it is a number."""
    left = list(queries)

    def asked():
        if problems:
            raise problems[0]
        left[:] = [(title, query) for title, query in left
                   if not (found := prometheus.query(query)) or any(math.isnan(n) or math.isinf(n) for _, n in found)]
        return not left
    try:
        wait_until(asked, '', patience_s, 0.25)
    except AssertionError:
        raise AssertionError('empty:\n' + '\n'.join(f'{title}: {query}: {prometheus.query(query)}' for title, query in left)) from None


def _is_about_several(query):
    return 'upstream' in query or 'outbox' in query or 'rowcast_nodes' in query


def _check_rules(prometheus):
    """Prometheus has evaluated each without an error."""
    def evaluated():
        rules = [rule for group in prometheus.ask('rules')['groups'] for rule in group['rules']]
        return rules if rules and all(rule['health'] != 'unknown' for rule in rules) else None
    for rule in wait_until(evaluated, 'the rules are evaluated', 60, 0.1):
        expect.equal((rule['health'], rule.get('lastError', '')), ('ok', ''), rule['name'])


def no_query_of_the_dashboard_is_empty(site):
    queries = [(title, query) for title, query in _queries(_dashboard(site))
               if not _is_about_several(query) and not title == 'Restarts']
    expect.true(len(queries) > 20, f'{len(queries)} queries')
    # Who has hung up counts until the web server has noticed.
    with site.configured(max_streams_per_user=1000), _load(site) as problems, _scraped(site) as prometheus:
        _none_is_empty(prometheus, queries, problems, 60 * site.slow)
        _check_rules(prometheus)
        alerts = [a['labels']['alertname'] for a in prometheus.ask('alerts')['alerts'] if a['state'] == 'firing']
        expect.equal(alerts, [], 'a rowcast that is well raises no alarm')


def no_query_about_several_machines_is_empty(site):
    if reason := redis.why_not(site.rowcast.program):
        expect.true(which('redis-server') is None or 'without' in reason, reason)
        return
    log = Redis(site.new_folder('grafana-redis'))
    site.closed_with_it.append(log)
    log.start()
    queries = [(title, query) for title, query in _queries(_dashboard(site)) if title != 'Restarts']
    expect.true(sum(_is_about_several(query) for _, query in queries) >= 5, 'those about the log')
    with nodes.running(site, log.upstream, 2, max_streams_per_user=1000) as pair:
        with _load(*pair) as problems, _scraped(site, *pair) as prometheus:
            _none_is_empty(prometheus, queries, problems, 60 * site.slow)
            expect.equal(sorted({labels['instance'] for labels, _ in prometheus.query('rowcast_upstream_up == 1')}),
                         sorted(_address(node) for node in pair), 'both machines')
            _check_rules(prometheus)
    log.kill()
    site.closed_with_it.remove(log)


def a_restart_is_marked(site):
    """The annotation, which is empty but for that."""
    query = dict(_queries(_dashboard(site)))['Restarts']
    with _scraped(site) as prometheus:
        wait_until(lambda: prometheus.query('process_start_time_seconds'), 'it is scraped', 30 * site.slow, 0.1)
        expect.equal(prometheus.query(query), [])
        site.restart_rowcast()
        wait_until(lambda: prometheus.query(query), 'it is marked', 30 * site.slow, 0.1)


def the_dashboard_can_be_imported_as_it_is(site):
    dashboard = _dashboard(site)
    expect.equal((dashboard['title'], dashboard['uid']), ('rowcast', 'rowcast'))
    expect.equal(dashboard.get('id'), None, 'Grafana gives that')
    ids = [panel['id'] for panel in dashboard['panels']]
    expect.equal(len(set(ids)), len(ids), 'each panel has an id of its own')
    taken = set()
    for panel in dashboard['panels']:
        place = panel['gridPos']
        cells = {(x, y) for x in range(place['x'], place['x'] + place['w']) for y in range(place['y'], place['y'] + place['h'])}
        expect.true(place['x'] + place['w'] <= 24 and not cells & taken, f'{panel["title"]} lies over another')
        taken |= cells
    for panel in _panels(dashboard):
        expect.equal(panel['datasource']['uid'], '${datasource}', panel['title'])
        for target in panel['targets']:
            expect.true('$instance' in target['expr'] and target['legendFormat'], f'{panel["title"]}: {target["expr"]}')


def every_family_is_on_the_dashboard(site):
    told = {name for name in re.findall(r'^# TYPE (\S+)', site.request('GET', '/metrics').text, re.MULTILINE)}
    shown = ' '.join(query for _, query in _queries(_dashboard(site)))
    expect.equal({name for name in told if name not in shown}, set(), 'not shown')
