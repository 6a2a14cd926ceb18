"""Nothing is printed that nobody tries; so this comes last."""

import os

import expect


def recipe_has_its_tests(site):
    """Where something is to be pasted; what is only told has its test elsewhere."""
    tried = {name.removesuffix('.py') for name in os.listdir(os.path.dirname(__file__)) if name.endswith('.py')}
    printed = {name for name, each in site.recipes.items() if each.blocks}
    expect.equal(sorted(printed), sorted(tried - {'every'}), 'the recipes')


def block_was_written_or_typed(site):
    expect.equal(site.left_out(), [], 'the blocks that nobody has tried')


def link_leads_somewhere(site):
    expect.equal(site.broken_links(), [], 'the links')
