# SPDX-License-Identifier: GPL-2.0-or-later
"""openapi.yaml and the program's own tables say the same, both ways."""
import pytest

import jsonschema
import spec


@pytest.fixture(scope="module")
def catalogue():
    return spec.catalogue()


def test_operations(catalogue):
    ours = {(r["method"], r["path"]) for r in catalogue["routes"]}
    assert ours == set(spec.OPERATIONS)


def test_scopes_of_operations(catalogue):
    for route in catalogue["routes"]:
        operation = spec.OPERATIONS[route["method"], route["path"]]
        assert operation["x-required-scope"] == route["scope"], route
        assert route["scope"] in catalogue["scopes"]


def test_query_parameters(catalogue):
    for route in catalogue["routes"]:
        documented = [p["name"] for p in spec.parameters(route["method"], route["path"]) if p["in"] == "query"]
        assert sorted(documented) == sorted(route["query"]), route


def test_problems(catalogue):
    assert {p["slug"] for p in catalogue["problems"]} == set(spec.DOCUMENT["components"]["schemas"]["ProblemSlug"]["enum"])
    text = str(spec.DOCUMENT["components"]["responses"])
    for problem in catalogue["problems"]:
        # 405 belongs to paths, not to operations.
        assert f"`{problem['slug']}`" in text or problem["status"] == 405, problem


def test_events(catalogue):
    documented = spec.DOCUMENT["components"]["schemas"]["EventType"]["enum"]
    assert documented == [*catalogue["events"], "resync", "stats"]


def compare(schema, fields, where):
    properties = schema["properties"]
    assert set(properties) == set(fields), where
    assert set(schema.get("required", [])) == {n for n, f in fields.items() if f["required"]}, where
    assert schema["additionalProperties"] is False, where
    for name, field in fields.items():
        documented = properties[name]
        place = f"{where}/{name}"
        for flag in ("readOnly", "writeOnly"):
            assert documented.get(flag, False) == field[flag], (place, flag)
        if field["readOnly"]:
            continue
        resolved = spec.resolve(documented)
        takes_null = not spec.errors(documented, None)
        assert takes_null == field["nullable"], (place, "null")
        if field["type"] in ("string", "boolean", "integer", "array", "object"):
            assert field["type"] in (resolved["type"] if isinstance(resolved["type"], list) else [resolved["type"]]), place
        if field["type"] == "integer":
            assert (resolved["minimum"], resolved["maximum"]) == (field["min"], field["max"]), place
        if field["type"] == "array":
            assert (resolved.get("minItems", 0), resolved["maxItems"]) == (field["min"], field["max"]), place
        if "names" in field:
            assert resolved["enum"] == field["names"], place
        if "fields" in field:
            compare(resolved, field["fields"], place)


def test_members_of_questions(catalogue):
    for name in ("Explain", "Rollback"):
        compare(spec.DOCUMENT["components"]["schemas"][f"{name}Input"], catalogue["fields"][name], name)


@pytest.mark.parametrize("name", ["Node", "Peer", "Route", "ExitNode", "Dataplane", "Policy", "Rule", "Token", "Session"])
def test_members(catalogue, name):
    schemas = spec.DOCUMENT["components"]["schemas"]
    fields = catalogue["fields"][name]
    compare(schemas[f"{name}Input"], fields, name)
    shown = {n for n, f in fields.items() if not f["writeOnly"]}
    assert set(schemas[name]["properties"]) == shown == set(schemas[name]["required"])


def test_the_schemas_are_schemas():
    for name, schema in spec.DOCUMENT["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", []):
            assert not spec.errors(schema, example), (name, example)
    for (method, path), operation in spec.OPERATIONS.items():
        for media in operation.get("requestBody", {}).get("content", {}).values():
            if "example" in media:
                assert not spec.errors(media["schema"], media["example"]), (method, path)


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_component_is_used():
    used = set(references(spec.DOCUMENT))
    for kind in ("parameters", "headers", "responses", "schemas"):
        for name in spec.DOCUMENT["components"][kind]:
            assert f"#/components/{kind}/{name}" in used, name
    for reference in used:
        spec.resolve({"$ref": reference})
