#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and runs gophercloud/main.go with Debian's golang-go and golang-github-gophercloud-gophercloud-dev. They are large, so
scripts/test does not install them; without them this test is skipped."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import TOP, Cloud  # noqa: E402

GOPATH = "/usr/share/gocode"


def main():
    if not shutil.which("go") or not os.path.isdir(GOPATH + "/src/github.com/gophercloud/gophercloud"):
        print("SKIP: needs golang-go and golang-github-gophercloud-gophercloud-dev")
        return 77
    with Cloud(hosts=1) as cloud:
        program = os.path.join(cloud.dir, "gopher")
        env = {**os.environ, "GO111MODULE": "off", "GOPATH": GOPATH, "GOFLAGS": "", "GOCACHE": os.path.join(cloud.dir, "gocache")}
        subprocess.run(["go", "build", "-o", program, os.path.join(TOP, "tests/integration/gophercloud/main.go")], check=True, env=env)
        return subprocess.run([program], env={**os.environ, **cloud.env["tenant"]}).returncode


if __name__ == "__main__":
    sys.exit(main())
