"""The one place that wires the parts together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from a2wsgi import WSGIMiddleware
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rnaget_server.apis import drs, ena, genomes, graphql, htsget, refget, registry, rnaget, seqcol
from rnaget_server.apis.drs.context import DrsApi
from rnaget_server.apis.drs.dialect import DrsDialect
from rnaget_server.apis.ena.context import EnaApi
from rnaget_server.apis.ena.dialect import EnaDialect
from rnaget_server.apis.files.context import FilesApi
from rnaget_server.apis.genomes.context import GenomesApi
from rnaget_server.apis.graphql.context import GraphqlApi
from rnaget_server.apis.graphql.dialect import GraphqlDialect
from rnaget_server.apis.htsget.context import HtsgetApi
from rnaget_server.apis.htsget.dialect import HtsgetDialect
from rnaget_server.apis.htsget.no_id import IdCheck
from rnaget_server.apis.htsget.recent import RecentPlans
from rnaget_server.apis.refget.context import RefgetApi
from rnaget_server.apis.refget.dialect import RefgetDialect
from rnaget_server.apis.refget.direct import DirectParts
from rnaget_server.apis.refget.upstream import Upstream
from rnaget_server.apis.registry.context import RegistryApi
from rnaget_server.apis.rnaget.context import RnagetApi
from rnaget_server.apis.rnaget.dialect import RnagetDialect
from rnaget_server.apis.rnaget.downloads import DATA_ROUTE
from rnaget_server.apis.seqcol.context import SeqcolApi
from rnaget_server.catalog import LiveCatalog
from rnaget_server.catalog.models import ReadsKind
from rnaget_server.datasets.ahead import compute_ahead
from rnaget_server.datasets.archive_index import ArchiveIndexes
from rnaget_server.datasets.controlled import ControlledReadings
from rnaget_server.datasets.repository import SUMMARIES_SHARE, Repository, open_repository
from rnaget_server.delivery.cache import SliceCache
from rnaget_server.delivery.download import Delivery
from rnaget_server.delivery.formats import Formats
from rnaget_server.delivery.measures import measures
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.delivery.session_key import signing_keys
from rnaget_server.delivery.shared_slices import shared_slices
from rnaget_server.delivery.stored_files import FILE_ROUTE, FILES_PATH
from rnaget_server.delivery.tickets import TicketCheck, TicketSigner, signer_of
from rnaget_server.http.api import create_api
from rnaget_server.http.auth.authenticator import Authenticator
from rnaget_server.http.auth.browser import BrowserSignIn
from rnaget_server.http.auth.sessions import CookieSessions
from rnaget_server.http.auth.sign_in import SignIn
from rnaget_server.http.cors import Cors
from rnaget_server.http.dialect import BrowsedDialect, PagesDialect
from rnaget_server.http.mount import Mount, dispatch
from rnaget_server.http.observing.audit import Audited, AuditLog
from rnaget_server.http.observing.layer import REQUEST_ID_HEADER, Notes, Observed, Watcher
from rnaget_server.http.observing.logs import RequestLines
from rnaget_server.http.observing.measures import Measure
from rnaget_server.http.observing.worker_slots import worker_slot
from rnaget_server.http.privacy import Privacy
from rnaget_server.http.rate_limit import LIMIT_HEADERS, rate_limit
from rnaget_server.http.ttl_cache import TTLCache
from rnaget_server.http.workload import Workload
from rnaget_server.model.principal import OPERATOR
from rnaget_server.operating import split_address
from rnaget_server.pages.house import house_of
from rnaget_server.pages.pages import create_pages
from rnaget_server.pages.site import Site
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.query.table import SLOW_PARAMETERS
from rnaget_server.settings import Settings, shipped


def create_app(settings: Settings, prepare: bool = False) -> ASGIApp:
    """Return the whole server as an ASGI application. Two can live in one process.

    Parameters
    ----------
    settings
        Those of the server.
    prepare
        Whether what takes long to make is made now, in threads.
    """
    repository = open_repository(settings)
    indexes = ArchiveIndexes(settings.cache_directory / "archive", settings.reload_seconds)
    if prepare:
        indexes.prepare(repository.visible_to)
        compute_ahead(lambda: repository.visible_to(OPERATOR).files)
    formats = Formats(Registry(WRITERS))
    # Half is left for what no reply knows that it holds, and for gaps between pieces of memory.
    budget = ReplyBudget((settings.max_reply_bytes + 1) // 2)
    most = settings.cache_bytes - settings.cache_bytes // SUMMARIES_SHARE
    cache = SliceCache(settings.cache_directory, most, shared_slices(settings))
    mount = _rnaget(repository, settings, formats, Delivery(cache, repository.limits, budget, settings.content_coding))
    upstream = Upstream(settings) if settings.cram_upstream else None
    sequences = RefgetApi(repository, settings, budget, upstream)
    mounts = [
        mount,
        *_sequences(sequences, mount.workload),
        *_reads(repository, settings, budget, mount.workload),
        *_files(repository, settings, budget, mount.workload),
        *_archive(EnaApi(repository, settings, indexes, budget), mount.workload),
    ]
    authenticator = Authenticator(settings.auth)
    site = Site(repository, formats, settings, sign_in=_sign_in(settings, authenticator))
    if prepare:
        site.prepare()
    pages = WSGIMiddleware(create_pages(site))  # type: ignore[arg-type]
    limit = rate_limit(settings)
    served = dispatch(
        mounts,
        pages,  # type: ignore[arg-type]
        lifespan=partial(_closing, mount.routes.app, repository.compute.close),
        root=urlsplit(settings.public_url).path,
        limit=limit,
        house=lambda: house_of(repository.loaded_catalog().service),
        gate=SignIn(authenticator, site.sign_in.sessions if site.sign_in else None) if settings.auth.is_on else None,
        privacy=Privacy(repository.policy, settings.auth.is_on),
    )
    exposed = (*mount.dialect.exposed_headers, *LIMIT_HEADERS, REQUEST_ID_HEADER)
    cors = partial(Cors, served, settings.cors_origins, exposed, htsget.BASE_PATHS, DirectParts(repository, limit))
    return _observed(cors, settings, repository.live, measures(repository, cache, budget))


async def _closing(lifespan: ASGIApp, close: Callable[[], None], scope: Scope, receive: Receive, send: Send) -> None:
    """Take the start and the end of the server, at which something is closed."""

    async def send_last(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown"):
            await run_in_threadpool(close)
        await send(message)

    await lifespan(scope, receive, send_last)


def _observed(
    cors: Callable[[Notes | None], ASGIApp], settings: Settings, live: LiveCatalog, measured: list[Measure]
) -> ASGIApp:
    """Return the server with those around it who see all requests, if there are any."""
    notes = Notes(settings.request_id_header)
    if not (settings.audit_log or settings.traces or settings.log_requests or settings.metrics_address):
        return cors(notes)
    app = cors(None)
    watchers: list[Watcher] = []
    if settings.audit_log:
        log = AuditLog(settings.audit_log, settings.audit_key.get_secret_value())
        app = Audited(app, log, ControlledReadings(live).among)
    # Not at the top, for what they need is a package that is not needed else.
    if settings.traces:
        from rnaget_server.http.observing.traces import Traces

        watchers.append(Traces())
    if settings.log_requests:
        watchers.append(RequestLines())
    if not settings.metrics_address:
        return Observed(app, watchers, notes)
    from rnaget_server.http.observing.metrics import Metrics
    from rnaget_server.http.observing.metrics_page import MetricsPage

    metrics = Metrics(measured, worker_slot())
    port = split_address(settings.metrics_address)[1]
    return MetricsPage(Observed(app, [*watchers, metrics], notes), port, metrics)


def _rnaget(repository: Repository, settings: Settings, formats: Formats, delivery: Delivery) -> Mount:
    """Return where matrices and tracks are found."""
    signer = signer_of(settings)
    return Mount(
        prefix=rnaget.BASE_PATH,
        routes=create_api(shipped("openapi") / "rnaget.yaml", rnaget.BASE_PATH),
        dialect=RnagetDialect(settings.public_url),
        api=RnagetApi(
            repository=repository,
            formats=formats,
            delivery=delivery,
            signer=signer,
            summaries=TTLCache(settings.reload_seconds),
            settings=settings,
        ),
        workload=Workload(repository.memory, repository.limits),
        example_body=rnaget.EXAMPLE_BODY,
        slow_parameters=SLOW_PARAMETERS,
        switched_off=settings.switched_off,
        check=TicketCheck(signer, DATA_ROUTE),
    )


def _sign_in(settings: Settings, authenticator: Authenticator) -> BrowserSignIn | None:
    """Return what signs in those who come by a browser; None if no provider has this server as a client."""
    if not settings.auth.browser_providers:
        return None
    sessions = CookieSessions(signing_keys(settings), settings.auth.session_seconds, settings.public_url)
    return BrowserSignIn(authenticator, sessions)


def _reads(repository: Repository, settings: Settings, budget: ReplyBudget, workload: Workload) -> list[Mount]:
    """Return where alignments and variants are found."""
    signer = TicketSigner(signing_keys(settings), settings.ticket_seconds, required=True)
    kinds: tuple[ReadsKind, ...] = ("reads", "variants")
    return [
        Mount(
            f"/{kind}",
            create_api(shipped("openapi") / "htsget.yaml", f"/{kind}"),
            HtsgetDialect(),
            HtsgetApi(repository, settings, kind, signer, budget, RecentPlans()),
            workload,
            htsget.EXAMPLE_BODY,
            has_root=True,
            has_page=True,
            check=IdCheck(TicketCheck(signer, htsget.BLOCK_ROUTE)),
        )
        for kind in kinds
    ]


def _files(repository: Repository, settings: Settings, budget: ReplyBudget, workload: Workload) -> list[Mount]:
    """Return where data files are found as they are, and what else this server offers."""
    return [
        Mount(
            FILES_PATH,
            create_api(shipped("openapi") / "files.yaml", "", FILES_PATH),
            BrowsedDialect(settings.public_url),
            FilesApi(repository, settings, budget),
            workload,
            has_root=True,
            check=TicketCheck(signer_of(settings), FILE_ROUTE),
        ),
        Mount(
            drs.BASE_PATH,
            create_api(shipped("openapi") / "drs.yaml", drs.BASE_PATH),
            DrsDialect(settings.public_url),
            DrsApi(repository, settings),
            workload,
            drs.EXAMPLE_BODY,
        ),
        Mount(
            registry.BASE_PATH,
            create_api(shipped("openapi") / "registry.yaml", "", registry.BASE_PATH),
            BrowsedDialect(settings.public_url),
            RegistryApi(repository, settings),
            workload,
            has_root=True,
        ),
    ]


def _archive(api: EnaApi, workload: Workload) -> list[Mount]:
    """Return where records are found in the shape of an archive."""
    documents = {
        **dict.fromkeys(ena.PORTAL_PATHS, "ena.yaml"),
        ena.BROWSER_PATH: "ena-browser.yaml",
        ena.TAXONOMY_PATH: "ena-taxonomy.yaml",
    }
    return [
        Mount(prefix, create_api(shipped("openapi") / document, prefix), EnaDialect(), api, workload, ena.EXAMPLE_BODY)
        for prefix, document in documents.items()
    ]


def _sequences(api: RefgetApi, workload: Workload) -> list[Mount]:
    """Return where reference sequences are found; longer paths come before shorter ones."""
    repository, settings, dialect = api.repository, api.settings, RefgetDialect()
    documents = {
        refget.BASE_PATH: "refget.yaml",
        f"{refget.ENA_PATH}{refget.BASE_PATH}": "refget.yaml",
        refget.ENA_PATH: "cram.yaml",
        refget.CRAM_PATH: "cram.yaml",
    }
    mounts = [
        Mount(prefix, create_api(shipped("openapi") / document, prefix), dialect, api, workload)
        for prefix, document in documents.items()
    ]
    info = create_api(shipped("openapi") / "service-info.yaml", "")
    mounts.append(Mount(refget.INFO_PATH, info, dialect, api, workload, has_root=True))
    collections = create_api(shipped("openapi") / "seqcol.yaml", seqcol.BASE_PATH)
    return [
        *mounts,
        Mount(
            seqcol.BASE_PATH,
            collections,
            BrowsedDialect(settings.public_url),
            SeqcolApi(repository, settings),
            workload,
            seqcol.EXAMPLE_BODY,
        ),
        Mount(
            genomes.BASE_PATH,
            create_api(shipped("openapi") / "genomes.yaml", "", genomes.BASE_PATH),
            PagesDialect(settings.public_url),
            GenomesApi(repository, settings),
            workload,
            has_root=True,
        ),
        Mount(
            graphql.BASE_PATH,
            create_api(shipped("openapi") / "graphql.yaml", "", graphql.BASE_PATH),
            GraphqlDialect(),
            GraphqlApi(repository, settings),
            workload,
            graphql.EXAMPLE_BODY,
            has_root=True,
        ),
    ]
