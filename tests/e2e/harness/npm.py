"""Packages of the npm registry that tests use, by npm itself. Nothing of them is
part of rowcast, or needed to build it."""

import os
import subprocess

AXE = ('axe-core', '4.10.3')       # what is wrong with a page for who cannot see it


def read(package, file, folder):
    """The text of a file of package, (name, version), installed below folder."""
    name, version = package
    path = os.path.join(folder, 'node_modules', name, file)
    if not os.path.exists(path):
        done = subprocess.run(['npm', 'install', '--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund',
                        '--prefer-offline', '--loglevel=error', f'{name}@{version}'], timeout=300)
        if done.returncode:
            raise AssertionError(f'{name} {version} could not be fetched: is the registry of npm there?')
    with open(path, encoding='utf-8') as f:
        return f.read()
