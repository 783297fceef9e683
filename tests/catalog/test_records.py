"""The records of a catalogue without a look into any file."""

from __future__ import annotations

from pathlib import Path

from rnaget_server.catalog import load

TRACKS = """\
id: s
expressions:
  - {id: m, file: m.h5, units: TPM, feature_id: gene, sample_id: sample}
continuous:
  - id: first
    units: x
    filters: {Sex: {attribute: Sex, description: of donors}, Age: {attribute: Age}}
    tracks:
      - {sample: a, file: a.bw, attributes: {Sex: male, Age: "10"}}
      - {sample: b, file: b/b.bw, attributes: {Age: ""}}
  - id: second
    units: x
    filters: {Sex: {attribute: Gender}, Name: {attribute: tracks}}
    tracks:
      - {sample: c, file: c.bw, attributes: {Gender: female, Sex: none}}
  - {id: third, units: x, file: t.loom, filters: {Sex: {attribute: Sex}}}
"""


def test_entries_and_filters(tmp_path: Path) -> None:
    for name, text in {
        "catalog.yaml": "id: c\nname: C\n",
        "p/project.yaml": "id: p\n",
        "p/s/study.yaml": TRACKS,
        "p/t/study.yaml": "id: t\n",
        "q/project.yaml": "id: q\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    catalog, problems = load(tmp_path)
    assert catalog is not None
    assert problems == []
    assert [tuple(one and one.id for one in entry) for entry in catalog.entries] == [
        ("p", "s", "m"),
        ("p", "s", "first"),
        ("p", "s", "second"),
        ("p", "s", "third"),
        ("p", "t", None),
        ("q", None, None),
    ]
    found = {name: (filter.description, values) for name, (filter, values) in catalog.track_filters.items()}
    assert found == {
        "Sex": ("of donors", ("female", "male")),
        "Age": ("Age of the sample", ("10",)),
        "Name": ("tracks of the sample", ("c",)),
    }
    tracks = catalog.track_sets["first"].tracks
    assert [one.path for one in tracks] == [tmp_path / "p/s/a.bw", tmp_path / "p/s/b/b.bw"]
