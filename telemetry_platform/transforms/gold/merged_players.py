"""Players whose row goes over into another one's: guests that sign in.

The state of an account is its own and that of each of its guests, as it was at the end of the day before the link.
All of a state's parts add up in any order, so that it makes no difference whether a guest's state comes from its days
or from a snapshot.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

BITMAP_DAYS = 91

TIMELINE = ("game_id", "player_id", "is_later")

_PARTS = (
    *("first_seen_date", "last_seen_date", "active_days", "first_purchase_date", "last_purchase_date", "revenue"),
    *("purchases", "purchase_days", "first_purchase_revenue", "repeat_revenue", "first_values", "last_values"),
    *("activity_first_91", "activity_so_far"),
)

# What snapshots are made of: the state after the changes of `day`, which holds until `next_day`.
STATE = ("game_id", "player_id", "day", "next_day", *_PARTS)


def guests(links: DataFrame) -> DataFrame:
    """Return `game_id`, `player_id`, `account_id` and `gone_date`, the day on which the player becomes the account."""
    return links.where("device_or_guest_id <> account_id").select(
        "game_id",
        sf.col("device_or_guest_id").alias("player_id"),
        "account_id",
        sf.col("valid_from_date").alias("gone_date"),
    )


def linked_ids(links: DataFrame) -> DataFrame:
    """Return `game_id` and `player_id` of the guests and accounts that `links` bring together."""
    found = guests(links)
    accounts = found.select("game_id", sf.col("account_id").alias("player_id"))
    return found.select("game_id", "player_id").unionByName(accounts).distinct()


def with_links(changes: DataFrame, links: DataFrame) -> DataFrame:
    """Add `account_id` and `gone_date` to what guests did before they were linked; the rest of their days `is_later`.

    An id that was linked and is named as an account afterwards begins anew: links are not chained.
    """
    found = guests(links)
    onward = found.select("game_id", sf.col("player_id").alias("account_id"), sf.lit(True).alias("is_account_later"))
    is_later = sf.coalesce(sf.col("day") >= sf.col("gone_date"), sf.lit(False))
    return changes.join(
        found.join(onward, ["game_id", "account_id"], "left"), ["game_id", "player_id"], "left"
    ).withColumns(
        {
            "is_later": is_later,
            "is_account_later": sf.coalesce("is_account_later", sf.lit(False)),
            **{name: sf.when(~is_later, sf.col(name)) for name in ("account_id", "gone_date")},
        }
    )


def with_merged_accounts(states: DataFrame) -> DataFrame:
    """Return the states of `with_links` with those of accounts merged, from the day of each link on.

    A guest's last state holds until that day.
    """
    timeline = Over.partitionBy(*TIMELINE)
    so_far = timeline.orderBy(sf.unix_date("day")).rangeBetween(Over.unboundedPreceding, Over.currentRow)
    # A day on which an account plays and gains guests has a row for each: all of them say the same.
    days = (
        _own_and_given(states)
        .select(
            *TIMELINE,
            "day",
            sf.max("gone_date").over(timeline).alias("gone_date"),
            sf.last("own", ignorenulls=True).over(so_far).alias("own"),
            sf.collect_list("given").over(so_far).alias("given"),
        )
        .dropDuplicates([*TIMELINE, "day"])
    )
    # Before the parts are taken apart: afterwards the next row may be another part of the same day.
    next_day = sf.coalesce(sf.lead("day").over(timeline.orderBy("day")), "gone_date")
    parts = sf.concat(sf.array_compact(sf.array("own")), sf.col("given"))
    first_day = sf.array_min(sf.transform("parts", lambda part: part["first_seen_date"]))
    return (
        days.withColumns({"next_day": next_day, "parts": parts})
        .select(*TIMELINE, "day", "next_day", first_day.alias("first_day"), sf.explode("parts").alias("part"))
        .select("*", "part.*")
        .groupBy(*TIMELINE, "day", "next_day")
        .agg(*_merged())
    )


def _own_and_given(states: DataFrame) -> DataFrame:
    """Return each state as the player's `own`, and a guest's last one also as `given` to the account on that day."""
    state = sf.struct(sf.col("day").alias("state_day"), *_PARTS)
    nothing = sf.when(sf.lit(False), state)
    no_day = sf.lit(None).cast("date")
    own = sf.struct("player_id", "is_later", "day", "gone_date", state.alias("own"), nothing.alias("given"))
    given = sf.struct(
        sf.col("account_id").alias("player_id"),
        sf.col("is_account_later").alias("is_later"),
        sf.col("gone_date").alias("day"),
        no_day.alias("gone_date"),
        nothing.alias("own"),
        state.alias("given"),
    )
    is_last = sf.col("gone_date").isNotNull() & sf.col("next_day").isNull()
    return states.select("game_id", sf.inline(sf.array_compact(sf.array(own, sf.when(is_last, given)))))


def _merged() -> list[Column]:
    was_seen, has_paid = sf.col("first_seen_date").isNotNull(), sf.col("first_purchase_date").isNotNull()
    silent_days = sf.datediff("day", "state_day")
    later_days = sf.coalesce(sf.datediff("first_seen_date", "first_day"), sf.lit(0))
    # Of two first purchase days the later one is a repetition.
    first_purchase = sf.min(sf.when(has_paid, sf.struct("first_purchase_date", "first_purchase_revenue")))
    first_revenue = first_purchase["first_purchase_revenue"]
    first_values = sf.min(sf.when(was_seen, sf.struct("first_seen_date", "first_values")))
    last_values = sf.max(sf.when(was_seen, sf.struct("last_seen_date", "last_values")))
    repeat_revenue = (
        _sum("repeat_revenue")
        + sf.coalesce(sf.sum("first_purchase_revenue"), sf.lit(0))
        - sf.coalesce(first_revenue, sf.lit(0))
    )
    merged = {
        **{name: sf.min(name) for name in ("first_seen_date", "first_purchase_date")},
        **{name: sf.max(name) for name in ("last_seen_date", "last_purchase_date")},
        **{name: sf.sum(name) for name in ("active_days", "purchases", "purchase_days")},
        "revenue": _sum("revenue").cast("decimal(28,6)"),
        "first_purchase_revenue": first_revenue,
        "repeat_revenue": repeat_revenue.cast("decimal(28,6)"),
        "first_values": first_values["first_values"],
        "last_values": last_values["last_values"],
        "activity_first_91": _joined(_shifted("activity_first_91", later_days)),
        "activity_so_far": _joined(_shifted("activity_so_far", silent_days)),
    }
    return [value.alias(name) for name, value in merged.items()]


def _sum(name: str) -> Column:
    """Sum of `name`, unknown where one of its parts is."""
    return sf.when(sf.count_if(sf.col(name).isNull()) == 0, sf.sum(name))


def _shifted(bitmap: str, days: Column) -> Column:
    """Move a bitmap so many days towards its end."""
    moved = sf.concat(sf.repeat(sf.lit("0"), sf.least(days, sf.lit(BITMAP_DAYS))), sf.col(bitmap))
    return sf.left(moved, sf.lit(BITMAP_DAYS))


def _joined(bitmap: Column) -> Column:
    """Join bitmaps: 1 where any of them has it."""
    return sf.aggregate(
        sf.collect_list(bitmap),
        sf.lit("0" * BITMAP_DAYS),
        lambda one, other: sf.array_join(
            sf.zip_with(sf.split(one, ""), sf.split(other, ""), lambda a, b: sf.greatest(a, b)), ""
        ),
    )
