#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""judge.py RESULTS [--all] <differences: holds tempest's results against the list of what differs on purpose.

A line of the list is a regular expression over the whole name of a test, blanks, and the reason. With --all each line must have
been needed: what passes by now is to be taken out."""
import re
import sys


def read_differences(lines):
    for line in lines:
        if line.strip() and not line.startswith("#"):
            pattern, reason = line.split(None, 1)
            yield re.compile(pattern), reason.strip()


def main():
    results = [line.rstrip("\n").split(" ", 1) for line in open(sys.argv[1], encoding="utf-8")]
    passed = sum(1 for what, _ in results if what == "ok")
    skipped = sum(1 for what, _ in results if what.startswith("SKIPPED"))
    failed = [name for what, name in results if what == "FAILED"]
    differences, used, wrong = list(read_differences(sys.stdin)), set(), 0
    for name in sorted(failed):
        hits = [i for i, (pattern, _) in enumerate(differences) if pattern.search(name)]
        used.update(hits)
        if not hits:
            wrong += 1
            print("FAIL", name)
    if "--all" in sys.argv:
        for i, (pattern, reason) in enumerate(differences):
            if i not in used:
                wrong += 1
                print("FAIL nothing differs any more by '%s' (%s)" % (pattern.pattern, reason))
    print("%d passed, %d skipped, %d failed: %d as tests/tempest/differences says, %d not" %
          (passed, skipped, len(failed), len(failed) - sum(1 for n in failed if not any(p.search(n) for p, _ in differences)),
           wrong))
    return 1 if wrong or not passed else 0


sys.exit(main())
