"""The last life of the service in a kill test, which must not need another one: taps while their delivery is slow and the
ledger is locked and its disk full, then calm, until everything is delivered."""

import os
import time
from dataclasses import dataclass

import kill_plan
from kill_read import read_ledger
from kill_scene import PATIENCE
from kill_trouble import Background

# Taps on their way to the server at a time, at most.
LINES = 4
# Cards that the server refuses, tapped when all is calm.
REFUSED = 3


@dataclass
class Size:
    """Of a siege."""

    taps: int
    rate: float
    latency: float  # Seconds that each request takes.
    locked: float  # Seconds; longer than the five that SQLite waits.
    again: float
    full: float


SHORT = Size(taps=60, rate=20, latency=0.3, locked=6, again=3, full=1)
# 400 taps under way, each of which takes the server a second; locked for 11 s, then again and again for a minute.
LONG = Size(taps=400, rate=20, latency=1, locked=11, again=60, full=10)


class Siege:
    """The last life."""

    def __init__(self, scene):
        self.scene, self.size = scene, SHORT if scene.args.short else LONG
        self.plan = kill_plan.Plan(scene.random, self.size.taps, self.size.rate)
        # When nothing went wrong any more, on the wall clock, and how long it took from there until all was delivered.
        self.calm = float("inf")
        self.drained = None
        self.faults = []
        self.looks = 0

    def run(self):
        """True if the service has delivered everything, and was right about what was on its way at every look."""
        scene = self.scene
        scene.change_proxy(latency=self.size.latency)
        scene.configure("simulated", directly=False)
        process = scene.start_service()
        with Background(self.look):
            if not self.await_state(process, lambda: True):
                return False
            feed = lambda ended: self.plan.feed(scene.feed, ended)
            with Background(feed) as feeding, Background(self.trouble) as trouble:
                both = (feeding.thread, trouble.thread)
                if not self.await_state(process, lambda: not any(thread.is_alive() for thread in both)):
                    return False
            # Without the heavy proxy everything is calm now; through it all taps have to get through.
            scene.change_proxy(latency=0, **({} if scene.args.proxy else {"weights": {}}))
            begin = time.monotonic()
            if not self.await_state(process, lambda: self.waiting() == 0):
                return False
            self.drained = time.monotonic() - begin
            if not self.refused_in_the_calm(process):
                return False
        scene.end_service(process)
        return not self.faults

    def trouble(self, ended):
        """One after the other, in the middle of the taps, at moments drawn by lot."""
        draw, trouble, size = self.scene.random, self.scene.trouble, self.size
        for act, seconds in [(trouble.lock, size.locked), (trouble.lock_again_and_again, size.again),
                             (trouble.fill, size.full)]:
            ended.wait(draw.uniform(0.3, 1.5))
            act(seconds, ended)

    def refused_in_the_calm(self, process):
        """Taps of cards that the server refuses: once each is enough."""
        scene = self.scene
        scene.change_proxy(weights={})
        # The program may still wait for a moment, for it was told to by the proxy.
        self.calm = time.time()
        cards = {kill_plan.unwelcome(scene.random) for _ in range(REFUSED)}
        for uid in cards:
            os.write(scene.feed, uid.encode() + b"\n")
        # They come after all other taps: when they are in the ledger, nothing is on its way to it any more.
        kept = lambda: cards <= {tap.uid for tap in read_ledger(scene.data)}
        return self.await_state(process, lambda: kept() and self.waiting() == 0)

    def waiting(self):
        """Taps that are not settled."""
        kept = read_ledger(self.scene.data)
        return sum(tap.state == "pending" for tap in kept) + kill_plan.not_taken(self.scene.feed)

    def await_state(self, process, reached):
        """Waits for a state for as long as something moves. False, and loudly, if nothing does any more."""
        scene, before, progress = self.scene, None, time.monotonic()
        # Before it is ready, SIGTERM is the system's business and not yet its own.
        while not (scene.ready() and reached()):
            time.sleep(0.25)
            if process.poll() is not None:
                print(f"RED: the service ended by itself with status {process.returncode}\n" + scene.tail())
                return False
            now = (scene.ready(), self.waiting())
            if now != before:
                before, progress = now, time.monotonic()
            if time.monotonic() - progress > PATIENCE:
                print(f"RED: {self.waiting()} taps wait, and nothing moves\n{scene.health()}\n" + scene.tail())
                process.kill()
                process.wait()
                return False
        return True

    def look(self, ended):
        """What the service says is on its way, all the time."""
        # What the life before has left in the queue of cards may be among them.
        most = len(read_ledger(self.scene.data)) + self.plan.fed + 100
        while not ended.wait(0.1):
            queues = (self.scene.health() or {}).get("queues", {})
            self.looks += 1
            for name, limit in (("taps_under_way", LINES), ("taps_waiting", most)):
                if not 0 <= queues.get(name, 0) <= limit:
                    self.faults.append(("count", f"{name} is {queues[name]} in health.json"))
