"""The shell's ways in and out."""

import expect


def the_sqlite3_shell_sends_whatever_the_text_is(site):
    site.follow('shell')
    stream = site.subscribe('42', topics=['news'])
    site.type(site.recipes['shell'].under('sqlite3'))
    for text in ('hello', "it's 5 o'clock; DROP TABLE message", 'The first, with a comma', 'The second'):
        site.arrives(stream, text)


def a_job_is_watched_line_by_line(site):
    site.follow('shell')
    stream = site.subscribe('42', topics=['build'])
    ids = site.type(site.one('shell', 'rowcast publish')).split()
    got = [site.arrives(stream, 'the job begins', 'note'), site.arrives(stream, 'compiling'), site.arrives(stream, 'testing')]
    expect.equal([event.id for event in got], ids, 'the ids that it prints')


def curl_sends_once(site):
    site.follow('shell')
    stream = site.subscribe('42')
    site.type(site.recipes['shell'].under('curl'))
    site.arrives(stream, 'a & b = 50%')
    site.type(site.recipes['shell'].under('What can go wrong'))
    site.insert('the end', user='42')
    expect.only(stream, 'the end')


def cron_tells_how_full_the_disk_is(site):
    cooked = site.follow('shell')
    stream = site.subscribe('42', topics=['disk'])
    # What cron does: five times, whose, and the rest of the line to the shell.
    [line] = cooked.file('/etc/cron.d/disk')[0].lines()
    done = site.shell(line.split(None, 6)[6])
    expect.equal((done.returncode, done.stdout, done.stderr), (0, '', ''), 'the job, which must be silent')
    event = stream.wait_event(type='df')
    expect.true(event.data.endswith('%') and event.data[:-1].isdigit(), event.data)


def a_script_reads_what_comes(site):
    site.follow('shell')
    watcher = site.begin(site.one('shell', 'Reading'))
    site.insert('passed over', user='42')
    site.insert('read', user='42', event='note')
    site.expect_line(watcher, '42: read')
    site.end(watcher)
