"""Run by the Python of ``.venv-deploy``: checks of the chart and the compose file by programs that others wrote.

``render VALUES`` prints what Helm makes of the chart, as JSON, once the schemas of Kubernetes allow it; ``lint`` prints
what Helm finds; ``compose FILE`` prints the services of a compose file as its specification's parser read them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import helm_python
import kubernetes_validate
import yaml
from compose_spec import PyCompose

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm" / "rnaget-server"
OLDEST, NEWEST = "1.27.0", kubernetes_validate.latest_version()


def render(values: str) -> object:
    with helm_python.Chart.load(str(CHART)) as chart:
        texts = chart.render(json.loads(values), name="demo", namespace="rna")
    manifests = {}
    for name, text in texts.items():
        for document in yaml.safe_load_all(text) if name.endswith(".yaml") else ():
            if document:
                for version in (OLDEST, NEWEST):
                    kubernetes_validate.validate(document, version, strict=True)
                manifests[document["kind"]] = document
    return manifests


def lint() -> object:
    return helm_python.lint(str(CHART), {}, strict=True)


def compose(file: str) -> object:
    # Its parser knows no merge keys of YAML, which Compose does.
    merged = yaml.safe_load((DEPLOY / file).read_text(encoding="utf-8"))
    text = yaml.dump(merged, Dumper=_WithoutAliases, sort_keys=False)
    return yaml.safe_load(PyCompose.from_yaml(text).to_yaml())


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


if __name__ == "__main__":
    try:
        print(json.dumps({"render": render, "lint": lint, "compose": compose}[sys.argv[1]](*sys.argv[2:])))
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")
