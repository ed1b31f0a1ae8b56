# SPDX-License-Identifier: Apache-2.0
"""What the measuring scripts share: the optimized build, what a process uses, and figures with their goals."""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def say(text):
    print(text, file=sys.stderr, flush=True)


def build(*targets):
    """The build of CLOUDD_BUILD as it is, else the optimized one of the checkout, brought up to date."""
    if "CLOUDD_BUILD" not in os.environ:
        where = os.path.join(TOP, "build")
        subprocess.run(["cmake", "-S", TOP, "-B", where, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["ninja", "-C", where, "cloudd", "cloudctl", *targets], check=True, stdout=subprocess.DEVNULL)
        os.environ["CLOUDD_BUILD"] = where
    return os.environ["CLOUDD_BUILD"]


def memory_kib(pid):
    """Anonymous memory that is resident: what a leak makes grow."""
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Anonymous:"))


def cpu_us(pid):
    """Of all its threads, since its start."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000000 // os.sysconf("SC_CLK_TCK")


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def size(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def quantile(values, q):
    v = sorted(values)
    return v[min(len(v) - 1, int(len(v) * q))] if v else 0.0


def slope(points):
    """Least squares over (x, y)."""
    n = len(points)
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    below = sum((x - mx) ** 2 for x, _ in points)
    return sum((x - mx) * (y - my) for x, y in points) / below if below else 0.0


class Figures:
    """Printed in the end as "name value unit"; a figure that misses its goal makes the exit status 1."""

    def __init__(self):
        self.rows, self.missed = [], []

    def add(self, name, value, unit, most=None, least=None):
        text = "%.3f" % value if isinstance(value, float) else str(value)
        self.rows.append("%s %s %s" % (name, text, unit))
        if (most is not None and value > most) or (least is not None and value < least):
            self.missed.append("%s is %s %s, to be %s" % (name, text, unit,
                               "%s at most" % most if most is not None else "%s at least" % least))

    def end(self):
        print("\n".join(self.rows))
        for line in self.missed:
            say("MISSED: " + line)
        return 1 if self.missed else 0
