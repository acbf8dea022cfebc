"""How the days of each table are computed from the layers below."""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.events import EVENTS
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.carried import SNAPSHOTS, base_of, history
from telemetry_platform.partitions.fingerprints import holds
from telemetry_platform.partitions.layers import Layers, Recipe
from telemetry_platform.partitions.linked import links_through
from telemetry_platform.quality.audit import FAULTS, keyed_by_grouping, with_faults
from telemetry_platform.transforms.gold.daily_kpis import TRAILING_DAYS, to_daily_kpis
from telemetry_platform.transforms.gold.player_snapshots import to_player_snapshots
from telemetry_platform.transforms.silver.ad_impressions import to_ad_impressions
from telemetry_platform.transforms.silver.client_health import to_client_health
from telemetry_platform.transforms.silver.economy_flows import to_economy_flows
from telemetry_platform.transforms.silver.events import (
    HORIZON_DAYS,
    repeated_ids,
    to_deliveries,
    to_kept_events,
    with_event_columns,
)
from telemetry_platform.transforms.silver.experiment_exposures import to_experiment_exposures
from telemetry_platform.transforms.silver.identity_links import IDENTIFY, to_identity_links
from telemetry_platform.transforms.silver.level_attempts import of_players, to_level_attempts
from telemetry_platform.transforms.silver.player_days import to_player_days
from telemetry_platform.transforms.silver.purchases import TRANSACTION_DAYS, to_purchases
from telemetry_platform.transforms.silver.rejected_events import collisions, refused_by_silver, refused_on_arrival
from telemetry_platform.transforms.silver.sessions import LONGEST_SESSION_DAYS, never_paused, of_devices, to_sessions
from telemetry_platform.transforms.silver.transactions import to_transactions
from telemetry_platform.transforms.silver.unsent_ids import is_unsent, to_unsent_ids

# A million hashes of 8 bytes: what a task can hold of them without a thought.
MOST_HANDED_OUT = 1_000_000


def unsent_ids(layers: Layers, window: Window) -> DataFrame:
    """Deliveries of the days whose sending time is not known."""
    return to_unsent_ids(layers.bronze_rows(window))


def identity_links(layers: Layers, window: Window) -> DataFrame:
    """Links of ids for which no account was named before the days.

    Copies are looked for among `identify` events alone: it saves reading every event's id a second time, and an id
    that another event had first is a client's fault that the rejects of silver.events show.
    """
    compared = window.widened(before=1, after=1)
    sent = layers.bronze_rows(compared).where(sf.col("event_name") == IDENTIFY)
    unsent = layers.around("silver.unsent_ids", compared, HORIZON_DAYS - 1)
    if unsent is not None:
        ids = sent.where(is_unsent()).select("game_id", sf.lower("event_id").alias("event_id"))
        unsent = unsent.join(ids, ["game_id", "event_id"], "left_semi")
    repeated = few_rows(repeated_ids(sent, unsent))
    found = to_deliveries(sent, repeated, start=window.start, end=window.end, unsent=unsent)
    return to_identity_links(
        to_kept_events(found, layers.games), links_through(layers, window.start - timedelta(days=1))
    )


def deliveries(layers: Layers, window: Window) -> DataFrame:
    """Every good bronze row of the days, and what becomes of it."""
    compared = window.widened(before=1, after=1)
    unsent = layers.around("silver.unsent_ids", compared, HORIZON_DAYS - 1)
    bronze = layers.bronze_rows(compared)
    # Events and rejects need them both, in one run.
    looked_at = ("repeated_ids", window, unsent_versions(layers, compared))
    if looked_at not in layers.found:
        layers.found[looked_at] = few_rows(repeated_ids(bronze, unsent))
    return to_deliveries(bronze, layers.found[looked_at], start=window.start, end=window.end, unsent=unsent)


def unsent_versions(layers: Layers, compared: Window) -> frozenset[tuple[date, int | None]]:
    """Which version each day of silver.unsent_ids has that is read around the compared days."""
    around = compared.widened(before=HORIZON_DAYS, after=HORIZON_DAYS)
    entries = layers.entries("silver.unsent_ids")
    return frozenset((day, entries[day].delta_version) for day in around if day in entries)


def few_rows(rows: DataFrame) -> DataFrame | None:
    """Return rows that are few as they are now, to be handed to every task; None when there is none.

    What is not few stays a query: that it is so cannot be known before it has run, and a join that waits for it would
    have moved all rows of its other side by then.
    """
    found = rows.limit(MOST_HANDED_OUT + 1).toArrow()
    if found.num_rows > MOST_HANDED_OUT:
        return rows
    return sf.broadcast(rows.sparkSession.createDataFrame(found)) if found.num_rows else None


def events(layers: Layers, window: Window) -> DataFrame:
    """Accepted events of the days, once each."""
    return kept_events(layers, window, deliveries(layers, window))


def kept_events(layers: Layers, window: Window, found: DataFrame) -> DataFrame:
    """Events of the days, of their `deliveries`."""
    links = links_through(layers, window.end - timedelta(days=1))
    return to_kept_events(found, layers.games, links)


def rejected_events(layers: Layers, window: Window) -> DataFrame:
    """What was refused on arrival on the days, and what silver refuses of the events of the days."""
    found = deliveries(layers, window)
    links = links_through(layers, window.end - timedelta(days=1))
    named = with_event_columns(found.withColumn("sent", sf.struct("*")), layers.games, links)
    broken = with_faults(named, EVENTS).where(f"{FAULTS} IS NOT NULL").select("sent.*", FAULTS)
    by_rule = {
        "error_type": sf.split(FAULTS, ", ")[0],
        "error_message": sf.concat(sf.lit("breaks rules of silver.events: "), FAULTS),
    }
    refused = collisions(found).unionByName(broken.withColumns(by_rule).drop(FAULTS))
    return refused_by_silver(refused).unionByName(refused_on_arrival(layers.refused_rows(window)))


def transactions(layers: Layers, window: Window) -> DataFrame:
    """Purchases and refunds of the days by transaction."""
    return to_transactions(layers.rows("silver.events", window))


def sessions(layers: Layers, window: Window) -> DataFrame:
    """Sessions that start on the days, read forward until they have ended."""
    found = layers.rows("silver.events", window.widened(before=1, after=1))
    next_day = Window.of_days(window.end, window.end)
    far = Window(window.end + timedelta(days=1), window.end + timedelta(days=LONGEST_SESSION_DAYS))
    if layers.has_rows(next_day) and layers.has_rows(far):
        devices = never_paused(layers.rows("silver.events", next_day), day=window.end, games=layers.games)
        # Hardly ever anybody: looking costs one column scan of a day, reading on would cost six days.
        if not devices.isEmpty():
            found = found.unionByName(of_devices(layers.rows("silver.events", far), devices))
    return to_sessions(
        found, start=window.start, end=window.end, games=layers.games, closed_through=layers.closed_through
    )


def economy_flows(layers: Layers, window: Window) -> DataFrame:
    """What players got and spent of their game's own currency on the days."""
    return to_economy_flows(layers.rows("silver.events", window))


def experiment_exposures(layers: Layers, window: Window) -> DataFrame:
    """Who met which variant of an experiment on the days."""
    return to_experiment_exposures(layers.rows("silver.events", window))


def client_health(layers: Layers, window: Window) -> DataFrame:
    """How well clients did on the days."""
    return to_client_health(layers.rows("silver.events", window))


def level_attempts(layers: Layers, window: Window) -> DataFrame:
    """Attempts that start on the days, read as far as the sessions they are in."""
    start, end = window.start, window.end
    reaching = layers.rows("silver.sessions", window.widened(before=LONGEST_SESSION_DAYS)).where(
        sf.col("ended_ts") >= sf.lit(start)
    )
    near = window.widened(before=1, after=1)
    found = layers.rows("silver.events", near)
    long = reaching.where((sf.col("started_ts") < sf.lit(near.start)) | (sf.col("ended_ts") >= sf.lit(near.end)))
    # Hardly ever anybody, as above.
    if not long.isEmpty():
        longest = timedelta(days=LONGEST_SESSION_DAYS)
        for far in (Window(start - longest, near.start), Window(near.end, end + longest)):
            found = found.unionByName(of_players(layers.rows("silver.events", far), long))
    return to_level_attempts(found, reaching, start=start, end=end, closed_through=layers.closed_through)


def purchases(layers: Layers, window: Window) -> DataFrame:
    """Purchases and refunds of the days, each classified once."""
    return to_purchases(
        layers.rows("silver.events", window),
        layers.rates(window),
        start=window.start,
        end=window.end,
        games=layers.games,
        transactions=layers.around("silver.transactions", window, TRANSACTION_DAYS),
    )


def ad_impressions(layers: Layers, window: Window) -> DataFrame:
    """Ad impressions of the days, each classified once."""
    return to_ad_impressions(
        layers.rows("silver.events", window),
        layers.rates(window),
        start=window.start,
        end=window.end,
        games=layers.games,
    )


def player_days(layers: Layers, window: Window) -> DataFrame:
    """What each player did on the days."""
    found = to_player_days(
        layers.rows("silver.events", window),
        layers.rows("silver.sessions", window),
        layers.rows("silver.purchases", window),
        layers.rows("silver.ad_impressions", window),
        start=window.start,
        end=window.end,
        closed_through=layers.closed_through,
    )
    return keyed_by_grouping(found)


def player_snapshots(layers: Layers, window: Window) -> DataFrame:
    """State of every player at the end of each day, carried forward from the newest snapshots that still hold."""
    base = base_of(layers, history(layers, window.end - timedelta(days=1)), window)
    return to_player_snapshots(base.snapshots, base.player_days, start=window.start, end=window.end, links=base.links)


def daily_kpis(layers: Layers, window: Window) -> DataFrame:
    """The daily sheet of every game."""
    trailing = window.widened(before=TRAILING_DAYS - 1)
    found = to_daily_kpis(
        snapshots_of(layers, window),
        layers.rows("silver.player_days", trailing),
        layers.rows("silver.sessions", window),
        start=window.start,
        end=window.end,
        closed_through=layers.closed_through,
        links=links_through(layers, window.end - timedelta(days=1), since=trailing.start),
    )
    return keyed_by_grouping(found)


def snapshots_of(layers: Layers, window: Window) -> DataFrame:
    """Snapshots of the days, materialized first where they do not hold any more."""
    past = history(layers, window.end - timedelta(days=1))
    if not all(holds(layers.entries(SNAPSHOTS), past, day) for day in window):
        layers.materialize(layers, SNAPSHOTS, window)
        layers.made.append((SNAPSHOTS, window))
    return layers.lake.read(SNAPSHOTS, [window])


RECIPES: dict[str, Recipe] = {
    "silver.unsent_ids": unsent_ids,
    "silver.identity_links": identity_links,
    "silver.events": events,
    "silver.rejected_events": rejected_events,
    "silver.transactions": transactions,
    "silver.purchases": purchases,
    "silver.ad_impressions": ad_impressions,
    "silver.sessions": sessions,
    "silver.economy_flows": economy_flows,
    "silver.experiment_exposures": experiment_exposures,
    "silver.client_health": client_health,
    "silver.level_attempts": level_attempts,
    "silver.player_days": player_days,
    "gold.player_snapshots": player_snapshots,
    "gold.daily_kpis": daily_kpis,
}
