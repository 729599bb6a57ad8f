"""The files of a results folder against its manifest."""

from sweep.results.contents import Contents
from sweep.results.files import ResultsError
from sweep.results.folder import Folder
from sweep.results.manifest import Manifest

# figures drawn into the folder: made from the others, as the page is; the manifest does not vouch for them
derived_endings = (".png", ".svg")


def check_files(folder: Folder) -> list[str]:
    """Files that changed since the manifest was written, that are missing, and that no sweep leaves."""
    if not folder.manifest.exists():
        return [f"{folder.manifest.name}: missing: nothing vouches for the files"]
    try:
        recorded = folder.read_manifest().files
    except ResultsError:
        return []  # named when the contents are read
    present = folder.digests(recorded)  # the experiment's tables too
    findings: list[str] = []
    for name in sorted({*recorded, *present, *(path.name for path in folder.written)}):
        if name not in present:
            findings.append(f"{name}: missing")
        elif name not in recorded:
            findings.append(f"{name}: the manifest does not vouch for it")
        elif recorded[name] != present[name]:
            findings.append(f"{name}: changed: its SHA-256 is not the manifest's")
    others = (folder.manifest, folder.parts, folder.audit, folder.report, folder.figures)
    known = {*present, *recorded, *(path.name for path in others)}
    known |= {name.partition("/")[0] for name in recorded}  # folders of tables
    for path in sorted(folder.path.iterdir()):
        is_temporary = path == folder.lock or (path.name.startswith(".") and path.suffix == ".tmp")
        is_temporary |= path.suffix.startswith(".old-")
        if path.name not in known and path.suffix not in derived_endings and not is_temporary:
            findings.append(f"{path.name}: no file of a sweep")
    return findings


def check_manifest(contents: Contents) -> list[str]:
    """Counts of the manifest that are not those of the experiment and the table, and another engine in the rows."""
    manifest, name = contents.manifest, contents.folder.manifest.name
    if manifest == Manifest():
        return []  # missing or damaged: named already
    n_planned = sum(len(p.seeds) for p in contents.planned)
    wanted = {
        "configurations": len(contents.planned),
        "runs_planned": n_planned,
        "runs_missing": n_planned - len(contents.rows),
    }
    if contents.trials:
        wanted["repeated_suggestions"] = len(contents.trials) - len(contents.planned)
    findings = [
        f"{name}: {key}: found {getattr(manifest, key)}, the experiment and its rows give {value}"
        for key, value in wanted.items()
        if getattr(manifest, key) != value
    ]
    for key, found in (("engine", manifest.engine), ("device", manifest.device)):
        others = sorted(set(contents.table.column(key)) - {found})
        if others:
            findings.append(f"{name}: {key}: found {found or None}, in runs.csv {', '.join(others)}")
    return findings
