# SPDX-License-Identifier: Apache-2.0
"""The unmodified openstack client, run in this process: a start of the command takes over a second, a call of its shell a
tenth of that. Knows all commands there are, and counts those that were run."""
import collections
import contextlib
import importlib.metadata
import io
import json
import logging
import os
import shlex
import sys
import time
import traceback
import unittest.mock

from cliff.lister import Lister
from cliff.show import ShowOne
from openstackclient.shell import OpenStackShell
from openstackclient.volume import client as volume
from osc_lib.clientmanager import ClientCache, ClientManager

IDENTITY, COMPUTE, IMAGE, COMMON = "openstack.identity.v3", "openstack.compute.v2", "openstack.image.v2", "openstack.common"
PLACEMENT = "openstack.placement.v1"


def commands(*groups):
    """{"server create": class, ...} of these groups of entry points."""
    found = {}
    for group in groups:
        for ep in importlib.metadata.entry_points(group=group):
            found[ep.name.replace("_", " ")] = ep.load()
    return found


volume_versions = dict(volume.API_VERSIONS)


def forget():
    """A process of the client runs one command for one person: forgets what it keeps of them."""
    logging.getLogger().handlers.clear()
    volume.API_VERSIONS.update(volume_versions)
    for service in vars(ClientManager).values():
        if isinstance(service, ClientCache):
            service._handle = None


class Terminal(io.StringIO):
    """Somebody sits before it; of anything else the client would read data."""

    def isatty(self):
        return True


@contextlib.contextmanager
def short_pauses():
    """With --wait the client looks every five seconds; here it does not sleep that long."""
    real = time.sleep
    with unittest.mock.patch("time.sleep", lambda seconds: real(min(seconds, 0.05))):
        yield


class Failed(Exception):
    """The command ended with an error; str() is what it printed."""


class Client:
    """openstack = Client(env); openstack("server list") is a list of rows, ("server show x") a dict, others their text."""

    all = commands(IDENTITY, COMPUTE, IMAGE, COMMON, PLACEMENT)

    def __init__(self, env, options=""):
        self.env, self.options, self.count = env, shlex.split(options), collections.Counter()

    runs = property(lambda self: self.count.total())
    seen = property(lambda self: set(self.count))

    def like(self, options="", **env):
        """The same person with other options or variables (None: without it); what it runs is counted here too."""
        other = Client({k: v for k, v in {**self.env, **env}.items() if v is not None}, options)
        other.count = self.count
        return other

    def by_token(self):
        """The same person with a token in place of the password, whose check takes time on purpose."""
        token = self("token issue")["id"]
        return self.like(OS_USERNAME=None, OS_PASSWORD=None, OS_USER_DOMAIN_ID=None, OS_AUTH_TYPE="v3token", OS_TOKEN=token)

    def name_of(self, words):
        for n in range(len(words), 0, -1):
            name = " ".join(words[:n])
            if name in self.all:
                return name
        raise LookupError("no command: " + " ".join(words))

    def text(self, words):
        """Runs it; what it wrote to standard output."""
        out, err = io.StringIO(), io.StringIO()
        self.count[self.name_of(words)] += 1
        saved, code = dict(os.environ), 1
        for name in [k for k in os.environ if k.startswith("OS_")]:
            del os.environ[name]
        os.environ.update(self.env)
        forget()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), short_pauses(), \
                    unittest.mock.patch("sys.stdin", Terminal()):
                code = OpenStackShell().run(self.options + words)
        except SystemExit as e:
            code = e.code
        finally:
            os.environ.clear()
            os.environ.update(saved)
        if code:
            raise Failed("openstack %s: %s" % (shlex.join(words), (err.getvalue() or out.getvalue()).strip()))
        return out.getvalue()

    def __call__(self, line):
        """line: a command as it is typed."""
        words = shlex.split(line)
        name = self.name_of(words)
        shows = issubclass(self.all[name], (Lister, ShowOne))
        out = self.text(words + ["-f", "json"] if shows else words)
        if not shows or not out.strip():
            return out
        starts = [n for n in (out.find("{"), out.find("[")) if n >= 0]  # --wait writes a word before it
        if not starts:
            raise Failed("openstack %s: %s" % (line, out))
        return json.loads(out[min(starts):])

    def fails(self, line, *texts):
        """The command fails, and says each of these texts."""
        try:
            out = self(line)
        except Failed as e:
            for text in texts:
                assert text in str(e), "%s\n  does not say '%s'" % (e, text)
            return str(e)
        raise AssertionError("openstack %s: succeeded: %s" % (line, out))


def left_out(all_names, seen, excluded):
    """The commands that were neither run nor excluded, and the number of those excluded. excluded: {name or beginning of
    names: why}"""
    def why(name):
        return next((w for begin, w in excluded.items() if name == begin or name.startswith(begin + " ")), None)
    return [n for n in all_names if n not in seen and not why(n)], len([n for n in all_names if n not in seen and why(n)])


def holds(got, **want):
    """got, a dict as the client shows it, has these values."""
    for key, value in want.items():
        assert key in got and got[key] == value, "%s: %r, not %r, in %s" % (key, got.get(key), value, got)
    return got


def column(rows, name):
    return [r[name] for r in rows]


def until(seen, what, seconds=120):
    """Looks until seen() is true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = seen()
        if value:
            return value
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.05)


def chapters(openstack, functions, after=None):
    """Calls each function with (openstack), going on after one that fails; the names of those. `after` clears up behind them."""
    failed = []
    for chapter in functions:
        runs, began = openstack.runs, time.monotonic()
        try:
            chapter(openstack)
            print("ok %s: %d commands in %.1f s" % (chapter.__name__, openstack.runs - runs, time.monotonic() - began))
        except Exception as e:
            failed.append(chapter.__name__)
            print("FAILED %s: %s" % (chapter.__name__, "".join(traceback.format_exception(e))))
            if after:
                after()
        sys.stdout.flush()
    return failed


def account(openstack, names, excluded):
    """Each of these commands must have been run, or be excluded. The exit status of the test."""
    left, n = left_out(sorted(names), openstack.seen, excluded)
    print("%d of %d commands driven in %d runs, %d excluded" % (len(set(names) & openstack.seen), len(names), openstack.runs, n))
    if left:
        print("FAILED neither driven nor excluded: " + ", ".join(left))
    return 1 if left else 0
