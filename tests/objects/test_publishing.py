"""Publications that are broken off, that others cut in on, and directories that are not as they should be."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from rnaget_server.catalog.object_storage import directory_of
from rnaget_server.storage.objects import publishing
from rnaget_server.storage.objects.claim import Claim
from rnaget_server.storage.objects.client import PART_BYTES, Client, part_bytes
from rnaget_server.storage.objects.failures import ObjectExists, ObjectFailure
from rnaget_server.storage.objects.published import CLAIM, PUBLISHED, read_published
from rnaget_server.storage.objects.publishing import Outcome, Publication, files_below
from tests.conftest import new_study
from tests.objects.commands import done, run
from tests.objects.unruly import CALM, Unruly, give_up_after


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small catalogue with files of several sizes, and one study whose directory may get another name."""
    study = new_study(tmp_path / "data")
    (study / "a.bin").write_bytes(b"a" * 3000)
    (study / "empty.txt").write_bytes(b"")
    return tmp_path / "data"


def published(data: Path, client: Client, **options: object) -> Outcome:
    """Publish without waiting for others, and on a slow machine with no more requests than on a fast one."""
    claim = Claim(client, renewed_every=1000, watched_for=0.2)
    return Publication(data, client, **options).run(claim)  # type: ignore[arg-type]


def of_catalog(client: Client) -> dict[str, str]:
    """Return the tags of all objects but those that publishing writes for itself."""
    return {key: listed.tag for key, listed in client.listing().items() if key not in (PUBLISHED, CLAIM)}


def said(client: Client) -> dict[str, str]:
    """Return the tags of the objects as the last publication has written them down."""
    found = client.whole(PUBLISHED)
    assert found is not None
    return {key: entry.tag for key, entry in read_published(found[0], client.url).items()}


def is_change(method: str, path: str) -> bool:
    return method in ("PUT", "DELETE", "POST") and CLAIM not in path


def test_broken_off_anywhere_it_leaves_nothing_that_the_next_does_not_mend(data: Path, url: str, proxy: Unruly) -> None:
    calm = Client(url, 20)
    published(data, calm)
    before = (data / "p" / "s" / "study.yaml").read_bytes()
    for steps in range(100):
        # A study that goes, a new one of the same id in another directory, and a file with other bytes.
        moved, here = data / "p" / f"s{steps}", next((data / "p").glob("*/study.yaml")).parent
        (here / "a.bin").write_bytes(f"{steps}".encode() * 2000)
        (here / "study.yaml").write_bytes(before + f"# {steps}\n".encode())
        shutil.copytree(here, data / "p" / "between")
        shutil.rmtree(here)
        left = iter(range(steps))

        def mood(method: str, path: str, left: Iterator[int] = left) -> str:
            return "500" if is_change(method, path) and next(left, None) is None else CALM

        proxy.mood = mood
        failed = True
        try:
            published(data, give_up_after(Client(url, 20), 0))
            failed = False
        except ObjectFailure:
            pass
        proxy.mood = lambda method, path: CALM
        (data / "p" / "between").rename(moved)
        published(data, calm)
        assert of_catalog(calm) == said(calm)
        assert set(said(calm)) == {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()}
        if not failed:
            break
    assert steps > 6


def test_broken_off_at_its_end_it_is_ended_by_the_next(data: Path, url: str, proxy: Unruly) -> None:
    published(data, Client(url, 20))
    (data / "p" / "s" / "a.bin").write_bytes(b"other")
    left = iter(range(1))
    proxy.mood = lambda method, path: (
        "500" if method == "PUT" and PUBLISHED in path and next(left, None) is None else CALM
    )
    with pytest.raises(ObjectFailure):
        published(data, give_up_after(Client(url, 20), 0))
    proxy.mood = lambda method, path: CALM
    assert said(Client(url, 20))["p/s/a.bin"] == ""
    # Nothing is left to copy, and servers that look for another state of what was published are to find it.
    assert published(data, Client(url, 20)).copied == ()
    assert said(Client(url, 20)) == of_catalog(Client(url, 20))


@pytest.mark.parametrize("steps", [2, 5])
def test_killed_it_is_gone_on_with_at_once(data: Path, url: str, proxy: Unruly, steps: int) -> None:
    command = [sys.executable, "-m", "rnaget_server.cli.server", "publish", str(data), url]
    number = 0

    def mood(method: str, path: str) -> str:
        nonlocal number
        number += method == "PUT"
        if number == steps:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return "drop"
        return CALM

    proxy.mood = mood
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.wait(120) == -signal.SIGKILL
    proxy.mood = lambda method, path: CALM
    started = time.monotonic()
    done("publish", data, url)
    # Nobody waits to see whether a process that has ended renews its claim.
    assert time.monotonic() - started < 15
    client = Client(url, 20)
    assert of_catalog(client) == said(client)
    assert "ok:" in done("check", url)


def test_a_file_that_is_written_to_meanwhile_leaves_the_old_one(data: Path, url: str, proxy: Unruly) -> None:
    large = data / "p" / "s" / "large.bin"
    large.write_bytes(os.urandom(1 << 20))
    published(data, Client(url, 20))
    old = Client(url, 20).listing()["p/s/large.bin"]
    large.write_bytes(os.urandom(PART_BYTES + 5))

    def mood(method: str, path: str) -> str:
        if method == "POST" and "large.bin?uploads" in path:
            with large.open("ab") as file:
                file.write(b"more")
        return CALM

    proxy.mood = mood
    with pytest.raises(ObjectFailure, match="was written to since"):
        published(data, Client(url, 20))
    proxy.mood = lambda method, path: CALM
    assert Client(url, 20).listing()["p/s/large.bin"] == old
    published(data, Client(url, 20))
    assert Client(url, 20).listing()["p/s/large.bin"].size == large.stat().st_size


def test_what_is_imported_meanwhile_is_for_the_next_publication(data: Path, url: str, proxy: Unruly) -> None:
    study = data / "p" / "s" / "study.yaml"

    def mood(method: str, path: str) -> str:
        if method == "PUT" and "a.bin" in path:
            (data / "p" / "s" / "new.bin").write_bytes(b"n" * 5000)
            study.with_name("next").write_bytes(study.read_bytes() + b"# names new.bin\n")
            study.with_name("next").replace(study)
        return CALM

    proxy.mood = mood
    with pytest.raises(ObjectFailure, match=r"study\.yaml was written to since this publication began"):
        published(data, Client(url, 20))
    proxy.mood = lambda method, path: CALM
    assert "p/s/study.yaml" not in Client(url, 20).listing()
    published(data, Client(url, 20))
    assert {"p/s/study.yaml", "p/s/new.bin"} <= of_catalog(Client(url, 20)).keys()


def test_files_of_all_sizes_are_known_by_their_tags(data: Path, url: str) -> None:
    for size in (0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1):
        (data / "p" / "s" / f"{size}.bin").write_bytes(os.urandom(size))
    client = Client(url, 60)
    assert len(published(data, client).copied) == 5 + 5
    # One for each file, none of which is read back; and the claim, the listing, and what was published.
    assert client.requests <= 10 + 10
    # None is copied again where nothing is known of it.
    Client(url, 20).delete([PUBLISHED])
    assert published(data, Client(url, 60)).copied == ()
    whole = Client(url, 20).whole(f"p/s/{PART_BYTES + 1}.bin")
    assert whole is not None and whole[0] == (data / "p" / "s" / f"{PART_BYTES + 1}.bin").read_bytes()
    assert (directory_of(url) / "p" / "s" / "empty.txt").read_bytes() == b""


def test_of_a_large_file_a_part_that_is_lost_is_sent_again(data: Path, url: str, proxy: Unruly) -> None:
    large = data / "p" / "s" / "large.bin"
    large.write_bytes(os.urandom(PART_BYTES + 5))
    lost = set()

    def mood(method: str, path: str) -> str:
        if method == "PUT" and "partNumber" in path and path not in lost:
            lost.add(path)
            return "500"
        return CALM

    proxy.mood = mood
    published(data, Client(url, 20))
    assert len(lost) == 2
    assert sum(method == "POST" and "?uploads" in path for method, path, _ in proxy.requests) == 1
    assert of_catalog(Client(url, 20)) == said(Client(url, 20))


def test_a_huge_file_has_no_more_parts_than_stores_take(data: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (0, 1, PART_BYTES * 10_000, PART_BYTES * 10_000 + 1, 5 << 40):
        assert part_bytes(size) * 10_000 >= size
        assert part_bytes(size) % PART_BYTES == 0
    assert part_bytes(PART_BYTES * 10_000) == PART_BYTES
    monkeypatch.setattr("rnaget_server.storage.objects.client._MOST_PARTS", 2)
    (data / "p" / "s" / "huge.bin").write_bytes(os.urandom(2 * PART_BYTES + 5))
    client = Client(url, 60)
    published(data, client)
    assert client.requests <= 6 + 10
    assert of_catalog(client)["p/s/huge.bin"].endswith('-2"')
    client.delete([PUBLISHED])
    assert published(data, client).copied == ()


def test_what_another_has_written_meanwhile_is_not_overwritten(data: Path, url: str, proxy: Unruly) -> None:
    published(data, Client(url, 20))
    study = data / "p" / "s" / "study.yaml"
    study.write_bytes(study.read_bytes() + b"# mine\n")
    theirs = study.read_bytes().replace(b"mine", b"theirs")

    def mood(method: str, path: str) -> str:
        if method == "PUT" and "study.yaml" in path:
            proxy.mood = lambda method, path: CALM
            Client(url, 20).put("p/s/study.yaml", theirs)
        return CALM

    proxy.mood = mood
    with pytest.raises(ObjectFailure, match=r"somebody else has written p/s/study\.yaml"):
        published(data, Client(url, 20))
    found = Client(url, 20).whole("p/s/study.yaml")
    assert found is not None and found[0] == theirs


def test_of_a_write_whose_answer_was_lost_nobody_is_suspected(data: Path, url: str, proxy: Unruly) -> None:
    lost = set()

    def mood(method: str, path: str) -> str:
        key = path.partition("?")[0]
        if method == "PUT" and key not in lost:
            lost.add(key)
            return "cut-all"
        return CALM

    proxy.mood = mood
    published(data, Client(url, 20))
    assert len(lost) == 7
    assert of_catalog(Client(url, 20)) == said(Client(url, 20))


@contextmanager
def taken_over(url: str, proxy: Unruly, when: Callable[[str, str], bool]) -> Iterator[bytes]:
    """Have another claim the place when a request comes, and give what it has written."""
    claim = json.dumps({"id": "other", "host": "elsewhere", "machine": "m", "process": 1, "number": 1}).encode()

    def mood(method: str, path: str) -> str:
        if when(method, path):
            proxy.mood = lambda method, path: CALM
            Client(url, 20).put(CLAIM, claim)
        return CALM

    proxy.mood = mood
    yield claim
    proxy.mood = lambda method, path: CALM


def test_a_publication_that_was_taken_over_names_nothing_and_leaves_the_claim(
    data: Path, url: str, proxy: Unruly
) -> None:
    with (
        taken_over(url, proxy, lambda method, path: method == "PUT" and "a.bin" in path) as claim,
        pytest.raises(ObjectFailure, match="another publication has taken over"),
    ):
        published(data, Client(url, 20))
    client = Client(url, 20)
    assert "catalog.yaml" not in client.listing()
    found = client.whole(CLAIM)
    assert found is not None and found[0] == claim


def test_numbers_of_processes_are_compared_within_one_machine(url: str) -> None:
    client = Client(url, 20)
    with Claim(client) as mine:
        owner = {**mine._owner, "process": 1 << 30, "number": 1}
    for machine, watched_for in ((owner["machine"], 20.0), ("another with the same name", 1.0)):
        client.put(CLAIM, json.dumps({**owner, "machine": machine}).encode())
        started = time.monotonic()
        with Claim(client, watched_for=watched_for):
            waited = time.monotonic() - started
        assert (waited < watched_for) is (machine == owner["machine"])


def test_a_condition_on_what_is_gone_is_not_met(url: str) -> None:
    client = Client(url, 20)
    tag = client.put("a", b"1", "")
    assert client.put("a", b"2", tag) != tag
    with pytest.raises(ObjectExists):
        client.put("a", b"3", tag)
    with pytest.raises(ObjectExists):
        client.put("a", b"3", "")
    client.delete(["a", "none"])
    with pytest.raises(ObjectExists):
        client.put("a", b"3", tag)


def test_objects_of_others_stay(data: Path, url: str, tmp_path: Path) -> None:
    client = Client(url, 20)
    theirs = {"README.md": b"theirs" * 1000, "p/s/notes.txt": b"short", "p/s/more.bin": b"m" * 5000}
    for key, content in theirs.items():
        client.put(key, content)
    published(data, client)
    (tmp_path / "m.tsv").write_text("gene\ta\tb\nG1\t1\t2\nG2\t3\t4.5\n")
    done("import", tmp_path / "m.tsv", "--id", "m", "--data", url, "--project", "p", "--study", "s", "--units", "TPM")
    assert not said(client).keys() & theirs.keys()
    # What was replaced since it was published is somebody else's as well.
    client.put("p/s/a.bin", b"replaced")
    (data / "p" / "s" / "a.bin").unlink()
    outcome = published(data, client)
    assert outcome.kept == ("p/s/a.bin",)
    assert [key for key in outcome.removed if key.endswith((".h5", ".yaml"))]
    assert "p/s/a.bin" not in said(client)
    for key, content in {**theirs, "p/s/a.bin": b"replaced"}.items():
        found = client.whole(key)
        assert found is not None and found[0] == content
    # Of the other prefix with the same beginning nothing is seen.
    neighbour = Client(f"{url}x", 20)
    neighbour.put("catalog.yaml", b"id: x\nname: X\n")
    assert published(data, client).removed == ()
    assert list(neighbour.listing()) == ["catalog.yaml"]


def test_what_another_puts_where_a_publication_was_broken_off_stays(data: Path, url: str, proxy: Unruly) -> None:
    study = data / "p" / "s"
    (study / "large.bin").write_bytes(b"l" * 5000)
    published(data, Client(url, 20))
    (study / "a.bin").write_bytes(b"a" * 4000)
    (study / "large.bin").write_bytes(b"l" * 6000)
    (study / "new.bin").write_bytes(b"n" * 5000)
    for mood in ("cut-all", "403"):
        proxy.mood = lambda method, path, mood=mood: mood if method == "PUT" and ".bin" in path else CALM
        with pytest.raises(ObjectFailure):
            published(data, give_up_after(Client(url, 20), 0.6))
        (study / "large.bin").write_bytes(b"l" * 7000)
    proxy.mood = lambda method, path: CALM
    theirs = {"p/s/a.bin": b"theirs" * 10, "p/s/new.bin": b"others" * 1000}
    client = Client(url, 20)
    for key, content in theirs.items():
        client.put(key, content)
    for name in ("a.bin", "large.bin", "new.bin"):
        (study / name).unlink()
    outcome = published(data, client)
    assert outcome.kept == tuple(theirs)
    assert outcome.removed == ("p/s/large.bin",)
    for key, content in theirs.items():
        found = client.whole(key)
        assert found is not None and found[0] == content


def test_what_another_puts_while_files_are_copied_is_not_removed(data: Path, url: str, proxy: Unruly) -> None:
    published(data, Client(url, 20))
    (data / "p" / "s" / "a.bin").rename(data / "p" / "s" / "b.bin")

    def mood(method: str, path: str) -> str:
        if method == "PUT" and "b.bin" in path:
            proxy.mood = lambda method, path: CALM
            Client(url, 20).put("p/s/a.bin", b"theirs")
        return CALM

    proxy.mood = mood
    client = Client(url, 20)
    outcome = published(data, client)
    assert (outcome.removed, outcome.kept) == ((), ("p/s/a.bin",))
    found = client.whole("p/s/a.bin")
    assert found is not None and found[0] == b"theirs"


def test_what_is_imported_while_a_directory_is_looked_at_is_not_named_without_its_data(
    data: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = data / "p" / "s" / "study.yaml"

    def imported(data: Path, times: list[int]) -> Iterator[str]:
        yield from files_below(data)
        if times:
            number = times.pop()
            (study.parent / f"new{number}.bin").write_bytes(b"n" * 5000)
            study.write_text(study.read_text() + f"# names new{number}.bin\n")

    times = [1, 0]
    monkeypatch.setattr(publishing, "files_below", lambda data: imported(data, times))
    client = Client(url, 20)
    published(data, client)
    assert not times
    assert {"p/s/study.yaml", "p/s/new0.bin", "p/s/new1.bin"} <= of_catalog(client).keys()
    times = list(range(100))
    with pytest.raises(ObjectFailure, match="come or change all the time"):
        published(data, client)


def test_two_imports_at_once_are_both_there(data: Path, url: str, tmp_path: Path) -> None:
    from rnaget_server.catalog.object_storage import changing

    client = Client(url, 20)
    published(data, client)
    with changing(url, print) as mine:
        (data / "p" / "s" / "other.bin").write_bytes(b"o" * 4000)
        published(data, client)
        (mine / "p" / "s" / "mine.bin").write_bytes(b"m" * 4000)
    assert {"p/s/mine.bin", "p/s/other.bin"} <= said(client).keys()
    assert of_catalog(client) == said(client)


def test_a_study_with_data_is_renamed_and_a_dry_run_writes_nothing(
    catalogue: Path, published: str, proxy: Unruly, tmp_path: Path
) -> None:
    (tmp_path / "m.tsv").write_text("gene\ta\tb\nG1\t1\t2\n")
    proxy.requests.clear()
    into = ("--data", published, "--project", "p", "--study", "s", "--id", "m", "--units", "TPM", "--dry-run")
    done("import", tmp_path / "m.tsv", *into)
    assert not [path for method, path, _ in proxy.requests if method != "GET"]
    out = done("rename", "marioni", "renamed", "--kind", "study", "--data", published)
    assert f"in {published}/demo/renamed/study.yaml" in out
    client = Client(published, 20)
    there, here = client.whole("demo/renamed/marioni_counts.h5"), catalogue / "demo/marioni/marioni_counts.h5"
    assert there is not None and there[0] == here.read_bytes()
    assert of_catalog(client) == said(client)
    assert "ok: 3 projects" in done("check", published)


def test_links_and_directories_that_cannot_be_followed(data: Path, url: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.bin").write_bytes(b"x")
    (data / "p" / "linked").symlink_to(elsewhere)
    (data / "p" / "s" / "b.bin").symlink_to(elsewhere / "x.bin")
    published(data, Client(url, 20))
    assert {"p/linked/x.bin", "p/s/b.bin"} <= said(Client(url, 20)).keys()
    # A disk that is not there takes nothing out of service.
    (elsewhere / "x.bin").unlink()
    assert "is a link to what is not there" in run("publish", data, url).output
    (elsewhere / "x.bin").write_bytes(b"x")
    (elsewhere / "back").symlink_to(data / "p")
    assert "is a link to a directory that it is in" in run("publish", data, url).output
    assert {"p/linked/x.bin", "p/s/b.bin"} <= said(Client(url, 20)).keys()


def test_a_directory_that_cannot_be_read_is_not_taken_for_an_empty_one(data: Path) -> None:
    (data / "p").chmod(0)
    (data.parent).chmod(0o755)
    user = os.geteuid()
    try:
        if not user:
            os.seteuid(65534)
        with pytest.raises(PermissionError):
            list(files_below(data))
    finally:
        os.seteuid(user)
        (data / "p").chmod(0o755)


@pytest.mark.parametrize("name", [b"a\nb.bin", b"a\\b.bin", "a\u00a0b.bin".encode(), b"\xff.bin"])
def test_names_that_are_no_keys_are_refused_before_anything_is_copied(data: Path, url: str, name: bytes) -> None:
    with open(os.fsencode(data / "p" / "s") + b"/" + name, "wb") as file:
        file.write(b"x")
    result = run("publish", data, url)
    assert result.exit_code == 1
    assert "cannot be published: give it a name that can be printed" in result.output
    assert Client(url, 20).listing() == {}


def test_strange_names_and_those_that_differ_in_case_are_kept_apart(data: Path, url: str) -> None:
    names = ("A.bin", "a.bin", "a%41.bin", "a b.bin", "ü#?.bin", "~{x}[1]^|.bin", "n" * 250)
    for name in names:
        (data / "p" / "s" / name).write_bytes(name.encode() * 100)
    done("publish", data, url)
    mirror = directory_of(url)
    assert {path.name for path in (mirror / "p" / "s").iterdir()} == {*names, "study.yaml", "empty.txt"}
    assert "0 files copied" in done("publish", data, url)


def test_what_publishing_writes_is_not_published_with_a_copy_of_a_place(data: Path, url: str, tmp_path: Path) -> None:
    done("publish", data, f"file://{tmp_path}/copy")
    assert (tmp_path / "copy" / PUBLISHED).is_file()
    assert "5 files copied" in done("publish", tmp_path / "copy", url)
    assert "0 files copied" in done("publish", tmp_path / "copy", url)
    assert PUBLISHED not in said(Client(url, 20))


def test_places_that_are_no_target(data: Path, published: str, tmp_path: Path) -> None:
    assert "can only be read: publish to s3://" in run("publish", data, "https://example.org/x").output
    for scheme in ("ftp", "s4"):
        message = run("publish", data, f"{scheme}://me:secret@host/x").output
        assert (
            f"'{scheme}' is no kind of place that is known: give a URL of s3://, gs://, az:// and file:///" in message
        )
        assert "secret" not in message
    for place in (data, data / "below", data.parent):
        assert "are in one another" in run("publish", data, f"file://{place}").output
    assert f"stands for {published} and has no data" in run("publish", directory_of(published), f"{published}x").output


def test_a_thousand_files_and_a_listing_that_breaks(data: Path, url: str, proxy: Unruly) -> None:
    for number in range(1100):
        (data / "p" / "s" / f"{number}.txt").write_bytes(b"%d" % number)
    lock, running, most = threading.Lock(), 0, 0

    def count(method: str, path: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return CALM

    proxy.mood = count
    published(data, Client(url, 20))
    # A place that is far away takes most of its time for the way.
    assert most > 8
    assert len(said(Client(url, 20))) == 1105
    pages = 0

    def mood(method: str, path: str) -> str:
        nonlocal pages
        pages += "list-type=2" in path
        return "cut" if pages == 2 else CALM

    proxy.mood = mood
    proxy.requests.clear()
    assert published(data, Client(url, 20)) == Outcome((), 1105, (), 0)
    assert pages == 4
    # The claim, its end, and what was published: nothing for each file.
    assert len(proxy.requests) - pages <= 4


def test_what_goes_is_no_longer_named_before_it_goes(data: Path, url: str, proxy: Unruly) -> None:
    published(data, Client(url, 20))
    shutil.rmtree(data / "p" / "s")
    states = []

    def look(method: str, path: str) -> str:
        if method == "POST" and "delete" in path:
            states.append(set(Client(url, 20).listing()))
        return CALM

    proxy.mood = look
    assert len(published(data, Client(url, 20)).removed) == 3
    assert len(states) == 3
    whole = {"p/s/study.yaml", "p/s/a.bin", "p/s/empty.txt"}
    assert all("p/s/study.yaml" not in state or whole <= state for state in states)
