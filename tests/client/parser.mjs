/* The parser against HTML 9.2.5 and 9.2.6. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { parser } from '../../public/rowcast.js';
import { dice } from './wait.mjs';

const bytes = (text) => typeof text === 'string' ? new TextEncoder().encode(text) : Uint8Array.from(text);

function parsed(text, cut = () => 1e9) {
  const retries = [];
  const parse = parser((ms) => retries.push(ms));
  const events = [];
  const all = bytes(text);
  for (let at = 0; at < all.length;) {
    const n = cut();
    events.push(...parse(all.subarray(at, at + n)));
    at += n;
  }
  return { events, retries };
}

const event = (data, name = 'message', id = '') => ({ event: name, data, id });

const CASES = {
  'lines of data are joined': ['data: a\ndata: b\n\n', [event('a\nb')]],
  'one space after the colon is taken off, and no more': ['data:a\n\ndata: a\n\ndata:  a\n\ndata:\ta\n\n', [event('a'), event('a'), event(' a'), event('\ta')]],
  'data without a colon, or a value, is an empty line': ['data\n\ndata:\n\ndata\ndata\n\ndata:\ndata: x\n\n', [event(''), event(''), event('\n'), event('\nx')]],
  'a block without data is no event, and resets its name': ['event: a\n\nid: 1\n\ndata: x\n\n', [event('x', 'message', '1')]],
  'a colon within a value stays': ['data: a: b:c\n\n', [event('a: b:c')]],
  'comments are passed over': [': hello\n:\ndata: a\n:data: b\n\n', [event('a')]],
  'unknown fields are passed over, and names are exact': ['DATA: a\n data: b\ndata : c\nfoo\nretry\ndata: d\n\n', [event('d')]],
  'every line ending ends a line': ['data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\rdata: e\n\n', [event('a\nb\nc'), event('d'), event('e')]],
  'only CR, LF and CRLF end a line': ['data: a\u2028b\u2029c\u0085d\u000be\u000cf\n\n', [event('a\u2028b\u2029c\u0085d\u000be\u000cf')]],
  'one byte order mark is taken off': ['\ufeffdata: a\n\n', [event('a')]],
  'a second one belongs to the field\'s name': ['\ufeff\ufeffdata: a\ndata: b\n\n', [event('b')]],
  'one in the middle stays': ['data: a\n\n\ufeffdata: b\n\ndata: \ufeffc\n\n', [event('a'), event('\ufeffc')]],
  'an event has its name, the next one not': ['event: x\ndata: a\n\ndata: b\n\n', [event('a', 'x'), event('b')]],
  'the last name counts, and an empty one is none': ['event: x\nevent: y\ndata: a\n\nevent: x\nevent\ndata: b\n\n', [event('a', 'y'), event('b')]],
  'an id stays until another comes': ['id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n', [event('a', 'message', '1'), event('b', 'message', '1'), event('c')]],
  'an id with NUL is ignored': ['id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n', [event('a', 'message', '1'), event('b', 'message', '1')]],
  'an id is text': ['id: …x \ndata: a\n\n', [event('a', 'message', '…x ')]],
  'NUL in data stays': ['data: \0\n\n', [event('\0')]],
  'a block that was not ended is no event': ['data: a\n\ndata: b\n', [event('a')]],
  'what is not UTF-8 becomes U+FFFD': [[...bytes('data: a'), 0xff, 0xc3, ...bytes('b\n\n')], [event('a\ufffd\ufffdb')]],
  'so does an encoded surrogate, and one cut short': [[...bytes('data: '), 0xed, 0xa0, 0x80, 0xf0, 0x9f, 0x98, 10, 10], [event('\ufffd\ufffd\ufffd\ufffd')]],
  'characters of two to four bytes': ['data: é€😀\n\n', [event('é€😀')]],
  'nothing': ['', []],
};

for (const [name, [text, events]] of Object.entries(CASES)) {
  test(`parser: ${name}`, () => assert.deepEqual(parsed(text).events, events));
  test(`parser: ${name}, byte by byte`, () => assert.deepEqual(parsed(text, () => 1).events, events));
}

test('parser: retry is digits only', () => {
  const lines = ['1000', '', '-1', '+1', '1.5', '1e3', ' 5', '0x10', '12 ', '１２', '007'];
  assert.deepEqual(parsed(lines.map((v) => `retry:${v}\n`).join('') + 'retry: 20\nretry\n').retries, [1000, 5, 7, 20]);
});

test('parser: an event is there with its last byte, also where CR ends it', () => {
  const parse = parser();
  assert.deepEqual(parse(bytes('data: a\r')), []);
  assert.deepEqual(parse(bytes('\r')), [event('a')]);
  assert.deepEqual(parse(bytes('\ndata: b\r\n\r')), [event('b')]);
  assert.deepEqual(parse(bytes('\n')), []);
  assert.deepEqual(parse(bytes('')), []);
  assert.deepEqual(parse(bytes('data: c\n\n')), [event('c')]);
});

test('parser: an LF after a CR and an empty read is still the same line ending', () => {
  const parse = parser();
  parse(bytes('data: a\r'));
  parse(bytes(''));
  assert.deepEqual(parse(bytes('\ndata: b\n\n')), [event('a\nb')]);
});

test('parser: however it is cut, the events are the same', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9);
  const roll = dice(seed);
  const pieces = ['data', 'data:', 'data: x', 'id: 7', 'event: e', 'retry: 5', ':', ':c', '\n', '\r', '\r\n', '\n\n', '\r\r', ' ', 'é', '😀', '\ufeff', '\0', 'x'];
  for (let round = 0; round < 2000; round++) {
    const all = [];
    for (let n = roll() * 30; n > 0; n--) {
      if (roll() < 0.05) all.push(Math.floor(roll() * 256));
      else all.push(...bytes(pieces[Math.floor(roll() * pieces.length)]));
    }
    assert.deepEqual(parsed(all, () => 1 + Math.floor(roll() * 4)), parsed(all), `SEED=${seed}, round ${round}`);
  }
});

test('parser: a long line in many pieces takes time in proportion', () => {
  const parse = parser();
  const piece = bytes('x'.repeat(16));
  parse(bytes('data:'));
  for (let i = 0; i < 100000; i++) parse(piece);
  assert.equal(parse(bytes('\n\n'))[0].data.length, 1600000);
});
