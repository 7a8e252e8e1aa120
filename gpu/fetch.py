#!/usr/bin/env python3
"""Fetches the models of templates into ComfyUI's folder of models, in an image or on a volume.

A file that is there with the right size and hash is left alone. Each is fetched beside its place and moved
there when its size and its hash are those of models.json; what is null there is not compared, and said.
Standard library alone: it runs where only the worker's Python is.

Exit status: 0 when every file is there, 1 when one is not what it should be, 2 when the command line is
wrong.

Example:
  python3 fetch.py --into /runpod-volume/models text-to-image qwen-image-edit
"""

import argparse
import hashlib
import json
import os
import sys
import urllib.request
from pathlib import Path

PIECE_BYTES = 1 << 20
# A model of 30 GB over a slow line takes hours; a line that says nothing for so long is dead.
SILENCE_S = 60


def main():
    parser = argparse.ArgumentParser(description="Fetch the models of templates.")
    parser.add_argument("--into", type=Path, required=True, help="ComfyUI's folder of models")
    parser.add_argument("--manifest", type=Path, default=Path(__file__).with_name("models.json"))
    parser.add_argument("--dry-run", action="store_true", help="say what would be fetched")
    parser.add_argument("templates", nargs="*", metavar="TEMPLATE", help="all unless named")
    asked = parser.parse_args()
    models = json.loads(asked.manifest.read_text())["models"]
    known = {template for model in models for template in model["templates"]}
    unknown = sorted(set(asked.templates) - known)
    if unknown:
        parser.error(f"no models are known for {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    wanted = set(asked.templates) or known
    chosen = [model for model in models if wanted & set(model["templates"])]
    results = [bring(model, asked.into, asked.dry_run) for model in chosen]
    return 0 if all(results) else 1


def bring(model, into, dry_run):
    """Whether the file is there at the end, and is what it should be."""
    place = into / model["folder"] / model["file"]
    name = f"{model['folder']}/{model['file']}"
    if place.exists() and difference(model, place.stat().st_size, digest(place)) is None:
        print(f"there     {name}")
        return True
    if dry_run:
        print(f"would get {name} from {model['url']}")
        return True
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(place.name + ".part")
    print(f"getting   {name} ...", flush=True)
    try:
        size_bytes, sha256 = fetch(model["url"], part)
    except OSError as error:
        print(f"FAILED    {name}: {error}", file=sys.stderr)
        return False
    wrong = difference(model, size_bytes, sha256)
    if wrong:
        part.unlink()
        print(f"FAILED    {name}: {wrong}", file=sys.stderr)
        return False
    os.replace(part, place)
    compared = "" if model["sha256"] else ", its hash is not in models.json: ops models fill"
    print(f"got       {name}, {size_bytes} bytes{compared}")
    return True


def difference(model, size_bytes, sha256):
    """What is not as models.json says; None where it says nothing else."""
    if model["size_bytes"] not in (None, size_bytes):
        return f"{size_bytes} bytes, and {model['size_bytes']} are wanted"
    if model["sha256"] not in (None, sha256):
        return f"its sha256 is {sha256}, and {model['sha256']} is wanted"
    return None


def fetch(url, part):
    request = urllib.request.Request(url)
    token = os.environ.get("HF_TOKEN")
    # Urllib drops it when it is led to another host, which the storage behind is.
    if token:
        request.add_unredirected_header("authorization", f"Bearer {token}")
    sha256 = hashlib.sha256()
    size_bytes = 0
    with urllib.request.urlopen(request, timeout=SILENCE_S) as answer, part.open("wb") as file:
        while piece := answer.read(PIECE_BYTES):
            file.write(piece)
            sha256.update(piece)
            size_bytes += len(piece)
        length = answer.headers.get("content-length")
    if length is not None and int(length) != size_bytes:
        raise OSError(f"it broke off after {size_bytes} of {length} bytes")
    return size_bytes, sha256.hexdigest()


def digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
