"""A recipe of conf/cookbook/, as its reader has it: the fenced blocks, in order. The
line before a block says what it is: one that ends with a file's name and a colon is
that file, whatever it is written in; any other is `sh`, which is typed, or `console`,
which is typed and says what comes back."""

import dataclasses
import os
import re

FENCE = re.compile(r'```(\w*)$')
NAMES_FILE = re.compile(r'`(/[^`\s]+)`[^`]*:$')


@dataclasses.dataclass
class Block:
    recipe: str
    heading: str    # of the section that it stands in
    language: str
    text: str
    line: int       # of the fence, for who looks for it
    file: str = None
    used: bool = False

    def __str__(self):
        return f'{self.recipe}.md, line {self.line}'

    def lines(self):
        return self.text.splitlines()

    def answers(self):
        """Of a console: (command, the lines that it must say)."""
        found = []
        for line in self.lines():
            if line.startswith('$ '):
                found.append((line[2:], []))
            elif found and line.startswith('> ') and not found[-1][1]:
                found[-1] = (found[-1][0] + '\n' + line[2:], [])
            elif not found:
                raise AssertionError(f'{self}: a console begins with $')
            else:
                found[-1][1].append(line)
        return found


class Recipe:
    def __init__(self, path):
        self.name = os.path.basename(path).removesuffix('.md')
        self.blocks = []
        heading, before, block = '', '', None
        with open(path, encoding='utf-8') as f:
            for number, line in enumerate(f, 1):
                line = line.rstrip('\n')
                if block is None:
                    if match := FENCE.match(line):
                        named = NAMES_FILE.search(before)
                        block = Block(self.name, heading, match[1], '', number, named and named[1])
                        self.blocks.append(block)
                    elif line.startswith('#'):
                        heading = line.lstrip('# ')
                    if line.strip():
                        before = line
                elif line == '```':
                    block, before = None, ''
                else:
                    block.text += line + '\n'
        if block is not None:
            raise AssertionError(f'{block}: it has no end')
        for block in self.blocks:
            if block.file is None and block.language not in ('sh', 'console'):
                raise AssertionError(f'{block}: neither a file, nor sh, nor console')

    def under(self, heading):
        """What is typed there."""
        found = [block for block in self.blocks if block.heading == heading and block.file is None]
        if not found:
            raise AssertionError(f'{self.name}.md: nothing is typed under {heading!r}')
        return found

    def file(self, path):
        """The block, or blocks one after the other, of a file."""
        found = [block for block in self.blocks if block.file == path]
        if not found:
            raise AssertionError(f'{self.name}.md: there is no {path}')
        return found


def read_all(folder):
    return {recipe.name: recipe for recipe in
            (Recipe(os.path.join(folder, name)) for name in sorted(os.listdir(folder)) if name.endswith('.md'))}
