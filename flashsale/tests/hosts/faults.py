"""What happens to the hosts. Each fault returns when the shop works again, and notes what is worth knowing of it."""

import time

from flashsale.tests.hosts.postgresql import CLUSTER, PROBED, Member
from flashsale.tests.hosts.probes import Probe
from flashsale.tests.hosts.scene import Scene
from flashsale.tests.support.processes import wait_until

# What is promised: sales go on so soon after the database's address takes writes, and background work after a fault.
SELLS_AGAIN_SECONDS = 5
WORKS_AGAIN_SECONDS = 60
BEAT_SECONDS = 30
# DATABASE_COMMIT_SECONDS
COMMIT_SECONDS = 5


def switchover(scene: Scene) -> None:
    """The members of PostgreSQL change places, as for maintenance."""
    old = scene.shop.cluster.primary()
    with scene.probing(f"on {old.host.name}", old.url(PROBED), old.host) as on_old:
        scene.shop.cluster.switch_over()
        _new_primary(scene, old, on_old)


def primary_is_killed(scene: Scene) -> None:
    """Every process on the primary's host dies, its Patroni too."""
    old = scene.shop.cluster.primary()
    with scene.probing(f"on {old.host.name}", old.url(PROBED), old.host) as on_old:
        old.host.kill()
        _new_primary(scene, old, on_old)
    old.start()


def primary_is_cut_off(scene: Scene) -> None:
    """The primary's cable is pulled: it must stop taking writes by itself."""
    old = scene.shop.cluster.primary()
    with scene.probing(f"on {old.host.name}", old.url(PROBED), old.host) as on_old:
        old.host.cut()
        _new_primary(scene, old, on_old)
    old.host.mend()


def primary_is_cut_from_standby(scene: Scene) -> None:
    """The shop reaches the primary, which reaches neither standby nor etcd: its COMMITs wait, and count for nothing."""
    cluster = scene.shop.cluster
    old = cluster.primary()
    others = [cluster.etcd, *(member.host for member in cluster.members if member is not old)]
    with scene.probing(f"on {old.host.name}", old.url(PROBED), old.host) as on_old:
        for other in others:
            old.host.lose(other)
        _new_primary(scene, old, on_old)
        for other in others:
            old.host.find(other)


def _new_primary(scene: Scene, old: Member, on_old: Probe) -> None:
    """The database's address takes writes again, the shop sells soon after it, and the old primary answers no write."""
    [new] = [member for member in scene.shop.cluster.members if member is not old]
    wait_until(lambda: scene.probe.by(new.host.address), what="the new primary takes writes")
    taken = scene.probe.by(new.host.address)[0].at
    after = scene.wait_for_sales(*scene.shop.web, since=taken)
    first = min(after.values())
    late = [one for probe in (scene.probe, on_old) for one in probe.by(old.host.address, since=taken)]
    scene.promise(first < SELLS_AGAIN_SECONDS, f"sold again {first:.1f} s after the database took writes")
    scene.promise(not late, f"the old primary answered {len(late)} writes")
    hosts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in after.items())
    scene.seen.append(f"writes after {taken - scene.began:.1f} s, then sales: {hosts}")


def web_and_worker_hosts_are_killed(scene: Scene) -> None:
    """One of three web hosts and one of two worker hosts die, with what they do; the others go on."""
    [web, *others], worker = scene.shop.web, scene.shop.workers[0]
    web.kill()
    worker.kill()
    after = scene.wait_for_sales(*others, since=scene.began)
    scene.seen.append(f"the others sold after {max(after.values()):.1f} s")
    _background(scene, WORKS_AGAIN_SECONDS)
    scene.shop.start_part(web)
    scene.shop.start_part(worker)


def beat_is_killed(scene: Scene) -> None:
    """The host of the beat that sends the tasks dies; the other beat goes on."""
    dead = scene.shop.leading_beat()
    dead.kill()
    _background(scene, BEAT_SECONDS)
    scene.shop.start_part(dead)


def standby_is_killed(scene: Scene) -> None:
    """The standby's host dies: COMMITs wait for it until Patroni lets the primary go on alone."""
    dead = scene.shop.cluster.standby()
    dead.host.kill()
    _alone(scene)
    dead.start()


def standby_is_cut_off(scene: Scene) -> None:
    """The standby's cable is pulled: the primary does not know, and COMMITs wait until their time is over."""
    silent = scene.shop.cluster.standby()
    silent.host.cut()
    _alone(scene)
    silent.host.mend()


def _alone(scene: Scene) -> None:
    """The primary goes on without a standby; no request waits longer than for its turn, and for two COMMITs."""
    wait_until(lambda: not scene.shop.cluster.synchronous_names(), what="the primary waits for no standby")
    scene.wait_for_sales(*scene.shop.web, since=time.monotonic())
    slowest = scene.slowest_seconds()
    scene.promise(slowest < 3 * COMMIT_SECONDS, f"a request took {slowest:.1f} s")
    scene.seen.append(f"the slowest answer after {slowest:.1f} s")


def etcd_is_away(scene: Scene) -> None:
    """etcd's host dies for longer than the primary's lease: the primary goes on while it reaches the standby."""
    cluster = scene.shop.cluster
    primary = cluster.primary()
    cluster.etcd.kill()
    time.sleep(2 * CLUSTER["ttl"])
    cluster.start_etcd()
    wait_until(cluster.is_whole, what="PostgreSQL is whole")
    scene.promise(cluster.primary() is primary, "the primary was replaced")
    scene.seen.append(f"etcd was away for {2 * CLUSTER['ttl']} s, the primary stayed")


def valkey_master_is_killed(scene: Scene) -> None:
    """The master's host dies, with its Sentinel; the replica becomes the master."""
    valkeys = scene.shop.valkeys
    dead = valkeys.master()
    dead.kill()
    wait_until(lambda: valkeys.master() not in (None, dead), what="Valkey has a new master")
    _background(scene, WORKS_AGAIN_SECONDS)
    valkeys.start_server(dead)
    valkeys.start_sentinel(dead)


def _background(scene: Scene, promised: float) -> None:
    seconds = scene.wait_for_workers()
    scene.promise(seconds < promised, f"background work went on after {seconds:.1f} s")
    scene.seen.append(f"background work after {seconds:.1f} s")
