"""The R package in `client/R`: its own tests, numbers as pandas has them, failing servers, and the example."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import pandas as pd
import pyBigWig
import pysam
import pytest

from tests.client.conftest import import_file
from tests.client.faulty import Asked, Faults, Site, serving, ticket
from tests.client.offers import BLOCKS, DATA, JSON, md5, with_reads, with_ticket
from tests.conftest import ROOT, one_study

PACKAGE = ROOT / "client" / "R"
NEEDED = ("httr2", "jsonlite", "Matrix", "testthat", "SummarizedExperiment", "SeuratObject")
LETTERS = "".join(random.Random(3).choices("ACGT", k=1200))

R = Callable[..., str]


def execute(*command: object, **environment: str) -> str:
    """Run a command; return what it printed."""
    given = {**os.environ, "R_DEFAULT_INTERNET_TIMEOUT": "60", "LC_ALL": "C.UTF-8", **environment}
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, env=given, timeout=900)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of R with the package, built and installed as users do."""
    installed = "cat(all(c({}) %in% rownames(installed.packages())))".format(", ".join(f'"{name}"' for name in NEEDED))
    if shutil.which("Rscript") is None or execute("Rscript", "-e", installed) != "TRUE":
        pytest.skip(f"Rscript is absent, or one of {', '.join(NEEDED)}")
    place = tmp_path_factory.mktemp("r")
    (place / "library").mkdir()
    subprocess.run(["R", "CMD", "build", "--no-manual", PACKAGE], cwd=place, check=True, capture_output=True)
    execute("R", "CMD", "INSTALL", f"--library={place / 'library'}", *place.glob("rnaget_*.tar.gz"))
    return place / "library"


# Runs the files whose names it reads, each in an environment of its own; to start R takes longer than most tests.
DRIVER = """
suppressPackageStartupMessages(library(rnaget))
input <- file("stdin", "r")
while (length(path <- readLines(input, 1))) {
  end <- tryCatch({ source(path, new.env(), print.eval = TRUE); "done" }, error = conditionMessage)
  cat("\\n", path, " ", gsub("\\n", " ", end), "\\n", sep = "")
}
"""


@pytest.fixture(scope="module")
def session(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """R with the package, as a program that goes on."""
    script = tmp_path_factory.mktemp("driver") / "driver.R"
    script.write_text(DRIVER)
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "R_LIBS": str(library)}
    command = ["Rscript", "--vanilla", str(script)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    with subprocess.Popen(command, env=environment, **pipes) as process:  # type: ignore[call-overload]
        yield process
        process.stdin.close()


@pytest.fixture
def r(session: subprocess.Popen[str], tmp_path: Path) -> R:
    """Run lines of R with the package; return what they printed."""

    def run(code: str) -> str:
        script = tmp_path / "code.R"
        script.write_text(code, encoding="utf-8")
        assert session.stdin is not None and session.stdout is not None
        session.stdin.write(f"{script}\n")
        session.stdin.flush()
        watch = threading.Timer(600, session.kill)
        watch.start()
        lines: list[str] = []
        for line in session.stdout:
            if line.startswith(f"{script} "):
                break
            lines.append(line)
        else:
            pytest.fail(f"R has ended: {''.join(lines)}")
        watch.cancel()
        script.unlink()
        assert line == f"{script} done\n", f"{line}{''.join(lines)}"
        return "".join(lines).removesuffix("\n")

    return run


@pytest.fixture
def site(site: Callable[..., Site]) -> Site:
    """A server that can fail."""
    return site()


class Full(NamedTuple):
    """A server of the demo catalogue with a genome, signal and reads."""

    url: str
    bam: Path


@pytest.fixture(scope="module")
def full(library: Path, serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Full:
    """The server that the package's own tests ask."""
    place = tmp_path_factory.mktemp("full-r")
    data = one_study(place / "data")
    (place / "tiny.fa").write_text(f">chr1\n{LETTERS}\n")
    genes = [("G1", "FORWARD", 101, 160, "+"), ("G2", "BACKWARD", 301, 360, "-")]
    (place / "tiny.gtf").write_text("".join(_annotation(*gene) for gene in genes))
    with pyBigWig.open(str(place / "er.bw"), "w") as file:
        file.addHeader([("chr18", 78_077_248)])
        file.addEntries(["chr18"] * 2, [76_800_300, 76_800_302], ends=[76_800_302, 76_900_000], values=[5.0, 6.0])
    bam = _reads(place / "run.bam")
    into = ("--project", "demo", "--study", "marioni", "--id")
    import_file(place / "tiny.fa", data, "--genome", "tiny", "--annotation", place / "tiny.gtf")
    import_file(place / "er.bw", data, *into, "er", "--units", "count")
    import_file(bam, data, *into, "run")
    return Full(serve(data), bam)


def _annotation(id: str, name: str, start: int, end: int, strand: str) -> str:
    attributes = f'gene_id "{id}"; gene_name "{name}"; gene_biotype "protein_coding";'
    transcript = f'{attributes} transcript_id "{id}T"; exon_number "1";'
    kinds = {"gene": attributes, "transcript": transcript, "exon": transcript}
    return "".join(f"chr1\ttest\t{kind}\t{start}\t{end}\t.\t{strand}\t.\t{text}\n" for kind, text in kinds.items())


def _reads(path: Path) -> Path:
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "chr1", "LN": len(LETTERS)}]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for number in range(100):
            read = pysam.AlignedSegment(file.header)
            read.query_name, read.reference_id, read.reference_start = f"r{number}", 0, number * 10
            read.cigarstring, read.mapping_quality = "50M", 60
            read.query_sequence = LETTERS[number * 10 : number * 10 + 50]
            file.write(read)
    pysam.index(str(path))
    return path


def test_the_tests_of_the_package(library: Path, full: Full) -> None:
    code = """
    results <- as.data.frame(testthat::test_local(commandArgs(TRUE)[1], reporter = "summary", stop_on_failure = FALSE,
                                                  load_package = "installed"))
    counts <- colSums(results[c("nb", "failed", "skipped", "error", "warning")])
    cat("\\n", jsonlite::toJSON(as.list(counts), auto_unbox = TRUE))
    """
    environment = {
        "RNAGET_TEST_SERVER": full.url,
        "RNAGET_TEST_LETTERS": LETTERS,
        "RNAGET_TEST_BAM_MD5": md5(full.bam.read_bytes()),
    }
    output = execute("Rscript", "-e", code, PACKAGE, R_LIBS=str(library), NOT_CRAN="true", **environment)
    counts = json.loads(output.splitlines()[-1])
    assert counts.pop("nb") > 100, output
    assert set(counts.values()) == {0}, output


@pytest.mark.long
def test_the_package_is_as_r_wants_packages(library: Path, tmp_path: Path) -> None:
    tarball = next(library.parent.glob("rnaget_*.tar.gz"))
    nowhere = {"_R_CHECK_XREFS_REPOSITORIES_": f"file://{tmp_path}"}  # no registry is asked
    environment = {"_R_CHECK_FORCE_SUGGESTS_": "false", "_R_CHECK_SYSTEM_CLOCK_": "false", **nowhere}
    output = execute("R", "CMD", "check", "--no-manual", "--no-tests", f"--output={tmp_path}", tarball, **environment)
    assert re.search(r"^Status: OK$", output, re.M), output


def test_numbers_as_pandas_has_them(r: R, full: Full, shared_data: Path, tmp_path: Path) -> None:
    source = pd.read_csv(shared_data / "marioni" / "counts.tsv", sep="\t", index_col=0)
    r(
        f"""
        server <- rna_connect("{full.url}")
        write <- function(name, ...) {{
          values <- as.matrix(rna_fetch(server, "marioni_counts", ...))
          write.table(values, file.path("{tmp_path}", name), sep = "\\t", quote = FALSE, col.names = NA)
        }}
        write("whole")
        write("sparse", to = "dgCMatrix")
        write("kidney", where = list(Tissue = "Kidney"), to = "matrix")
        write("median", group_by = "Tissue", summary = "median")
        write("std", group_by = "Tissue", summary = "std")
        """
    )

    def found(name: str) -> pd.DataFrame:
        return pd.read_csv(tmp_path / name, sep="\t", index_col=0)

    tissues = source.T.groupby(lambda name: "Liver" if "Liver" in name else "Kidney")
    expected = {
        "whole": source,
        "sparse": source,
        "kidney": source[[name for name in source if "Kidney" in name]],
        "median": tissues.median().T,
        "std": tissues.std().T,
    }
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found(name), frame, check_dtype=False, check_names=False, rtol=1e-6)


def test_the_script_of_the_examples(full: Full, library: Path, shared_data: Path, tmp_path: Path) -> None:
    script = ROOT / "examples" / "gtex_style.R"
    arguments = (full.url, tmp_path / "figures", "chr18:76,800,001-77,000,000")
    output = execute("Rscript", "--vanilla", script, *arguments, R_LIBS=str(library))
    for name in ("box_plot", "heat_map", "tracks"):
        (figure,) = (tmp_path / "figures").glob(f"{name}.*")
        assert figure.stat().st_size > 5000 and figure.read_bytes()[:4] in (b"\x89PNG", b"%PDF")
    source = pd.read_csv(shared_data / "marioni" / "counts.tsv", sep="\t", index_col=0)
    gene = re.search(r"^gene: (\S+)", output, re.M)[1]  # type: ignore[index]
    medians = source.loc[gene].groupby(lambda name: "Liver" if "Liver" in name else "Kidney").median()
    line = output.splitlines()[output.splitlines().index(f"gene: {gene} ") + 2]
    assert [float(text) for text in line.split()] == [medians["Kidney"], medians["Liver"]]
    assert "tracks: er" in output


def test_the_tutorial(r: R, demo_root: str) -> None:
    page = (ROOT / "docs" / "tutorial-r.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```r\n(.*?)^```$", page, re.M | re.S)
    code = "\n".join(blocks).replace("http://127.0.0.1:8080", demo_root)
    shown = (
        'cat("medians:", unlist(medians), "\\n", "heart:", dim(heart), sum(heart), "\\n", names(which.max(albumin)))'
    )
    said = r(f"pdf(NULL)\n{code}\n{shown}\n")
    with h5py.File(ROOT / "data" / "hpa" / "uhlen" / "uhlen_tissues.h5", locking=False) as file:
        symbols, known, systems, tissues = (
            [text.decode() for text in file[name][:]]
            for name in ("row_attrs/symbol", "row_attrs/KnownFor", "col_attrs/System", "col_attrs/Tissue")
        )
        values = pd.DataFrame(file["matrix"][:], symbols, tissues).astype(float)
    medians = values.loc["TP53"].groupby(systems).median()
    heart = values[[one == "Heart" for one in known]]
    found = {name: list(map(float, numbers.split())) for name, numbers in re.findall(r"(\w+): ([\d. ]+)", said)}
    assert sorted(found["medians"]) == pytest.approx(sorted(medians), rel=1e-5)
    assert found["heart"] == pytest.approx([*heart.shape, heart.to_numpy().sum()], rel=1e-5)
    assert said.endswith("Liver")


def test_the_examples_of_the_page(r: R, demo_root: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "client-r.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```r\n(.*?)^```$", page, re.M | re.S)).replace("http://127.0.0.1:8080", demo_root)
    assert code.count("rna_") > 5
    said = r(f'setwd("{tmp_path}")\npdf(NULL)\n{code}\ncat("found:", unlist(table), dim(medians), dim(signal))')
    assert said.endswith("found: 27 34 23 35 25 20 2 3 200")
    with pysam.AlignmentFile(str(tmp_path / "region.bam")) as file:
        assert next(file).reference_name == "chrM"


def test_the_script_without_tracks(root: str, library: Path, tmp_path: Path) -> None:
    script = ROOT / "examples" / "gtex_style.R"
    output = execute("Rscript", "--vanilla", script, root, tmp_path / "new" / "figures", R_LIBS=str(library))
    assert "tracks: this server has none" in output and "matrix: marioni_counts" in output
    assert len(list((tmp_path / "new" / "figures").iterdir())) == 2


@pytest.mark.parametrize("seed", range(3))
def test_files_arrive_whole_over_a_server_that_fails(r: R, site: Site, tmp_path: Path, seed: int) -> None:
    urls = {"reads": with_reads(site), "ticket": with_ticket(site), "plain": f"{site.address}/file"}
    site.faults = Faults(random.Random(seed), share=0.3, kinds=("cut", "reset", "503", "429", "nothing"))
    site.chunked = seed == 1
    site.ranges = seed != 2
    code = "".join(
        f'rna_get("{url}", "{tmp_path / name}", retry_wait = 0.01, max_retries = 30)\n' for name, url in urls.items()
    )
    r(code)
    assert (tmp_path / "reads").read_bytes() == b"".join(BLOCKS)
    assert (tmp_path / "ticket").read_bytes() == (tmp_path / "plain").read_bytes() == DATA
    assert sorted(os.listdir(tmp_path)) == ["plain", "reads", "ticket"]


CAUGHT = """
message_of_error <- function(code) cat(tryCatch({ code; "no error" }, rnaget_error = conditionMessage), "\\n")
"""


def test_what_fails_leaves_nothing_and_says_why(r: R, site: Site, tmp_path: Path) -> None:
    wrong, long = with_ticket(site, md5="0" * 32), f"{site.address}/y/ticket"
    site.replies["/y/ticket"] = lambda _: (200, JSON, json.dumps({"url": "/file", "units": "x", "size": 5}).encode())
    site.replies["/page"] = lambda _: (200, {"Content-Type": "text/html"}, b"<html>log in</html>")
    site.replies["/part"] = lambda _: (206, {"Content-Range": "bytes 0-3/9"}, b"data")
    site.replies["/patient"] = lambda _: (429, {"Retry-After": "5000"}, b'{"message": "busy"}')
    kept = tmp_path / "kept"
    kept.write_bytes(b"before")
    with serving(Site()) as other:
        gone = other.address
    urls = [
        wrong,
        long,
        f"{site.address}/page",
        f"{site.address}/part",
        f"{site.address}/patient",
        f"{site.address}/none",
        gone,
    ]
    code = CAUGHT + "".join(
        f'message_of_error(rna_get("{url}", "{kept}", overwrite = TRUE, retry_wait = 0.01, max_retries = 1))\n'
        for url in urls
    )
    lines = r(code).splitlines()
    expected = (
        "md5",
        "5 by its ticket",
        "page instead of data",
        "part of a file where all",
        "wait 5000 seconds",
        "nothing of that name",
        "reached",
    )
    for line, text in zip(lines, expected, strict=True):
        assert text in line
    assert kept.read_bytes() == b"before" and os.listdir(tmp_path) == ["kept"]


def test_a_token_is_for_its_server_alone(r: R, site: Site, tmp_path: Path) -> None:
    with serving(Site()) as other:
        other.files["/file"] = DATA
        site.replies["/away"] = lambda _: (302, {"Location": f"{other.address}/file"}, b"")
        site.replies["/round"] = lambda _: (302, {"Location": "/round"}, b"")
        url = with_ticket(site, url=f"{other.address}/file", headers={"X-Of-Ticket": "yes"})
        given = 'bearer_token = "s3cret", headers = c(`X-Own` = "s3cret"), max_retries = 0, retry_wait = 0'
        output = r(
            f"""{CAUGHT}
            rna_get("{url}", "{tmp_path / "a"}", {given})
            rna_get("{site.address}/away", "{tmp_path / "b"}", {given})
            message_of_error(rna_get("{site.address}/round?token=s3cret", "{tmp_path / "c"}", {given}))
            message_of_error(rna_get("{site.address}/none?token=s3cret", "{tmp_path / "c"}", {given}))
            """
        )
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == DATA
        assert "redirected too often" in output and "s3cret" not in output
        assert all(one.headers["authorization"] == "Bearer s3cret" for one in site.asked)
        assert [one.headers.get("x-of-ticket") for one in other.asked] == ["yes", None]
        assert not any("s3cret" in str(one) for one in other.asked)


def test_429_is_waited_for(r: R, site: Site) -> None:
    times: list[float] = []

    def projects(_: Asked) -> tuple[int, dict[str, str], bytes]:
        times.append(time.monotonic())
        if len(times) == 1:
            return 429, {"Retry-After": "2"}, b'{"message": "slow down"}'
        return 200, JSON, b'[{"id": "p"}]'

    site.replies["/rnaget/projects"] = projects
    output = r(f'print(rna_projects(rna_connect("{site.address}/rnaget", retry_wait = 0.01))$id)')
    assert '"p"' in output and times[1] - times[0] >= 2


def test_a_server_that_is_away_is_asked_as_often_as_is_allowed(r: R, site: Site) -> None:
    site.faults = Faults(random.Random(0), 1, ("nothing",))
    server = f'server <- rna_connect("{site.address}", max_retries = 2, retry_wait = 0.01)'
    for call in ("rna_projects(server)", 'rna_fetch(server, "m")', 'rna_sequence(server, "g", "chr1:1-2")'):
        site.asked.clear()
        said = "function(condition) cat(class(condition)[1])"
        output = r(f"{server}\ntryCatch({call}, warning = {said}, rnaget_error = {said})")
        assert (output, len(site.asked)) == ("rnaget_broken_error", 3), call


def test_a_download_goes_on_where_it_ended(r: R, site: Site, tmp_path: Path) -> None:
    url = with_ticket(site, md5=None)
    output = tmp_path / "a"
    get = f'rna_get("{url}", "{output}", resume = TRUE, max_retries = 0, retry_wait = 0)'
    plain = get.replace(url, f"{site.address}/file").replace(str(output), str(tmp_path / "b"))
    for code, name in ((get, "a"), (plain, "b")):
        # Of a ticket and its file the first is sent whole, and the second cut.
        turns = iter([None, "cut"] if name == "a" else ["cut"])
        site.faults.draw = lambda turns=turns: next(turns, None)  # type: ignore[method-assign, misc]
        assert "broke off" in r(f"{CAUGHT}message_of_error({code})")
        part = (tmp_path / f"{name}.part").read_bytes()
        assert 0 < len(part) < len(DATA) and DATA.startswith(part)
        site.asked.clear()
        r(code)
        assert (tmp_path / name).read_bytes() == DATA
        assert site.asked[-1].headers["range"] == f"bytes={len(part)}-"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def interrupted(process: subprocess.Popen[str]) -> str:
    """Return what R says once Ctrl-C has ended it, pressed again after a while.

    While the first bytes arrive, the package curl 5.0.0 may take the signal and go on.
    """
    for _ in range(12):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=5)[1]
    process.kill()
    pytest.fail("R goes on however often it is interrupted")


def test_ctrl_c_ends_a_download_and_the_next_goes_on(r: R, library: Path, site: Site, tmp_path: Path) -> None:
    get = f"""rna_get("{site.address}/file", "{tmp_path / "a"}", resume = TRUE)"""
    site.files["/file"] = DATA
    half = len(DATA) // 2
    head = f'HTTP/1.1 200 OK\r\nETag: "{md5(DATA)}"\r\nContent-Length: {len(DATA)}\r\n\r\n'.encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stalled = get.replace(site.address, f"http://127.0.0.1:{listener.getsockname()[1]}")
        # A shell lets what it starts in the background ignore this signal.
        command = ["env", "--default-signal=INT", "Rscript", "--vanilla", "-e", f"library(rnaget); {stalled}"]
        environment = {**os.environ, "R_LIBS": str(library)}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(head + DATA[:half])
                piece = tmp_path / "a.part.piece"
                while not (piece.exists() and piece.stat().st_size):
                    time.sleep(0.05)
                errors = interrupted(process)
    assert "interrupted" in errors and process.returncode == 1
    kept = (tmp_path / "a.part").read_bytes()
    assert kept and DATA.startswith(kept)
    record = tmp_path / "a.part.json"
    record.write_text(record.read_text().replace(stalled.split('"')[1], f"{site.address}/file"))
    r(get)
    assert (tmp_path / "a").read_bytes() == DATA
    assert site.asked[-1].headers["range"] == f"bytes={len(kept)}-"


def test_a_file_that_has_changed_is_begun_again(r: R, site: Site, tmp_path: Path) -> None:
    url, output = with_ticket(site, md5=None), tmp_path / "a"
    get = f'rna_get("{url}", "{output}", resume = TRUE, max_retries = 0, retry_wait = 0)'
    turns = iter([None, "cut"])
    site.faults.draw = lambda: next(turns, None)  # type: ignore[method-assign]
    r(f"{CAUGHT}message_of_error({get})")
    site.files["/file"] = fresh = DATA[::-1]
    r(get)
    assert output.read_bytes() == fresh


def test_parts_of_two_versions_or_other_lengths_are_refused(r: R, site: Site, tmp_path: Path) -> None:
    site.files["/file"], count = DATA, itertools.count()
    size = len(DATA) // 4
    urls = [{"url": "/file", "headers": {"Range": f"bytes={a}-{a + size - 1}"}} for a in range(0, len(DATA), size)]
    site.replies["/reads/x"] = ticket(site, urls)
    site.replies["/reads/y"] = ticket(site, [{"url": "/all", "headers": {"Range": "bytes=0-99"}}])
    site.replies["/all"] = lambda _: (200, {}, DATA)

    def part(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if next(count) == 2:
            site.files["/file"] = DATA[::-1]
        first, last = map(int, asked.headers["range"][6:].split("-"))
        content, last = site.files["/file"], min(last, first + 29_999)
        said = {"ETag": f'"{md5(content)}"', "Content-Range": f"bytes {first}-{last}/{len(content)}"}
        return 206, said, content[first : last + 1]

    site.replies["/file"] = part
    output = r(
        f"""{CAUGHT}
        rna_get("{site.address}/reads/x", "{tmp_path / "a"}", retry_wait = 0.01)
        message_of_error(rna_get("{site.address}/reads/y", "{tmp_path / "b"}", retry_wait = 0.01))
        """
    )
    assert (tmp_path / "a").read_bytes() == DATA[::-1]
    assert "whole file where a part" in output and os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("code", [301, 308])
def test_a_long_list_goes_along_where_a_request_is_redirected(r: R, site: Site, code: int) -> None:
    with serving(Site()) as other:
        other.files["/there"] = TABLE
        site.replies["/expressions/m/info"] = lambda _: (200, JSON, b'{"id": "m"}')
        site.replies["/expressions/m/bytes"] = lambda _: (code, {"Location": f"{other.address}/there"}, b"")
        r(f'rna_fetch(rna_connect("{site.address}"), "m", genes = sprintf("ENSG%011d", 1:3000))')
        (asked,) = other.asked
    assert asked.method == "POST" and len(json.loads(asked.body)["featureIDList"]) == 3000


def test_a_ticket_that_expires_is_asked_for_again(r: R, site: Site, tmp_path: Path) -> None:
    site.files["/file"] = DATA
    tickets: list[int] = []

    def new_ticket(_: Asked) -> tuple[int, dict[str, str], bytes]:
        tickets.append(1)
        url = f"{site.address}/signed?_signature={len(tickets)}"
        return 200, JSON, json.dumps({"url": url, "units": "x", "md5": md5(DATA)}).encode()

    def signed(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return (403, {}, b"") if asked.query["_signature"] == ["1"] else (200, {}, DATA)

    site.replies |= {"/x/ticket": new_ticket, "/signed": signed}
    r(f'rna_get("{site.address}/x/ticket", "{tmp_path / "a"}")')
    assert (tmp_path / "a").read_bytes() == DATA and len(tickets) == 2


TABLE = b"Gene ID\tGene Name\tS1\tS 2\nENSG01.1\tNA\t0.5\t1e-3\nENSG02\tTP53\tnan\t3\n"


def test_servers_of_others(r: R, site: Site) -> None:
    site.files["/x/file"] = TABLE
    studies = [{"id": "s", "parentProjectId": "p", "Version": "1"}, {"id": "t", "parentProjectId": "q"}]
    site.replies["/studies"] = lambda _: (200, JSON, json.dumps(studies).encode())
    about = {"url": f"{site.address}/x/file", "units": "tsv", "fileType": None, "MD5": md5(TABLE), "studyID": "s"}
    site.replies["/expressions/m/ticket"] = lambda _: (200, JSON, json.dumps(about).encode())
    output = r(
        f"""{CAUGHT}
        server <- rna_connect("{site.address}", retry_wait = 0.01)
        stopifnot(identical(rna_studies(server, project = "p")$id, "s"))
        table <- rna_fetch(server, "m", genes = c("ENSG01.1", "ENSG02"))
        stopifnot(identical(dim(table), c(2L, 2L)), identical(names(table), c("S1", "S 2")))
        stopifnot(table[["S 2"]] == c(0.001, 3))
        stopifnot(identical(attr(table, "labels"), list(`Gene Name` = c("NA", "TP53"))))
        stopifnot(is.null(attr(table, "origin")$units), identical(attr(table, "origin")$study, "s"))
        message_of_error(rna_matrices(server))
        message_of_error(rna_fetch(server, "none"))
        message_of_error(rna_tracks(server))
        message_of_error(rna_genomes(server))
        """
    )
    lines = output.splitlines()
    assert "does not list its genomes" in lines[3]
    assert "does not list its matrices" in lines[0] and "404" in lines[1] and "does not list its tracks" in lines[2]


def test_names_where_ids_are_not_found(r: R, site: Site) -> None:
    def bytes_(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        is_found = asked.query.get("featureNameList") == ["TP53"]
        return (200, {}, TABLE) if is_found else (404, JSON, b'{"message": "no such id"}')

    site.replies["/expressions/m/info"] = lambda _: (200, JSON, b'{"id": "m"}')
    site.replies["/expressions/m/bytes"] = bytes_
    output = r(
        f"""{CAUGHT}
        server <- rna_connect("{site.address}")
        print(dim(rna_fetch(server, "m", genes = "TP53")))
        message_of_error(rna_fetch(server, "m", genes = "ENSG00000000001"))
        """
    )
    assert "[1] 2 2" in output and "no such id" in output
    assert "featureNameList" not in site.asked[-1].query


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_replies_that_are_compressed(r: R, site: Site, coding: str) -> None:
    body = b'[{"id": "p", "name": "\xc3\xa9"}]'
    sent = gzip.compress(body) if coding == "gzip" else body
    site.replies["/rnaget/projects"] = lambda _: (200, JSON | {"Content-Encoding": coding}, sent)
    assert "é" in r(f'cat(rna_projects(rna_connect("{site.address}/rnaget"))$name)')
