"""What the pages give to be copied, copied and run."""

import os
import signal
import sqlite3
import subprocess

import pages
import program


def _shell(script, folder, **more):
    return subprocess.Popen(['sh', '-e', '-c', script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            stdin=subprocess.DEVNULL, text=True, start_new_session=True,
                            env={**os.environ, 'PATH': os.path.dirname(program.ROWCAST) + ':' + os.environ['PATH']}, **more)


def the_first_example_makes_a_message():
    said = []
    with program.place() as at:
        process = _shell(pages.page('rowcast.1').blocks('EXAMPLES')[0], at.folder)
        try:
            for line in process.stdout:
                said.append(line)
                if line == '{"id":1,"data":"hello"}\n':
                    return
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.stdout.read()  # until serve and tail have gone, too
            process.wait()
    yield 'the first example of rowcast.1 ends without its message: ' + ''.join(said)


def the_examples_of_the_table_publish():
    blocks = pages.page('rowcast-table.5').blocks('EXAMPLES')
    with program.serving() as server, sqlite3.connect(server.db, isolation_level=None) as connection:
        connection.execute('CREATE TABLE orders(id, user, state)')
        for block in blocks:
            before = connection.execute('SELECT count(*) FROM message').fetchone()[0]
            if block.startswith('sqlite3'):
                process = _shell(block.replace('/var/lib/rowcast/rowcast.db', server.db), os.path.dirname(server.db))
                said = process.communicate()[0]
                if process.returncode != 0 or said:
                    yield f'{block}: {said}'
            elif block.startswith(('INSERT', 'CREATE')):
                connection.executescript(block)
            else:
                continue
            if block.startswith('CREATE'):
                connection.execute("INSERT INTO orders VALUES(1, '42', 'new')")
                connection.execute("UPDATE orders SET state = 'shipped'")
            if connection.execute('SELECT count(*) FROM message').fetchone()[0] == before:
                yield f'{block}: publishes nothing'


def the_examples_of_a_configuration_are_configurations():
    for block in pages.page('rowcast.conf.5').blocks('EXAMPLES'):
        with program.place() as at:
            with open(at.conf, 'w', encoding='utf-8') as f:
                f.write(block.replace('\\\n', ''))
            said = program.run('token', '-c', at.conf, '--user', '1').stderr  # asks no Redis, as check would
        # It is read, and then the key file is not there, or a log cannot be shared.
        if 'conf: ' in said or not ('auth: ' in said or 'without Redis' in said):
            yield f'{block}: {said}'
