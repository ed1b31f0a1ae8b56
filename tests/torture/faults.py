# SPDX-License-Identifier: Apache-2.0
"""What befalls a cloud: a table of faults, each with how it begins, how it is healed, and which failures it excuses."""
import os
import shutil
import signal
import subprocess
import time

from bed import run

NOTHING = ()
FULL = ("No space left", "no space", "disk is full", "Input/output error", "not enough", "cannot be stored")
GONE = ("is gone from both hosts",)


def ignore(*_):
    pass


class Fault:
    """One of the table, on one host (0: the controller)."""

    def __init__(self, kind, host):
        self.kind, self.host, self.kept, self.tool = kind, host, {}, None
        self.row = TABLE[kind]

    def __str__(self):
        return self.kind + (" host%d" % self.host if self.host else "")

    def begin(self, bed, rng, people):
        self.row["begin"](self, bed, rng, people)

    def end(self, bed):
        self.row["end"](self, bed)


# --- libvirtd ---

def stopd(f, bed, *_):
    bed.host("stopd", f.host)


def termd(f, bed, *_):
    bed.inside(f.host, "sh", "-c", "kill $(cat /run/libvirtd.pid)")


def startd(f, bed):
    for _ in range(100):  # one that was told to stop may still be at it
        if "libvirtd" not in bed.inside(f.host, "sh", "-c", "cat /proc/$(cat /run/libvirtd.pid)/comm 2>/dev/null"):
            break
        time.sleep(0.1)
    bed.unlock(f.host)
    bed.host("startd", f.host)


def hang(f, bed, *_):
    bed.host("hang", f.host)


def unhang(f, bed):
    bed.host("unhang", f.host)


def slow(f, bed, *_):
    """It works a tenth of the time."""
    f.tool = subprocess.Popen([
        "/bin/sh", "-c", "while :; do %s freeze %s; sleep 0.4; %s thaw %s; sleep 0.05; done" % ((
            os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/lib/private-libvirtd.sh"),
            os.path.join(bed.dir, "host%d" % f.host)) * 2)], stderr=subprocess.DEVNULL, start_new_session=True)


def brisk(f, bed):
    os.killpg(f.tool.pid, signal.SIGKILL)
    f.tool.wait()
    bed.host("unhang", f.host)


# --- network and power ---

def cut(f, bed, *_):
    bed.host("cut", f.host)


def heal(f, bed):
    bed.host("heal", f.host)


def narrow(f, bed, *_):
    """Its network carries 40 kB a second."""
    f.tool = bed.wire(f.host)
    run("tc", "qdisc", "add", "dev", f.tool, "root", "tbf", "rate", "320kbit", "burst", "4kb", "latency", "500ms")


def wide(f, bed):
    run("tc", "qdisc", "del", "dev", f.tool, "root", check=False)


def power_off(f, bed, *_):
    bed.host("kill", f.host)


def power_on(f, bed):
    bed.host("start", f.host)


def kill_guest(f, bed, rng, _):
    """A guest's process, if there is one there."""
    found = sorted((uuid, pid) for host, uuid, pid in bed.qemus() if host == f.host)
    if found:
        uuid, pid = rng.choice(found)
        f.kept["killed"] = uuid
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def on_its_way(bed, rng, people, host, away):
    """Has a guest moved live to the host, or away from it, and returns when it is on its way."""
    here = "host%d" % host
    movers = [s.id for p in people for s in list(p.servers) if s.id and s.id != "?" and s.deleted is False]
    rng.shuffle(movers)
    for i in movers:
        home = bed.fate.host_of(i)
        if home and (home == here) == away and bed.fate.move(i, None if away else here):
            break
    else:
        return
    end = time.monotonic() + 4
    while time.monotonic() < end and len({h for h, uuid, _ in bed.qemus() if uuid == i}) < 2:
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 1.2))


def mid_move(what, away=False):
    """It befalls the host in the middle of a live move to it, or away from it."""
    def begin(f, bed, rng, people):
        on_its_way(bed, rng, people, f.host, away)
        what(f, bed)
    return begin


# --- certificates ---

def libvirtd_again(f, bed):
    """Whether it started again."""
    subprocess.run(bed.verb("stopd", f.host), check=False, stderr=subprocess.DEVNULL)  # it may not run
    bed.unlock(f.host)
    return subprocess.run(bed.verb("startd", f.host), check=False, stderr=subprocess.DEVNULL).returncode == 0


def host_files(f, bed):
    """(certificate, key) in all places where libvirt and QEMU look."""
    d = os.path.join(bed.dir, "host%d" % f.host)
    yield d + "/pki/servercert.pem", d + "/pki/serverkey.pem"
    for role in ("server", "client"):
        yield d + "/etc/pki/libvirt/%scert.pem" % role, d + "/etc/pki/libvirt/private/%skey.pem" % role
        yield d + "/etc/pki/qemu/%s-cert.pem" % role, d + "/etc/pki/qemu/%s-key.pem" % role


def keep_file(f, path):
    with open(path, "rb") as file:
        f.kept[path] = file.read()


def put_back(f):
    for path, data in f.kept.items():
        with open(path, "wb") as file:
            file.write(data)


def host_certificate(f, bed, seconds, ca=None):
    name, address = "host%d" % f.host, bed.address(f.host)
    first = None
    for cert, key in host_files(f, bed):
        keep_file(f, cert)
        if first:
            shutil.copy(first, cert)  # its key is the same one
        else:
            bed.issue(name, (cert, key), seconds, "serverAuth,clientAuth", "DNS:%s,IP:%s" % (name, address), ca)
            first = cert
    if ca:  # it does not start with a certificate that its own CA knows nothing of
        for path in ("pki/cacert.pem", "etc/pki/CA/cacert.pem", "etc/pki/qemu/ca-cert.pem"):
            path = os.path.join(bed.dir, "host%d" % f.host, path)
            keep_file(f, path)
            shutil.copy(ca + "/cacert.pem", path)
    return libvirtd_again(f, bed)


def host_expires(f, bed, *_):
    """libvirtd does not start with one that has expired: it expires while it runs. Where that takes too long, it stays away."""
    host_certificate(f, bed, 3)
    time.sleep(3)


def host_other_ca(f, bed, *_):
    host_certificate(f, bed, 86400, bed.other_ca())


def host_good(f, bed):
    put_back(f)
    assert libvirtd_again(f, bed), "libvirtd of host%d does not start" % f.host


def client_files(bed):
    d = os.path.join(bed.dir, "pki/issued/controller")
    return d + "/clientcert.pem", d + "/clientkey.pem"


def client_expires(f, bed, *_):
    keep_file(f, client_files(bed)[0])
    bed.issue("controller", client_files(bed), -60, "clientAuth")
    os.kill(bed.pid(), signal.SIGHUP)


def client_good(f, bed):
    put_back(f)
    if bed.alive():
        os.kill(bed.pid(), signal.SIGHUP)


# --- disks ---

def fill(path, leave=0):
    """All that is left of a file system, but so many bytes."""
    s = os.statvfs(path)
    fd = os.open(os.path.join(path, "filler"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(fd, 0, max(s.f_bavail * s.f_frsize - leave - (1 << 20), 1))
        os.lseek(fd, 0, os.SEEK_END)
        for _ in range((1 << 20) // 4096 if leave else 1 << 20):  # what the file system needs for itself is not known
            os.write(fd, b"\0" * 4096)
    except OSError:
        pass  # full
    finally:
        os.close(fd)


def empty(path):
    try:
        os.unlink(os.path.join(path, "filler"))
    except FileNotFoundError:
        pass


def pool_full(f, bed, rng, _):
    fill(bed.pool(f.host), rng.choice((0, 0, 300000)))


def pool_empty(f, bed):
    empty(bed.pool(f.host))


def state_full(f, bed, rng, _):
    bed.leaving = True
    fill(bed.state(), rng.choice((0, 0, 65536)))


def state_empty(f, bed):
    empty(bed.state())
    bed.start()
    bed.leaving = False


# begin, end; on a host or on the controller; excuses: what the fault of a server in ERROR may say; dies: guests there do;
# seconds: how long a round lasts at least
def row(begin, end, where="host", excuses=NOTHING, dies=False, seconds=0):
    return {"begin": begin, "end": end, "where": where, "excuses": excuses, "dies": dies, "seconds": seconds}


TABLE = {
    "none": row(ignore, ignore, "controller"),
    "libvirtd-killed": row(stopd, startd),
    "libvirtd-stopped": row(termd, startd),
    "libvirtd-hung": row(hang, unhang, seconds=8),
    "libvirtd-slow": row(slow, brisk, seconds=8),
    "network-cut": row(cut, heal, seconds=8),
    "network-slow": row(narrow, wide),
    "power": row(power_off, power_on, excuses=GONE, dies=True),
    "guest-killed": row(kill_guest, ignore, dies=True),
    "target-dies": row(mid_move(power_off), power_on, excuses=GONE, dies=True),
    "source-dies": row(mid_move(power_off, True), power_on, excuses=GONE, dies=True),
    "target-cut": row(mid_move(cut), heal, seconds=8),
    "target-hung": row(mid_move(hang), unhang, seconds=8),
    "source-libvirtd-killed": row(mid_move(stopd, True), startd),
    "host-cert-expired": row(host_expires, host_good, seconds=8),
    "host-cert-foreign": row(host_other_ca, host_good),
    "client-cert-expired": row(client_expires, client_good, "controller"),
    "pool-full": row(pool_full, pool_empty, excuses=FULL),
    "state-full": row(state_full, state_empty, "controller", excuses=FULL),
}
PAIRS_OF = [k for k in TABLE if k != "none"]
