"""From figures to text: the line of progress, the tables, the charts."""

import os
import platform
import re
import statistics
import subprocess
import time

import charts as svg
from systems import SYSTEMS, which
from works import GOALS, WORST_RATIO

# figure: (what it is called, how it is written)
FIGURES = {
    'deliveries_per_s': ('deliveries/s', '{:,.0f}'),
    'messages_per_s': ('messages/s acknowledged', '{:,.0f}'),
    'rows_per_s': ('rows/s durable', '{:,.0f}'),
    'rows_per_commit': ('rows in a transaction', '{:,.1f}'),
    'late_ms.p99': ('written after it was due p99, ms', '{:,.2f}'),
    'latency_ms.p50': ('delivery p50, ms', '{:,.2f}'),
    'latency_ms.p90': ('delivery p90, ms', '{:,.2f}'),
    'latency_ms.p99': ('delivery p99, ms', '{:,.2f}'),
    'latency_ms.max': ('delivery max, ms', '{:,.2f}'),
    'single_ms.p50': ('to one user p50, ms', '{:,.2f}'),
    'single_ms.p90': ('to one user p90, ms', '{:,.2f}'),
    'single_ms.p99': ('to one user p99, ms', '{:,.2f}'),
    'single_ms.max': ('to one user max, ms', '{:,.2f}'),
    'ack_ms.p50': ('acknowledgement p50, ms', '{:,.2f}'),
    'ack_ms.max': ('acknowledgement max, ms', '{:,.2f}'),
    'ack_ms.p99': ('acknowledgement p99, ms', '{:,.2f}'),
    'cpu_us_per_delivery.total': ("server CPU a delivery, µs (rowcast's own)", '{:,.2f}'),
    'cpu_us_per_delivery.redis': ("of it Redis's", '{:,.2f}'),
    'cpu_us_per_message.redis': ("of it Redis's", '{:,.1f}'),
    'cpu_us_per_message.rowcast': ("of it rowcast's own", '{:,.1f}'),
    'cpu_us_per_message.lighttpd': ("of it the web server's", '{:,.1f}'),
    'client_us_per_message': ('client CPU a message, µs', '{:,.1f}'),
    'cpu_us_per_message.total': ('server CPU a message, µs', '{:,.1f}'),
    'cpu_percent.total': ('server CPU, % of a core', '{:,.2f}'),
    'memory_per_stream.total': ('memory a stream, bytes', '{:,.0f}'),
    'memory_per_stream.rowcast': ("memory a stream, rowcast's own", '{:,.0f}'),
    'open_per_s': ('streams opened/s', '{:,.0f}'),
    'task_seconds': ('seconds until all caught up', '{:,.2f}'),
    'task_rows_per_s': ('rows/s', '{:,.0f}'),
    'cpu_ms.redis': ("Redis's CPU, ms", '{:,.0f}'),
    'live_ms.p50': ('delivery to live streams meanwhile p50, ms', '{:,.2f}'),
    'live_ms.p99': ('the same, p99', '{:,.2f}'),
    'live_ms.max': ('the same, max', '{:,.2f}'),
    'opened_ms.p50': ('a new stream meanwhile p50, ms', '{:,.1f}'),
    'opened_ms.max': ('the same, max', '{:,.1f}'),
    'read_seconds': ('seconds until a stream from the first row on has its 1,000', '{:,.2f}'),
    'completeness': ('delivered / expected', '{:.4%}'),
    'client_busy': ('client, share of a core', '{:.0%}'),
    'others_percent': ('other processes, % of a core', '{:,.0f}'),
}

DELIVERY = ['deliveries_per_s', 'cpu_us_per_delivery.total']
TRAFFIC = [*DELIVERY, 'latency_ms.p50', 'latency_ms.p99', 'latency_ms.max', 'ack_ms.p50', 'ack_ms.p99',
           'cpu_us_per_delivery.redis', 'completeness',
           'client_busy', 'others_percent']

# What is told of each mode of the load client, and of single messages that nobody reads.
SHOWN = {
    'lone': TRAFFIC,
    'load': ['messages_per_s'] + TRAFFIC,
    'users': ['messages_per_s', 'cpu_us_per_message.total', 'cpu_us_per_message.rowcast'] + TRAFFIC,
    'amid': ['single_ms.p50', 'single_ms.p90', 'single_ms.p99', 'single_ms.max', 'latency_ms.p50', 'latency_ms.p90', 'latency_ms.p99',
             'latency_ms.max', *DELIVERY, 'completeness', 'client_busy', 'others_percent'],
    'bulk': ['messages_per_s', 'ack_ms.p50', 'ack_ms.p99', 'cpu_us_per_message.total', 'cpu_us_per_message.rowcast',
             'cpu_us_per_message.redis', 'completeness', 'client_busy', 'others_percent'],
    'answers': ['rows_per_s', 'latency_ms.p50', 'latency_ms.p99', 'latency_ms.max', 'late_ms.p99', *DELIVERY,
                'rows_per_commit', 'cpu_us_per_message.total', 'cpu_us_per_message.rowcast', 'cpu_us_per_message.lighttpd',
                'client_us_per_message', 'completeness', 'client_busy', 'others_percent'],
    'single': ['rows_per_s', 'ack_ms.p50', 'ack_ms.p99', 'rows_per_commit', 'cpu_us_per_message.total', 'cpu_us_per_message.rowcast',
             'cpu_us_per_message.lighttpd', 'client_us_per_message', 'client_busy', 'others_percent'],
    'foreign': ['latency_ms.p50', 'latency_ms.p99', 'latency_ms.max', *DELIVERY, 'ack_ms.p50', 'completeness', 'others_percent'],
    'hold': ['memory_per_stream.total', 'memory_per_stream.rowcast', 'open_per_s', 'cpu_percent.total',
             'others_percent'],
    'xadd': ['latency_ms.p50', 'latency_ms.p99', 'latency_ms.max', *DELIVERY, 'ack_ms.p50', 'completeness', 'others_percent'],
    'copy': ['task_seconds', 'task_rows_per_s', 'read_seconds', 'opened_ms.p50', 'opened_ms.max', 'ack_ms.p50', 'ack_ms.max',
             'cpu_ms.redis', 'completeness'],
    'storm': ['task_seconds', 'task_rows_per_s', 'cpu_us_per_delivery.total', 'open_per_s', 'live_ms.p50', 'live_ms.p99', 'live_ms.max', 'cpu_ms.redis', 'completeness', 'client_busy', 'others_percent'],
    'replay': ['task_rows_per_s', 'cpu_us_per_delivery.total', 'completeness', 'client_busy', 'others_percent'],
}

# The client, one thread, is what limits where it has its core to itself while
# another has nothing to do (shares of a core).
CLIENT_BUSY, CORES_IDLE = 0.9, 0.1


# What should never happen; of several turns the worst is told.
FAULTS = {'missing': 'missing', 'duplicates': 'duplicates', 'out_of_order': 'out of order',
          'misdelivered': 'misdelivered', 'streams_ended': 'streams ended', 'refused': 'messages refused',
          'rows_wrong': 'rows missing, double or out of order', 'wrong_ids': 'ids missing, double or out of order'}


def middle(turns, key=''):
    """The median of each figure over the turns; of what should not happen, the worst."""
    if isinstance(turns[0], dict):
        return {key: middle([figures[key] for figures in turns], key) for key in turns[0]}
    if isinstance(turns[0], str):
        return turns[0]
    if key == 'completeness':
        return min(turns)
    return max(turns) if key in FAULTS else statistics.median(turns)


def figure(figures, path):
    """A figure by its path; None where this system has none."""
    for key in path.split('.'):
        if not isinstance(figures, dict) or key not in figures:
            return None
        figures = figures[key]
    return figures


def written(figures, path):
    value = figure(figures, path)
    if value is None:
        return ''
    form = FIGURES[path][1]
    own = figure(figures, path.replace('.total', '.rowcast')) if path == 'cpu_us_per_delivery.total' else None
    return form.format(value) + (f' ({form.format(own)})' if own is not None else '')


def ratio(of, path):
    """What the rowcast that is measured has, divided by what the one before has."""
    own, before = figure(of['rowcast'], path), figure(of['before'], path)
    return f'{own / before:.2f} x' if own is not None and before else ''


def losses(figures):
    """What should never happen and did, as text."""
    return ', '.join(f'{figures[key]:,.0f} {text}' for key, text in FAULTS.items() if figures.get(key))


def faults(figures):
    """The same, and where it is the client that limits."""
    found = [losses(figures)] if losses(figures) else []
    if figures.get('client_busy', 0) > CLIENT_BUSY and figures['idle_percent'] > 100 * CORES_IDLE:
        found.append('client at its limit')
    return ', '.join(found)


def summary(work, figures):
    """The line of progress: the first figures, and whatever is wrong."""
    parts = [f'{written(figures, path)} {FIGURES[path][0]}' for path in SHOWN[work.told][:3] if figure(figures, path)]
    if figures.get('others_percent', 0) >= 10:
        parts.append(f'others took {figures["others_percent"]:.0f}% of a core')
    if faults(figures):
        parts.append('BUT ' + faults(figures))
    return ', '.join(text for text in parts if not text.startswith(' '))


def first_line(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return (done.stdout.splitlines() or [''])[0]
    except (OSError, TypeError):
        return ''


def about(folder, options):
    """The machine and the versions, as far as figures depend on them."""
    with open('/proc/cpuinfo') as f:
        model = re.search(r'^model name\s*: (.*)$', f.read(), re.M)
    filesystem = first_line(['stat', '-f', '-c', '%T', folder])
    return {
        'date': time.strftime('%Y-%m-%d'),
        'cores': os.cpu_count(),
        'cpu': model.group(1) if model else platform.machine(),
        'kernel': platform.release().split('-')[0],
        'store on': filesystem,
        'versions': [line for line in (
            first_line([options.rowcast, '--version']),
            'before: ' + first_line([options.before, '--version']) if options.before else '', first_line([which('lighttpd'), '-v']),
            first_line([which('nginx'), '-v']).replace('nginx version: ', ''),
            first_line(['go', 'version']), first_line(['redis-server', '--version'])) if line],
        'turns': options.repeat,
        'seconds': options.seconds,
    }


def goal_line(goal, medians):
    """A row of the table of goals; None where the run has not what it needs."""
    own = figure(medians.get(goal.work, {}).get(goal.of), goal.figure)
    bound = goal.bound
    if isinstance(bound, tuple):
        pair = [figure(medians.get(goal.work, {}).get(name), goal.figure) for name in bound]
        if not all(pair):
            return None
        bound = pair[0] / pair[1]
    if goal.beside in medians:
        other = figure(medians[goal.beside].get('rowcast'), goal.figure)
        beside = goal.beside
    else:
        other = figure(medians.get(goal.work, {}).get(goal.beside), goal.figure)
        beside = SYSTEMS[goal.beside].title if goal.beside in SYSTEMS else ''
    if own is None or (goal.beside and not other):
        return None
    value = own / other if goal.beside else own
    sign = '≥' if goal.at_least else '≤'
    holds = value >= bound if goal.at_least else value <= bound
    title = '' if goal.of == 'rowcast' else SYSTEMS[goal.of].title + ': '
    name, form = FIGURES[goal.figure]
    if goal.beside:
        return [goal.work, name, title + form.format(own), f'{beside}: {form.format(other)}', f'{value:.2f} x',
                f'{sign} {bound:.3g} x', 'yes' if holds else '**no**']
    return [goal.work, name, title + form.format(own), '', '', f'{sign} {bound:,g}', 'yes' if holds else '**no**']


def table(head, rows):
    lines = ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in rows])


def worst_line(job):
    """A row of the table of worst inputs."""
    return [job['name'], f'{job["bytes"]:,}', f'{job["plain_us"]:,.0f}', f'{job["worst_us"]:,.0f}', job['worst'].replace('|', ''),
            f'{job["ratio"]:.1f}', 'yes' if job['ratio'] <= WORST_RATIO else '**no**']


def markdown(about_run, works, medians, worst, failures):
    names = [name for name in SYSTEMS if any(name in of for of in medians.values())]
    versions = '; '.join(about_run['versions'])
    blocks = ['# Benchmark', (
        f'{about_run["date"]}, {about_run["cores"]} cores ({about_run["cpu"]}), Linux {about_run["kernel"]}, store on '
        f'{about_run["store on"]}; {versions}. Median of {about_run["turns"]}, {about_run["seconds"]:g} s each, '
        f'{about_run["minutes"]:g} minutes in all. Server, web server and client share the machine.')]
    goals = [line for line in (goal_line(goal, medians) for goal in GOALS) if line]
    if goals:
        blocks += ['## Goals', table(['work', 'figure', 'rowcast', 'beside', 'ratio', 'goal', 'holds'], goals)]
    if worst:
        head = ['thread: work', 'bytes', 'plain, µs', 'worst, µs', 'which', 'ratio', f'at most {WORST_RATIO}']
        blocks += ['## Worst inputs', table(head, [worst_line(job) for job in worst])]
    if medians:
        blocks.append('## Figures')
    for work in works:
        of = medians.get(work.name)
        if not of:
            continue
        here = [name for name in names if name in of]
        paths = [path for path in SHOWN[work.told] if any(figure(of[name], path) for name in here)]
        head = [''] + [SYSTEMS[name].title for name in here]
        rows = [[FIGURES[path][0]] + [written(of[name], path) for name in here] for path in paths]
        if {'rowcast', 'before'} <= set(here):
            at = head.index(SYSTEMS['before'].title) + 1
            for row, text in zip([head, *rows], ['ratio', *(ratio(of, path) for path in paths)]):
                row.insert(at, text)
        notes = [f'{SYSTEMS[name].title}: {faults(of[name])}.' for name in here if faults(of[name])]
        blocks += [f'### {work.name}: {work.title}', table(head, rows), *notes]
    if failures:
        blocks += ['## Failed', '\n'.join('- ' + text.replace('\n', ' ') for text in failures)]
    return '\n\n'.join(blocks) + '\n'


# file: (work, figure, title, note, unit, divided by)
CHARTS = {
    'load': ('load-1000', 'deliveries_per_s', 'Deliveries a second at load',
             '1,000 streams, 64 publishers to all; longer is better', '', 1),
    'lone': ('lone-1000', 'deliveries_per_s', 'Deliveries a second, one message at a time',
             '1,000 streams, the next message when all have the last; longer is better', '', 1),
    'users': ('users-5000', 'deliveries_per_s', 'Messages a second to single users',
              '5,000 users, 16 publishers; rowcast stores each on disk first; longer is better', '', 1),
    'latency': ('load-1000', 'latency_ms.p99', 'Delivery at load, 99th percentile',
                '1,000 streams, 64 publishers to all; shorter is better', ' ms', 1),
    'memory': ('hold-9000', 'memory_per_stream.total', 'Memory of an open stream',
               '9,000 streams, the web server included; shorter is better', ' KiB', 1024),
}


# The same of rowcast alone, a bar for each work.
OWN_CHARTS = {
    'publishing': ('rows_per_s', 'Single messages a second, each durable', 'one connection where nothing else is said; longer is better',
                   {'answers-post-1': 'POST each', 'answers-post-64': 'POST each, 64 publishers',
                    'answers-insert': 'INSERT each', 'answers-follow': 'POST /msg?follow=1'}),
}


def draw(folder, name, title, note, rows):
    if rows:
        with open(os.path.join(folder, name + '.svg'), 'w') as f:
            f.write(svg.bars(title, note, rows))


def charts(folder, medians):
    """Draws each chart whose figures the run has."""
    os.makedirs(folder, exist_ok=True)
    for name, (path, title, note, works) in OWN_CHARTS.items():
        values = {label: figure(medians.get(work, {}).get('rowcast'), path) for work, label in works.items()}
        draw(folder, name, title, note, [(label, value, f'{value:,.0f}', 'follow' in label)
                                         for label, value in values.items() if value is not None])
    for name, (work, path, title, note, unit, divisor) in CHARTS.items():
        rows = []
        for system in SYSTEMS:
            value = figure(medians.get(work, {}).get(system), path)
            if value is not None:
                value /= divisor
                text = f'{value:,.0f}' if value >= 100 else f'{value:,.1f}'
                rows.append((SYSTEMS[system].title, value, text + unit, system == 'rowcast'))
        draw(folder, name, title, note, rows)
