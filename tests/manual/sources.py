"""The sentences that the program's sources hold, as patterns."""

import functools
import glob
import os
import re

from pages import TOP, squeeze

PIECE = re.compile(r'"((?:[^"\\\n]|\\.)*)"|\b([A-Z][A-Z0-9_a-z]*)\b|/\*.*?\*/|[^\s]', re.S)
CONVERSION = re.compile(r'%(?:[-0-9.*]*(?:hh|h|ll|l|z|j)?[a-zA-Z])')


def _read(path):
    with open(path, encoding='utf-8') as f:
        return re.sub(r'^\s*#\s*include.*$', '', f.read(), flags=re.M)


@functools.lru_cache(None)
def files():
    return sorted(path for part in ('app', 'lib') for end in 'ch'
                  for path in glob.glob(os.path.join(TOP, part, '**', f'*.{end}'), recursive=True))


@functools.lru_cache(None)
def _macros():
    """Those that are a text, or a number."""
    found = {}
    for path in files():
        text = _read(path)
        found.update(re.findall(r'^#define (\w+) "((?:[^"\\]|\\.)*)"', text, re.M))
        found.update(re.findall(r'\b([A-Z]\w+) = (\d+)[,;\n ]', text))
    return found


def literals(path):
    """(the function that it is an argument of, the text) of each literal, those that follow
    each other as one; what a macro stands for is %s where that is no text."""
    text, calls, said = _read(path), [''], None
    for piece in PIECE.finditer(text):
        literal, macro = piece.group(1), piece.group(2)
        if literal is not None:
            said = (said or '') + literal
        elif macro is not None and said is not None:
            said += 'd' if macro.startswith('PRI') else _macros().get(macro, '%s')
        elif not piece.group(0).startswith('/*'):
            if said is not None:
                yield calls[-1], said
                said = None
            if piece.group(0) == '(':
                before = re.search(r'(\w+)\s*$', text[max(0, piece.start() - 60):piece.start()])
                calls.append(before.group(1) if before else '')
            elif piece.group(0) == ')' and len(calls) > 1:
                calls.pop()


def unescape(text):
    return text.replace('\\"', '"').replace('\\\\', '\\').replace('\\n', ' ')


def pattern(sentence):
    """Of what it is found by in a page's text: each conversion is anything short."""
    parts = [re.escape(squeeze(part)) for part in CONVERSION.split(unescape(sentence).replace('%%', '\0'))]
    return re.compile('.{1,80}?'.join(parts).replace('\0', '%').replace('\\%', '%'))


PLAIN_WORD = re.compile(r"[A-Za-z`'(][\w`'.,-]{2,}.*")
STANDS_FOR = re.compile(r"[A-Z0-9_, ]+")  # FILE, N or 16, in place of what is filled in


def begins(sentence, told, all_said):
    """Is what a page tells the sentence, or its beginning? Where the sentence has something
    filled in, the page has a word in capitals, a number, or another of all that is said."""
    words = unescape(sentence).replace('%%', '%').split()
    first = CONVERSION.split(' '.join(words))[0]
    if first[:len(told)] != told[:len(first)]:
        return False  # which is quickly found
    least = next((at + 1 for at, word in enumerate(words)
                  if sum(bool(PLAIN_WORD.fullmatch(word)) for word in words[:at + 1]) == 2), len(words) + 1)
    for cut in range(least, len(words) + 1):
        parts = CONVERSION.split(' '.join(words[:cut]).rstrip(',:;.'))
        if not told.endswith(parts[-1]):
            continue
        found = re.fullmatch('(.+?)'.join(re.escape(part) for part in parts), told)
        if found and all(STANDS_FOR.fullmatch(filled) or filled in all_said for filled in found.groups()):
            return True
    return False
