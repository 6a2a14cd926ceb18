"""Any text arrives as EventSource defines it, whichever way it was published."""

import json
import random
import urllib.parse

import expect

TEXTS = {
    'empty': '',
    'one space': ' ',
    'leading spaces': '   indented',
    'a leading colon': ':not a comment',
    'looks like fields': 'id: 7\nevent: x\nretry: 1\ndata: y\n: c',
    'lines': 'one\ntwo\nthree',
    'CR': 'one\rtwo',
    'CRLF': 'one\r\ntwo',
    'LF CR': 'one\n\rtwo',
    'CR CRLF': 'one\r\r\ntwo',
    'ends with a line end': 'one\n',
    'begins with a line end': '\none',
    'blank lines only': '\n\n\n',
    'blank lines inside': 'one\n\n\ntwo',
    'a lone CR': '\r',
    'emoji': 'plain 🙂 👩‍👩‍👧 🇪🇺 end',
    'other line ends of Unicode are none': 'a\u0085b\u2028c\u2029d\ve\ff',
    'a byte order mark': '\ufeffmark',
    'controls': ''.join(map(chr, range(1, 32))) + '\x7f',
    'not characters': '\ufffe\uffff\U0010ffff',
    'HTML': '<img src=x onerror=alert(1)>&amp;',
    'JSON': '{"a": "b\\n"}',
    'one long line': 'x' * 65536,
    'long with lines': '\n'.join(['ü' * 31] * 1024)[:32768],
    '65536 line ends': '\n' * 65536,
}


def _as_a_page_sees_it(text):
    """A line end of any kind within data is one LF (HTML 9.2.5, 9.2.6)."""
    return text.replace('\r\n', '\n').replace('\r', '\n')


def every_text_arrives_through_the_table(site):
    user = site.user()
    stream = site.subscribe(user)
    for what, text in TEXTS.items():
        site.sql(f"INSERT INTO message(user, data) VALUES('{user}', CAST(x'{text.encode().hex()}' AS TEXT))")
        expect.equal(stream.wait_event().data, _as_a_page_sees_it(text), what)


def every_text_arrives_through_msg(site):
    user = site.user()
    token = site.token(user)
    stream = site.subscribe(user)
    for what, text in TEXTS.items():
        for type, body in (('application/x-www-form-urlencoded', urllib.parse.urlencode({'msg': text})),
                           ('application/json', json.dumps({'msg': text})),
                           ('application/json', json.dumps({'msg': text}, ensure_ascii=False)),
                           ('application/x-ndjson', json.dumps({'msg': text}) + '\n'),
                           ('text/plain', text)):
            if type == 'text/plain' and text == '':
                continue  # a body of no bytes may as well be a forgotten one
            answer = site.request('POST', '/msg', token, {'Content-Type': type}, body.encode())
            expect.status(answer, 201, f'{what}, {type}')
            if type == 'text/plain':
                text = text.removeprefix('\ufeff')  # of the body, not of the message
            expect.equal(stream.wait_event().data, _as_a_page_sees_it(text), f'{what}, {type}')


def every_text_arrives_in_a_replay(site):
    user = site.user()
    start = site.insert('start', user)
    site.sql(''.join(f"INSERT INTO message(user, data) VALUES('{user}', CAST(x'{text.encode().hex()}' AS TEXT));"
                     for text in TEXTS.values()))
    with site.subscribe(user, last_event_id=start) as stream:
        for what, text in TEXTS.items():
            expect.equal(stream.wait_event().data, _as_a_page_sees_it(text), what)


def the_stream_is_written_so_that_every_client_can_read_it(site):
    """LF only, no BOM, ASCII ids, always `data: ` with the space: where one of
    these is missing, some client in use loses lines or ids."""
    user = site.user()
    stream = site.stream(user)
    stream.keep_bytes()
    stream.wait_block()
    for text in ('one\r\n\r\ntwo', '', ' x', '\ufeffy'):
        site.sql(f"INSERT INTO message(user, data) VALUES('{user}', CAST(x'{text.encode().hex()}' AS TEXT))")
        stream.wait_event()
    content = bytes(stream.kept)
    expect.true(b'\r' not in content, 'no CR')
    expect.true(not content.startswith(b'\xef\xbb\xbf'), 'no BOM')
    data = [line for line in content.split(b'\n') if line.startswith(b'data')]
    expect.equal(data, [b'data: one', b'data: ', b'data: two', b'data: ', b'data:  x', b'data: \xef\xbb\xbfy'])
    ids = [line for line in content.split(b'\n') if line.startswith(b'id')]
    expect.true(all(line.startswith(b'id: ') and line[4:].isdigit() for line in ids), f'{ids}')


# Ill-formed text and what the Unicode standard makes of it, one U+FFFD for each
# maximal subpart.
ILL_FORMED = {
    b'Cr\xc3': 'Cr\ufffd',                                  # cut by a program that counts bytes
    b'a\xe2\x82\rb\xf0\x9f\n\xc3\r\n\x80c': 'a\ufffd\nb\ufffd\n\ufffd\n\ufffdc',  # line ends are never a part of it
    b'\xed\xa0\xbd\xed\xb8\x80 \xc0\x80 \xff': '\ufffd' * 6 + ' \ufffd\ufffd \ufffd',  # CESU-8, overlong, no byte of UTF-8
    b'\xf0\x9f\x99\x82' + b'x' * 300 + b'\xf0\x9f\x99': '\U0001f642' + 'x' * 300 + '\ufffd',
}


def text_that_is_not_utf_8_is_sent_as_replacements_and_holds_nothing_up(site):
    """A strict reader ends the stream at the first byte that is not UTF-8, comes
    back to the same row, and so on for ever."""
    user = site.user()
    start = site.insert('start', user)
    live = site.stream(user)
    live.keep_bytes()
    live.wait_block()
    expected = []
    for raw, text in ILL_FORMED.items():
        site.sql(f"INSERT INTO message(user, event, data) VALUES('{user}', 'e', CAST(x'{raw.hex()}' AS TEXT))")
        site.insert('good', user)
        expected += [('e', text), ('message', 'good')]
    site.sql(f"INSERT INTO message(user, event, data) VALUES('{user}', CAST(x'4372c3' AS TEXT), CAST(x'4372c3' AS TEXT))")
    site.insert('gr\u00fc\u00df', user)
    expected += [('Cr\ufffd', 'Cr\ufffd'), ('message', 'gr\u00fc\u00df')]
    replay = site.stream(user, last_event_id=start)
    replay.keep_bytes()
    for stream in (live, replay):
        expect.equal([(e.type, e.data) for e in stream.wait_events(len(expected))], expected)
        bytes(stream.kept).decode('utf-8', 'strict')


def a_name_that_is_not_utf_8_is_nobody_elses(site):
    """What is sent is repaired; whom it is for goes by the bytes as they are."""
    stream = site.subscribe('Cr\ufffd')
    site.sql("INSERT INTO message(user, data) VALUES(CAST(x'4372c3' AS TEXT), 'for nobody')")
    site.sql("INSERT INTO message(user, topic, data) VALUES('Cr\ufffd', CAST(x'4372c3' AS TEXT), 'on no topic')")
    site.insert('end', 'Cr\ufffd')
    expect.only(stream, 'end')


def random_texts_arrive(site):
    seed = random.randrange(1 << 30)
    print(f'# seed {seed}')
    dice = random.Random(seed)
    user = site.user()
    token = site.token(user)
    stream = site.subscribe(user)
    alphabet = 'a :\r\n\r\n\tdataidé€🙂\u2028\x01'
    for _ in range(100):
        text = ''.join(dice.choice(alphabet) for _ in range(dice.randrange(200)))
        site.publish(token, msg=text)
        expect.equal(stream.wait_event().data, _as_a_page_sees_it(text), repr(text))
