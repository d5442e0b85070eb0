# SPDX-License-Identifier: GPL-2.0-or-later
"""openapi.yaml as a judge of answers."""
import json
import os
import subprocess

import jsonschema
import yaml

from daemon import ROOT

with open(os.path.join(ROOT, "openapi.yaml"), encoding="utf-8") as f:
    DOCUMENT = yaml.safe_load(f)

OPERATIONS = {(method.upper(), path): operation
              for path, item in DOCUMENT["paths"].items()
              for method, operation in item.items() if method != "parameters"}


def resolve(node):
    while "$ref" in node:
        found = DOCUMENT
        for word in node["$ref"][2:].split("/"):
            found = found[word.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def parameters(method, path):
    item = DOCUMENT["paths"][path]
    return [resolve(p) for p in item.get("parameters", []) + OPERATIONS[method, path].get("parameters", [])]


def validator(schema):
    # The references of the schema are looked up in the whole document.
    return jsonschema.Draft202012Validator(
        schema, resolver=jsonschema.RefResolver("", DOCUMENT),
        format_checker=jsonschema.FormatChecker())


def errors(schema, value):
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator(schema).iter_errors(value)]


SEEN = set()  # (method, path, status) of every answer that was checked


def check(method, path, reply):
    """Is this an answer that the operation may give?"""
    SEEN.add((method, path, str(reply.status)))
    responses = OPERATIONS[method, path]["responses"]
    assert str(reply.status) in responses, f"{method} {path}: undocumented status {reply.status}: {reply.body[:300]}"
    response = resolve(responses[str(reply.status)])
    for name, header in response.get("headers", {}).items():
        if name in ("Link", "Location") and name not in reply.headers:
            continue
        if name == "ETag" and "dry_run" in getattr(reply, "target", ""):
            continue
        assert name in reply.headers, f"{method} {path} {reply.status}: no {name}"
        schema = resolve(header)["schema"]
        value = reply.headers[name]
        assert not errors(schema, int(value) if schema.get("type") == "integer" else value), (name, value)
    content = response.get("content")
    if not content:
        assert reply.body == b"", f"{method} {path} {reply.status}: a body"
        return
    assert reply.type in content, f"{method} {path} {reply.status}: type {reply.type}"
    if reply.type.endswith("json"):
        wrong = errors(content[reply.type]["schema"], reply.json)
        assert not wrong, f"{method} {path} {reply.status}: {wrong}\n{reply.body[:600]}"


def catalogue():
    """What the program itself says about its operations and members."""
    for build in ("debug", "asan", "release"):
        program = os.path.join(ROOT, f"build/{build}/tests/unit/api/catalogue_test")
        if os.path.exists(program):
            break
    else:
        build, program = "debug", os.path.join(ROOT, "build/debug/tests/unit/api/catalogue_test")
    subprocess.run(["make", "-s", f"BUILD={build}", os.path.relpath(program, ROOT)], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    for line in subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines():
        if line.startswith("# catalogue "):
            return json.loads(line.removeprefix("# catalogue "))
    raise RuntimeError("the catalogue test prints no catalogue")
