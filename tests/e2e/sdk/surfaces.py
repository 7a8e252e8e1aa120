"""What our answers are held against: our own openapi.json, and the published contract of the Comfy API."""

import re
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, FormatChecker

CONTRACT = Path(__file__).parent / "contract/comfy-api-v2.openapi.yaml"

# Statuses of ours that the contract does not name, with the reason: docs/COMPAT.md, Errors.
BEYOND = {
    "postAssets": ["400", "413"],
    "assetFromHash": ["400", "413", "422"],
    "postJobs": ["400", "413"],
    "getJobEvents": ["204"],
}
# Any operation may be damped, be overloaded for a moment, or be asked with a query that is none.
ANYWHERE = ["400", "429", "503"]


def contract():
    """The contract, as a document that also knows what docs/COMPAT.md adds to it."""
    spec = yaml.safe_load(CONTRACT.read_text())
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}}
    for operations in spec["paths"].values():
        for operation in operations.values():
            for status in ANYWHERE + BEYOND.get(operation["operationId"], []):
                # A stream that has told everything ends without a word.
                content = {} if status == "204" else {"content": error}
                operation["responses"].setdefault(status, {"description": "ours", **content})
    # The bytes of an asset come as what they are, where the contract says only that they are bytes.
    served = spec["paths"]["/api/v2/assets/{id}/content"]["get"]["responses"]
    for status in ["200", "206"]:
        content = served.get(status, {}).get("content", {})
        content.update({"*/*": part for part in list(content.values())[:1]})
    return spec


def strict(schema):
    """A schema of OpenAPI 3.0 in the words of JSON Schema, which has no `nullable`."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: strict(part) for name, part in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


def operation(spec, method, path):
    """The documented operation of a path: without a parameter before with one."""
    for shown in sorted(spec["paths"], key=lambda shown: shown.count("{")):
        pattern = re.sub(r"\\\{key\\\}", ".+", re.escape(shown))
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", pattern)
        if re.fullmatch(pattern, path) and method.lower() in spec["paths"][shown]:
            return spec["paths"][shown][method.lower()]
    return None


def resolved(spec, part):
    while "$ref" in part:
        name = part["$ref"].removeprefix("#/").split("/")
        part = spec
        for step in name:
            part = part[step]
    return part


def faults(spec, shown, answer):
    """What is wrong with an answer of this operation, as the document has it."""
    said = shown["responses"].get(str(answer.status_code))
    if said is None:
        return [f"status {answer.status_code} is not documented"]
    kind = answer.headers.get("content-type", "").split(";")[0]
    if kind != "application/json" or answer.request.method == "HEAD":
        return []
    content = resolved(spec, said).get("content", {})
    if kind not in content:
        return [f"content type {kind} is not documented"]
    return schema_faults(spec, content[kind]["schema"], answer.json())


def schema_faults(spec, schema, value):
    schema = {**schema, "components": spec["components"]}
    found = Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(value)
    return [f"{list(fault.path)}: {fault.message}" for fault in found]
