"""A Debian with nothing in it, and systemd running in it: made once by debootstrap, from
where this machine has its own packages, and copied for each use. What later steps install
was fetched when it was made, so that those need no network and no mirror."""

import contextlib
import ctypes
import glob
import os
import shutil
import signal
import subprocess

from waiting import wait_until

# Without systemd in it a root is no machine.
BASE = 'systemd-sysv'
CLONE_NEWNET = 0x40000000


class Unavailable(Exception):
    """Why there can be none here."""


def _run(*command, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode:
        raise AssertionError(f'{" ".join(command)}: status {done.returncode}\n{done.stdout[-3000:]}')
    return done.stdout


def _mirror():
    """(address, release) of the Debian that this machine is, as its apt knows it."""
    with open('/etc/os-release') as f:
        release = dict(line.rstrip().split('=', 1) for line in f if '=' in line).get('VERSION_CODENAME')
    targets = _run('apt-get', 'indextargets', '--format', '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)', 'Created-By: Packages')
    for target in map(str.split, targets.splitlines()):
        if target[1:] == [release, 'main', 'Debian']:
            return target[0], release
    raise Unavailable(f'apt knows of no Debian {release}')


def prepared(folder, package, others):
    """The root in `folder`, made where it is not there yet; with the .deb files of what
    `package` (a .deb) depends on, and of `others`, in its cache."""
    root, stamp = os.path.join(folder, 'root'), os.path.join(folder, 'stamp')
    mirror, release = _mirror()
    wanted = ' '.join([release, BASE, subprocess.check_output(['dpkg-deb', '-f', package, 'Depends'], text=True).strip(), *others])
    with contextlib.suppress(FileNotFoundError), open(stamp) as f:
        if f.read() == wanted:
            return root
    if not os.path.exists(root):
        shutil.rmtree(root + '.new', ignore_errors=True)
        os.makedirs(folder, exist_ok=True)
        try:
            _run('debootstrap', '--variant=minbase', '--include=' + BASE, release, root + '.new', mirror)
        except AssertionError as e:
            raise Unavailable(f'debootstrap fails: {str(e).splitlines()[-1]}') from None
        os.rename(root + '.new', root)
    shutil.copy(package, os.path.join(root, 'tmp', 'wanted.deb'))
    with open('/etc/resolv.conf') as f, open(os.path.join(root, 'etc', 'resolv.conf'), 'w') as to:
        to.write(f.read())
    # What the machine's apt needs to reach the mirror (a proxy, its keys) this one needs too.
    for conf in glob.glob('/etc/apt/apt.conf.d/*proxy*'):
        shutil.copy(conf, os.path.join(root, 'etc', 'apt', 'apt.conf.d'))
    try:
        _run('chroot', root, 'apt-get', 'update', '-qq', '-o', 'APT::Update::Error-Mode=any')
    except AssertionError as e:
        raise Unavailable(f'the mirror does not answer: {str(e).splitlines()[-1]}') from None
    _run('chroot', root, 'apt-get', 'install', '-qq', '-y', '--download-only', '--no-install-recommends', '/tmp/wanted.deb', *others)
    os.unlink(os.path.join(root, 'tmp', 'wanted.deb'))
    with open(stamp, 'w') as f:
        f.write(wanted)
    return root


class CleanRoot:
    """A copy of a root, booted: its own processes, network (nothing but lo) and systemd."""

    def __init__(self, root, folder):
        self.root = os.path.join(folder, 'clean')
        self.log = open(os.path.join(folder, 'console'), 'wb')
        _run('cp', '-a', '--reflink=auto', root, self.root)
        self.nspawn = self.leader = None

    def boot(self):
        self.nspawn = subprocess.Popen(
            ['systemd-nspawn', '--quiet', '--boot', '--directory', self.root, '--machine', f'rowcast-{os.getpid()}', '--private-network',
             '--register=no', '--keep-unit', '--link-journal=no', '--resolv-conf=off', '--timezone=off', '--console=pipe'],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        wait_until(self._find_leader, 'systemd-nspawn has started systemd', 30)
        wait_until(self._booted, 'the clean root is up', 120, 0.1)

    def _find_leader(self):
        if self.nspawn.poll() is not None:
            raise Unavailable(f'systemd-nspawn boots nothing here: {self.console()[-200:]}')
        with open(f'/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children') as f:
            for pid in f.read().split():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f'/proc/{pid}/comm') as comm:
                    if comm.read().strip() == 'systemd':
                        self.leader = int(pid)
                        return True
        return False

    def _booted(self):
        if self.nspawn.poll() is not None:
            raise Unavailable(f'systemd-nspawn boots nothing here: {self.console()[-200:]}')
        # It says `degraded` where a unit of the distribution's does not run in a container.
        return self.try_run('systemctl', 'is-system-running').stdout.strip() in ('running', 'degraded')

    def console(self):
        self.log.flush()
        with open(self.log.name, errors='replace') as f:
            return f.read()

    def command(self, *command):
        """What runs `command` in it, for subprocess."""
        return ['nsenter', '--target', str(self.leader), '--mount', '--uts', '--ipc', '--net', '--pid', '--root', '--', 'env', '-i', '-C', '/',
                'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'DEBIAN_FRONTEND=noninteractive', 'HOME=/root', 'LC_ALL=C.UTF-8', *command]

    def try_run(self, *command, **more):
        return subprocess.run(self.command(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)

    def run(self, *command, **more):
        """Its output; a status that is not 0 is a failure."""
        done = self.try_run(*command, **more)
        if done.returncode:
            raise AssertionError(f'{" ".join(command)}: status {done.returncode}\n{done.stdout[-3000:]}')
        return done.stdout

    def apt(self, *arguments):
        """Out of its cache: there is no network."""
        return self.run('apt-get', '-qq', '-y', '--no-install-recommends', '--no-download', *arguments)

    def enter_network(self):
        """This thread, and those that it starts, connect to what listens in there."""
        with open(f'/proc/{self.leader}/ns/net') as f:
            if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), 'setns')

    def path(self, name):
        return self.root + name

    def files(self):
        """What is there, but for what any use of a machine leaves: logs, caches, package
        lists, backups of the user list, what runs."""
        passed_over = ('/var/log', '/var/cache', '/var/lib/dpkg', '/var/lib/apt', '/run', '/proc', '/sys', '/dev', '/tmp', '/var/tmp',
                       '/var/lib/systemd/timers', '/var/lib/systemd/random-seed', '/etc/ld.so.cache', '/etc/.pwd.lock',
                       '/etc/passwd-', '/etc/group-', '/etc/shadow-', '/etc/gshadow-', '/etc/subuid-', '/etc/subgid-')
        found = set()
        for folder, folders, names in os.walk(self.root):
            here = folder[len(self.root):]
            folders[:] = [name for name in folders if f'{here}/{name}' not in passed_over]
            found.update(f'{here}/{name}' for name in folders + names if f'{here}/{name}' not in passed_over)
        return found

    def stop(self):
        if self.nspawn is not None and self.nspawn.poll() is None:
            self.nspawn.terminate()  # which shuts it down
            try:
                self.nspawn.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.nspawn.pid, signal.SIGKILL)
                self.nspawn.wait()
        self.log.close()
