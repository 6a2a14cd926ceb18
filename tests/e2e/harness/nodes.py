"""Several machines that share a log: each a site of its own, with its rowcast, its
copy and its web server. A token of one holds on all."""

import contextlib
import os

from harness import Site


class Nodes:
    def __init__(self, site, upstream, n, **settings):
        """As many of what `site` runs; upstream: the value of the setting."""
        self.site = site
        self.nodes = []
        self.upstream = upstream
        for i in range(n):
            node = Site(site.server, site.rowcast.program)
            node.secret = site.secret
            with open(node.rowcast.key_file, 'wb') as f:
                f.write(site.secret)
            node.settings.update({'upstream': upstream, 'node': f'node{i}', **settings})
            node.user = site.user  # nobody is on two nodes by chance
            node.name = f'node{i}'
            self.nodes.append(node)
        site.closed_with_it.append(self)

    def start(self):
        for node in self.nodes:
            node.start()

    def stop(self):
        """Raises if anything was wrong with the end of one."""
        self.site.closed_with_it.remove(self)
        try:
            for node in self.nodes:
                node.stop()
                node.check_no_token_in_logs()
        finally:
            self._remove()

    def kill(self):
        for node in self.nodes:
            node.kill()
        self._remove()

    def _remove(self):
        for node in self.nodes:
            if os.environ.get('KEEP'):
                print(f'# kept: {node.folder}')
            else:
                node.remove()

    def logs(self):
        return '\n'.join(f'-- {node.name}:\n' + node.rowcast.log_since(0)[-3000:] for node in self.nodes)

    def __getitem__(self, i):
        return self.nodes[i]

    def __iter__(self):
        return iter(self.nodes)

    def __len__(self):
        return len(self.nodes)


@contextlib.contextmanager
def running(site, upstream, n, **settings):
    """So many for the length of a with block; what their logs say belongs to what
    goes wrong in it."""
    nodes = Nodes(site, upstream, n, **settings)
    try:
        nodes.start()
        yield nodes
    except BaseException as e:
        logs = nodes.logs()
        site.closed_with_it.remove(nodes)
        nodes.kill()
        if isinstance(e, Exception):
            raise AssertionError(f'{type(e).__name__}: {e}\n{logs}') from e
        raise
    nodes.stop()
