"""The pages of conf/man: their sources, and how they read."""

import functools
import glob
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
FOLDER = os.path.join(TOP, 'conf', 'man')


def squeeze(text):
    """Without blanks, and with one kind of quotes: where a line is broken does not matter."""
    return re.sub(r'\s', '', re.sub('[\u2018\u2019\u201c\u201d`"\']', "'", text))


def render(source):
    """As it reads. mandoc writes bold and underlined letters twice, one over the other."""
    done = subprocess.run(['mandoc', '-T', 'utf8', '-O', 'width=1000'], input=source, capture_output=True, text=True, check=True)
    return re.sub('.\b', '', done.stdout)


def plain(macros):
    """What a line of macros says: `Fl -user Ar U` is --user U."""
    said, joins = '', True
    words = re.sub(r'\\[&:]', '', macros).split(' ')
    for at, word in enumerate(words):
        if word in ('Ar', 'Cm', 'Li', 'Ic', 'Sy', 'No', 'Ev', 'Pa'):
            continue
        if word == 'Ns':
            joins = True
            continue
        is_flag = at > 0 and words[at - 1] == 'Fl'
        if word == 'Fl':
            continue
        said += ('' if joins or word == ',' else ' ') + ('-' if is_flag else '') + word
        joins = False
    return said


class Page:
    def __init__(self, path):
        self.path = path
        self.file = os.path.basename(path)
        self.name, self.section = self.file.rsplit('.', 1)
        with open(path, encoding='utf-8') as f:
            self.source = re.sub(r' ?\\\n', ' ', f.read())
        self.lines = self.source.split('\n')

    @functools.cached_property
    def text(self):
        return squeeze(render(self.source))

    def part(self, heading):
        """The source of one section."""
        found = re.search(rf'^\.S[hs] {re.escape(heading)}\n(.*?)(?=^\.Sh |\Z)', self.source, re.S | re.M)
        return found.group(1) if found else ''

    def items(self, heading=None, macro=''):
        """{what stands behind .It MACRO: the source up to the next item of its list}."""
        source = self.source if heading is None else self.part(heading)
        found, depth, at = {}, 0, None
        for line in source.split('\n'):
            depth += line.startswith('.Bl') - line.startswith('.El')
            words = line.split(' ')
            if words[0] == '.It' and (at is None or depth <= at[1]):
                at = None
                if not macro or words[1:2] == [macro]:
                    at = re.sub(r'\\[&:]', '', ' '.join(words[2 if macro else 1:])), depth
                    found[at[0]] = ''
            elif words[0] == '.It' and macro and words[1:2] == [macro]:
                found.setdefault(re.sub(r'\\[&:]', '', ' '.join(words[2:])), '')
            if at is not None and words[0] != '.It':
                found[at[0]] += line + '\n'
        return found


    def blocks(self, heading):
        """What stands there to be copied, one text for each block."""
        return [re.sub(r'\\e', r'\\', block) for block in
                re.findall(r'^\.Bd -literal.*?\n(.*?)^\.Ed', self.raw_part(heading), re.S | re.M)]

    def raw_part(self, heading):
        with open(self.path, encoding='utf-8') as f:
            found = re.search(rf'^\.Sh {re.escape(heading)}\n(.*?)(?=^\.Sh |\Z)', f.read(), re.S | re.M)
        return found.group(1) if found else ''


def all_pages():
    return [Page(path) for path in sorted(glob.glob(os.path.join(FOLDER, '*.[157]')))]


def page(file):
    return Page(os.path.join(FOLDER, file))
