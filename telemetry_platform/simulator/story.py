"""What a player does in one session: ordered steps with times, no ids and no clock."""

from random import Random
from typing import Any

from telemetry_platform.simulator.events import Step
from telemetry_platform.simulator.plan import GamePlan
from telemetry_platform.simulator.players import Player

_CATALOGUE = (("gems_small", 99), ("starter_pack", 499), ("gems_big", 999), ("season_pass", 1_999), ("chest", 4_999))
_CATALOGUE_WEIGHTS = (40, 25, 20, 10, 5)
_RECEIPTS = ("valid", "unverified", None, "invalid")
_RECEIPT_WEIGHTS = (78, 9, 8, 5)
_NETWORKS = (("admob", 9_000), ("unity", 12_000), ("applovin", 15_000))


class Story:
    """Builds the steps of one session; the longest silence between two is `MAX_SILENCE_MS`.

    `level` is the level the player stands at, and moves on as levels are completed.
    """

    MAX_SILENCE_MS = 240_000

    def __init__(self, rng: Random, plan: GamePlan, player: Player, *, level: int, transactions: str) -> None:
        self.steps: list[Step] = []
        self.level = level
        self._rng = rng
        self._random = rng.random
        self._plan = plan
        self._player = player
        self._transactions = transactions
        self._elapsed_ms = 0
        self._balance = 0

    def tell(self, *, is_first: bool, pause_ms: int = 0) -> list[Step]:
        """Play one session; `pause_ms` puts one silence of that length in the middle of it."""
        self._open(is_first=is_first)
        rng, random = self._rng, self._random
        levels = 1 + int(rng.expovariate(0.55 if self._plan.genre == "puzzle" else 0.4))
        levels = min(levels, 7)
        for number in range(levels):
            if pause_ms and number == levels // 2:
                self._elapsed_ms += pause_ms
                # The silence is exactly the one asked for: this step takes no time of its own.
                self.steps.append((self._elapsed_ms, "heartbeat", None))
            self._level()
            if random() < self._plan.ads_per_level:
                self._ad()
            if random() < 0.06 + self._player.buys:
                self._store()
        self._close()
        return self.steps

    def _add(self, name: str, shortest_ms: int, longest_ms: int, properties: dict[str, Any] | None = None) -> None:
        self._elapsed_ms += shortest_ms + int(self._random() * (longest_ms - shortest_ms))
        self.steps.append((self._elapsed_ms, name, properties))

    def _open(self, *, is_first: bool) -> None:
        random = self._random
        if is_first:
            source = "organic" if random() < 0.6 else "ads"
            self.steps.append((0, "install", {"source": source}))
            self._add("session_start", 200, 1_500, {})
            self._add("tutorial_started", 1_000, 6_000)
            if random() < 0.85:
                self._add("tutorial_completed", 30_000, 150_000)
        else:
            self.steps.append((0, "session_start", {}))
        if random() < 0.4:
            frames = 30 + int(random() * 300) / 10
            self._add("performance", 3_000, 9_000, {"fps_avg": frames, "load_seconds": int(random() * 900) / 100 + 0.5})

    def _level(self) -> None:
        random = self._random
        name = {"level": f"L{self.level:02d}", "level_index": self.level}
        self._add("level_started", 1_500, 20_000, name)
        tries = 0
        while random() > self._player.skill and tries < 3:
            tries += 1
            self._add("level_failed", 15_000, 120_000, {**name, "reason": "out_of_moves"})
        if random() < 0.2:
            self._add("heartbeat", 20_000, 60_000)
        if random() < 0.02:
            self._add("client_error", 100, 5_000, {"kind": "asset_missing", "is_fatal": False})
        if tries == 3 and random() < 0.6:
            return
        seconds = 20 + int(random() * 100)
        score = int(random() * 10_000)
        self._add(
            "level_completed", seconds * 1_000, seconds * 1_000 + 900, {**name, "score": score, "seconds": seconds}
        )
        self.level += 1
        if random() < 0.6:
            self._economy("economy_source", 50 + int(random() * 50), "level_reward")
        if self._balance > 150 and random() < 0.4:
            self._economy("economy_sink", 100, "booster")

    def _economy(self, name: str, amount: int, reason: str) -> None:
        self._balance += amount if name == "economy_source" else -amount
        properties = {"soft_currency": "coins", "amount": amount, "reason": reason, "balance": self._balance}
        self._add(name, 300, 4_000, properties)

    def _ad(self) -> None:
        network, micros = _NETWORKS[int(self._random() * len(_NETWORKS))]
        properties = {
            "network": network,
            "placement": "level_end",
            "ad_format": "interstitial" if self._random() < 0.7 else "rewarded",
            "revenue_micros": micros + int(self._random() * 7_000),
            "currency": "USD",
        }
        self._add("ad_impression", 500, 30_000, properties)

    def _store(self) -> None:
        rng, random = self._rng, self._random
        self._add("store_opened", 1_000, 8_000, {"source": "main_menu"})
        if random() < 0.3:
            return
        product, price = rng.choices(_CATALOGUE, _CATALOGUE_WEIGHTS)[0]
        self._add("item_viewed", 1_000, 15_000, {"product_id": product})
        if random() > 0.25 + 2 * self._player.buys:
            return
        self._add("checkout_started", 2_000, 20_000, {"product_id": product})
        if not self._player.buys or random() < 0.1:
            self._add("purchase_failed", 2_000, 9_000, {"product_id": product, "reason": "cancelled"})
            return
        self._purchase(product, price)

    def _purchase(self, product: str, price: int) -> None:
        properties: dict[str, Any] = {
            "transaction_id": f"{self._transactions}-{len(self.steps)}",
            "product_id": product,
            "price_minor": price,
            "currency": "USD",
        }
        receipt = self._rng.choices(_RECEIPTS, _RECEIPT_WEIGHTS)[0]
        if receipt:
            properties["receipt_status"] = receipt
        self._add("purchase", 4_000, 30_000, properties)
        if self._random() < 0.03:
            # The store delivers the same transaction once more: a new event, money that counts once.
            self._add("purchase", 500, 1_500, properties)

    def _close(self) -> None:
        if self._random() < 0.02:
            self._add("client_error", 500, 5_000, {"kind": "crash", "message": "null reference", "is_fatal": True})
        elif self._random() < 0.85:
            self._add("session_end", 500, 60_000)
