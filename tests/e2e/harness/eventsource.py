"""An EventSource parser, written after the HTML standard, 9.2.6 ("Interpreting
an event stream") and on its own: it shares nothing with rowcast's encoder or
any browser, so it can judge both."""

import codecs
import dataclasses


@dataclasses.dataclass
class Event:
    """What a page gets: MessageEvent.type, .data, .lastEventId."""
    type: str
    data: str
    id: str
    at: float = 0.0  # time.monotonic() when its last byte had come


@dataclasses.dataclass
class Block:
    """The lines up to a blank line, for what the standard lets a page not see:
    comments, and blocks without data."""
    lines: list
    event: Event = None


class Parser:
    def __init__(self):
        self.last_event_id = ''
        self.reconnection_time_ms = None
        self.n_bytes = 0
        self.n_comments = 0
        # "Streams must be decoded using the UTF-8 decode algorithm": one BOM
        # is dropped, what is malformed becomes U+FFFD.
        self._decoder = codecs.getincrementaldecoder('utf-8')('replace')
        self._at_start = True
        self._after_cr = False
        self._line = ''
        self._lines = []
        self._data = ''
        self._event_type = ''
        self._id_buffer = ''

    def feed(self, data, at=0.0):
        """Takes the next bytes, in any portions; yields the blocks they end."""
        self.n_bytes += len(data)
        text = self._decoder.decode(data)
        if self._at_start and text:
            self._at_start = False
            text = text.removeprefix('\ufeff')
        if self._after_cr and text:
            self._after_cr = False
            text = text.removeprefix('\n')  # the second half of a CRLF
        self._after_cr = self._after_cr or text.endswith('\r')
        text = self._line + text.replace('\r\n', '\n').replace('\r', '\n')
        *lines, self._line = text.split('\n')
        for line in lines:
            if line == '':
                yield self._dispatch(at)
            else:
                self._lines.append(line)
                self._take(line)

    def _take(self, line):
        if line.startswith(':'):
            self.n_comments += 1
            return
        field, _, value = line.partition(':')
        value = value.removeprefix(' ')
        if field == 'event':
            self._event_type = value
        elif field == 'data':
            self._data += value + '\n'
        elif field == 'id':
            if '\0' not in value:
                self._id_buffer = value
        elif field == 'retry':
            if value.isascii() and value.isdigit():
                self.reconnection_time_ms = int(value)

    def _dispatch(self, at):
        self.last_event_id = self._id_buffer
        block = Block(self._lines)
        if self._data != '':
            block.event = Event(self._event_type or 'message', self._data[:-1],
                                self.last_event_id, at)
        self._lines, self._data, self._event_type = [], '', ''
        return block
