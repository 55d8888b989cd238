"""The manifest of a run: the checksum of each part, so that a part of another run is not taken for its own.

manifest.json is {"run": 1, "files": {name: {"sha256", "bytes"}}}. A later and better epoch replaces model.keras while
the run may be in use, so the manifest comes first and knows two: the model to come, and "before", the one it replaces.
"""

import json
from pathlib import Path

from seqkeras.export import manifest as manifests
from seqkeras.pipelines import files

MODEL = "model.keras"
WHAT = {MODEL: "the trained model", "settings.json": "the settings of a run"}  # where a name does not say it


def described(folder):
    """The manifest of a run whose parts, but for the model, lie in a folder."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {"run": 1, "files": {path.relative_to(folder).as_posix(): _entry(path) for path in paths}}


def with_model(manifest, path):
    """The manifest with the model at `path`, which is to replace the one that it knows."""
    before = manifest["files"].get(MODEL, {}).get("sha256")
    return {**manifest, "files": {**manifest["files"], MODEL: {**_entry(path), "before": before}}}


def check(folder):
    """Raises ValueError unless each part of a run is the one that training left there.

    Returns: whether there is a manifest to tell; runs trained by versions before the manifest have none.
    """
    folder = Path(folder)
    if not (folder / "manifest.json").exists():
        return False
    manifest = files.read_json(folder / "manifest.json")
    known = manifest.get("files")
    if manifest.get("run") != 1 or not isinstance(known, dict) or MODEL not in known:
        raise ValueError(f"Expected the manifest of a run. Received: {folder / 'manifest.json'}, which is none")
    for name, entry in known.items():
        sums = [entry[key] for key in ("sha256", "before") if entry.get(key)] if isinstance(entry, dict) else []
        if not any(manifests.unchanged(folder / name, one) for one in sums):
            raise ValueError(
                f"Expected {WHAT.get(name, name)} as training left it. Received: {folder / name}, which "
                f"{'is damaged, edited or of another run' if (folder / name).exists() else 'is missing'}; "
                f"copy the whole run again, or train it again with `seqkeras train --from {folder / 'settings.json'}`"
            )
    return True


def identity(folder):
    """What tells one run from another, whatever epoch its model is of."""
    try:
        manifest = json.loads((Path(folder) / "manifest.json").read_bytes())
        return {name: entry["sha256"] for name, entry in manifest["files"].items() if name != MODEL}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _entry(path):
    return {"sha256": manifests.sha256(path), "bytes": Path(path).stat().st_size}
