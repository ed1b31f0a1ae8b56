# SPDX-License-Identifier: Apache-2.0
"""Three real hosts and a controller that can be hurt: each pool and the controller's state in a small file system of its own,
certificates that expire, a daemon that is killed and, when it left by itself, started again as systemd would."""
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cloud import BUILD, TOP, Cloud, ended  # noqa: E402

SETTINGS = ("hosts.retry_max_ms=1000", "hosts.stop_timeout_s=2", "hosts.call_timeout_ms=35000", "hosts.connect_timeout_ms=3000")
STATE_MIB, POOL_MIB = 512, 12 << 10
BROKEN = re.compile(rb"ERROR: \w+Sanitizer|runtime error:|Assertion .* failed|SUMMARY: ")


def run(*args, check=True, **more):
    return subprocess.run(args, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more).stdout


class Bed(Cloud):
    """with Bed(hosts=3) as bed: ..."""

    def __init__(self, hosts, no_system=False):
        super().__init__(driver="qemu", hosts=hosts, settings=SETTINGS)
        self.work = tempfile.mkdtemp(prefix="cloudd-torture-")  # what must not lie in a file system that fills up
        self.mounted, self.kills, self.exits, self.log_read, self.locked = [], 0, 0, 0, 0
        self.leaving = False  # it may end by itself: its disk is full
        self.lock = threading.Lock()
        self.no_system, self.empty = no_system, os.path.join(self.work, "empty.qcow2")
        run("qemu-img", "create", "-q", "-f", "qcow2", self.empty, "1M")
        if no_system:
            os.environ["CLOUDD_GUEST_IMAGE"] = self.empty

    # --- small file systems ---

    def mount(self, name, path, mib):
        image = os.path.join(self.work, name + ".ext4")
        with open(image, "wb") as f:
            f.truncate(mib << 20)
        run("mkfs.ext4", "-q", "-F", "-m", "0", image)
        os.makedirs(path, exist_ok=True)
        run("mount", "-o", "loop", image, path)
        os.rmdir(os.path.join(path, "lost+found"))
        self.mounted.append(path)

    def state(self):
        return os.path.join(self.dir, "state")

    def pool(self, i):
        return os.path.join(self.dir, "host%d/images" % i)

    def __enter__(self):
        try:
            self.mount("state", self.state(), STATE_MIB)
            for i in range(1, self.hosts + 1):
                self.mount("pool%d" % i, self.pool(i), POOL_MIB)
            return super().__enter__()
        except BaseException:
            self.unmount()
            if os.path.exists(os.path.join(self.dir, "devcloud.env")):
                self.devcloud("down", self.dir)
            shutil.rmtree(self.work, ignore_errors=True)
            raise

    def unmount(self):
        while self.mounted:
            run("umount", "-l", self.mounted.pop(), check=False)

    def __exit__(self, kind, failure, trace):
        self.unmount()
        super().__exit__(kind, failure, trace)
        shutil.rmtree(self.work, ignore_errors=True)

    def keep(self, where):
        """The logs and the database, for whoever looks at a violation."""
        os.makedirs(where, exist_ok=True)
        shutil.copy(os.path.join(self.dir, "cloudd.log"), where)
        for name in os.listdir(self.state()):
            if name.startswith("cloudd.db"):
                shutil.copy(os.path.join(self.state(), name), where)
        for i in range(1, self.hosts + 1):
            to = os.path.join(where, "host%d" % i)
            shutil.copytree(os.path.join(self.dir, "host%d/log" % i), to, dirs_exist_ok=True)
            with open(os.path.join(to, "pool"), "w") as f:
                f.write(run("ls", "-la", "--time-style=full-iso", self.pool(i)))

    def upload(self, name, path):
        """A public image of a file; its id."""
        body = {"name": name, "disk_format": "qcow2", "container_format": "bare", "visibility": "public"}
        i = self.request("admin", "POST", "/image/v2/images", body).json["id"]
        with open(path, "rb") as f:
            a = self.request("admin", "PUT", "/image/v2/images/%s/file" % i, f.read(), {"Content-Type": "application/octet-stream"})
        assert a.status == 204, a.body
        return i

    # --- the daemon ---

    def alive(self):
        return not ended(self.pid())

    def kill(self):
        """kill -9, wherever it is just now."""
        with self.lock:
            pid = self.pid()
            if not ended(pid):
                os.kill(pid, signal.SIGKILL)
                self.kills += 1
            while not ended(pid):
                time.sleep(0.005)

    def start(self):
        """Starts it if it does not run; False: it would not (a full disk may be a reason)."""
        with self.lock:
            if self.alive():
                return True
            r = subprocess.run([os.path.join(TOP, "scripts/devcloud"), "restart", self.dir], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
            if r.returncode and not self.leaving:
                raise AssertionError("the daemon does not start: " + r.stderr[-600:])
            return r.returncode == 0

    def tend(self):
        """What systemd does: one that left is started again."""
        if self.alive():
            return
        self.exits += 1
        if not self.leaving:
            raise AssertionError("the daemon ended by itself")
        self.start()

    def broken(self):
        """What the daemon says of its own mistakes since it was asked last."""
        with open(os.path.join(self.dir, "cloudd.log"), "rb") as f:
            f.seek(self.log_read)
            text = f.read()
        self.log_read += len(text)
        return sorted({line[:200].decode(errors="replace") for line in text.splitlines() if BROKEN.search(line)})

    # --- certificates ---

    def issue(self, name, files, seconds, usage, san=None, ca=None):
        """A certificate of the cloud's CA (or another) for an existing key, good for so many seconds."""
        ca = ca or os.path.join(self.dir, "pki")
        cert, key = files
        d = tempfile.mkdtemp(dir=self.work)
        with open(os.path.join(d, "conf"), "w") as f:
            f.write("[ca]\ndefault_ca=c\n[c]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\n"
                    "email_in_dn=no\nunique_subject=no\n[p]\ncommonName=supplied\n[x]\nbasicConstraints=CA:FALSE\n"
                    "keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=%s\n%s" % (
                        d, d, d, usage, "subjectAltName=%s\n" % san if san else ""))
        open(os.path.join(d, "index"), "w").close()
        with open(os.path.join(d, "serial"), "w") as f:
            f.write("%016x\n" % int.from_bytes(os.urandom(7), "big"))
        run("openssl", "req", "-new", "-key", key, "-subj", "/CN=" + name, "-out", d + "/csr")
        now = time.time()
        times = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(t)) for t in (now - 3600, now + seconds)]
        run("openssl", "ca", "-batch", "-notext", "-config", d + "/conf", "-extensions", "x", "-in", d + "/csr", "-out", d + "/crt",
            "-cert", ca + "/cacert.pem", "-keyfile", ca + "/private/cakey.pem", "-startdate", times[0], "-enddate", times[1])
        shutil.copy(d + "/crt", cert)
        shutil.rmtree(d)

    def other_ca(self):
        """A CA that nobody trusts."""
        ca = os.path.join(self.work, "other")
        if not os.path.exists(ca):
            run(os.path.join(BUILD, "src/cloudctl/cloudctl"), "pki", "init", ca, "--name", "cloudd development CA")
        return ca

    # --- what is seen of a host from outside ---

    def address(self, i):
        """Of host i on the wire."""
        return re.search(r"inet ([\d.]+)/", run("ip", "-n", "cd%s-%d" % (self.tag(), i), "addr", "show", "eth0"))[1]

    def tag(self):
        return hashlib.sha256(self.dir.encode()).hexdigest()[:6]

    def wire(self, i):
        """The cable of host i, as this machine has it: cdwTAG-I, with TAG out of the directory's name."""
        return "cdw%s-%d" % (self.tag(), i)

    def verb(self, verb, i):
        return [os.path.join(TOP, "scripts/devcloud"), "host", self.dir, verb, str(i)]

    def unlock(self, i):
        """libvirt 9 never lets go of a guest if it was killed between writing down that it starts it and doing so: not after being started
        again, either. What docs/operating.md tells an operator to do, while it does not run."""
        self.locked += len(self.inside(i, "sh", "-c", "grep -ls \"<domstatus.* pid='0'\" /run/libvirt/qemu/*.xml | xargs -r rm -v").split("\n")) - 1

    def inside(self, i, *command):
        """A command beside host i's libvirtd; "" when the host has no power."""
        r = subprocess.run([os.path.join(TOP, "scripts/lib/private-libvirtd.sh"), "exec", os.path.join(self.dir, "host%d" % i), *command],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return r.stdout

    def qemus(self):
        """(host, uuid, pid) of every guest's process on the hosts."""
        spaces, out = {}, []
        for i in range(1, self.hosts + 1):
            try:
                with open(os.path.join(self.dir, "host%d/pidns" % i)) as f:
                    spaces[f.read().strip()] = i
            except FileNotFoundError:
                pass  # it has no power
        for p in os.listdir("/proc"):
            if not p.isdigit():
                continue
            try:
                with open("/proc/%s/cmdline" % p, "rb") as f:
                    words = f.read().split(b"\0")
                host = spaces.get(os.readlink("/proc/%s/ns/pid" % p)) if b"qemu-system" in words[0] else None
            except OSError:
                continue
            if host and b"-uuid" in words:
                out.append((host, words[words.index(b"-uuid") + 1].decode(), int(p)))
        return out
