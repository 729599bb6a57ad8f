"""The pages of the site: the documents of the repository where they lie, and two that are made for it.

A hook of MkDocs (`mkdocs.yml`, `make site`). Pages keep their paths in the repository, so a link that works there works
here. The Python reference is made from what `sweep` exports, the page of the experiments from `experiments/`.
"""

import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import sweep

ROOT = Path(__file__).parent.parent

python_head = """# Python

What `import sweep` gives, and the classes of what it returns. What is not named here may move
([what stays](../README.md#what-stays)).
"""

experiments_head = """# The experiments

The files of `experiments/`. `sweep run FILE` trains one; `make experiments` trains all, and
[findings](../docs/findings.md) says what came of them. The [questions that people asked](asked/README.md) have their
own.
"""

asked_head = """# The questions that people asked, as experiments

The files of `experiments/asked/`. `sweep run FILE` trains one; [the page of the questions](../../docs/asked.md) says
what came of them.
"""


def paths() -> list[Path]:
    """The documents, and the files that they show or link to."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "experiments").rglob("*.yaml")]
    found += [ROOT / name for name in ("results/README.md", "CITATION.cff", "Dockerfile", "docs/site.css")]
    found += [*(ROOT / "docs" / "images").iterdir(), *(ROOT / "docs" / "examples").iterdir()]
    return sorted(path for path in found if path.is_file())


def is_ours(kind: Any) -> bool:
    """Whether a type is a class of this package."""
    return isinstance(kind, type) and kind.__module__.startswith("sweep.")


def reference(name: str, thing: Any) -> str:
    """The place of one name in the reference, under the name by which it is used."""
    short = name.removeprefix("sweep.")
    options = f"      heading: {name}\n      toc_label: {short}\n"
    return f"::: {thing.__module__}.{thing.__qualname__}\n    options:\n{options}"


def python_page() -> str:
    """The names that the package exports, each documented where it is defined, and the classes that they return."""
    exported = {f"sweep.{name}": getattr(sweep, name) for name in sweep.__all__}
    returned: list[Any] = [get_type_hints(thing).get("return") for thing in exported.values()]
    classes: dict[str, Any] = {c.__name__: c for kind in returned for c in get_args(kind) or (kind,) if is_ours(c)}
    return "\n".join([python_head, *(reference(name, thing) for name, thing in {**exported, **classes}.items())])


def experiments_page(folder: Path, head: str) -> str:
    """The files of a folder of experiments, whole."""
    files = sorted(folder.glob("*.yaml"))
    return "\n".join([head, *(f"## {f.stem}\n\n[{f.name}]({f.name})\n\n```yaml\n{f.read_text()}```\n" for f in files)])


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take the documents for what MkDocs found in its folder, and keep what the theme brought."""
    experiments = ROOT / "experiments"
    made = {
        "docs/python.md": python_page(),
        "experiments/README.md": experiments_page(experiments, experiments_head),
        "experiments/asked/README.md": experiments_page(experiments / "asked", asked_head),
    }
    found = [File.generated(config, p.relative_to(ROOT).as_posix(), abs_src_path=str(p)) for p in paths()]
    found += [File.generated(config, uri, content=text) for uri, text in made.items()]
    return Files([*(f for f in files if f.src_dir != config.docs_dir), *found])


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to a folder to its page: GitHub shows a folder, a site does not."""
    here = ROOT / Path(page.file.src_uri).parent

    def to_page(link: re.Match[str]) -> str:
        return f"]({link[1]}/README.md)" if (here / link[1]).is_dir() else link[0]

    return re.sub(r"\]\(([\w./-]+?)/?\)", to_page, markdown)
