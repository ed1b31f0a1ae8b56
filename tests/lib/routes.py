# SPDX-License-Identifier: Apache-2.0
"""The daemon's tables of routes and bodies, and the bodies that follow from them: right ones, and each way to be wrong."""
import json
import os
import re
import subprocess

from cloud import BUILD

UUID = "6f1d9c2e-1111-4000-8000-0000000000ff"
UNKNOWN_KEY = "no_such_key"
MAJOR = {"compute": 2, "placement": 1}  # of microversions


def load():
    out = subprocess.run([os.path.join(BUILD, "tests/list_routes"), "-j"], check=True, stdout=subprocess.PIPE, text=True).stdout
    for service in json.loads(out):
        for r in service["routes"]:
            r["service"] = service["name"]
            r["version_max"] = service["version_max"]
            yield r


def fill(r, ids=()):
    """The route's path with ids for its parameters; one that nothing has where none is given."""
    return re.sub(r"\{([^}]*)\}", lambda m: dict(ids).get(m[1], UUID), r["path"]) or "/"


def versions(r):
    """The first and last version that serves a route; 0, 0 where there are none."""
    return (max(r["since"], 1), r["until"] or r["version_max"]) if r["version_max"] else (0, 0)


def version_header(r, minor):
    return {"OpenStack-API-Version": "%s %d.%d" % (r["service"], MAJOR[r["service"]], minor)} if minor else {}


def takes_body(r):
    return r["method"] in ("POST", "PUT", "PATCH") and not (r["no_body"] or r["stream"])


# --- bodies

def known(f, version):
    return version >= f["since"] and (not f["until"] or version <= f["until"])


def right_value(f, version):
    kind = f["type"]
    if kind == "str":
        return f["words"][0] if f["words"] else "x" * max(f["min"], 1)
    if kind in ("int", "num"):
        return min(max(1, f["min"]), f["max"]) if f["min"] or f["max"] else 1
    if kind == "bool":
        return True
    if kind == "arr":
        return [right_value(f["items"], version) if f["items"] else {} for _ in range(f["min"])]
    if kind == "obj":
        inside = right_object(f["table"], version) if f["table"] else {}
        more = (f["table"] or {}).get("more")
        while len(inside) < f["min"]:
            inside["k%d" % len(inside)] = right_value(more, version) if more else 1
        return inside
    return {}


def right_object(table, version):
    """The least that the table takes."""
    fields = [f for f in table["fields"] if known(f, version)]
    if table["one"]:
        fields = fields[:1]
    return {f["name"]: right_value(f, version) for f in fields if f["required"] or table["one"]}


def accepts(f, v):
    """Would the row take a value of this type?"""
    kind = f["type"]
    is_int = isinstance(v, int) and not isinstance(v, bool)
    if kind == "str":
        return isinstance(v, str) or (f["loose"] and is_int)
    if kind == "int":
        return is_int or (isinstance(v, str) and v.lstrip("-").isdigit())
    if kind == "num":
        return is_int or isinstance(v, float)
    if kind == "bool":
        return isinstance(v, bool) or (f["loose"] and v in (0, 1, "true"))
    return kind == "any" or isinstance(v, {"obj": dict, "arr": list}[kind])


ALL_TYPES = ("x", 7, 1.5, True, [], {})


def edge_values(f):
    """(what, value, whether it is in range) at both ends of a row's range."""
    kind, lo, hi = f["type"], f["min"], f["max"]
    if kind == "str" and f["words"]:
        yield "a word that is none", "no such word", False
    elif kind == "str":
        hi = hi or 65535
        yield "the longest", "x" * hi, True
        yield "too long", "x" * (hi + 1), False
        if lo:
            yield "too short", "x" * (lo - 1), False
    elif kind in ("int", "num") and (lo or hi):
        for what, v, fine in (("the least", lo, True), ("too little", lo - 1, False), ("the most", hi, True), ("too much", hi + 1, False)):
            if -2**63 <= v < 2**63:
                yield what, v, fine
    elif kind == "int":
        yield "not an integer", 1.5, False


def counts(f, version):
    """(what, value) for arrays and objects of the wrong number of entries."""
    lo, hi = f["min"], f["max"]
    if f["type"] == "arr":
        one = right_value(f["items"], version) if f["items"] else {}
        if hi:
            yield "too many entries", [one] * (hi + 1)
        if lo:
            yield "too few entries", [one] * (lo - 1)
    elif f["type"] == "obj" and f["table"] and f["table"]["more"]:
        one = right_value(f["table"]["more"], version)
        if hi:
            yield "too many keys", {"k%d" % i: one for i in range(hi + 1)}
        if lo:
            yield "too few keys", {"k%d" % i: one for i in range(lo - 1)}


def value_variants(rows, version):
    """(what, value, path below, fine) for a value that one of these rows may take."""
    for v in ALL_TYPES:
        if not any(accepts(f, v) for f in rows):
            yield "of the wrong type: %s" % json.dumps(v), v, "", False
    for f in rows:
        for what, v, fine in edge_values(f):
            if fine or not any(o is not f and accepts(o, v) for o in rows):
                yield what, v, "", fine
        for what, v in counts(f, version):
            yield what, v, "", False
        if f["type"] == "obj" and f["table"]:
            for what, v, path, fine in object_variants(f["table"], version):
                yield what, v, "." + path, fine
        if f["type"] == "arr" and f["items"]:
            for what, v, path, fine in value_variants([f["items"]], version):
                yield what, [v] + [right_value(f["items"], version)] * (f["min"] - 1), "[0]" + path, fine


def object_variants(table, version):
    """(what, object, path in it, whether the table takes it): every row with every wrong type, out of range by one at both ends,
    left out, and null; unknown keys; all levels."""
    base = right_object(table, version)
    names = []
    for f in table["fields"]:
        if known(f, version) and f["name"] not in names:
            names.append(f["name"])
    for name in names:
        rows = [f for f in table["fields"] if f["name"] == name and known(f, version)]
        others = {} if table["one"] else base
        for what, v, path, fine in value_variants(rows, version):
            yield what, {**others, name: v}, name + path, fine
        if any(f["required"] for f in rows):
            yield "left out", {k: v for k, v in base.items() if k != name}, name, False
        if not any(f["null"] or f["type"] == "any" for f in rows):
            yield "null", {**others, name: None}, name, not (table["one"] or any(f["required"] for f in rows))
    if table["one"]:
        yield "no key", {}, "", False
        yield "two keys", {**base, UNKNOWN_KEY: None}, "", False
        yield "an unknown key", {UNKNOWN_KEY: {}}, UNKNOWN_KEY, False
    elif table["more"]:
        for what, v, path, fine in value_variants([table["more"]], version):
            yield what, {**base, UNKNOWN_KEY: v}, UNKNOWN_KEY + path, fine
    else:
        yield "an unknown key", {**base, UNKNOWN_KEY: 1}, UNKNOWN_KEY, False


def wrap(table, inside):
    return {table["top"]: inside} if table["top"] else inside


def right_body(table, version):
    return wrap(table, right_object(table, version))


def body_variants(table, version):
    top = table["top"]
    for what, inside, path, fine in object_variants(table, version):
        yield what, wrap(table, inside), "%s.%s" % (top, path) if top and path else top or path, fine
    if top:
        for v in ("x", 7, 1.5, True, [], None):
            yield "the top key is %s" % json.dumps(v), {top: v}, top, False
        yield "the wrong top key", {UNKNOWN_KEY: right_object(table, version)}, top, False
        yield "a key beside the top", {top: right_object(table, version), UNKNOWN_KEY: 1}, UNKNOWN_KEY, False
    elif not table["more"] and not any(f["required"] for f in table["fields"]) and not table["one"]:
        return


def inner_tables(table, path=""):
    """(path, table) of a table and of all inside it."""
    yield path, table
    for f in table["fields"]:
        for row in (f, f["items"] or {}):
            if row.get("table"):
                yield from inner_tables(row["table"], (path + "." if path else "") + f["name"] + ("[0]" if row is not f else ""))


def put_at(body, path, key, value, version, table):
    """`body` with `key` set in the object at `path`, what is on the way made right."""
    here, obj = table, body
    for step in re.findall(r"[^.\[\]]+|\[0\]", path):
        if step == "[0]":
            continue
        rows = [f for f in here["fields"] if f["name"] == step and known(f, version) and (f["table"] or (f["items"] or {}).get("table"))]
        if not rows:
            return None
        f = rows[0]
        if here["one"]:
            obj.clear()
        if f["type"] == "arr":
            here = f["items"]["table"]
            inner = right_object(here, version)
            obj[step] = [inner] + [right_value(f["items"], version)] * (f["min"] - 1)
        else:
            here = f["table"]
            inner = right_object(here, version)
            obj[step] = inner
        obj = inner
    if here["one"]:
        obj.clear()
    obj[key] = value
    return body


def version_variants(table, first, last):
    """(version, body, path, whether it is known there) for each row at the edges of its versions."""
    for path, inner in inner_tables(table):
        for f in inner["fields"]:
            for version in {f["since"] - 1, f["since"], f["until"], f["until"] + 1 if f["until"] else 0}:
                if not first <= version <= last or not (f["since"] or f["until"]):
                    continue
                is_known = any(known(o, version) for o in inner["fields"] if o["name"] == f["name"])
                if is_known != known(f, version):
                    continue
                inside = put_at(right_object(table, version), path, f["name"], right_value(f, version), version, table)
                if inside is None:
                    continue
                full = [p for p in (table["top"], path, f["name"]) if p]
                yield version, wrap(table, inside), ".".join(full), is_known


# --- seeds for the fuzz target of bodies

def full_value(f, version):
    if f["type"] == "obj" and f["table"]:
        inside = full_object(f["table"], version)
        if f["table"]["more"]:
            inside["k"] = right_value(f["table"]["more"], version)
        return inside
    if f["type"] == "arr" and f["items"]:
        return [full_value(f["items"], version)] * max(f["min"], 1)
    return right_value(f, version)


def full_object(table, version):
    """All that the table knows; of an action one."""
    return {f["name"]: full_value(f, version) for f in reversed(table["fields"]) if known(f, version)}


def seeds(r):
    """(name, text) of inputs for tests/fuzz/fuzz_body.c: for an action one each, else one with every field."""
    table, last = r["body"], versions(r)[1]
    head = "%s %s %d\n" % (r["method"], r["path"], last)
    slug = re.sub(r"[^a-z0-9]+", "-", (r["method"] + r["path"]).lower()).strip("-")
    full = full_object(table, last)
    if table["one"]:
        for key, value in full.items():
            yield "%s-%s" % (slug, key.lower()), head + json.dumps({key: value})
    else:
        yield slug, head + json.dumps(wrap(table, full))


def words():
    """Every name and word of the tables, for the fuzzer's dictionary."""
    found = set()
    for r in load():
        if r["body"]:
            for _, t in inner_tables(r["body"]):
                found.update([t["top"]] if t["top"] else [])
                for f in t["fields"]:
                    found.update([f["name"]] + f["words"])
    return sorted(found)


def write_seeds(directory, dictionary):
    os.makedirs(directory, exist_ok=True)
    for r in load():
        for name, text in seeds(r) if r["body"] else ():
            with open(os.path.join(directory, name), "w") as f:
                f.write(text + "\n")
    with open(dictionary, "w") as f:
        f.write("".join("\"\\\"%s\\\"\"\n" % w for w in words()))


if __name__ == "__main__":
    import sys
    write_seeds(*sys.argv[1:])
