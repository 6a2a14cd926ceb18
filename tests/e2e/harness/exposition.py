"""What /metrics tells, as numbers: the text format of Prometheus, read strictly."""

import re

SAMPLE = re.compile(r'([a-z_]+)(?:\{([^}]*)\})? (\S+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


class Exposition:
    """.families: the type of each, in order; .samples: {(name, ((label, value), ...)): number}"""

    def __init__(self, text):
        self.text = text
        self.families, self.samples = {}, {}
        for line in text.removesuffix('\n').split('\n'):
            if line.startswith('# TYPE '):
                _, _, name, self.families[name] = line.split(' ')
            elif not line.startswith('# HELP '):
                self._add(line)

    def _add(self, line):
        found = SAMPLE.fullmatch(line)
        if not found:
            raise AssertionError(f'no sample: {line!r}')
        name, labels, number = found.groups()
        pairs = tuple(LABEL.findall(labels or ''))
        if ','.join(f'{n}="{v}"' for n, v in pairs) != (labels or ''):
            raise AssertionError(f'no labels: {line!r}')
        if (name, pairs) in self.samples:
            raise AssertionError(f'told twice: {line!r}')
        self.samples[name, pairs] = float(number)

    def __call__(self, name, /, **labels):
        """One number; `rowcast_` need not be said."""
        return self.samples[name if name.startswith('process_') else 'rowcast_' + name, tuple(labels.items())]

    def of(self, name):
        """The numbers of a family by the values of its label, or of its two."""
        found = {tuple(value for _, value in pairs): number for (n, pairs), number in self.samples.items()
                 if n == 'rowcast_' + name}
        return {values[0] if len(values) == 1 else values: number for values, number in found.items()}

    def since(self, before, name):
        """What has risen of a family since then: {label: by how much}."""
        earlier = before.of(name)
        return {values: number - earlier[values] for values, number in self.of(name).items() if number != earlier[values]}
