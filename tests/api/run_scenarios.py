#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the scenario files of this folder against the daemon over TLS on simulated hosts.

    # a comment                                   [a title]: a case of its own, with variables of its own
    as tenant                                     who asks from now on: admin, tenant, reader, other, nobody
    with OpenStack-API-Version: compute 2.79      a header of the next request
    POST /compute/v2.1/servers {"server": …}      JSON may go on over the next lines, indented; ${NAME} is replaced
    = 202                                         the status it must have
    ~ server.name == "vm1"                        a Python expression about the body's parts; the body itself is `body`,
                                                  the headers `headers`
    > ID server.id                                keeps a part under a name; DAY_1 to DAY_7 are times so many days from now
    until server.status == "ACTIVE"               before a GET: asks until it holds (a minute at most)
"""
import glob
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import Cloud  # noqa: E402

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class View(dict):
    """JSON objects whose keys are attributes: server.flavor.id"""

    def __getattr__(self, key):
        if key not in self:
            raise KeyError(key)
        return view(self[key])

    def __getitem__(self, key):
        return view(dict.__getitem__(self, key))


def view(v):
    if isinstance(v, dict):
        return View(v)
    return [view(x) for x in v] if isinstance(v, list) else v


class Failed(Exception):
    pass


class Player:
    def __init__(self, cloud):
        self.cloud = cloud

    def reset(self):
        self.who, self.headers, self.answer, self.until = "tenant", {}, None, None
        self.vars = {"DAY_%d" % n: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + n * 86400)) for n in range(1, 8)}

    def fill(self, text):
        return re.sub(r"\$\{(\w+)\}", lambda m: str(self.vars[m[1]]), text)

    def names(self):
        try:
            body = view(self.answer.json)
        except ValueError:
            body = self.answer.body.decode(errors="replace")
        names = dict(self.vars, __builtins__={}, body=body, headers=self.answer.headers, re=re, len=len, any=any, all=all, sorted=sorted, set=set,
                     isinstance=isinstance, int=int, str=str, list=list, dict=dict, type=type)
        if isinstance(body, dict):
            names.update({k: body[k] for k in body})
        return names

    def value(self, expression):
        # as globals, so that comprehensions see them too
        return eval(self.fill(expression), self.names())

    def holds(self, expression):
        try:
            return bool(self.value(expression))
        except (KeyError, NameError, TypeError, IndexError, AttributeError):
            return False

    def request(self, method, path, text):
        who = None if self.who == "nobody" else self.who
        body = None
        if text:
            try:
                body = json.loads(text)
                body = body if isinstance(body, (dict, list)) else text.encode()
            except ValueError:
                body = text.encode()
        self.answer = self.cloud.request(who, method, path, body, self.headers)

    def play(self, line):
        word, _, rest = line.partition(" ")
        if word == "as":
            self.who = rest.strip()
        elif word == "with":
            name, _, value = rest.partition(":")
            self.headers[name.strip()] = self.fill(value.strip())
        elif word == "until":
            self.until = rest
        elif word in METHODS:
            path, _, text = rest.strip().partition(" ")
            end = time.monotonic() + 60
            while True:
                self.request(word, self.fill(path), self.fill(text.strip()))
                if not self.until or self.holds(self.until):
                    break
                if time.monotonic() > end:
                    raise Failed("never held: " + self.until)
                time.sleep(0.02)
            self.headers, self.until = {}, None
        elif word == "=":
            if self.answer.status != int(rest):
                raise Failed("status %d" % self.answer.status)
        elif word == "~":
            if not self.holds(rest):
                raise Failed("does not hold")
        elif word == ">":
            name, _, expression = rest.partition(" ")
            self.vars[name] = self.value(expression)
        else:
            raise Failed("not a line of a scenario")


def logical_lines(path):
    """(number, text): indented lines go on the line before."""
    out = []
    with open(path, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if not line.strip() or line.startswith("#"):
                continue
            if line[0] in " \t" and out:
                out[-1][1] += " " + line.strip()
            else:
                out.append([n, line])
    return out


def play_file(player, path):
    """Returns (passed, failed) cases."""
    passed = failed = 0
    title, bad = None, False
    for n, line in logical_lines(path) + [[0, "[end]"]]:
        if line.startswith("["):
            if title:
                passed, failed = passed + (not bad), failed + bad
                print("%s %s: %s" % ("FAIL" if bad else "ok  ", os.path.basename(path), title))
            title, bad = line.strip("[]"), False
            player.reset()
        elif not bad:
            try:
                player.play(line)
            except Exception as e:  # a case's failure, whatever it is, is its own
                a = player.answer
                print("%s:%d: %s: %s" % (path, n, line, e or type(e).__name__))
                print("    answered %s %s" % (a.status, a.body[:600].decode(errors="replace")) if a else "    no answer yet")
                bad = True
    return passed, failed


def main():
    files = sys.argv[1:] or sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "*.scenario")))
    total = [0, 0]
    with Cloud(settings=("compute.preempt_notice_s=0", "compute.preempt_lead_s=0")) as cloud:
        cloud.add_person("reader", "reader", "demo")
        cloud.add_person("other", "member", "elsewhere")
        player = Player(cloud)
        for path in files:
            p, f = play_file(player, path)
            total = [total[0] + p, total[1] + f]
        check = json.loads(cloud.ctl("check", "-o", "json"))["check"]
        if not check["ok"]:
            print("cloudctl check:", json.dumps(check["findings"], indent=1))
            total[1] += 1
        cloud.ctl("audit", "verify", "--db", os.path.join(cloud.dir, "state/cloudd.db"))
        if total[1]:
            cloud.show_log()
    print("%d cases passed, %d failed" % tuple(total))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
